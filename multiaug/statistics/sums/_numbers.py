"""How values of a dtype are summed: which shift, in how many parts, in blocks of how many rows."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np

from ...errors import ParameterError
from ...typing import Array, NDArray

Kind = Literal["byte", "word", "float", "wide"]

A = TypeVar("A", Array, NDArray)

BLOCK_ROWS = 1024
"""Rows whose products are summed in float32: 1024 of at most 2^14 are at most 2^24, exact."""

# Integers of 8 bits about 128 are at most 128 from 0. Those of 16 bits are two such parts,
# 256 * high + low, about the shift that makes both parts 0.
_SHIFTS = {"bool": 0, "int8": 0, "uint8": 128, "int16": 128, "uint16": 32896}
_FLOATS = ("float16", "bfloat16", "float32")
_WIDE = ("int32", "uint32", "int64", "float64")


def kind_of(dtype: str) -> Kind:
    """How values of a dtype are summed.

    ``byte`` and ``word`` exactly, in one or two parts; ``float`` and ``wide`` in float64 about
    their mean, ``float`` from values that a float32 holds.

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


def held_dtype(dtype: str) -> str:
    """What rows of a dtype are held in before they are summed."""
    return "float32" if kind_of(dtype) == "float" else dtype


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


def first_bad(rows: NDArray, *, nan: bool = True) -> tuple[int, ...] | None:
    """Position of the first NaN or infinity, None when there is none; integers have none.

    Args:
        rows: any shape.
        nan: NaN is bad, too.
    """
    if rows.dtype.kind in "biu" or not rows.size:
        return None
    # The extremes of an array with a NaN are NaN: two passes without a temporary.
    with np.errstate(invalid="ignore"):
        ends = np.asarray([rows.max(), rows.min()], np.float64)
    if np.isfinite(ends).all():
        return None
    held = rows.astype(np.float32) if rows.dtype.itemsize < 4 else rows
    bad = ~np.isfinite(held) if nan else np.isinf(held)
    if not bad.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
