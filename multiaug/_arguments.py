"""What the arguments of public functions may be: checked at the call, before anything is done."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .errors import ParameterError

F = TypeVar("F", bound=Callable[..., Any])

# Above it neither arrays nor files count: what is larger is a mistake, or a seed.
_LARGEST_COUNT = 2**31 - 1
_LONGEST_TEXT = 80


class Kind(NamedTuple):
    """What an argument may be.

    Args:
        expected: in words that follow "must be".
        accepts: whether a value is of the kind; raising anything says no, too.
        remedy: a sentence that says what to do, for mistakes that people make.
    """

    expected: str
    accepts: Callable[[Any], bool]
    remedy: str = ""


def checked(**kinds: Kind) -> Callable[[F], F]:
    """Decorate a function or a method so that it refuses arguments of the wrong kind.

    Args:
        kinds: argument name -> what it may be. Arguments that are not named are not looked at.

    Returns:
        The decorator. What it makes raises ParameterError at the call; missing and unknown
        arguments raise TypeError, as they do everywhere in Python.
    """

    def decorate(function: F) -> F:
        parameters = inspect.signature(function).parameters
        by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = tuple(name for name, p in parameters.items() if p.kind in by_place)
        owner = function.__qualname__.removesuffix(".__init__")
        if missing := kinds.keys() - parameters.keys():
            raise TypeError(f"{owner} has no arguments {sorted(missing)}")

        # By hand and not by Signature.bind, which takes longer than some of the calls.
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for name, value in itertools.chain(zip(names, args, strict=False), kwargs.items()):
                kind = kinds.get(name)
                if kind is not None:
                    check_argument(f"{owner}.{name}", value, kind)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def check_argument(name: str, value: Any, kind: Kind) -> None:
    """Refuse a value of the wrong kind.

    Args:
        name: of the argument, with its owner: ``export.copies``.
        value: what was given.
        kind: what it may be.

    Raises:
        ParameterError: it is something else.
    """
    try:
        accepted = kind.accepts(value)
    except Exception:  # whatever strange thing it was, it is not of the kind
        accepted = False
    if not accepted:
        remedy = f" {kind.remedy}" if kind.remedy else ""
        raise ParameterError(f"`{name}` must be {kind.expected}, got {shown(value)}.{remedy}")


def shown(value: Any) -> str:
    """A value as an error names it: in full where it is short, else by its kind and shape."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    try:
        if hasattr(value, "__array__") and value.shape != ():
            return f"{type(value).__name__} of {value.dtype} {tuple(value.shape)}"
        text = repr(value)
    except Exception:  # attributes and reprs of somebody else's, in the middle of an error
        return f"a {type(value).__name__}"
    short = len(text) <= _LONGEST_TEXT and "\n" not in text and " at 0x" not in text
    return text if short else f"a {type(value).__name__}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float | np.floating)


def whole(least: int, most: int = _LARGEST_COUNT) -> Kind:
    """A whole number between two others."""
    text = f"a whole number, at least {least}"
    if most != _LARGEST_COUNT:
        text = f"a whole number in [{least}, {most}]"
    return Kind(text, lambda value: _is_whole(value) and least <= value <= most)


def real(least: float, most: float) -> Kind:
    """A finite number between two others."""
    return Kind(
        f"a number in [{least:g}, {most:g}]",
        lambda value: _is_real(value) and bool(least <= value <= most),
    )


def one_of(*choices: str | None) -> Kind:
    """One of some texts, or None where it is among them."""
    *others, last = map(repr, choices)
    return Kind(
        f"{', '.join(others)} or {last}" if others else last,
        lambda value: (value is None or isinstance(value, str)) and value in choices,
    )


def instance(cls: type | tuple[type, ...], expected: str, remedy: str = "") -> Kind:
    """An object of a class."""
    return Kind(expected, lambda value: isinstance(value, cls), remedy)


def either(one: Kind, other: Kind) -> Kind:
    """What one of two kinds accepts."""
    return Kind(
        f"{one.expected}, or {other.expected}",
        lambda value: one.accepts(value) or other.accepts(value),
        one.remedy or other.remedy,
    )


def optional(kind: Kind) -> Kind:
    """None, or what another kind accepts."""
    return Kind(
        f"{kind.expected}, or None",
        lambda value: value is None or kind.accepts(value),
        kind.remedy,
    )


def _is_numeric(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping) or value is None:
        return False
    dtype = np.asarray(value).dtype
    # bfloat16 and its like are not NumPy's own: their kind is V.
    return dtype.kind in "biuf" or (dtype.kind == "V" and "float" in dtype.name)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(text, str) for text in value
    )


def is_iterable(value: Any) -> bool:
    """Whether a value can be iterated over and is no array, text or mapping."""
    return (
        hasattr(type(value), "__iter__")
        and not hasattr(value, "__array__")
        and not isinstance(value, str | bytes | Mapping)
    )


FLAG = instance((bool, np.bool_), "True or False")
SEED = whole(0, 2**256)._replace(expected="a whole number, at least 0")
TEXT = instance(str, "text")
PATH = instance((str, os.PathLike), "a path")
RECORD = instance(Mapping, "a mapping from entry name to array", "Write {'image': array}.")
NUMBERS = Kind("an array of numbers", _is_numeric)
TEXTS = Kind("a list of texts", _are_texts)
