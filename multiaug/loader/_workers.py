"""Threads that read for one loop."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

Job = Callable[[], object]


class Workers:
    """Threads that do jobs in the order in which they come, until the end of a ``with`` block.

    Jobs that have not been begun by then are not done. A job tells its outcome itself, and raises
    nothing: an executor's futures, with a lock and a condition each, take 5 % of the time of an
    epoch whose chunks are decoded in a millisecond.

    Args:
        count: of threads.
        name: of threads, with a number.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=_work, args=(self._jobs,), name=f"{name}-{i}", daemon=True)
            for i in range(count)
        ]
        # Ctrl-C may come before the block is entered.
        self._end = weakref.finalize(self, _end, self._jobs, count)

    def put(self, job: Job) -> None:
        """Have something done."""
        self._jobs.put(job)

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()
        for thread in self._threads:
            thread.join()


def _end(jobs: SimpleQueue[Job | None], count: int) -> None:
    with suppress(Empty):
        while True:
            jobs.get_nowait()
    for _ in range(count):
        jobs.put(None)


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # while none is there, nothing is held
