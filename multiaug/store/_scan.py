"""Full passes: blocks read ahead by a few threads, into memory that is used again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from .._machine import core_count
from ..typing import NDArray
from ._pool import BufferPool
from ._source import Block, Run, Structure
from .zarr._requests import MOST_REQUESTS, Fetching, RequestsFor, chunks_of_a_job

ReadRange = Callable[[int, int, Mapping[str, NDArray]], None]

# Small blocks are read together, up to this size: telling threads costs as much as a megabyte.
_GROUP_BYTES = 16 * 2**20
_DEPTH = 2  # groups that are being read
# What a thread reads for itself at a time: still in a cache when it is used, and long beside the
# 0.2 ms of the interpreter that it takes each time.
HERE_BYTES = 2**23
_FAR_READS = 16  # chunks that are on their way from another machine
# Memory that a source keeps between scans; more goes back to the system.
_KEPT_BYTES = 128 * 2**20

Pools = dict[int, dict[str, BufferPool]]
# Id, first record and end of a block.
Span = tuple[int, int, int]


def scan_in_threads(
    spans: Sequence[Span],
    structure: Mapping[str, Structure],
    chunk: int,
    read_range: ReadRange,
    pools: Pools,
    *,
    remote: bool = False,
    requests: RequestsFor | None = None,
) -> Iterator[Block]:
    """Yield blocks in order while later ones are being read.

    Args:
        spans: the blocks.
        structure: entry name -> shape of one record, and dtype.
        chunk: records that are decoded together; blocks are cut for the threads at its multiples.
        read_range: reads neighbouring records into arrays.
        pools: memory of earlier scans of the same source; what this one leaves is put there.
        remote: reading waits for another machine, so many chunks are asked for at a time.
        requests: what is asked of it for records; None has threads wait for it.
    """
    if not spans:
        return
    record = sum(s.nbytes for s in structure.values())
    groups = list(_grouped(spans, _GROUP_BYTES // max(1, record)))
    longest = max(group[-1][2] - group[0][1] for group in groups)
    rows = -(-longest // chunk) * chunk  # room for the last chunk's unused rows
    threads, depth = core_count(), _DEPTH
    reads = each = 0
    if requests is not None:
        each = len(requests(np.arange(min(chunk, spans[0][2]))))  # for a chunk
        reads = -(-MOST_REQUESTS // max(1, each))
    elif remote:
        reads = threads = max(threads, _FAR_READS)
    if remote:
        most = _KEPT_BYTES // max(1, rows * record) - 1
        depth = max(depth, min(most, -(-reads * chunk // rows)))
    own = pools.get(rows) or {
        n: BufferPool(rows * s.nbytes, depth + 1) for n, s in structure.items()
    }
    if (depth + 1) * rows * record <= _KEPT_BYTES:
        pools.clear()
        pools[rows] = own

    def start(executor: Fetching, group: Sequence[Span]) -> _Started:
        first, last = group[0][1], group[-1][2]
        room = -(-(last - first) // chunk) * chunk
        arrays = {n: own[n].lend((room, *s.shape), s.dtype) for n, s in structure.items()}
        # Requests are made for a few chunks at a time, so that these are decoded when they come.
        parts = threads if requests is None else -(-room // (chunk * chunks_of_a_job(each)))
        futures = [
            executor.submit(np.arange(low, high), _read, read_range, low, high, low - first, arrays)
            for low, high in _cut(first, last, chunk, parts)
        ]
        return group, arrays, futures

    with ThreadPoolExecutor(threads, thread_name_prefix="multiaug-scan") as executor:
        fetching = Fetching(executor, requests)
        waiting: deque[_Started] = deque()
        todo = iter(groups)
        try:
            while True:
                while len(waiting) < depth and (following := next(todo, None)) is not None:
                    waiting.append(start(fetching, following))
                if not waiting:
                    return
                yield from _blocks(*waiting.popleft())
        finally:
            fetching.close()
            executor.shutdown(wait=True, cancel_futures=True)


class _Here(threading.local):
    """Memory that a thread reads into, one reading after the other."""

    def __init__(self) -> None:
        self._pools: dict[str, BufferPool] = {}

    def of(self, sizes: Mapping[str, int]) -> dict[str, BufferPool]:
        """Pools of buffers of at least these sizes, those of before where they are."""
        if any(n not in self._pools or self._pools[n].size < size for n, size in sizes.items()):
            self._pools = {n: BufferPool(size) for n, size in sizes.items()}
        return self._pools


_HERE = _Here()


def read_here(
    spans: Sequence[Span], structure: Mapping[str, Structure], chunk: int, read_range: ReadRange
) -> Iterator[tuple[int, Block]]:
    """Yield neighbouring blocks as one, with their number, read by the thread that asks.

    Args:
        spans: the blocks.
        structure: entry name -> shape of one record, and dtype.
        chunk: records that are decoded together.
        read_range: reads neighbouring records into arrays.
    """
    if not spans:
        return
    record = sum(s.nbytes for s in structure.values())
    groups = list(_grouped(spans, HERE_BYTES // max(1, record)))
    rows = -(-max(group[-1][2] - group[0][1] for group in groups) // chunk) * chunk
    pools = _HERE.of({n: rows * s.nbytes for n, s in structure.items()})
    for group in groups:
        number, first, last = group[0][0], group[0][1], group[-1][2]
        room = -(-(last - first) // chunk) * chunk
        arrays = {n: pools[n].lend((room, *s.shape), s.dtype) for n, s in structure.items()}
        read_range(first, last, arrays)
        index = np.arange(first, last, dtype=np.int64)
        block = Block(number, index, {n: a[: last - first] for n, a in arrays.items()})
        del arrays  # the consumer alone decides how long the memory is in use
        yield len(group), block
        del block


_Started = tuple[Sequence[Span], dict[str, NDArray], list[Future[None]]]


def _blocks(
    group: Sequence[Span], arrays: Mapping[str, NDArray], futures: Sequence[Future[None]]
) -> Iterator[Block]:
    for future in futures:
        future.result()
    first, last = group[0][1], group[-1][2]
    index = np.arange(first, last, dtype=np.int64)
    run = Run(index, {n: a[: last - first] for n, a in arrays.items()})
    blocks = [
        Block(
            number,
            index[start - first : stop - first],
            {n: a[start - first : stop - first] for n, a in arrays.items()},
            ready=ready,
            run=run,
        )
        for ready, (number, start, stop) in enumerate(reversed(group))
    ]
    del arrays, futures, run  # the consumer alone decides how long the memory is in use
    while blocks:
        yield blocks.pop()


def _grouped(spans: Sequence[Span], records: int) -> Iterator[list[Span]]:
    """Neighbours that are read together: at most so many records, or a single block."""
    group = [spans[0]]
    for span in spans[1:]:
        if span[1] != group[-1][2] or span[2] - group[0][1] > records:
            yield group
            group = []
        group.append(span)
    yield group


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
