"""A fit by threads of this process: each reads records and adds them up while they are in a cache.

A reader that hands records to the thread that sums them writes all of them to memory first, and
takes turns with it for the cores and for the interpreter. Here neither waits for the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from .._machine import core_count
from ..store import BlockSource
from ._parts import Part, Share, Span, parts_in_order
from ._plan import Plan
from ._records import Records
from ._runner import ThreadRunner
from ._scheduled import LeafRun, ScheduledRun

# Long beside what beginning a task takes, short beside what threads wait for the last one.
_TASK_SECONDS = 0.05


def suits_threads(records: Records, plan: Plan, memory: int) -> bool:
    """Whether threads gather all of a plan side by side.

    Sums must have the same bits however they are cut; each thread holds its own of them, and what
    it reads. Other machines are waited for by more threads than there are cores, and augmentation
    and sums of XLA have threads of their own.
    """
    source, cores = records.source, core_count()
    if cores == 1 or records.pipeline or not isinstance(source, BlockSource) or source.remote:
        return False
    if not all(t.statistic.order_free and t.statistic.sums_in_threads for t in plan.tasks):
        return False
    more = (cores - 1) * plan.gathered + cores * source.bytes_here
    return plan.projected + more <= memory


class ThreadedRun(ScheduledRun):
    """Adds up, in the order of the records, what threads have gathered.

    Args:
        settings: of `FitRun`.
    """

    def __init__(self, *settings: Any) -> None:
        super().__init__(ThreadRunner(core_count()), *settings)

    def _parts(self, share: Share, first: int) -> Iterator[Part]:
        count = len(self._leaves)
        return parts_in_order(self._runner, _Maker(), share, first, count, _TASK_SECONDS)


class _LeafRun(LeafRun):
    """Reads in the thread that makes the leaves."""

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._read = share.records.read_here


class _Maker:
    """Makes leaves; every thread has one `_LeafRun` for all of its tasks."""

    def __init__(self) -> None:
        self._own = threading.local()

    def __call__(self, share: Share, span: Span) -> tuple[list[Part], float]:
        start = time.perf_counter()
        if not hasattr(self._own, "run"):
            self._own.run = _LeafRun(share)
        parts: list[Part] = self._own.run.make(*span)
        return parts, time.perf_counter() - start
