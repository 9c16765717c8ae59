"""The accumulator of `Moments`: sums, squares and extremes of blocks of rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..typing import Array, NDArray
from ._blocks import Buffered
from ._numbers import (
    BLOCK_ROWS,
    coarse_shift,
    is_exact,
    kind_of,
    needs_float64,
    part_weights,
    parts_of,
    product_weights,
)
from ._state import as_rows, shift_vector

if TYPE_CHECKING:
    from ._moments import MomentsState

_BUFFER_BYTES = 16 * 2**20

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


class MomentBlocks(Buffered):
    """Blocks of rows on the device, their sums on the host."""

    def __init__(self, state: MomentsState) -> None:
        statistic = state.statistic
        dtype, d = statistic.kind_name, statistic.size
        kind = kind_of(dtype)
        held = {"float": "float32", "wide": dtype}.get(kind, dtype)
        fitting = max(1, _BUFFER_BYTES // (d * np.dtype(held).itemsize))
        rows = min(BLOCK_ROWS, 1 << (fitting.bit_length() - 1))
        super().__init__(rows, d, held, 0)
        self._statistic, self._kind = statistic, kind
        self._shift = state.shift
        if self._shift is None and statistic.shift is not None:
            self._shift = np.full(d, float(np.float32(statistic.shift)))
        self._state, self._n = state, state.n
        self._sums = [a.copy() for a in (state.count, state.sum, state.square)]
        self._ends = [state.low.copy(), state.high.copy()]

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        if not len(rows):
            return
        if self._shift is None and not is_exact(self._statistic.kind_name):
            self._shift = coarse_shift(_without(rows, self._statistic.invalid))
        self.take(rows)
        self._n += len(rows)

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block."""
        invalid = self._statistic.invalid
        shift = shift_vector(self._statistic, self._shift)
        if self._kind == "wide" or (
            self._kind == "float" and needs_float64(_without(rows[:count], invalid), shift)
        ):
            self._step_wide(rows[:count], shift)
            return
        number = None if invalid is None or invalid == "nan" else float(invalid)
        found = _moments(
            rows,
            np.int32(count),
            shift.astype(np.float32),
            dtype=self._statistic.kind_name,
            number=number,
            nan=invalid == "nan",
        )
        sums, squares, valid, low, high = jax.tree.map(np.asarray, found)
        self._sums[0] += valid
        for part, weight in zip(sums, part_weights(self._statistic.kind_name), strict=True):
            self._sums[1] += part.astype(self._sums[1].dtype) * weight
        weights = product_weights(self._statistic.kind_name)
        for part, weight in zip(squares, weights, strict=True):
            self._sums[2] += part.astype(self._sums[2].dtype) * weight
        self._stretch(low, high)

    def _step_wide(self, rows: NDArray, shift: NDArray) -> None:
        """In float64, for values whose squares need it."""
        valid = _valid(rows, self._statistic.invalid)
        centred = np.where(valid, rows.astype(np.float64) - shift, 0)
        self._sums[0] += valid.sum(0)
        self._sums[1] += centred.sum(0)
        self._sums[2] += np.square(centred).sum(0)
        low, high = limits_of(self._statistic.kind_name)
        self._stretch(np.where(valid, rows, high).min(0), np.where(valid, rows, low).max(0))

    def _stretch(self, low: NDArray, high: NDArray) -> None:
        np.minimum(self._ends[0], low, out=self._ends[0])
        np.maximum(self._ends[1], high, out=self._ends[1])

    def state(self) -> MomentsState:
        """Everything so far."""
        self.flush()
        (count, total, square), (low, high) = self._sums, self._ends
        return replace(
            self._state,
            n=self._n,
            count=count,
            sum=total,
            square=square,
            low=low,
            high=high,
            shift=self._shift,
        )


def _valid(rows: NDArray, invalid: Invalid) -> NDArray:
    if invalid is None:
        return np.ones(rows.shape, bool)
    found: NDArray = (
        ~np.isnan(rows) if invalid == "nan" else rows != np.asarray(invalid, rows.dtype)
    )
    return found


def _without(rows: NDArray, invalid: Invalid) -> NDArray:
    """Rows with pixels that have no data replaced by the mean of the others; for the shift."""
    if invalid is None:
        return rows
    valid = _valid(rows, invalid)
    count = valid.sum(0)
    mean = np.where(valid, rows, 0).astype(np.float64).sum(0) / np.maximum(count, 1)
    found: NDArray = np.where(valid, rows, mean.astype(np.float32))
    return found


@partial(jax.jit, static_argnames=("dtype", "number", "nan"))
def _moments(
    rows: Array, count: Array, shift: Array, *, dtype: str, number: float | None, nan: bool
) -> tuple[tuple[Array, ...], tuple[Array, ...], Array, Array, Array]:
    """Sums and products of the parts of each column, its valid count and its extremes.

    Args:
        rows: (m, d), of which the first ``count`` are real.
        count: how many.
        shift: (d,), what floats are about.
        dtype: of the records.
        number: the value of pixels without data, if it is a number.
        nan: pixels without data are NaN.
    """
    valid = jnp.broadcast_to((jnp.arange(rows.shape[0]) < count)[:, None], rows.shape)
    if number is not None:
        valid = valid & (rows != jnp.asarray(number, rows.dtype))
    if nan:
        valid = valid & ~jnp.isnan(rows)
    low, high = limits_of(dtype)
    ends = jnp.where(valid, rows, high).min(0), jnp.where(valid, rows, low).max(0)
    if is_exact(dtype):
        held = [jnp.where(valid, p.astype(jnp.int32), 0) for p in parts_of(rows, dtype)]
    else:
        held = [jnp.where(valid, rows - shift[None], 0)]
    a, b = held[0], held[-1]
    products = (a * a,) if len(held) == 1 else (a * a, 2 * a * b, b * b)
    return (
        tuple(p.sum(0) for p in held),
        tuple(p.sum(0) for p in products),
        valid.sum(0, dtype=jnp.int32),
        *ends,
    )
