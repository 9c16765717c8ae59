"""The accumulators of `Moments`: sums, squares and extremes of blocks of rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ...typing import Array, NDArray
from .._state import as_rows, channel_count
from ..covariance._blocks import Buffered
from ..sums._centred import Sums, check_magnitude, folded, joined, sums_of
from ..sums._numbers import (
    BLOCK_ROWS,
    held_dtype,
    kind_of,
    part_weights,
    parts_of,
    product_weights,
)

if TYPE_CHECKING:
    from ._moments import MomentsState

_BUFFER_BYTES = 16 * 2**20
# Of XLA's blocks, whose temporaries are some ten times as large: the C library would have the
# system clear memory for each of those that are larger than 32 MB.
_EXACT_BYTES = 2 * 2**20
# Channels are summed in rows of about as many numbers: a row of three would be too short.
_FOLD = 8192
_CARRY = 2**32

Invalid = float | Literal["nan"] | None


def limits_of(dtype: str) -> tuple[Any, Any]:
    """The smallest and largest value, as NumPy scalars of a dtype that files can hold."""
    if dtype == "bool":
        return np.bool_(False), np.bool_(True)
    if kind_of(dtype) == "float":
        return np.float32(-np.inf), np.float32(np.inf)
    if dtype == "float64":
        return np.float64(-np.inf), np.float64(np.inf)
    info = np.iinfo(dtype)
    return np.dtype(dtype).type(info.min), np.dtype(dtype).type(info.max)


def mark_of(invalid: Invalid, dtype: str) -> int | None:
    """The integer that stands for no data; None where no value of the dtype does."""
    if invalid is None or invalid == "nan" or not float(invalid).is_integer():
        return None
    low, high = (int(end) for end in limits_of(dtype))
    return int(invalid) if low <= invalid <= high else None


def row_length(size: int, channels: int) -> int:
    """The longest piece of a record, of whole pixels, that is no longer than `_FOLD` numbers."""
    pixels = size // channels
    most = max(1, _FOLD // channels)
    return channels * next(k for k in range(min(most, pixels), 0, -1) if pixels % k == 0)


class _Moments(Buffered):
    """What both accumulators share: rows of records, or of pieces of them, and extremes."""

    def __init__(self, state: MomentsState, block_bytes: int) -> None:
        statistic = state.statistic
        dtype, d = statistic.kind_name, statistic.size
        self._channels = channel_count(statistic.shape) if statistic.by_channel else 0
        width = row_length(d, self._channels) if self._channels else d
        held = held_dtype(dtype)
        fitting = max(1, block_bytes // (width * np.dtype(held).itemsize))
        rows = min(BLOCK_ROWS, 1 << (fitting.bit_length() - 1))
        super().__init__(rows, width, held, 0, buffers=1)
        self._statistic, self._state, self._n = statistic, state, state.n
        self._ends = [state.low.copy(), state.high.copy()]

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        check_magnitude(self._statistic, rows)
        self.take(rows.reshape(-1, self._d))
        self._n += len(rows)

    def _stretch(self, low: NDArray, high: NDArray) -> None:
        if self._channels:
            low = low.reshape(-1, self._channels).min(0)
            high = high.reshape(-1, self._channels).max(0)
        np.minimum(self._ends[0], low, out=self._ends[0])
        np.maximum(self._ends[1], high, out=self._ends[1])


class ExactMoments(_Moments):
    """Integers of up to 16 bits, where there is no native code: blocks in XLA, exact as well."""

    def __init__(self, state: MomentsState) -> None:
        super().__init__(state, _EXACT_BYTES)
        self._sums = [a.copy() for a in (state.count, state.sum, state.square)]

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block."""
        dtype = self._statistic.kind_name
        mark = mark_of(self._statistic.invalid, dtype)
        found = _moments(rows, np.int32(count), dtype=dtype, number=mark)
        sums, squares, valid, low, high = jax.tree.map(np.asarray, found)
        total = sum(
            part.astype(np.int64) * weight
            for part, weight in zip(sums, part_weights(dtype), strict=True)
        )
        square = sum(
            part.astype(np.int64) * weight
            for part, weight in zip(squares, product_weights(dtype), strict=True)
        )
        self._sums[0] += self._by_cell(valid)
        self._sums[1] += self._by_cell(total)
        if self._channels:
            add_carried(self._sums[2], self._by_cell(square))
        else:
            self._sums[2] += square
        self._stretch(low, high)

    def _by_cell(self, sums: NDArray) -> NDArray:
        if not self._channels:
            return sums
        found: NDArray = sums.reshape(-1, self._channels).sum(0, dtype=np.int64)
        return found

    def state(self) -> MomentsState:
        """Everything so far."""
        self.flush()
        (count, total, square), (low, high) = self._sums, self._ends
        return replace(
            self._state, n=self._n, count=count, sum=total, square=square, low=low, high=high
        )


class CentredMoments(_Moments):
    """Floats and wide integers: every block about its own mean, in float64, on the host."""

    def __init__(self, state: MomentsState) -> None:
        super().__init__(state, _BUFFER_BYTES)
        self._sums = state.centred()

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block."""
        rows, dtype = rows[:count], self._statistic.kind_name
        valid = _valid(rows, self._statistic.invalid)
        found: Sums = sums_of(rows, valid)
        if self._channels:
            found = folded(found, self._channels)
        self._sums = joined(self._sums, found)
        low, high = limits_of(dtype)
        if valid is None:
            self._stretch(rows.min(0), rows.max(0))
        else:
            self._stretch(
                rows.min(0, initial=high, where=valid), rows.max(0, initial=low, where=valid)
            )

    def state(self) -> MomentsState:
        """Everything so far."""
        self.flush()
        (count, centre, total, square), (low, high) = self._sums, self._ends
        return replace(
            self._state,
            n=self._n,
            count=count,
            sum=total,
            square=square,
            low=low,
            high=high,
            shift=centre,
        )


def add_carried(total: NDArray, more: NDArray) -> None:
    """Add to sums of more than 63 bits: int64 (2, c), of which the first row counts 2^32 each."""
    total[1] += more
    total[0] += total[1] // _CARRY
    total[1] %= _CARRY


def _valid(rows: NDArray, invalid: Invalid) -> NDArray | None:
    """Which values count; None for all."""
    if invalid is None:
        return None
    found: NDArray = (
        ~np.isnan(rows) if invalid == "nan" else rows != np.asarray(invalid, rows.dtype)
    )
    return None if found.all() else found


@partial(jax.jit, static_argnames=("dtype", "number"))
def _moments(
    rows: Array, count: Array, *, dtype: str, number: int | None
) -> tuple[tuple[Array, ...], tuple[Array, ...], Array, Array, Array]:
    """Sums and products of the parts of each column, its valid count and its extremes.

    Args:
        rows: (m, c), of which the first ``count`` are real.
        count: how many.
        dtype: of the records.
        number: the value of pixels without data, if there is one.
    """
    valid = jnp.broadcast_to((jnp.arange(rows.shape[0]) < count)[:, None], rows.shape)
    if number is not None:
        valid = valid & (rows != jnp.asarray(number, rows.dtype))
    low, high = limits_of(dtype)
    ends = jnp.where(valid, rows, high).min(0), jnp.where(valid, rows, low).max(0)
    held = [jnp.where(valid, p.astype(jnp.int32), 0) for p in parts_of(rows, dtype)]
    a, b = held[0], held[-1]
    products = (a * a,) if len(held) == 1 else (a * a, 2 * a * b, b * b)
    return (
        tuple(p.sum(0) for p in held),
        tuple(p.sum(0) for p in products),
        valid.sum(0, dtype=jnp.int32),
        *ends,
    )
