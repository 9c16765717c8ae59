"""Batches of single records, read straight into their places, and what all readers share."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CorruptChunkError, StoreError
from ..store import (
    BufferPool,
    ChunkedSource,
    Fetching,
    aligned,
    chunks_of_a_job,
    requests_of,
)
from ..typing import NDArray


@dataclass(frozen=True, eq=False)
class Plan:
    """One batch before it is read.

    Args:
        step: its number in the epoch.
        index: int64 (n,), positions in the source.
        copy: int64 (n,).
        places: int64 (n,), ascending, in the stream that a group is of; of a batch none.
    """

    step: int
    index: NDArray
    copy: NDArray
    places: NDArray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class RawBatch:
    """One batch as it was read; its arrays go back to a pool when nobody holds them."""

    plan: Plan
    arrays: dict[str, NDArray]
    records: list[dict[str, NDArray]] | None = None
    """In the place of arrays, records whose images have sizes of their own."""


@dataclass
class Losses:
    """Records that could not be decoded.

    Args:
        allowed: whether they may be left out.
        limit: more than as many are an error.
        total: how many records there are in this epoch.
        records: how many were left out in this epoch.
        missing: how many of them batches lack, where these are cut from groups: each of several
            readers may read a group, and hands out other records of it.
    """

    allowed: bool
    limit: int
    total: int
    records: int = 0
    missing: int | None = None
    first: CorruptChunkError | None = None

    @property
    def skipped(self) -> int:
        """How many records the batches lack that this reader has made."""
        return self.records if self.missing is None else self.missing

    def _enough(self) -> float:
        """A share of the epoch's records, in whole percent, that allows as many as were met."""
        share = math.ceil(100 * self.records / self.total)
        return min(1.0, share / 100)

    def add(self, records: int, error: CorruptChunkError) -> None:
        """Count records that are left out.

        Raises:
            CorruptChunkError: they may not be, or there are too many.
            StoreError: there are too many.
        """
        if not self.allowed:
            raise error
        self.records += records
        self.first = self.first or error
        if self.records > self.limit:
            raise StoreError(
                f"{self.records} records of this epoch are in chunks that cannot be decoded, more "
                f"than the {self.limit} that `Loader.skip_limit`, a share of them, allows. Mend "
                f"the files, or allow more: skip_limit={self._enough():g} or above. The first was: "
                f"{self.first}"
            ) from error


def without(plan: Plan, arrays: Mapping[str, NDArray], lost: Sequence[int] | NDArray) -> RawBatch:
    """A batch as it was read, but for the places of records that are lost."""
    keep = np.setdiff1d(np.arange(len(plan.index)), lost)
    places = plan.places[keep] if len(plan.places) else plan.places
    rest = Plan(plan.step, plan.index[keep], plan.copy[keep], places)
    return RawBatch(rest, {n: a[keep] for n, a in arrays.items()})


class Pools:
    """Memory of batches, which comes back when nobody holds it.

    Args:
        source: what is read.
        batch_size: records of a batch. Larger ones are rare, and have memory of their own.
    """

    def __init__(self, source: ChunkedSource, batch_size: int) -> None:
        self._structure, self._batch_size = source.structure, batch_size
        self._pools = {n: BufferPool(batch_size * s.nbytes) for n, s in self._structure.items()}

    @property
    def made(self) -> int:
        """For how many batches there is memory."""
        return max((pool.made for pool in self._pools.values()), default=0)

    def lend(self, count: int) -> dict[str, NDArray]:
        """Arrays of so many records; what stands in them is left over from before."""
        if count > self._batch_size:
            return {
                n: aligned(count * s.nbytes).view(s.dtype).reshape(count, *s.shape)
                for n, s in self._structure.items()
            }
        return {
            n: self._pools[n].lend((count, *s.shape), s.dtype) for n, s in self._structure.items()
        }


class RowReader:
    """Reads single records straight into their place in the batch.

    Args:
        source: what to read.
        batch_size: records of a batch, as of `Pools`.
        threads: that read.
        ahead: batches that are read before they are asked for.
        travelling: bytes of a far store that are asked for before they are decoded.
    """

    def __init__(
        self, source: ChunkedSource, batch_size: int, threads: int, ahead: int, travelling: int
    ) -> None:
        self._source = source
        self._requests = requests_of(source)
        self._travelling = travelling
        self._threads = threads
        self._ahead = ahead
        self._pools = Pools(source, batch_size)

    def read(self, plans: Iterator[Plan], losses: Losses) -> Iterator[RawBatch]:
        """Yield batches while later ones are being read.

        Args:
            plans: the batches.
            losses: keeps count of what cannot be decoded.
        """
        waiting: deque[tuple[Plan, dict[str, NDArray], list[Future[list[int]]]]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="multiaug-read") as executor:
            fetching = Fetching(executor, self._requests, self._travelling)
            try:
                while True:
                    while len(waiting) <= self._ahead and (plan := next(plans, None)) is not None:
                        waiting.append(self._start(fetching, plan, losses))
                    if not waiting:
                        return
                    plan, arrays, futures = waiting.popleft()
                    lost = [place for future in futures for place in future.result()]
                    del futures
                    raw = RawBatch(plan, arrays) if not lost else without(plan, arrays, lost)
                    del arrays, plan
                    yield raw
                    del raw
            finally:
                fetching.close()
                executor.shutdown(wait=True, cancel_futures=True)

    def _start(
        self, executor: Fetching, plan: Plan, losses: Losses
    ) -> tuple[Plan, dict[str, NDArray], list[Future[list[int]]]]:
        count = len(plan.index)
        arrays = self._pools.lend(count)
        step = max(1, -(-count // self._threads))
        if self._requests is not None and count:
            step = min(step, chunks_of_a_job(len(self._requests(plan.index[:1]))))
        futures = [
            executor.submit(
                plan.index[low : low + step], self._read_rows,
                plan.index, low, min(low + step, count), arrays, losses,
            )
            for low in range(0, count, step)
        ]  # fmt: skip
        return plan, arrays, futures

    def _read_rows(
        self, index: NDArray, low: int, high: int, arrays: Mapping[str, NDArray], losses: Losses
    ) -> list[int]:
        """Read some records; returns the places of those that cannot be decoded."""
        try:
            self._source.read(index[low:high], out={n: a[low:high] for n, a in arrays.items()})
        except CorruptChunkError as error:
            if high - low == 1 or not losses.allowed:
                losses.add(1, error)
                return [low]
            found = (self._read_rows(index, at, at + 1, arrays, losses) for at in range(low, high))
            return [place for places in found for place in places]
        return []


class SizedReader:
    """Reads single records whose images have sizes of their own.

    Args:
        source: what to read; it has the method ``read_records``.
        threads: that read.
        ahead: batches that are read before they are asked for.
    """

    def __init__(self, source: Any, threads: int, ahead: int) -> None:
        self._source, self._threads, self._ahead = source, threads, ahead

    def read(self, plans: Iterator[Plan], losses: Losses) -> Iterator[RawBatch]:
        """Yield batches while later ones are being read.

        Args:
            plans: the batches.
            losses: keeps count of what cannot be decoded.
        """
        waiting: deque[tuple[Plan, list[Future[dict[str, NDArray] | None]]]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="multiaug-read") as executor:
            try:
                while True:
                    while len(waiting) <= self._ahead and (plan := next(plans, None)) is not None:
                        rows = plan.index.tolist()
                        waiting.append(
                            (plan, [executor.submit(self._one, row, losses) for row in rows])
                        )
                    if not waiting:
                        return
                    plan, futures = waiting.popleft()
                    found = [future.result() for future in futures]
                    del futures
                    lost = [place for place, record in enumerate(found) if record is None]
                    if lost:
                        plan = without(plan, {}, lost).plan
                    yield RawBatch(plan, {}, [record for record in found if record is not None])
                    del found
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def _one(self, row: int, losses: Losses) -> dict[str, NDArray] | None:
        """A record; None where it cannot be decoded."""
        try:
            (record,) = self._source.read_records([row])
        except CorruptChunkError as error:
            losses.add(1, error)
            return None
        found: dict[str, NDArray] = record
        return found
