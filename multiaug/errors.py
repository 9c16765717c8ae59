"""The errors that multiaug raises, one child per kind of mistake, and its warnings."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = f"{Path(__file__).parent}{os.sep}"


class MultiaugError(ValueError):
    """Root of every error that multiaug raises on purpose."""


class ParameterError(MultiaugError):
    """A setting of a transform or a call is outside what it can mean."""


class RecordError(MultiaugError):
    """A record or a batch does not hold what its spec declares."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in a document.

    Args:
        path: JSON path of the offending value, such as ``$.entries.image.dtype``.
        found: what stands there.
        expected: what may stand there, and what to do.
    """

    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, expected {self.expected}"


class SpecError(MultiaugError):
    """A spec is wrong; carries all of its mistakes at once.

    Args:
        source: the file, or a description of where the document came from.
        mistakes: every mistake found, each with its JSON path.
    """

    def __init__(self, source: str, mistakes: Sequence[Mistake]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        lines = "".join(f"\n  {mistake}" for mistake in self.mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        super().__init__(f"{source}: {count}{lines}")


class NotFittedError(MultiaugError):
    """Statistics are used before they were fitted."""


class StoreError(MultiaugError, OSError):
    """A data set on disk cannot be read or written."""


class MissingChunkError(StoreError):
    """A chunk that the metadata promises is not in the store."""


class CorruptChunkError(StoreError):
    """A chunk is there but cannot be decoded, or its checksum is wrong."""


class MultiaugWarning(UserWarning):
    """Something was guessed, left out or cannot be known; the text says what to do about it."""


class RenamedWarning(MultiaugWarning, FutureWarning):
    """Something is used by a name that goes with the next release; the text has the new one."""


def warn(message: str, category: type[Warning] = MultiaugWarning) -> None:
    """Warn at the line of the caller's own code, whatever path the call took through multiaug.

    Python shows a warning once for each line and text, so a loop is told once.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE)


def old_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module some of whose names have changed.

    Args:
        module: its ``__name__``.
        names: old name -> new name, or ``package.module:name`` where it lives elsewhere now.

    Returns:
        A function that finds the thing by its old name, and warns.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, new = names[name].rpartition(":")
        place = place or module
        warn(
            f"`{module}.{name}` is `{place}.{new}` now; the old name goes with the next release.",
            RenamedWarning,
        )
        return getattr(importlib.import_module(place), new)

    return find


def old_order(*names: str, known_by: Callable[[Any], bool]) -> Callable[[F], F]:
    """Decorate a function whose arguments have changed their order.

    Args:
        names: of the arguments that have, as they were given before.
        known_by: whether the first argument that is given is the one that was first before.

    Returns:
        The decorator. What it makes takes either order, and warns of the old one.
    """

    def decorate(function: F) -> F:
        order = ", ".join(list(inspect.signature(function).parameters)[: len(names)])

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if args and len(args) <= len(names) and known_by(args[0]):
                warn(
                    f"`{function.__qualname__}({order})` is the order of arguments now; the old "
                    "one goes with the next release.",
                    RenamedWarning,
                )
                kwargs |= dict(zip(names, args, strict=False))
                args = ()
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def old_arguments(**names: str) -> Callable[[F], F]:
    """Decorate a function some of whose arguments have changed their names.

    Args:
        names: old name -> new name.

    Returns:
        The decorator. What it makes takes either name as a keyword, and warns of the old one.
    """

    def decorate(function: F) -> F:
        owner = function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old in names.keys() & kwargs.keys():
                new = names[old]
                if new in kwargs:
                    raise TypeError(f"{owner}() got both {new!r} and its old name {old!r}")
                warn(
                    f"`{owner}({old}=..)` is `{owner}({new}=..)` now; the old name goes with the "
                    "next release.",
                    RenamedWarning,
                )
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def old_attribute(owner: str, old: str, new: str) -> property:
    """A property that finds an attribute by the name that it had, and warns."""

    def find(self: object) -> Any:
        warn(
            f"`{owner}.{old}` is `{owner}.{new}` now; the old name goes with the next release.",
            RenamedWarning,
        )
        return getattr(self, new)

    return property(find, doc=f"The old name of `{new}`.")
