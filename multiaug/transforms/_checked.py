"""Settings of transforms: checked when one is made, stored as plain Python values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ParameterError, warn
from ..typing import SpatialShape
from ._settings import Range


def set_fields(instance: object, **values: Any) -> None:
    """Store checked settings on a frozen dataclass, from its ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def plain(value: Any) -> Any:
    """NumPy arrays and scalars as lists and Python numbers; anything else as it is."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def number(value: Any, field_name: str, *, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite float within [low, high]; raises ParameterError otherwise."""
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not low <= value <= high:
        bounds = "" if math.isinf(low) and math.isinf(high) else f" in [{low:g}, {high:g}]"
        raise ParameterError(f"`{field_name}` must be a finite number{bounds}, got {value!r}.")
    return float(value)


def pair(value: Any, field_name: str, *, low: float = -math.inf, high: float = math.inf) -> Range:
    """A pair (lo, hi) with lo <= hi, both within [low, high]."""
    value = plain(value)
    if not isinstance(value, Sequence) or len(value) != 2 or isinstance(value, str):
        raise ParameterError(f"`{field_name}` must be a pair (lo, hi), got {value!r}.")
    lo, hi = (number(v, field_name, low=low, high=high) for v in value)
    if lo > hi:
        raise ParameterError(
            f"`{field_name}` must be a pair (lo, hi) with lo <= hi, got {value!r}. Swap them."
        )
    return lo, hi


def symmetric(
    value: Any, field_name: str, *, low: float = -math.inf, high: float = math.inf
) -> Range:
    """A pair, or a number v >= 0 that stands for (-v, v)."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        v = number(value, field_name)
        if v < 0:
            raise ParameterError(
                f"`{field_name}` must be a number >= 0 or a pair (lo, hi), got {value!r}. "
                f"Write ({value!r}, {-value!r}) for a symmetric range."
            )
        return pair((-v, v), field_name, low=low, high=high)
    return pair(value, field_name, low=low, high=high)


def fractions(value: Any, field_name: str, *, most: float, remedy: str) -> None:
    """Refuse fractions so large that other units must be meant; ranges may be nested."""
    values = np.abs(np.asarray(value, np.float64)).ravel()
    if values.size and values.max() > most:
        raise ParameterError(
            f"`{field_name}` must be fractions, at most {most:g} in size, got {plain(value)!r}. "
            f"{remedy}"
        )


def warn_of_radians(value: Any, field_name: str) -> None:
    """Warn of an angle that is pi divided by a whole number, to the last digit."""
    for angle in np.abs(np.asarray(value, np.float64)).ravel():
        ratio = math.pi / angle if angle else 0.0
        if 1 / 2.001 < ratio < 181 and abs(ratio * 2 - round(ratio * 2)) < 1e-9:
            warn(
                f"`{field_name}` is {float(angle)!r}, which looks like radians; expected degrees: "
                f"{math.degrees(angle):g}."
            )
            return


def logarithmic(value: Any, field_name: str, *, low: float, high: float) -> Range:
    """A pair of positive numbers, or a number v >= 1 that stands for (1/v, v)."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        v = number(value, field_name)
        if not 1 <= v <= high:
            raise ParameterError(
                f"`{field_name}` must be a factor v in [1, {high:g}] that stands for (1/v, v), or "
                f"a pair (lo, hi), got {value!r}. {_factor(v)}"
            )
        return pair((1 / v, v), field_name, low=low, high=high)
    return pair(value, field_name, low=low, high=high)


def _factor(v: float) -> str:
    """What was probably meant by a factor out of its range."""
    if 0 < v < 1:
        return f"Write ({1 - v:g}, {1 + v:g}) for factors about 1, or ({v:g}, {v:g}) for this one."
    if 1 < v <= 100:
        return f"Write ({1 - v / 100:g}, {1 + v / 100:g}) for {v:g} percent."
    return "1 changes nothing."


def probability(value: Any, field_name: str, *, low: float = 0, high: float = 1) -> float:
    """A number in [0, 1]."""
    return number(value, field_name, low=low, high=high)


def flag(value: Any, field_name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"`{field_name}` must be True or False, got {value!r}.")
    return bool(value)


def size(value: Any, field_name: str) -> SpatialShape:
    """(height, width) of whole pixels >= 1; an int n stands for (n, n)."""
    value = plain(value)
    values = (value, value) if isinstance(value, int) else value
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 2:
        raise ParameterError(f"`{field_name}` must be (height, width) or one int, got {value!r}.")
    return whole(values[0], field_name, low=1), whole(values[1], field_name, low=1)


def whole(value: Any, field_name: str, *, low: int) -> int:
    """An int >= low."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
        raise ParameterError(f"`{field_name}` must be a whole number >= {low}, got {value!r}.")
    return int(value)


def choice(value: Any, field_name: str, options: Sequence[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in options:
        raise ParameterError(f"`{field_name}` must be one of {', '.join(options)}, got {value!r}.")
    return str(value)


def names(value: Any, field_name: str) -> tuple[str, ...] | None:
    """None, or a tuple of entry names."""
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence) or not all(isinstance(v, str) for v in value):
        raise ParameterError(f"`{field_name}` must be entry names or None, got {value!r}.")
    return tuple(value)
