"""The accumulator of `Gram`: products of pairs of blocks of records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from ..._forks import refuse_forked_child
from ...errors import ParameterError
from ...typing import NDArray
from .._state import Accumulator, as_rows, channel_count, shift_vector
from ..sums._centred import check_magnitude, sums_of
from ..sums._numbers import integer_shift, is_exact, product_weights
from ..sums._products import FEATURES, float_products, pair_products, segment_of

if TYPE_CHECKING:
    from ._gram import GramState

_TILE = 1024


@dataclass(frozen=True, eq=False)
class PairPart:
    """The products of one pair of blocks, as they travel from where they were made.

    Args:
        index: position of the first record of the one block.
        other_index: of the other one; the same for a block with itself.
        products: (m, k).
        sum: (d,), of the records of a block with itself; None of two blocks.
        channel_sums: (m, C), likewise.
    """

    index: int
    other_index: int
    products: NDArray
    sum: NDArray | None
    channel_sums: NDArray | None


class PairBlocks(Accumulator):
    """Products of pairs of blocks, tile by tile, added into a state that it owns."""

    def __init__(self, state: GramState) -> None:
        refuse_forked_child("A statistic")
        self._state = state
        self._statistic = state.statistic
        self._d = self._statistic.size
        self._width = -(-self._d // FEATURES) * FEATURES

    def add(self, batch: NDArray) -> None:
        """Pairs need positions: see `add_pair`."""
        raise ParameterError("Gram.update must know the position of the batch: update(batch, 0).")

    def state(self) -> GramState:
        """Everything so far."""
        return self._state

    def prepare(self, batch: NDArray) -> list[NDArray]:
        """Records as tiles of rows, of integers padded, which pairs may use again and again."""
        rows = as_rows(batch)
        check_magnitude(self._statistic, rows)
        exact = is_exact(self._statistic.kind_name)
        if self._state.shift is None and not exact and len(rows):
            given = self._statistic.shift
            shift = sums_of(rows).mean() if given is None else np.full(self._d, float(given))
            self._state = replace(self._state, shift=shift)
        height = min(_TILE, -(-len(rows) // max(1, -(-len(rows) // _TILE))))
        tiles = [rows[i : i + height] for i in range(0, len(rows), height)]
        return [self._padded(tile, height) for tile in tiles] if exact else tiles

    def _padded(self, rows: NDArray, height: int) -> NDArray:
        if len(rows) == height and self._width == self._d:
            return rows
        padding = integer_shift(self._statistic.kind_name)
        tile = np.full((height, self._width), padding, rows.dtype)
        tile[: len(rows), : self._d] = rows
        return tile

    def add_pair(
        self, rows: NDArray, index: int, others: NDArray | None = None, other_index: int = 0
    ) -> None:
        """Add the pairs within a block, or between two."""
        if not len(rows) or (others is not None and not len(others)):
            return
        tiles = self.prepare(rows)
        if others is None:
            self.add_within(tiles, rows, index)
        else:
            self.add_between(
                tiles, index, len(rows), self.prepare(others), other_index, len(others)
            )

    def add_within(self, tiles: list[NDArray], rows: NDArray, index: int) -> None:
        """Pairs of a block with itself, and its sums."""
        count, state = len(rows), self._state
        place = state.gram[index : index + count, index : index + count]
        height = len(tiles[0])
        for i, a in enumerate(tiles):
            for j, b in enumerate(tiles[i:], start=i):
                found = self._products(a, b)
                corner = place[i * height : (i + 1) * height, j * height : (j + 1) * height]
                corner[...] = found[: corner.shape[0], : corner.shape[1]]
        sums, channels = _sums(as_rows(rows), state)
        state.sum[...] += sums
        state.channel_sums[index : index + count] = channels
        state.covered[index : index + count] = True
        pairs = state.pairs + count * (count + 1) // 2
        self._state = replace(state, n=state.n + count, pairs=pairs)

    def add_between(
        self,
        tiles: list[NDArray],
        index: int,
        count: int,
        others: list[NDArray],
        other_index: int,
        other_count: int,
    ) -> None:
        """Pairs between two blocks."""
        state = self._state
        place = state.gram[index : index + count, other_index : other_index + other_count]
        height, width = len(tiles[0]), len(others[0])
        for i, a in enumerate(tiles):
            for j, b in enumerate(others):
                corner = place[i * height : (i + 1) * height, j * width : (j + 1) * width]
                corner[...] = self._products(a, b)[: corner.shape[0], : corner.shape[1]]
        self._state = replace(state, pairs=state.pairs + count * other_count)

    def take_part(self, index: int, count: int, other_index: int, other_count: int) -> PairPart:
        """What was added last, the pair of these blocks, and forget the sums of it."""
        state, rows = self._state, slice(index, index + count)
        products = state.gram[rows, other_index : other_index + other_count].copy()
        if index != other_index:
            return PairPart(index, other_index, products, None, None)
        found = PairPart(index, index, products, state.sum.copy(), state.channel_sums[rows].copy())
        state.sum[...] = 0
        return found

    def add_part(self, part: PairPart) -> None:
        """Add what another process has made; blocks with themselves in the order of the records."""
        state = self._state
        m, k = part.products.shape
        rows = slice(part.index, part.index + m)
        state.gram[rows, part.other_index : part.other_index + k] = part.products
        if part.sum is None or part.channel_sums is None:
            self._state = replace(state, pairs=state.pairs + m * k)
            return
        state.sum[...] += part.sum
        state.channel_sums[rows] = part.channel_sums
        state.covered[rows] = True
        self._state = replace(state, n=state.n + m, pairs=state.pairs + m * (m + 1) // 2)

    def _products(self, a: NDArray, b: NDArray) -> NDArray:
        dtype = self._statistic.kind_name
        if not is_exact(dtype):
            return float_products(a, b, shift_vector(self._statistic, self._state.shift))
        total = np.zeros((len(a), len(b)), np.int64)
        weights = product_weights(dtype)
        blocks, step = self._width // FEATURES, segment_of(dtype)
        on_a, on_b = jnp.asarray(a), jnp.asarray(b)
        for first in range(0, blocks, step):
            last = np.int32(min(first + step, blocks))
            parts = pair_products(on_a, on_b, np.int32(first), last, dtype=dtype)
            for part, weight in zip(parts, weights, strict=True):
                total += np.asarray(part).astype(np.int64) * weight
        return total


def _sums(rows: NDArray, state: GramState) -> tuple[NDArray, NDArray]:
    """Sums about the shift over the records (d,), and over the pixels (m, C)."""
    statistic = state.statistic
    number = state.sum.dtype
    vector = shift_vector(statistic, state.shift)
    channels = channel_count(statistic.shape)
    over_records, over_pixels = np.zeros(statistic.size, number), []
    for i in range(0, len(rows), 64):
        centred = rows[i : i + 64].astype(number) - vector.astype(number)
        over_records += centred.sum(0)
        over_pixels.append(centred.reshape(len(centred), -1, channels).sum(1))
    return over_records, np.concatenate(over_pixels)
