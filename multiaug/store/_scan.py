"""Full passes: blocks read ahead by a few threads, into memory that is used again."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..typing import NDArray
from ._pool import BufferPool
from ._source import Block, Structure

ReadRange = Callable[[int, int, Mapping[str, NDArray]], None]

# Blocks larger than this are read one ahead, smaller ones so many that all threads have work.
_LARGE_BLOCK = 16 * 2**20


def core_count() -> int:
    """How many cores the process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def scan_in_threads(
    spans: Sequence[tuple[int, int, int]],
    structure: Mapping[str, Structure],
    chunk: int,
    read_range: ReadRange,
) -> Iterator[Block]:
    """Yield blocks in order while later ones are being read.

    Args:
        spans: id, first record and end of every block.
        structure: entry name -> shape of one record, and dtype.
        chunk: records that are decoded together; blocks are cut for the threads at its multiples.
        read_range: reads neighbouring records into arrays.
    """
    if not spans:
        return
    longest = max(stop - start for _, start, stop in spans)
    rows = -(-longest // chunk) * chunk  # room for the last chunk's unused rows
    pools = {n: BufferPool(rows * s.nbytes, keep=4) for n, s in structure.items()}
    threads = core_count()
    size = rows * sum(s.nbytes for s in structure.values())
    ahead = 1 if size > _LARGE_BLOCK else max(2, threads)

    with ThreadPoolExecutor(threads, thread_name_prefix="multiaug-scan") as executor:
        waiting: deque[tuple[int, int, int, dict[str, NDArray], list[Future[None]]]] = deque()
        todo = iter(spans)
        try:
            while True:
                while len(waiting) <= ahead and (span := next(todo, None)) is not None:
                    number, start, stop = span
                    room = -(-(stop - start) // chunk) * chunk
                    arrays = {
                        n: pools[n].lend((room, *s.shape), s.dtype) for n, s in structure.items()
                    }
                    futures = [
                        executor.submit(_read, read_range, low, high, low - start, arrays)
                        for low, high in _cut(start, stop, chunk, threads)
                    ]
                    waiting.append((number, start, stop, arrays, futures))
                if not waiting:
                    return
                number, start, stop, arrays, futures = waiting.popleft()
                for future in futures:
                    future.result()
                index = np.arange(start, stop, dtype=np.int64)
                block = Block(number, index, {n: a[: stop - start] for n, a in arrays.items()})
                del arrays, futures  # the consumer alone decides how long the memory is in use
                yield block
                del block
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _read(
    read_range: ReadRange, start: int, stop: int, offset: int, arrays: Mapping[str, NDArray]
) -> None:
    read_range(start, stop, {name: array[offset:] for name, array in arrays.items()})


def _cut(start: int, stop: int, chunk: int, parts: int) -> Iterator[tuple[int, int]]:
    """At most so many spans of whole chunks, that together are start .. stop."""
    chunks = -(-(stop - start) // chunk)
    step = -(-chunks // parts) * chunk
    for low in range(start, stop, step):
        yield low, min(low + step, stop)
