"""Batches from their plans: read, augmented, handed to JAX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pipeline import Pipeline
from ..store import ChunkedSource
from ._keys import record_keys
from ._order import Epoch
from ._place import Recycler, local_sharding, to_jax
from ._prefetch import Prefetcher
from ._read import ChunkReader, Losses, Plan, RawBatch, RowReader
from ._schedule import Schedule

if TYPE_CHECKING:
    from jax.sharding import Sharding

# Opening and seeking costs as much as copying about as many bytes.
_LARGE_RECORD = 32 * 1024


class BatchMaker:
    """Makes the batches of a loader; what it holds in memory is used again from epoch to epoch.

    Args:
        source: what is read.
        pipeline: what is done to it, or None.
        schedule: which records each batch has.
        slots: chunks that may be held.
        threads: that read.
        prefetch: as in `Loader`.
        sharding: as in `Loader`.
        check: as in `Loader`.
    """

    def __init__(
        self,
        source: ChunkedSource,
        pipeline: Pipeline | None,
        schedule: Schedule,
        *,
        slots: int,
        threads: int,
        prefetch: int,
        sharding: Sharding | None,
        check: bool,
    ) -> None:
        self._source, self._pipeline, self._schedule = source, pipeline, schedule
        self._slots, self._threads, self._prefetch = slots, threads, prefetch
        self._sharding, self._check = sharding, check
        self._reader: ChunkReader | RowReader | None = None
        self._recycler = Recycler(keep=prefetch + 3)

    def batches(
        self, epoch: Epoch, first: int, losses: Losses
    ) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Yield (step, batch) from a position of the streams on; None is a batch of no records."""
        history = self._schedule.history(epoch, first)
        raws = self._open_reader().read(self._schedule.plans(epoch, first), history, losses)
        # Gathering goes on while the pipeline computes; without one there is nothing to wait for.
        depth = 1 if self._prefetch and self._pipeline is not None else 0
        with Prefetcher(self._with_keys(raws, epoch.number), depth) as ahead:
            for raw, keys in ahead:
                if len(raw.plan.index):
                    batch: dict[str, Any] | None = self._finish(raw, keys)
                else:
                    batch = self._empty(epoch.number)
                step = raw.plan.step
                del raw, keys
                yield step, batch
                del batch

    def _with_keys(self, raws: Iterator[RawBatch], epoch: int) -> Iterator[tuple[RawBatch, Any]]:
        """Batches with the keys of their records, where a pipeline will ask for them."""
        with closing(raws):  # type: ignore[type-var]
            for raw in raws:
                yield raw, self._keys(raw.plan, epoch)
                del raw

    def _keys(self, plan: Plan, epoch: int) -> Any:
        if self._pipeline is None or not len(plan.index):
            return None
        return record_keys(self._schedule.order.seed, epoch, plan.index, plan.copy)

    def _finish(self, raw: RawBatch, keys: Any) -> dict[str, Any]:
        index, copy = raw.plan.index, raw.plan.copy
        results: dict[str, Any] = raw.arrays
        if self._pipeline is not None:
            pipeline, arrays, check = self._pipeline, raw.arrays, self._check

            def run(out: Mapping[str, Any] | None) -> dict[str, Any]:
                return pipeline.batch(keys, arrays, out=out, check=check)

            results = self._recycler(len(index), run)
        sharding = self._sharding or local_sharding(len(index))
        place = np.int32 if self._schedule.order.count < 2**31 else np.uint32
        labels = {"index": index.astype(place), "copy": copy.astype(np.int32)}
        return to_jax({**results, **labels}, sharding)

    def _empty(self, epoch: int) -> dict[str, Any] | None:
        """A batch without records: nothing; of one of several hosts arrays of length 0."""
        if self._schedule.shard[1] == 1:
            return None
        return {name: array[:0] for name, array in self.one(epoch).items()}

    def one(self, epoch: int) -> dict[str, Any]:
        """A batch of the first record."""
        first = np.zeros(1, np.int64)
        plan = Plan(0, first, first)
        return self._finish(RawBatch(plan, self._source.read(first)), self._keys(plan, epoch))

    def _open_reader(self) -> ChunkReader | RowReader:
        if self._reader is None:
            # Where single records can be read there is no need to hold the window's chunks. The
            # order is the same, as it depends on their length alone.
            source, size, order = self._source, self._schedule.batch_size, self._schedule.order
            record = sum(s.nbytes for s in source.structure.values())
            room = self._slots * source.chunk >= 2 * size
            seeks = getattr(source, "row_access", False) and record >= _LARGE_RECORD
            rows = order.shuffle == "full"
            if rows or (seeks and room and order.shuffle is not None):
                ahead = self._prefetch if rows else min(1, self._prefetch)
                self._reader = RowReader(source, size, self._threads, ahead)
            else:
                self._reader = ChunkReader(source, self._slots, size, self._threads)
        return self._reader
