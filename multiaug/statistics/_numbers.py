"""How values of a dtype are summed: which shift, in how many parts, in blocks of how many rows."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np

from ..errors import ParameterError
from ..typing import Array, NDArray

Kind = Literal["byte", "word", "float", "wide"]

A = TypeVar("A", Array, NDArray)

BLOCK_ROWS = 1024
"""Rows whose products are summed in float32: 1024 of at most 2^14 are at most 2^24, exact."""

# Integers of 8 bits about 128 are at most 128 from 0. Those of 16 bits are two such parts,
# 256 * high + low, about the shift that makes both parts 0.
_SHIFTS = {"bool": 0, "int8": 0, "uint8": 128, "int16": 128, "uint16": 32896}
_FLOATS = ("float16", "bfloat16", "float32")
_WIDE = ("int32", "uint32", "int64", "float64")

_LARGEST = 1e15
"""Above it, squares of a block leave the range of float32: such blocks are summed in float64."""

_SHIFT_BITS = 23  # what a float32 has


def kind_of(dtype: str) -> Kind:
    """How values of a dtype are summed.

    ``byte`` and ``word`` exactly, in one or two parts; ``float`` in float32 blocks about a
    shift, added up in float64; ``wide`` in float64 throughout.

    Raises:
        ParameterError: no statistics are made of this dtype.
    """
    if dtype in _SHIFTS:
        return "byte" if np.dtype(dtype).itemsize == 1 else "word"
    if dtype in _FLOATS:
        return "float"
    if dtype in _WIDE:
        return "wide"
    known = (*_SHIFTS, *_FLOATS, *_WIDE)
    raise ParameterError(f"`dtype` must be one of {', '.join(known)}, got {dtype!r}.")


def is_exact(dtype: str) -> bool:
    """Sums are integers: the same bits in any order."""
    return dtype in _SHIFTS


def integer_shift(dtype: str) -> int:
    """The number that exact sums are about; 0 for other dtypes."""
    return _SHIFTS.get(dtype, 0)


def rows_before_overflow(dtype: str) -> int:
    """Rows whose products an int32 holds: of a byte at most 2^14 each, of a word 2^15."""
    return (2**31 - 1) // (2**14 if kind_of(dtype) == "byte" else 2**15)


def parts_of(values: A, dtype: str) -> tuple[A, ...]:
    """Values about the shift as float32 integers in [-128, 128]: one part, or high and low."""
    if kind_of(dtype) == "byte":
        return (values.astype(np.float32) - np.float32(_SHIFTS[dtype]),)
    wide = values.astype(np.int32)
    high = (wide >> 8) - (128 if dtype == "uint16" else 0)
    return high.astype(np.float32), ((wide & 255) - 128).astype(np.float32)


def part_weights(dtype: str) -> tuple[int, ...]:
    """What each part of `parts_of` counts."""
    return (256, 1) if kind_of(dtype) == "word" else (1,)


def product_weights(dtype: str) -> tuple[int, ...]:
    """What each product counts: of the parts themselves, or high^2, 2 high low, low^2."""
    return (65536, 256, 1) if kind_of(dtype) == "word" else (1,)


def coarse_shift(rows: NDArray) -> NDArray:
    """A number per column, near the mean, with few enough bits that subtracting it is exact.

    A mean with all its bits would round the differences of values that lie on a grid, such as
    whole numbers, all the same way: a bias. A power-of-two grid about as wide as the spread
    leaves none.

    Args:
        rows: (n, d), n > 0, finite.

    Returns:
        float64 (d,); every value is a float32.
    """
    held = rows[:BLOCK_ROWS].astype(np.float64)
    mean, spread = held.mean(0), held.std(0)
    with np.errstate(divide="ignore"):
        floor = np.floor(np.log2(np.abs(mean))) - _SHIFT_BITS + 1
        grid = np.exp2(np.maximum(np.floor(np.log2(spread)), floor))
    shift = np.round(mean / np.where(grid > 0, grid, 1)) * grid
    return np.where(np.isfinite(shift), shift, 0.0)


def needs_float64(rows: NDArray, shift: NDArray) -> bool:
    """Squares about the shift may overflow float32."""
    if not rows.size:
        return False
    peak = max(abs(float(rows.max())), abs(float(rows.min()))) + float(np.abs(shift).max())
    return not peak < _LARGEST


def first_bad(rows: NDArray) -> tuple[int, ...] | None:
    """Position of the first NaN or infinity, None when there is none; integers have none."""
    if rows.dtype.kind in "biu" or not rows.size:
        return None
    # The extremes of an array with a NaN are NaN: two passes without a temporary.
    with np.errstate(invalid="ignore"):
        ends = np.asarray([rows.max(), rows.min()], np.float64)
    if np.isfinite(ends).all():
        return None
    bad = ~np.isfinite(rows.astype(np.float32) if rows.dtype.itemsize < 4 else rows)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
