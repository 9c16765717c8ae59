"""A fit whose leaves are made by a runner: in threads, or in the processes of a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from ..statistics import GramState, PairBlocks, PairPart, State
from ..typing import NDArray
from ._checkpoint import Checkpoint
from ._parts import Part, Share, Span, parts_in_order
from ._run import FitRun, about
from ._runner import Runner


class ScheduledRun(FitRun):
    """Adds up, in the order of the records, what others have gathered.

    Args:
        runner: who makes the leaves.
        settings: of `FitRun`.
    """

    def __init__(self, runner: Runner, *settings: Any) -> None:
        self._runner = runner
        super().__init__(*settings)

    def _gather(self) -> None:
        first = sum(end <= self._done for _, end in self._leaves)
        if first == len(self._leaves):
            return
        share = self._share()
        for part in self._parts(share, first):
            self._add(part)
            if self._checkpoint.is_due:
                self._save()

    def _parts(self, share: Share, first: int) -> Iterator[Part]:
        return parts_in_order(self._runner, make_parts, share, first, len(self._leaves))

    def _share(self) -> Share:
        """What others must know; pairs of floats are all about what the first records say."""
        shifts = [_shift_of_pairs(state) for state in self._totals]
        share = Share(
            self._records,
            self._plan,
            self._rows.means,
            self._rows.skip,
            self._rows.places,
            self._done,
            shifts,
        )
        wanted = [
            number
            for number, task in enumerate(self._plan.tasks)
            if task.statistic.takes_pairs and shifts[number] is None and not task.statistic.exact
        ]
        if wanted:
            found = LeafRun(share).find_shifts(wanted)
            share = replace(share, shifts=found)
            self._totals = [about(t, s) for t, s in zip(self._totals, found, strict=True)]
            self._begin_all()
        return share

    def _add(self, part: Part) -> None:
        for number, item in enumerate(part.items):
            accumulator = self._accumulators[number]
            if isinstance(item, PairPart):
                assert isinstance(accumulator, PairBlocks)
                accumulator.add_part(item)
            elif item is not None:
                self._totals[number] = self._totals[number].merge(item)
        self.dropped += part.dropped
        end = self._leaves[part.end - 1][1]
        self._tick(self._count_of(self._done, end))
        self._done = end

    def _flush(self) -> None:
        """Pairs are added up here as everywhere; the others are in the totals."""
        for number, accumulator in enumerate(self._accumulators):
            if isinstance(accumulator, PairBlocks):
                self._totals[number] = accumulator.state()


class LeafRun(FitRun):
    """Makes some of the leaves of another run.

    Args:
        share: what that one has sent.
    """

    def __init__(self, share: Share) -> None:
        super().__init__(
            share.records,
            share.plan,
            share.means,
            share.skip,
            Checkpoint(None, {}, 0.0),
            "",
            lambda count: None,
            share.places,
        )
        self._done = share.done
        self._totals = [about(t, s) for t, s in zip(self._totals, share.shifts, strict=True)]
        self._begin_all()

    def find_shifts(self, wanted: Sequence[int]) -> list[NDArray | None]:
        """Read groups until it is known what the sums of these tasks are about."""
        shifts: list[NDArray | None] = []
        pieces = self._records.read(self._groups, self._targets)
        with closing(pieces):  # type: ignore[type-var]
            self._pieces = pieces
            for group in range(len(self._groups)):
                self._read_group(group)
                self._flush()
                shifts = [_shift_of_pairs(state) for state in self._totals]
                if all(shifts[number] is not None for number in wanted):
                    break
        return shifts

    def make(self, first: int, end: int) -> list[Part]:
        """Make leaves [first, end): a part for each, or one of all where no cut changes a bit."""
        parts, begun = [], first
        start = max(self._leaves[first][0], self._done)
        with self._reading(start, self._leaves[end - 1][1]):
            for leaf in range(first, end):
                low, high = self._leaves[leaf]
                step = max(low, self._done)
                while step < high:
                    step += self._do(step)
                if self._pairs or not self._free or leaf == end - 1:
                    parts.append(self._part(begun, leaf + 1))
                    begun = leaf + 1
        return parts

    def _part(self, first: int, end: int) -> Part:
        """What has been gathered since the last part."""
        items: list[State | PairPart | None] = []
        for number, task in enumerate(self._plan.tasks):
            accumulator = self._accumulators[number]
            if isinstance(accumulator, PairBlocks):
                pair = self._pairing.last[task.target.label]
                items.append(accumulator.take_part(*pair) if pair[1] and pair[3] else None)
                continue
            self._flush_one(number)
            state = self._totals[number]
            items.append(state if state.n else None)
            self._totals[number] = task.statistic.init()
            self._accumulators[number] = self._begin(number)
        dropped, self.dropped = self.dropped, 0
        return Part(first, end, items, dropped)


def make_parts(share: Share, span: Span) -> tuple[list[Part], float]:
    """Make some leaves; what a worker does.

    Returns:
        The parts, and how many seconds it took.
    """
    start = time.perf_counter()
    parts = LeafRun(share).make(*span)
    return parts, time.perf_counter() - start


def _shift_of_pairs(state: State) -> NDArray | None:
    """What all pairs of floats must be about; other sums need no common number."""
    return state.shift if isinstance(state, GramState) else None
