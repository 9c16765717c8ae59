"""Leaves of a fit that are made elsewhere: what goes there, and what comes back, in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..statistics import PairPart, State
from ..typing import NDArray
from ._plan import Plan
from ._records import Records
from ._runner import Runner, Work

# Sending a task and fetching its result takes some hundredths of a second.
_TASK_SECONDS = 2.0

Span = tuple[int, int]
"""Leaves [first, end) that one task makes."""


@dataclass(frozen=True, eq=False)
class Share:
    """All that must be known to make leaves; goes through pickle.

    Args:
        records: what is read.
        plan: what is gathered.
        means: see `FitRun`.
        skip: see `FitRun`.
        places: label -> where each record stands among those that are kept.
        done: steps that are done already.
        shifts: what the pairs of each task are about; None where it is not a matter of the data.
    """

    records: Records
    plan: Plan
    means: dict[str, NDArray] | None
    skip: bool
    places: dict[str, NDArray]
    done: int
    shifts: Sequence[NDArray | None]


@dataclass(frozen=True, eq=False)
class Part:
    """What leaves have added.

    Args:
        first: the first leaf.
        end: the one after the last.
        items: for each task a state or a pair of blocks; None where there was nothing to add.
        dropped: records that were left out for NaN.
    """

    first: int
    end: int
    items: Sequence[State | PairPart | None]
    dropped: int


def parts_in_order(
    runner: Runner,
    work: Work,
    share: Share,
    first: int,
    count: int,
    task_seconds: float | None = None,
) -> Iterator[Part]:
    """Have leaves made by a runner; what comes early waits for its turn.

    Args:
        runner: calls ``work(share, span)`` for (parts, seconds that it took).
        work: makes leaves.
        share: see `Share`.
        first: the first leaf that is not done.
        count: of all leaves.
        task_seconds: how long a task is to take; by default so long that sending it costs little.
    """
    lengths = _Lengths(first, count, task_seconds)
    waiting: dict[int, Part] = {}
    following = first
    with closing(runner.run(work, share, lengths.spans())) as results:  # type: ignore[type-var]
        for span, (parts, seconds) in results:
            lengths.took(span, seconds)
            waiting |= {part.first: part for part in parts}
            while following in waiting:
                part = waiting.pop(following)
                following = part.end
                yield part


class _Lengths:
    """Cuts leaves into tasks that are long enough, by how long the earlier ones took."""

    def __init__(self, first: int, count: int, task_seconds: float | None = None) -> None:
        self._first, self._count = first, count
        self._task_seconds = task_seconds or _TASK_SECONDS
        self._leaf_seconds = math.inf

    def took(self, span: Span, seconds: Any) -> None:
        """Learn from a task; the fastest tells, as the first ones compile their programs."""
        each = max(float(seconds), 1e-6) / (span[1] - span[0])
        self._leaf_seconds = min(self._leaf_seconds, each)

    def spans(self) -> Iterator[Span]:
        """The tasks, each cut when it is begun."""
        while self._first < self._count:
            length = max(1, math.ceil(self._task_seconds / self._leaf_seconds))
            end = min(self._first + length, self._count)
            yield self._first, end
            self._first = end
