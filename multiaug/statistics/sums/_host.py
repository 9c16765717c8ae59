"""Exact sums and products on the host, where BLAS computes half of a symmetric product."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import numpy as np

from ...typing import NDArray
from .._state import as_rows
from ..covariance._blocks import Buffered, owned
from ._numbers import BLOCK_ROWS, integer_shift, kind_of, part_weights, parts_of, product_weights
from ._products import tile_layout, upper_products

if TYPE_CHECKING:
    from ..covariance._covariance import CovarianceState


def on_host() -> bool:
    """One CPU is all there is: BLAS needs two thirds of the time of XLA's products."""
    devices = jax.local_devices()
    return len(devices) == 1 and devices[0].platform == "cpu"


# Float32 rows that are multiplied at once: more would not stay in any cache.
_PART_BYTES = 2**26
_MOST_ROWS = 4096
_EXACT = 2**24


class HostBlocks(Buffered):
    """Integers: products of blocks of rows in float32, added to int64. Every step is exact.

    1024 rows are exact whatever they hold. More rows are where the squares say so: every sum of
    squares below 2^24 came about without rounding, for sums of positive numbers that pass it do
    not come back; and no sum of products, nor any part of it, is above the sums of squares.

    Args:
        state: what to begin from.
    """

    def __init__(self, state: CovarianceState) -> None:
        statistic = state.statistic
        dtype, d = statistic.kind_name, statistic.size
        blocks = max(1, min(_MOST_ROWS, _PART_BYTES // (4 * d)) // BLOCK_ROWS)
        rows = blocks * BLOCK_ROWS
        super().__init__(rows, d, dtype, integer_shift(dtype), buffers=1)
        self._layout = tile_layout(d)
        self._state, self._n = state, state.n
        self._sum, self._gram = owned(state.sum, state.n), owned(state.gram, state.n)
        # Kept: memory that is fresh for every block costs page faults.
        self._part: NDArray = np.empty((rows, d), np.float32)
        self._found: NDArray = np.zeros((d, d), np.float32)
        self._safe = dict.fromkeys(product_weights(dtype), BLOCK_ROWS)

    def add(self, batch: NDArray) -> None:
        """Take records."""
        self.take(as_rows(batch))
        self._n += len(batch)

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block."""
        dtype = self._state.statistic.kind_name
        parts = self._parts(rows[:count])
        for part, weight in zip(parts, part_weights(dtype), strict=True):
            # Not by `@`: threads of NumPy's own BLAS would still spin when SciPy's begins.
            self._sum += part.sum(0).astype(np.int64) * weight
        if len(parts) == 1:
            self._add_squares(parts[0], 1)
            return
        high, low = parts
        self._add_squares(high, 65536)
        self._add_squares(low, 1)
        # (h + l)^2 = h^2 + 2 h l + l^2, of which the middle is twice as large.
        for i in range(0, count, BLOCK_ROWS // 2):
            half = slice(i, i + BLOCK_ROWS // 2)
            upper_products(high[half], self._found, low[half])
            self._add(256)

    def _add_squares(self, part: NDArray, weight: int) -> None:
        """Add the products of a part with itself, of as many rows at once as are exact."""
        begin = 0
        while begin < len(part):
            rows = part[begin : begin + self._safe[weight]]
            upper_products(rows, self._found)
            most = float(self._found.diagonal().max())
            if most >= _EXACT and len(rows) > BLOCK_ROWS:
                self._safe[weight] = BLOCK_ROWS
                continue
            self._add(weight)
            begin += len(rows)
            # The next rows are like these, or cost a second time.
            fitting = 0.9 * _EXACT / max(most, 1) * len(rows) // BLOCK_ROWS
            self._safe[weight] = max(1, min(int(fitting), _MOST_ROWS // BLOCK_ROWS)) * BLOCK_ROWS

    def _parts(self, rows: NDArray) -> tuple[NDArray, ...]:
        dtype = self._state.statistic.kind_name
        if kind_of(dtype) != "byte":
            return parts_of(rows, dtype)
        if dtype == "uint8":
            # Less 128, as int8: a third of the time of a subtraction in float32.
            rows = np.bitwise_xor(rows, np.uint8(128), out=rows).view(np.int8)
        part = self._part[: len(rows)]
        np.copyto(part, rows)
        return (part,)

    def _add(self, weight: int) -> None:
        """Add what was found."""
        begin = 0
        for t, u, v, w in self._layout:
            tile = self._found[t:u, v:w]
            end = begin + tile.size
            place = self._gram[begin:end].reshape(tile.shape)
            more = tile if weight == 1 else tile.astype(np.int64) * weight
            np.add(place, more, out=place, dtype=np.int64, casting="unsafe")
            begin = end

    def state(self) -> CovarianceState:
        """Everything so far."""
        self.flush()
        begin = 0
        for t, u, v, w in self._layout:
            end = begin + (u - t) * (w - v)
            if t == v:
                tile = self._gram[begin:end].reshape(u - t, w - v)
                tile[...] = np.triu(tile) + np.triu(tile, 1).T
            begin = end
        return replace(self._state, n=self._n, sum=self._sum, gram=self._gram)
