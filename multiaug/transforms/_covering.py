"""Settings of transforms that cover something: fills, counts and lengths."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Key
from ._base import Params
from ._checked import fractions, number, pair, plain, whole
from ._settings import Range, Setting

Fill = Setting[float | str, float | str]
"""A number in units of the range of values, or ``mean``, or ``noise``."""

_LEVELS = "1 is white and 0 is black: write the level 128 of 255 as 128 / 255."
_WORDS = ("mean", "noise")


def fill_of(value: Any, field_name: str) -> float | str:
    """A number as a fraction of the range, or a word."""
    if isinstance(value, str):
        if value not in _WORDS:
            raise ParameterError(
                f"`{field_name}` must be a number, 'mean' or 'noise', got {value!r}."
            )
        return value
    fill = number(value, field_name)
    fractions(fill, field_name, most=4, remedy=_LEVELS)
    return fill


def seed_of(fill: float | str, key: Key) -> Params:
    """``seed``, (2,) uint32, where the fill is noise; it changes no other draw."""
    if fill != "noise":
        return {}
    return {"seed": jax.random.bits(jax.random.fold_in(key, 1), (2,), jnp.uint32)}


def mask_name(value: Any, field_name: str) -> str:
    """The name of an entry."""
    if not isinstance(value, str) or not value:
        raise ParameterError(f"`{field_name}` must be the name of a new entry, got {value!r}.")
    return value


def counts(value: Any, field_name: str, *, low: int, high: int) -> tuple[int, int]:
    """A pair lo <= hi of whole numbers; one stands for both."""
    both = value if isinstance(value, tuple | list) else (value, value)
    ints = tuple(whole(n, field_name, low=low) for n in both)
    lo, hi = pair(ints, field_name, low=low, high=high)
    return int(lo), int(hi)


def lengths(value: Any, field_name: str, *, low: float = 0) -> Range:
    """A pair lo <= hi: ints are pixels of the reference frame, floats fractions of its side.

    Args:
        value: the pair; one number stands for both.
        field_name: for errors.
        low: the least number of pixels.
    """
    value = plain(value)
    both = value if isinstance(value, tuple | list) else (value, value)
    if all(isinstance(n, int) and not isinstance(n, bool) for n in both):
        lo, hi = pair(both, field_name, low=max(1, low), high=1 << 20)
        return int(lo), int(hi)
    if any(isinstance(n, int) and n not in (0, 1) for n in both):
        raise ParameterError(
            f"`{field_name}` must be pixels (ints) or fractions of the frame (floats), got "
            f"{value!r}, which are both. Write a fraction of all as 1.0."
        )
    return pair(
        tuple(float(n) if isinstance(n, int) else n for n in both), field_name, low=1e-6, high=1
    )
