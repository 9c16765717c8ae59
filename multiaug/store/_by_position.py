"""Records by position for passes that write: many reads at a time where the source is far."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np

from .._machine import core_count
from ..typing import NDArray
from ._source import ChunkedSource
from .zarr._requests import Fetching, chunks_of_a_job
from .zarr._zarr import requests_of

_FAR_READS = 16


class RecordReader(AbstractContextManager["RecordReader"]):
    """Reads records by position; its threads end with the block that it is used in.

    Args:
        source: what to read.
    """

    def __init__(self, source: ChunkedSource) -> None:
        self._source = source
        self._requests_for = requests_of(source)
        self._threads: ThreadPoolExecutor | None = None
        if source.remote:
            count = _FAR_READS if self._requests_for is None else core_count()
            self._threads = ThreadPoolExecutor(count, thread_name_prefix="multiaug-far")
            self._fetching = Fetching(self._threads, self._requests_for)

    def read(self, index: NDArray) -> dict[str, NDArray]:
        """Records by position; neighbours in one go, of far sources in several at a time."""
        if self._threads is None or len(index) < 2:
            return _read(self._source, index)
        # Cut at the chunks of the source, so that no two threads fetch the same.
        chunks = index // self._source.chunk
        ends = np.flatnonzero(np.diff(chunks)) + 1
        if self._requests_for is not None:
            each = len(self._requests_for(index[: 1 if not len(ends) else ends[0]]))
            ends = ends[:: chunks_of_a_job(each)]
        elif len(ends) >= _FAR_READS:
            ends = ends[np.linspace(0, len(ends) - 1, _FAR_READS - 1).astype(int)]
        futures = [
            self._fetching.submit(part, _read, self._source, part) for part in np.split(index, ends)
        ]
        parts = [future.result() for future in futures]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def __exit__(self, *error: object) -> None:
        if self._threads is not None:
            self._fetching.close()
            self._threads.shutdown(wait=True, cancel_futures=True)


def _read(source: ChunkedSource, index: NDArray) -> dict[str, NDArray]:
    low, high = int(index.min()), int(index.max()) + 1
    if high - low > len(index):
        return source.read(index)
    room = (-(-(high - low) // source.chunk) + 1) * source.chunk
    arrays = {n: np.empty((room, *s.shape), s.dtype) for n, s in source.structure.items()}
    source.read_range(low, high, arrays)
    if (np.diff(index) == 1).all():
        return {n: a[: high - low] for n, a in arrays.items()}
    return {n: a[index - low] for n, a in arrays.items()}
