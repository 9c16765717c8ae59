"""One thread for every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from .._machine import core_count
from ._modes import in_own_modes


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork: every process has its own."""
    return ThreadPoolExecutor(core_count(), thread_name_prefix="multiaug")


def in_threads(jobs: Sequence[Callable[[], object]]) -> None:
    """Run all jobs, this thread helping; after an error no new ones begin, and it is raised."""
    pending = iter(jobs)

    @in_own_modes
    def work() -> None:
        try:
            for job in pending:
                job()
        except BaseException:
            list(pending)  # nothing is left for the others
            raise

    helpers = min(core_count(), len(jobs)) - 1
    others = [_pool(os.getpid()).submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        errors = [other.exception() for other in others]
    for error in errors:
        if error is not None:
            raise error
