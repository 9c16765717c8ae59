"""Accumulators of `Covariance`: blocks of rows on the device, sums of blocks on the host."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..._forks import refuse_forked_child
from ..._machine import aligned_bytes
from ...errors import ParameterError, RecordError
from ...typing import NDArray
from .._state import Accumulator, as_rows
from ..sums._centred import check_magnitude, sums_of
from ..sums._numbers import (
    BLOCK_ROWS,
    held_dtype,
    integer_shift,
    part_weights,
    product_weights,
    rows_before_overflow,
)
from ..sums._products import Layout, add_blocks, tile_layout, upper_products

if TYPE_CHECKING:
    from ._covariance import CovarianceState

_BUFFER_BYTES = 32 * 2**20
_MOST_BLOCKS = 8


class Buffered(Accumulator):
    """Collects rows until a step is worth its start; subclasses say what a step does.

    Args:
        rows: per step.
        d: numbers per row.
        dtype: of the rows.
        padding: what rows that are missing from a step hold; a number, or one per column.
    """

    def __init__(self, rows: int, d: int, dtype: Any, padding: Any, *, buffers: int = 0) -> None:
        refuse_forked_child("A statistic")
        self._rows, self._d, self._dtype, self._padding = rows, d, dtype, padding
        self._held: NDArray | None = None
        self._filled = 0
        # Fresh memory costs more than a copy: page faults. 0 takes it fresh all the same.
        self._ring: list[NDArray] = []
        self._buffers, self._next = buffers, 0

    def take(self, rows: NDArray) -> None:
        """Put rows (n, d) into the buffer, running a step whenever it is full."""
        begin = 0
        while begin < len(rows):
            if self._held is None:
                self._held = self._buffer()
            count = min(self._rows - self._filled, len(rows) - begin)
            self._held[self._filled : self._filled + count] = rows[begin : begin + count]
            self._filled += count
            begin += count
            if self._filled == self._rows:
                self.flush()

    def _buffer(self) -> NDArray:
        """Memory that nobody reads any more."""
        if len(self._ring) < self._buffers:
            self._ring.append(aligned((self._rows, self._d), self._dtype))
            return self._ring[-1]
        if not self._buffers:
            return np.empty((self._rows, self._d), self._dtype)
        self._next += 1
        return self._ring[(self._next - 1) % self._buffers]

    def flush(self) -> None:
        """Run a step on whatever is there."""
        if self._held is None:
            return
        self._held[self._filled :] = self._padding
        held, filled = self._held, self._filled
        self._held, self._filled = None, 0
        self.step(held, filled)

    def step(self, rows: NDArray, count: int) -> None:
        """Sum up a full buffer, of which ``count`` rows are real."""
        raise NotImplementedError


class ExactBlocks(Buffered):
    """Integers: int32 on the devices, int64 on the host. Every step is exact."""

    def __init__(self, state: CovarianceState) -> None:
        statistic = state.statistic
        dtype, d = statistic.kind_name, statistic.size
        blocks = _BUFFER_BYTES // (BLOCK_ROWS * d * np.dtype(dtype).itemsize)
        self._blocks = min(max(1, blocks), _MOST_BLOCKS)
        self._devices = jax.local_devices()
        # A buffer comes round again when its device has been waited for.
        ring = len(self._devices) + 1
        rows = self._blocks * BLOCK_ROWS
        super().__init__(rows, d, dtype, integer_shift(dtype), buffers=ring)
        self._layout = tile_layout(d)
        self._accumulators: dict[int, tuple[Any, int]] = {}
        self._turn = 0
        self._state, self._n = state, state.n
        self._sum, self._gram = owned(state.sum, state.n), owned(state.gram, state.n)

    def add(self, batch: NDArray) -> None:
        """Take records; the products of full buffers are on their way when it returns."""
        self.take(as_rows(batch))
        self._n += len(batch)

    def step(self, rows: NDArray, count: int) -> None:
        """Hand a buffer to the next device."""
        dtype = self._state.statistic.kind_name
        place = self._turn % len(self._devices)
        self._turn += 1
        device = self._devices[place]
        held, used = self._accumulators.pop(place, (None, 0))
        padded = -(-count // BLOCK_ROWS) * BLOCK_ROWS
        if held is None:
            held = jax.device_put(self._zeros(), device)
        elif used + padded > rows_before_overflow(dtype):
            self._fold(held)
            held, used = jax.device_put(self._zeros(), device), 0
        else:
            # The one before has been read: its buffer may be filled again.
            jax.block_until_ready(held)
        blocks = jax.device_put(rows.reshape(self._blocks, BLOCK_ROWS, self._d), device)
        number = jax.device_put(np.int32(padded // BLOCK_ROWS), device)
        held = add_blocks(*held, blocks, number, dtype=dtype, layout=self._layout)
        self._accumulators[place] = held, used + padded

    def state(self) -> CovarianceState:
        """Everything so far."""
        self.flush()
        for held, _ in self._accumulators.values():
            self._fold(held)
        self._accumulators.clear()
        return replace(self._state, n=self._n, sum=self._sum, gram=self._gram)

    def _zeros(self) -> Any:
        dtype, d = self._state.statistic.kind_name, self._d
        sums = tuple(np.zeros(d, np.int32) for _ in part_weights(dtype))
        tiles = tuple(
            tuple(np.zeros((u - t, w - v), np.int32) for t, u, v, w in self._layout)
            for _ in product_weights(dtype)
        )
        return sums, tiles

    def _fold(self, held: Any) -> None:
        dtype = self._state.statistic.kind_name
        sums, products = held
        for part, weight in zip(sums, part_weights(dtype), strict=True):
            self._sum += np.asarray(part).astype(np.int64) * weight
        for tiles, weight in zip(products, product_weights(dtype), strict=True):
            _add_tiles(self._gram, tiles, weight)


def _add_tiles(gram: NDArray, tiles: Any, weight: int = 1) -> None:
    """Add device tiles to the packed products on the host."""
    begin = 0
    for tile in tiles:
        flat = np.asarray(tile).reshape(-1)
        place = gram[begin : begin + flat.size]
        np.add(place, flat if weight == 1 else flat.astype(np.int64) * weight, out=place)
        begin += flat.size


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Memory that XLA reads in place: beginning at a multiple of 64 bytes."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    found: NDArray = aligned_bytes(size, 64).view(dtype).reshape(shape)
    return found


def owned(array: NDArray, n: int) -> NDArray:
    """A copy to add to; zeros are not worth reading."""
    return array.copy() if n else np.zeros_like(array)


class FloatBlocks(Buffered):
    """Floats and wide integers: blocks about their own means, in float64, on the host."""

    def __init__(self, state: CovarianceState) -> None:
        statistic = state.statistic
        d = statistic.size
        super().__init__(BLOCK_ROWS, d, held_dtype(statistic.kind_name), 0, buffers=1)
        self._layout = tile_layout(d)
        state = state.centred()
        self._state, self._n, self._counted = state, state.n, state.n
        self._mean = np.zeros(d) if state.shift is None else state.shift
        self._scatter = unpack(state.gram, self._layout, d) if state.n else np.zeros((d, d))

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        check_magnitude(self._state.statistic, rows)
        self.take(rows)
        self._n += len(rows)

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block; the last row stands for what its mean is from that of the others."""
        rows = rows[:count]
        mean = sums_of(rows).mean()
        centred = np.empty((count + 1, self._d))
        np.subtract(rows, mean, out=centred[:count])
        whole = self._counted + count
        apart = mean - self._mean if self._counted else np.zeros(self._d)
        centred[count] = apart * np.sqrt(self._counted * count / whole)
        upper_products(centred, self._scatter, more=True)
        self._mean = self._mean + apart * (count / whole) if self._counted else mean
        self._counted = whole

    def state(self) -> CovarianceState:
        """Everything so far."""
        self.flush()
        if not self._counted:
            return self._state
        gram = pack(self._scatter, self._layout)
        return replace(self._state, n=self._n, shift=self._mean, gram=gram)


class FixedPointBlocks(Buffered):
    """Floats rounded to 2^20 steps: products of at most 2^38, exact in float64 for 8192 rows."""

    _HALF = 2**19
    _ROWS = 8192
    _MOST = 2**25  # rows of products of 2^38 that an int64 holds

    def __init__(self, state: CovarianceState) -> None:
        statistic = state.statistic
        rows = max(64, min(self._ROWS, 2 * _BUFFER_BYTES // (8 * statistic.size)))
        super().__init__(rows, statistic.size, np.float64, 0)
        self._layout = tile_layout(statistic.size)
        self._state, self._n = state, state.n
        self._sum, self._gram = owned(state.sum, state.n), owned(state.gram, state.n)

    @classmethod
    def step_of(cls, limits: tuple[float, float]) -> float:
        """The distance between two values that can be told apart."""
        return (limits[1] - limits[0]) / (2 * cls._HALF)

    def add(self, batch: NDArray) -> None:
        """Take records.

        Raises:
            RecordError: a value outside the range.
            ParameterError: more records than the sums have room for.
        """
        statistic = self._state.statistic
        lo, hi = statistic.range or (0.0, 1.0)
        rows = as_rows(batch).astype(np.float64)
        outside = (rows < lo) | (rows > hi)
        if outside.any():
            at = np.unravel_index(int(np.argmax(outside)), outside.shape)
            raise RecordError(
                f"{statistic.owner}: found {rows[at]} at record {at[0]}, expected values within "
                f"the range {lo:g} to {hi:g}. Give the range that the data have."
            )
        if self._n + len(rows) > self._MOST:
            raise ParameterError(
                f"{statistic.owner}: deterministic=True holds {self._MOST} records, got more. "
                "Leave it out: sums in float64 have no such limit."
            )
        self.take(np.rint((rows - (lo + hi) / 2) / self.step_of((lo, hi))))
        self._n += len(rows)

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block; exact."""
        self._sum += rows.sum(0).astype(np.int64)
        self._gram += pack(rows.T @ rows, self._layout).astype(np.int64)

    def state(self) -> CovarianceState:
        """Everything so far."""
        self.flush()
        return replace(self._state, n=self._n, sum=self._sum, gram=self._gram)


def pack(matrix: NDArray, layout: Layout) -> NDArray:
    """The rectangles of a symmetric matrix, one after the other."""
    return np.concatenate([matrix[t:u, v:w].reshape(-1) for t, u, v, w in layout])


def unpack(packed: NDArray, layout: Layout, d: int) -> NDArray:
    """The upper triangle of a matrix, float64 (d, d), from its rectangles."""
    matrix, begin = np.zeros((d, d)), 0
    for t, u, v, w in layout:
        end = begin + (u - t) * (w - v)
        matrix[t:u, v:w] = packed[begin:end].reshape(u - t, w - v)
        begin = end
    return matrix


def check_range(owner: str, limits: tuple[float, float] | None) -> None:
    """Refuse a range that is missing or empty."""
    good = limits is not None and len(limits) == 2 and np.isfinite(limits).all()
    if not good or not limits[0] < limits[1]:  # type: ignore[index]
        raise ParameterError(
            f"`{owner}.range` must be (lo, hi) with lo < hi for deterministic=True, got "
            f"{limits!r}. Give the range that the values lie in, such as (0, 1)."
        )
