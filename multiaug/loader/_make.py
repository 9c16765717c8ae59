"""Batches from their plans: read, augmented, handed to JAX."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..checks import Finding
from ..pipeline import record_keys
from ..spec import DataSpec
from ..store import ChunkedSource
from ..transforms import Transform
from ..typing import NDArray
from ._budget import most_augmenters
from ._chunks import ChunkReader
from ._memory import Budget
from ._order import Epoch
from ._place import Recycler, local_sharding, to_jax
from ._prefetch import Prefetcher
from ._read import Losses, Plan, RawBatch, RowReader, SizedReader
from ._schedule import Schedule
from ._views import Maker, made_flat, nested, on_arrays, pipelines_of

if TYPE_CHECKING:
    from jax.sharding import Sharding

# Opening and seeking costs as much as copying about as many bytes.
_LARGE_RECORD = 32 * 1024


class BatchMaker:
    """Makes the batches of a loader; what it holds in memory is used again from epoch to epoch.

    Args:
        source: what is read.
        spec: what its entries are.
        pipeline: what is done to it, or None.
        schedule: which records each batch has.
        budget: of memory.
        threads: that read.
        prefetch: as in `Loader`.
        sharding: as in `Loader`.
        check: as in `Loader`.
        inspect: is shown the entries of the first batch, and returns what is to be said of them.
    """

    def __init__(
        self,
        source: ChunkedSource,
        spec: DataSpec,
        pipeline: Maker | None,
        schedule: Schedule,
        *,
        budget: Budget,
        threads: int,
        prefetch: int,
        sharding: Sharding | None,
        check: bool,
        inspect: Callable[[Mapping[str, Any]], list[Finding]] | None,
    ) -> None:
        self._source, self._pipeline, self._schedule = source, pipeline, schedule
        self._spec = spec
        self._budget, self._threads, self._prefetch = budget, threads, prefetch
        self._sharding, self._check = sharding, check
        self._reader: ChunkReader | RowReader | SizedReader | None = None
        self._recycler = Recycler(keep=prefetch + 3)
        self._compiled = False
        self._compiling = threading.Lock()
        self._inspect = inspect
        self.to_say: list[Finding] = []
        """What is to be said of the first records, by the thread that the user's loop is in."""

    def batches(
        self, epoch: Epoch, first: int, losses: Losses, part: int = 0, parts: int = 1
    ) -> Prefetcher[tuple[int, dict[str, Any] | None]]:
        """(step, batch) from a position of the streams on; None is a batch of no records.

        Args:
            epoch: what is read.
            first: the position.
            losses: keeps count of what cannot be decoded.
            part: which of several readers this is, from 0: they take turns at the batches.
            parts: how many they are.
        """
        reader = self._open_reader()
        plans = islice(self._schedule.plans(epoch, first), part, None, parts)
        if isinstance(reader, ChunkReader):
            raws = reader.read(plans, self._schedule.expected(epoch, first), losses)
        else:
            raws = reader.read(plans, losses)
        # Gathering goes on while the pipeline computes; without one there is nothing to wait for.
        depth = 1 if self._prefetch and self._pipeline is not None else 0
        return Prefetcher(
            _ahead(self._with_keys(raws, epoch.number), depth),
            self._prefetch,
            partial(self._made, epoch.number),
            self._augmenters(),
        )

    def _augmenters(self) -> int:
        """Batches that are augmented at a time.

        While one waits for its last records, or for the interpreter, another one is computed.
        Accelerators have no memory to spare, and all processes must call them in the same order.
        """
        record = sum(s.nbytes for s in self._source.structure.values())
        size = self._schedule.batch_size * record
        most = most_augmenters(self._pipeline, self._prefetch, size)
        here = most == 1 or (jax.default_backend() == "cpu" and jax.process_count() == 1)
        return most if here else 1

    def _made(self, epoch: int, item: tuple[RawBatch, Any]) -> tuple[int, dict[str, Any] | None]:
        raw, keys = item
        # Threads that met a new program together would each compile it.
        with nullcontext() if self._compiled else self._compiling:
            if self._inspect is not None and len(raw.plan.index):
                self.to_say, self._inspect = self._inspect(_first_arrays(raw)), None
            batch = self._finish(raw, keys) if len(raw.plan.index) else self._empty(epoch)
            self._compiled = True
        return raw.plan.step, batch

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
        if self._pipeline is None:
            results = {**results, **_rows_there(self._spec, results)}
        else:
            pipeline, check = self._pipeline, self._check
            arrays = raw.arrays if raw.records is None else raw.records

            def run(out: Mapping[str, Any] | None) -> dict[str, Any]:
                return made_flat(pipeline, keys, arrays, out, check=check)

            results = self._recycler(len(index), run)
        sharding = self._sharding or local_sharding(len(index))
        place = np.int32 if self._schedule.order.count < 2**31 else np.uint32
        labels = {"index": index.astype(place), "copy": copy.astype(np.int32)}
        return nested(self._pipeline, to_jax({**results, **labels}, sharding))

    def _empty(self, epoch: int) -> dict[str, Any] | None:
        """A batch without records: nothing; of one of several hosts arrays of length 0."""
        if self._schedule.shard[1] == 1:
            return None
        none: dict[str, Any] = on_arrays(lambda array: array[:0], self.one(epoch))
        return none

    def one(self, epoch: int) -> dict[str, Any]:
        """A batch of the first record."""
        first = np.zeros(1, np.int64)
        plan = Plan(0, first, first)
        return self._finish(RawBatch(plan, self._source.read(first)), self._keys(plan, epoch))

    def _open_reader(self) -> ChunkReader | RowReader | SizedReader:
        if self._reader is None:
            # Where single records can be read there is no need for begun batches. The order is the
            # same, as it depends on the length of chunks alone.
            source, size, order = self._source, self._schedule.batch_size, self._schedule.order
            record = sum(s.nbytes for s in source.structure.values())
            room = self._budget.batches >= 2
            if hasattr(source, "read_records") and _makes_one_size(self._pipeline):
                self._reader = SizedReader(source, self._threads, min(1, self._prefetch))
                return self._reader
            seeks = getattr(source, "row_access", False) and record >= _LARGE_RECORD
            rows = order.shuffle == "full"
            if rows or (seeks and room and order.shuffle is not None):
                ahead = self._prefetch if rows else min(1, self._prefetch)
                self._reader = RowReader(source, size, self._threads, ahead)
            else:
                self._reader = ChunkReader(source, size, self._threads, self._budget.batches)
        return self._reader


def _makes_one_size(pipeline: Maker | None) -> bool:
    """Whether images of all sizes leave a pipeline at one."""
    return pipeline is not None and all(
        _makes_size(one.transforms) for one, _ in pipelines_of(pipeline)
    )


def _makes_size(transforms: Sequence[Transform]) -> bool:
    sizes = set()
    for frame in ((101, 173), (311, 227)):
        for transform in transforms:
            frame = transform.out_shape(frame)
        sizes.add(frame)
    return len(sizes) == 1


def _first_arrays(raw: RawBatch) -> dict[str, NDArray]:
    """The arrays of a batch; of records of different sizes, a batch of the first."""
    if raw.records is None:
        return raw.arrays
    return {name: array[np.newaxis] for name, array in raw.records[0].items()}


def _rows_there(spec: DataSpec, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """``<name>_valid`` (n, K) of tables with a capacity, as pipelines add it."""
    tables = {n: a for n, a in arrays.items() if n in spec.entries}
    return {
        f"{name}_valid": np.asarray(~np.isnan(array).any(axis=-1))
        for name, array in tables.items()
        if spec.entries[name].kind == "points" and spec.entries[name].groups[0].capacity is not None
    }


def _ahead(items: Iterator[Any], count: int) -> Iterator[Any]:
    """The items, so many of them ready before they are asked for."""
    found: Prefetcher[Any] = Prefetcher(items, count)
    with found:
        yield from found
