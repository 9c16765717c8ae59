"""One thread for every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

from ..._machine import core_count
from ..checks._modes import in_own_modes


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork: every process has its own."""
    return ThreadPoolExecutor(core_count(), thread_name_prefix="multiaug")


def in_threads(jobs: Sequence[Callable[[], object]]) -> None:
    """Run all jobs, this thread helping.

    After an error, or Ctrl-C, no new ones begin, and it is raised when those that run have ended.
    """
    pending = iter(jobs)

    @in_own_modes
    def work() -> None:
        try:
            for job in pending:
                job()
        except BaseException:
            list(pending)  # nothing is left for the others
            raise

    others: list[Future[None]] = []
    try:
        for _ in range(min(core_count(), len(jobs)) - 1):
            others.append(_pool(os.getpid()).submit(work))  # noqa: PERF401  all that began count
        work()
        wait(others)
    except BaseException:
        list(pending)
        wait(others)
        raise
    for other in others:
        other.result()
