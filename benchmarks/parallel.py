"""One Python thread per core, over pictures."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

CORES = 2
"""Everybody gets as many; `run.py --cores` changes it."""


def use_cores(count: int) -> None:
    """Pin this process, and so every thread of every library in it, to `count` cores."""
    global CORES
    CORES = count
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _one_thread_each() -> None:
    # The number of OpenMP threads belongs to the thread that asks for them.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@lru_cache(maxsize=1)
def pool() -> ThreadPoolExecutor:
    """The threads; made on first use, after the peers were imported."""
    return ThreadPoolExecutor(CORES, initializer=_one_thread_each)


def parts(count: int, pieces: int) -> list[range]:
    """`count` pictures in `pieces` runs of nearly one length."""
    edges = [count * i // pieces for i in range(pieces + 1)]
    return [range(a, b) for a, b in itertools.pairwise(edges) if a < b]


def over(count: int, work: Callable[[int], object], *, even: bool = True) -> None:
    """`work(i)` for every picture, on all cores.

    Args:
        count: how many pictures.
        work: called with their indices.
        even: all cost the same, so one part per core is best; else four per core.
    """

    def run(part: range) -> None:
        for i in part:
            work(i)

    list(pool().map(run, parts(count, CORES if even else 4 * CORES)))


def by_part(count: int, work: Callable[[range], object]) -> list[object]:
    """`work(range)` for one part per core; for calls that take a batch."""
    return list(pool().map(work, parts(count, CORES)))
