"""One fit as a list of work items in a fixed order, which a checkpoint can cut anywhere.

Neighbouring steps make a leaf. Sums of floats are made leaf by leaf and added up in the order of
the leaves, so they have the same bits whoever makes a leaf: this process, another one, or the
process that goes on from a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NotFittedError
from ..statistics import (
    Accumulator,
    Item,
    SecondLook,
    Seen,
    State,
)
from ..typing import NDArray
from ._checkpoint import Checkpoint
from ._looks import blocks_at_once, look_of, results_of
from ._pairing import Pairing
from ._plan import Plan, Task
from ._records import Piece, Records
from ._rows import Rows

# A leaf has as many records, or fewer where they are large.
_FLUSH_ROWS = 8192
_FLUSH_BYTES = 2**30
_FREE_BYTES = 2**26

Step = tuple[int, int | None]
"""(i, None) reads group i of blocks; (i, j) pairs it with group j."""


class FitRun:
    """All tasks of a plan, fed together.

    Args:
        records: what is read.
        plan: what is gathered.
        means: label -> the mean that fills pixels without data; None refuses them.
        skip: leave out records with NaN or with pixels without data.
        checkpoint: where progress is kept.
        source: fingerprint of what is read.
        tick: called with the number of records read.
        places: label -> where each record stands among those that are kept, if that is known.
    """

    def __init__(
        self,
        records: Records,
        plan: Plan,
        means: dict[str, NDArray] | None,
        skip: bool,
        checkpoint: Checkpoint,
        source: str,
        tick: Callable[[int], Any],
        places: dict[str, NDArray] | None = None,
    ) -> None:
        self._records, self._plan = records, plan
        self._read = records.read
        self._targets = list({task.target.label: task.target for task in plan.tasks}.values())
        self._rows = Rows(means, skip, places)
        self._checkpoint, self._source, self._tick = checkpoint, source, tick
        self._pairing = Pairing(plan.tasks, self._rows)
        self._pairs = any(task.statistic.takes_pairs for task in plan.tasks)
        self._free = all(task.statistic.order_free for task in plan.tasks)
        self._leaf_rows = self._rows_of_leaf()
        self._groups = self._make_groups()
        self._steps = self._make_steps()
        self._leaves = self._make_leaves()
        self._done, self._looked, self.dropped = 0, 0, 0
        self._pieces: Iterator[Piece] = iter(())
        if self._pairs and skip and places is None:
            grams = [task for task in plan.tasks if task.statistic.takes_pairs]
            self._rows.place_all(records, self._targets, grams)
        self._load()

    def _load(self) -> None:
        found = self._checkpoint.load()
        items: Sequence[Any] = [task.statistic.init() for task in self._plan.tasks]
        # What the first pass has left behind, once it is over.
        self._items: list[State | SecondLook] = []
        self._accumulators: list[Accumulator] = []
        if found is not None:
            document, items = found
            self._done, self.dropped = document["done"], document["dropped"]
            self._looked = document["looked"]
        self._totals: list[State] = []
        if any(isinstance(item, SecondLook) for item in items):
            self._items = list(items)
        else:
            self._totals = list(items)
            self._begin_all()
        self._tick(self._count_of(0, self._done))
        self._tick(min(self._looked * self._records.rows_per_block, self._records.n))

    @property
    def total(self) -> int:
        """Records that will be read, counting every time."""
        again = self._records.n if self.looks_again else 0
        return self._count_of(0, len(self._steps)) + again

    @property
    def looks_again(self) -> bool:
        """Something needs the records once more, such as eigenvectors."""
        return any(task.look is not None for task in self._plan.tasks)

    def run(self) -> list[tuple[Task, str, Item]]:
        """Do everything; the results with their names."""
        if not self._items:
            self._gather()
            if self._done:
                self._save()
            self._items = [look_of(task, state) for task, state in self._ended()]
        if self.looks_again:
            self._look_again()
        return results_of(self._plan.tasks, self._items)

    def _look_again(self) -> None:
        """The second look at the records, in order."""
        begun, count = self._looked, len(self._records.chunks)
        stride = blocks_at_once(self._targets, self._records.rows_per_block)
        for start in range(begun, count, stride):
            parts: list[list[tuple[NDArray, NDArray]]] = [[] for _ in self._items]
            blocks = range(start, min(start + stride, count))
            for piece in self._records.read([blocks], self._targets):
                for task, item, held in zip(self._plan.tasks, self._items, parts, strict=True):
                    if isinstance(item, SecondLook):
                        held.append(self._rows.of(task, piece))
                self._tick(len(piece.position))
            for item, held in zip(self._items, parts, strict=True):
                full = [part for part in held if len(part[0])]
                if full and isinstance(item, SecondLook):
                    item.add(np.concatenate([rows for rows, _ in full]), int(full[0][1][0]))
            self._looked = min(start + stride, count)
            if self._checkpoint.is_due:
                self._save()
        if self._looked > begun:
            self._save()

    def _gather(self) -> None:
        """Do all the steps that are not done."""
        with self._reading(self._done, len(self._steps)):
            while self._done < len(self._steps):
                self._done += self._do(self._done)
                if self._checkpoint.is_due and self._may_stop(self._steps[self._done - 1]):
                    self._save()

    @contextmanager
    def _reading(self, first: int, end: int) -> Iterator[None]:
        """One scan of all blocks that steps will read, so that a source can read ahead."""
        pieces = self._read(self._groups_of(first, end), self._targets)
        with closing(pieces):  # type: ignore[type-var]
            self._pieces = pieces
            yield

    def _groups_of(self, first: int, end: int) -> Iterator[list[int]]:
        """Blocks that may come together: those of a group of pairs, else what is left of a leaf."""
        if self._pairs:
            for i, j in self._steps[first:end]:
                yield self._groups[i if j is None else j]
            return
        for low, high in self._leaves:
            if max(low, first) < min(high, end):
                yield list(range(max(low, first), min(high, end)))

    def _do(self, first: int) -> int:
        """Do the next step, or as many as come in one piece; returns how many."""
        group, other = self._steps[first]
        if not self._pairs:
            return self._take_piece(first)
        if other is None:
            self._read_group(group)
        else:
            self._pair(group, other)
        return 1

    def _take_piece(self, first: int) -> int:
        """Feed every accumulator from the next piece; returns of how many blocks."""
        piece = next(self._pieces)
        self.dropped += piece.dropped
        for task, accumulator in zip(self._plan.tasks, self._accumulators, strict=True):
            accumulator.add(self._rows.of(task, piece)[0])
        self._tick(len(piece.position))
        if self._flushes(first + len(piece.chunks) - 1):
            for i in range(len(self._plan.tasks)):
                if not self._goes_on(i):
                    self._flush_one(i)
        return len(piece.chunks)

    def _begin_all(self) -> None:
        tasks = range(len(self._plan.tasks))
        self._accumulators = [self._begin(number) for number in tasks]

    def _begin(self, number: int) -> Accumulator:
        """Goes on from the total where no bit depends on the cut, else begins a leaf."""
        statistic, total = self._plan.tasks[number].statistic, self._totals[number]
        if self._goes_on(number):
            return statistic.accumulator(total)
        return statistic.accumulator(statistic.init())

    def _goes_on(self, number: int) -> bool:
        task = self._plan.tasks[number]
        return task.statistic.order_free or task.statistic.takes_pairs

    def _flush(self) -> None:
        """Bring the totals up to date."""
        for number in range(len(self._plan.tasks)):
            self._flush_one(number)

    def _flush_one(self, number: int) -> None:
        state = self._accumulators[number].state()
        if self._goes_on(number):
            self._totals[number] = state
        else:  # the end of a leaf
            self._totals[number] = self._totals[number].merge(state)
            self._accumulators[number] = self._begin(number)

    def _rows_of_leaf(self) -> int:
        if any(task.statistic.merges_slowly for task in self._plan.tasks):
            return _FLUSH_ROWS  # each merge of sketches costs as much as hundreds of records
        record = sum(target.size * 4 for target in self._targets)
        # Where no bit depends on the cut, leaves are small, so that threads have equal shares.
        most = _FREE_BYTES if self._free and not self._pairs else _FLUSH_BYTES
        return max(1, min(_FLUSH_ROWS, most // record))

    def _make_leaves(self) -> list[tuple[int, int]]:
        """Steps of each leaf, [first, end)."""
        count = len(self._steps)
        if self._pairs:
            ends = list(range(1, count + 1))
        else:  # as `_flushes` says of each
            leaf = np.arange(count + 1) * self._records.rows_per_block // self._leaf_rows
            ends = (np.flatnonzero(np.diff(leaf)) + 1).tolist()
        ends += [count] if ends[-1:] != [count] else []
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def _make_groups(self) -> list[list[int]]:
        """Neighbouring blocks that are read together."""
        count, rows = len(self._records.chunks), self._records.rows_per_block
        if not self._pairs:
            return [[i] for i in range(count)]
        length = max(1, self._plan.block_rows // rows)
        return [list(range(i, min(i + length, count))) for i in range(0, count, length)]

    def _make_steps(self) -> list[Step]:
        count = len(self._groups)
        if not self._pairs:
            return [(i, None) for i in range(count)]
        # A group stays in memory while the later ones pass by.
        return [(i, j) for i in range(count) for j in (None, *range(i + 1, count))]

    def _count_of(self, first: int, end: int) -> int:
        """Records that steps [first, end) read."""
        if self._pairs or first == end:
            return sum(self._count(step) for step in self._steps[first:end])
        return (end - 1 - first) * self._records.rows_per_block + self._count(self._steps[end - 1])

    def _count(self, step: Step) -> int:
        group = self._groups[step[0] if step[1] is None else step[1]]
        last = len(self._records.chunks) - 1
        rows = len(group) * self._records.rows_per_block
        if group[-1] == last:
            rows -= (last + 1) * self._records.rows_per_block - self._records.n
        return max(rows, 1)

    def _may_stop(self, step: Step) -> bool:
        """Sums of floats may only be cut where they always are."""
        return self._free or self._flushes(step[0])

    def _flushes(self, group: int) -> bool:
        """A leaf ends with this group; with pairs every group is one."""
        rows = self._records.rows_per_block
        first, last = self._groups[group][0], self._groups[group][-1]
        leaf = self._leaf_rows
        return self._pairs or first * rows // leaf != (last + 1) * rows // leaf

    def _read_group(self, number: int) -> None:
        """Feed every accumulator from the blocks of a group, which then waits for its pairs."""
        self._pairing.add_group(number, self._pieces_of(number, counting=True), self._accumulators)
        for i in range(len(self._plan.tasks)):
            if not self._goes_on(i):
                self._flush_one(i)

    def _pair(self, number: int, other: int) -> None:
        """Pair a group with a later one."""
        if not self._pairing.holds(number):
            pieces = self._records.read([self._groups[number]], self._targets)
            self._pairing.restore(number, pieces, self._accumulators)
        self._pairing.add_pair(self._pieces_of(other), self._accumulators)

    def _pieces_of(self, number: int, *, counting: bool = False) -> Iterator[Piece]:
        """The next pieces: those of a group, whose lost records are counted the first time."""
        left = len(self._groups[number])
        while left:
            piece = next(self._pieces)
            left -= len(piece.chunks)
            self.dropped += piece.dropped if counting else 0
            yield piece
            self._tick(len(piece.position))

    def _states(self) -> list[State]:
        chunks = [
            self._records.chunks[i]
            for group, other in self._steps[: self._done]
            if other is None
            for i in self._groups[group]
        ]
        seen = Seen().add(chunks, self._source)
        self._flush()
        return [replace(state, seen=seen) for state in self._totals]

    def _save(self) -> None:
        progress = {"done": self._done, "looked": self._looked, "dropped": self.dropped}
        self._checkpoint.save(progress, self._items or self._states())

    def _ended(self) -> Iterator[tuple[Task, State]]:
        """The states of the first pass, each of them to be used up before the next."""
        states = self._states()
        self._pairing.clear()
        self._accumulators.clear()
        self._totals.clear()
        for task in self._plan.tasks:
            state = states.pop(0)
            if not state.n:
                raise NotFittedError(
                    f"fit: no record of {task.target.label!r} is left"
                    + (f", {self.dropped} were left out for NaN." if self.dropped else ".")
                )
            yield task, state


def about(state: Any, shift: NDArray | None) -> Any:
    """An empty state whose sums will be about a shift."""
    return state if shift is None else replace(state, shift=shift)
