"""One transform as another library describes it: every setting is taken, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from .._arguments import shown
from ..errors import ParameterError
from ._translation import Context, of

_MISSING = object()
_INTERPOLATIONS = {0: "nearest", 1: "linear", 2: "cubic", 3: "area", 4: "lanczos", 6: "nearest"}
_BORDERS = {0: "constant", 1: "edge", 2: "reflect", 3: "wrap", 4: "mirror"}

Pair = tuple[float, float]


class Call:
    """A transform's name and settings.

    Args:
        name: the class.
        settings: by name.
        context: see `Context`.
    """

    def __init__(self, name: str, settings: Mapping[str, Any], context: Context) -> None:
        self.name = name
        self.context = context
        self.p = 1.0
        self._left = dict(settings)

    def take(self, key: str, default: Any = _MISSING, *, old: Sequence[str] = ()) -> Any:
        """A setting, by its name or by one that earlier releases gave it.

        Raises:
            ParameterError: it is not there, and has no default.
        """
        for spelling in (key, *old):
            if spelling in self._left:
                return self._left.pop(spelling)
        if default is _MISSING:
            raise ParameterError(
                f"{self._owner} must have `{key}`, and has {sorted(self._left) or 'nothing'}."
            )
        return default

    def has(self, key: str) -> bool:
        """Whether a setting is there, and not taken yet."""
        return key in self._left

    def drop(self, *keys: str) -> None:
        """Settings that change nothing about the result."""
        for key in keys:
            self._left.pop(key, None)

    def range(self, key: str, default: Any = _MISSING, *, old: Sequence[str] = ()) -> Pair:
        """A pair of numbers; a number v is (-v, v)."""
        return self.pair(key, self.take(key, default, old=old), lambda v: (-v, v))

    def exactly(self, key: str, default: Any = _MISSING, *, old: Sequence[str] = ()) -> Pair:
        """A pair of numbers; a number is that very one."""
        return self.pair(key, self.take(key, default, old=old), lambda v: (v, v))

    def pair(self, key: str, value: Any, single: Callable[[Any], Pair]) -> Pair:
        """A value as a pair of numbers.

        Args:
            key: the setting it is of.
            value: a number, or two of them.
            single: what a number stands for.

        Raises:
            ParameterError: it is neither.
        """
        given = single(value) if isinstance(value, int | float) else value
        if isinstance(value, bool) or not (
            isinstance(given, list | tuple)
            and len(given) == 2
            and all(isinstance(v, int | float) and not isinstance(v, bool) for v in given)
        ):
            self.refuse(key, value, "A number or a pair (lo, hi) is meant.")
        return (given[0], given[1])

    def needs(self, key: str, *meant: Any, default: Any = _MISSING, remedy: str = "") -> None:
        """A setting that may have some values only; the first one stands for its absence.

        Raises:
            ParameterError: it has another one.
        """
        value = self.take(key, meant[0] if default is _MISSING else default)
        if not any(value == one or value is one for one in meant):
            self.refuse(key, value, remedy or "It has no counterpart here.")

    def refuse(self, key: str, value: Any, remedy: str) -> NoReturn:
        """Refuse a setting.

        Raises:
            ParameterError: always.
        """
        raise ParameterError(
            f"{self._owner} with {key}={shown(value)} cannot be translated. {remedy} "
            f"`skip=({self.name!r},)` leaves the transform out."
        )

    def differs(self, sentence: str) -> None:
        """Say what differs in meaning."""
        self.context.differs(f"{self.name}: {sentence}")

    def finish(self) -> None:
        """Refuse what is left over.

        Raises:
            ParameterError: settings that are not known.
        """
        if self._left:
            raise ParameterError(
                f"{self._owner} has unknown settings {sorted(self._left)}. Take them out of the "
                f"description if they change nothing, or leave the transform out with "
                f"`skip=({self.name!r},)`."
            )

    @property
    def _owner(self) -> str:
        return f"{of(self.context.library)} {self.name}"

    def drawn_log(self, limits: Pair, what: str) -> None:
        """Say that a number is drawn log-uniformly here, where it varies."""
        if limits[0] != limits[1]:
            self.differs(f"{what} is drawn uniformly there, and log-uniformly here.")

    def pixels(self, why: str) -> tuple[int, int]:
        """The size of images, for settings that are in pixels there and in fractions here.

        Raises:
            ParameterError: it was not given.
        """
        if self.context.size is None:
            raise ParameterError(
                f"{self._owner} {why}: give the (height, width) of the images it runs on as "
                f"`size`, or leave it out with `skip=({self.name!r},)`."
            )
        return self.context.size

    def resampling(self, interpolation: Any, mask: Any = 0) -> None:
        """Say where the spec interpolates otherwise."""
        for role, code in (("intensity", interpolation), ("label", mask)):
            wanted = _INTERPOLATIONS.get(code, code) if isinstance(code, int) else code
            for name, group in self.context.groups(role):
                if group.interpolation != wanted:
                    self.differs(
                        f"interpolation is {wanted} there; the spec says "
                        f"{group.interpolation} for {name!r}."
                    )

    def bordering(self, mode: Any, fill: Any, fill_mask: Any = 0) -> None:
        """Say where the spec fills otherwise."""
        wanted = _BORDERS.get(mode, mode) if isinstance(mode, int) else mode
        for role, value in (("intensity", fill), ("label", fill_mask)):
            for name, group in self.context.groups(role):
                if group.border != wanted:
                    self.differs(
                        f"the border rule is {wanted} there; the spec says {group.border} for "
                        f"{name!r}."
                    )
                elif wanted == "constant" and value is not None and not _same(value, group.fill):
                    self.differs(
                        f"outside is filled with {shown(value)} there; the spec says "
                        f"{shown(_one(group.fill))} for {name!r}."
                    )

    def fraction(self, key: str, value: Any) -> float:
        """A level of the image as a fraction of its range."""
        if isinstance(value, list | tuple) and len(set(value)) == 1:
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, value, "One number for all channels is meant.")
        found = self.context.groups("intensity")
        limits = {self.context.values_of(name, group) for name, group in found} or {(0.0, 255.0)}
        made = {(value - lo) / (hi - lo) for lo, hi in limits}
        if len(made) > 1:
            self.refuse(key, value, f"Images of the spec have ranges {sorted(limits)}.")
        return made.pop()


def _same(value: Any, fill: Any) -> bool:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not isinstance(fill, tuple):
        return False
    count = max(len(values), len(fill))
    spread = [v * count if len(v) == 1 else v for v in (values, fill)]
    return list(spread[0]) == list(spread[1])


def _one(fill: Any) -> Any:
    return fill[0] if isinstance(fill, tuple) and len(fill) == 1 else fill
