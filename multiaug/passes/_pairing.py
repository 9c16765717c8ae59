"""Groups of blocks in memory, paired with one another: what a Gram matrix is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import RecordError
from ..statistics import Accumulator, PairBlocks
from ..typing import NDArray
from ._plan import Task
from ._records import Piece
from ._rows import Rows


class _Held(NamedTuple):
    """A group that waits for its pairs.

    Args:
        number: of the group.
        first: position of its first record.
        rows: its records.
        tiles: of them.
    """

    number: int
    first: int
    rows: NDArray
    tiles: list[NDArray]


Pair = tuple[int, int, int, int]
"""Position and number of the records of one group, and of the other one."""


class Pairing:
    """Pairs of groups for all tasks that want them.

    Args:
        tasks: of a plan, in its order.
        rows: what they take of pieces.
    """

    def __init__(self, tasks: Sequence[Task], rows: Rows) -> None:
        self._tasks, self._rows = tasks, rows
        self._held: dict[str, _Held] = {}
        self.last: dict[str, Pair] = {}

    def clear(self) -> None:
        """Forget the groups that wait."""
        self._held.clear()

    def holds(self, number: int) -> bool:
        """Whether this group is the one that waits."""
        return bool(self._held) and all(held.number == number for held in self._held.values())

    def add_group(
        self, number: int, pieces: Iterable[Piece], accumulators: Sequence[Accumulator]
    ) -> None:
        """Pair a group with itself; it waits for the later ones. Others take its pieces."""
        parts: dict[int, list[tuple[NDArray, NDArray]]] = {}
        for piece in pieces:
            for i, (task, accumulator) in enumerate(zip(self._tasks, accumulators, strict=True)):
                rows = self._rows.of(task, piece)
                if isinstance(accumulator, PairBlocks):
                    parts.setdefault(i, []).append(rows)
                else:
                    accumulator.add(rows[0])
        for i, found in parts.items():
            accumulator, label = accumulators[i], self._tasks[i].target.label
            assert isinstance(accumulator, PairBlocks)
            held = self._hold(number, label, accumulator, found)
            count = len(held.rows)
            self.last[label] = held.first, count, held.first, count
            if count:
                accumulator.add_within(held.tiles, held.rows, held.first)

    def restore(
        self, number: int, pieces: Iterable[Piece], accumulators: Sequence[Accumulator]
    ) -> None:
        """Hold a group whose own pairs are done: after a restart."""
        for i, found in self._parts(pieces).items():
            accumulator = accumulators[i]
            assert isinstance(accumulator, PairBlocks)
            self._hold(number, self._tasks[i].target.label, accumulator, found)

    def add_pair(self, pieces: Iterable[Piece], accumulators: Sequence[Accumulator]) -> None:
        """Pair the group that waits with a later one."""
        for i, found in self._parts(pieces).items():
            accumulator, label = accumulators[i], self._tasks[i].target.label
            assert isinstance(accumulator, PairBlocks)
            held = self._held[label]
            others, index = _joined(found)
            found.clear()
            count = len(held.rows)
            self.last[label] = held.first, count, index, len(others)
            if count and len(others):
                more = accumulator.prepare(others)
                accumulator.add_between(held.tiles, held.first, count, more, index, len(others))

    def _parts(self, pieces: Iterable[Piece]) -> dict[int, list[tuple[NDArray, NDArray]]]:
        parts: dict[int, list[tuple[NDArray, NDArray]]] = {}
        for piece in pieces:
            for i, task in enumerate(self._tasks):
                if task.statistic.takes_pairs:
                    parts.setdefault(i, []).append(self._rows.of(task, piece))
        return parts

    def _hold(
        self,
        number: int,
        label: str,
        accumulator: PairBlocks,
        parts: list[tuple[NDArray, NDArray]],
    ) -> _Held:
        """Keep a group in memory for its pairs."""
        self._held.pop(label, None)
        rows, index = _joined(parts)
        parts.clear()
        self._held[label] = _Held(number, index, rows, accumulator.prepare(rows))
        return self._held[label]


def _joined(parts: list[tuple[NDArray, NDArray]]) -> tuple[NDArray, int]:
    """Rows of several blocks, and the position of the first."""
    positions = np.concatenate([p for _, p in parts])
    rows = parts[0][0] if len(parts) == 1 else np.concatenate([r for r, _ in parts])
    if len(positions) and not np.array_equal(positions, positions[0] + np.arange(len(positions))):
        raise RecordError("fit: the blocks of the source must hold neighbouring records.")
    return rows, int(positions[0]) if len(positions) else 0
