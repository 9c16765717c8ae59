"""The kinds of sources that `open_source` knows, and how one of your own becomes one of them."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .._arguments import FLAG, TEXT, Kind, check_argument, checked
from ..errors import ParameterError, StoreError
from ._candidate import Candidate

K = TypeVar("K", bound=type)

_TEXTS = Kind(
    "a tuple of texts",
    lambda value: isinstance(value, tuple) and all(isinstance(text, str) for text in value),
    "Write ('.raw',).",
)
_CLASS = Kind("a class", lambda value: isinstance(value, type))


@dataclass(frozen=True)
class SourceTraits:
    """What a kind of source says of itself: ``traits`` of its class.

    Args:
        name: what ``open_source(.., kind=name)`` calls it; no two kinds have one name.
        what: the data, in the plural, for messages: "HDF5 files".
        suffixes: how its files end, in small letters, with the dot.
        folders: a folder with such files is recognised, too.
        types: of objects that are recognised, as package and name: ``xarray.Dataset``.
        packages: what must be importable to read it.
        extra: of multiaug, that installs them.
        carries_spec: it can be opened without a spec.
        within: another kind; this one is asked only about what that recognises, and goes before it.
        last_resort: it is asked only where no other kind recognises the data.
    """

    name: str
    what: str
    suffixes: tuple[str, ...] = ()
    folders: bool = False
    types: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    extra: str = ""
    carries_spec: bool = False
    within: str = ""
    last_resort: bool = False

    def __post_init__(self) -> None:
        for name in ("name", "what", "extra", "within"):
            check_argument(f"SourceTraits.{name}", getattr(self, name), TEXT)
        for name in ("suffixes", "types", "packages"):
            check_argument(f"SourceTraits.{name}", getattr(self, name), _TEXTS)
        for name in ("folders", "carries_spec", "last_resort"):
            check_argument(f"SourceTraits.{name}", getattr(self, name), FLAG)
        for suffix in self.suffixes:
            if suffix[:1] != "." or suffix != suffix.lower():
                raise ParameterError(
                    f"`SourceTraits.suffixes` must begin with a dot and be in small letters, got "
                    f"{suffix!r}."
                )

    def load(self, where: object) -> Any:
        """Import what reads the data, and return the first of it.

        Args:
            where: the data, for the error.

        Raises:
            StoreError: a package is not installed.
        """
        try:
            modules = [importlib.import_module(package) for package in self.packages]
        except ImportError as error:
            raise StoreError(
                f"{where}: {self.what} are read by {' and '.join(self._tops)}, which cannot be "
                f"imported ({error}): {self.remedy}."
            ) from error
        return modules[0]

    @property
    def remedy(self) -> str:
        """How to install what is needed."""
        return (
            f"pip install 'multiaug[{self.extra}]'"
            if self.extra
            else (f"pip install {' '.join(self._tops)}")
        )

    @property
    def missing(self) -> bool:
        """Whether a package is not installed."""
        return any(importlib.util.find_spec(package) is None for package in self._tops)

    @property
    def _tops(self) -> list[str]:
        return [package.partition(".")[0] for package in self.packages]


KINDS: dict[str, Any] = {}
"""Name -> class of every kind of source."""


@checked(kind=_CLASS)
def register_source(kind: K) -> K:
    """Make a kind of source known to `open_source`; a class decorator.

    The class has ``traits``, and is called with the data, the spec and its settings, which are the
    keyword-only arguments of its ``__init__``. Its instances are a `Source`, or a
    `SequentialSource`. By default files are recognised by their suffixes and objects by their
    types; a class method ``recognises(candidate)`` may decide otherwise, by what a `Candidate`
    shows: files, the endings in a folder, settings.

    Args:
        kind: the class.

    Returns:
        The class.

    Raises:
        ParameterError: it has no traits, or another kind has its name. The same class defined
            again, as when a notebook cell is run twice, takes the place of the first.

    Example::

        @register_source
        class RawSource(RecordSource):
            traits = SourceTraits("raw", "raw dumps", suffixes=(".raw",))

            def __init__(self, data, spec, *, width): ...
    """
    traits = getattr(kind, "traits", None)
    if not isinstance(traits, SourceTraits):
        raise ParameterError(
            f"`{kind.__qualname__}.traits` must be SourceTraits, got {traits!r}. They say what "
            "open_source recognises."
        )
    known = KINDS.get(traits.name)
    if known is not None and _place(known) != _place(kind):
        raise ParameterError(
            f"The kind of source {traits.name!r} of {_place(kind)} has the name of one that is "
            f"registered, that of {_place(known)}. Give it another name."
        )
    if traits.within and traits.within not in KINDS:
        raise ParameterError(
            f"`{kind.__qualname__}.traits.within` must be a kind of source that is registered, got "
            f"{traits.within!r}; there are {sorted(KINDS)}."
        )
    KINDS[traits.name] = kind
    return kind


def settings_of(kind: type) -> list[str]:
    """Names of a kind's settings: what its ``__init__`` takes by keyword alone."""
    parameters = inspect.signature(kind).parameters.values()
    return sorted(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def recognised(candidate: Candidate) -> Any:
    """The kind of some data; None where it is not known.

    Raises:
        StoreError: several kinds recognise them.
    """
    usual = [k for k in KINDS.values() if not k.traits.within and not k.traits.last_resort]
    last = [k for k in KINDS.values() if not k.traits.within and k.traits.last_resort]
    for kinds in (usual, last):
        if claims := [kind for kind in kinds if recognises(kind, candidate)]:
            return _finest(_only(claims, candidate), candidate)
    return None


def recognises(kind: Any, candidate: Candidate) -> bool:
    """Whether a kind says that it reads some data."""
    decides = getattr(kind, "recognises", None)
    if decides is not None:
        return bool(decides(candidate))
    return by_traits(kind.traits, candidate)


def by_traits(traits: SourceTraits, candidate: Candidate) -> bool:
    """Whether data are recognised by suffixes and types alone."""
    inside = traits.folders and any(ending in candidate.endings for ending in traits.suffixes)
    return inside or candidate.ends(traits.suffixes) or candidate.is_a(traits.types)


def _finest(kind: Any, candidate: Candidate) -> Any:
    inner = [k for k in KINDS.values() if k.traits.within == kind.traits.name]
    claims = [k for k in inner if recognises(k, candidate)]
    return _finest(_only(claims, candidate), candidate) if claims else kind


def _only(claims: list[Any], candidate: Candidate) -> Any:
    if len(claims) > 1:
        claims = sorted(claims, key=lambda kind: str(kind.traits.name))
        names = [kind.traits.name for kind in claims]
        both = " and as ".join(kind.traits.what for kind in claims)
        raise StoreError(
            f"{_called(candidate.data)} can be read as {both}. Say which are meant: "
            + " or ".join(f"kind={name!r}" for name in names)
            + f". Seen: {candidate.seen()}."
        )
    return claims[0]


def _called(data: object) -> str:
    text = str(data) if not isinstance(data, Mapping) else f"a {type(data).__name__}"
    return text if len(text) < 200 else f"a {type(data).__name__}"


def known_kinds() -> str:
    """All kinds, with what they need that is not installed, for messages."""
    listed = []
    for kind in KINDS.values():
        traits = kind.traits
        text = traits.what + (f" ({', '.join(traits.suffixes)})" if traits.suffixes else "")
        listed.append(f"{text}, with {traits.remedy}" if traits.missing else text)
    return "; ".join(listed)


def _place(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
