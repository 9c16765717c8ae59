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
from ._budget import GROUPS_AHEAD, most_augmenters
from ._chunks import ChunkReader
from ._groups import Groups, Joiner, Made, Piece, joined_plan
from ._memory import Budget
from ._order import Epoch
from ._place import Recycler, local_sharding, to_jax
from ._prefetch import Prefetcher
from ._read import Losses, Plan, RawBatch, RowReader, SizedReader
from ._schedule import Schedule
from ._views import Maker, made_flat, mixes, nested, on_arrays, pipelines_of

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
        groups: that batches are cut from, where a pipeline mixes their records; else None.
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
        groups: Groups | None,
        *,
        budget: Budget,
        threads: int,
        prefetch: int,
        sharding: Sharding | None,
        check: bool,
        inspect: Callable[[Mapping[str, Any]], list[Finding]] | None,
    ) -> None:
        self._source, self._pipeline, self._schedule = source, pipeline, schedule
        self._spec, self._groups = spec, groups
        self._joiner = Joiner(schedule.batch_size)
        self._budget, self._threads, self._prefetch = budget, threads, prefetch
        self._sharding, self._check = sharding, check
        self._reader: ChunkReader | RowReader | SizedReader | None = None
        # Of groups there are those that batches are cut from, too.
        more = 0 if groups is None else GROUPS_AHEAD + 2 + len(schedule.streams)
        self._recycler = Recycler(keep=prefetch + 3 + more)
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
        threads, groups = self._augmenters(), self._groups
        if groups is None:
            plans = islice(self._schedule.plans(epoch, first), part, None, parts)
            firsts = [first] * len(self._schedule.streams)
            raws = self._read(plans, epoch, firsts, losses)
            return Prefetcher(raws, self._prefetch, partial(self._made, epoch.number), threads)
        raws = self._read(
            groups.plans(epoch, first, part, parts), epoch, groups.starts(epoch, first), losses
        )
        # On accelerators groups and batches are made by one thread, in one order.
        ahead = min(GROUPS_AHEAD, self._prefetch) if self._here() else 0
        made = _ahead(raws, ahead, self._made_group, threads)
        cut = groups.cut(epoch, first, made, losses, part, parts)
        return Prefetcher(cut, self._prefetch, partial(self._joined, epoch.number))

    def _read(
        self, plans: Iterator[Plan], epoch: Epoch, firsts: Sequence[int], losses: Losses
    ) -> Iterator[tuple[RawBatch, Any]]:
        """What is planned, as it was read, with the keys of the records.

        Args:
            plans: batches or groups.
            epoch: that they are of.
            firsts: where they begin in each stream.
            losses: as of `batches`.
        """
        reader = self._open_reader()
        if isinstance(reader, ChunkReader):
            raws = reader.read(plans, self._schedule.expected(epoch, firsts), losses)
        else:
            raws = reader.read(plans, losses)
        # Gathering goes on while the pipeline computes; without one there is nothing to wait for.
        depth = 1 if self._prefetch and self._pipeline is not None else 0
        return _ahead(self._with_keys(raws, epoch.number), depth)

    def _augmenters(self) -> int:
        """Batches, or groups, that are augmented at a time.

        While one waits for its last records, or for the interpreter, another one is computed.
        Accelerators have no memory to spare, and all processes must call them in the same order.
        """
        record = sum(s.nbytes for s in self._source.structure.values())
        most = most_augmenters(self._pipeline, self._prefetch, self._unit * record)
        return most if most == 1 or self._here() else 1

    def _here(self) -> bool:
        """Whether the CPU of this process alone computes."""
        return jax.default_backend() == "cpu" and jax.process_count() == 1

    @property
    def _unit(self) -> int:
        """Records that are read and augmented together."""
        return self._schedule.batch_size if self._groups is None else self._budget.group

    def _made(self, epoch: int, item: tuple[RawBatch, Any]) -> tuple[int, dict[str, Any] | None]:
        raw, keys = item
        if not len(raw.plan.index):
            return raw.plan.step, self._empty(epoch)
        return raw.plan.step, self._handed_out(self._augmented(raw, keys), raw.plan)

    def _made_group(self, item: tuple[RawBatch, Any]) -> Made:
        raw, keys = item
        return Made(raw.plan, self._augmented(raw, keys) if len(raw.plan.index) else {})

    def _joined(
        self, epoch: int, item: tuple[int, list[Piece]]
    ) -> tuple[int, dict[str, Any] | None]:
        step, pieces = item
        if not pieces:
            return step, self._empty(epoch)
        return step, self._handed_out(self._joiner(pieces), joined_plan(step, pieces))

    def _augmented(self, raw: RawBatch, keys: Any) -> dict[str, Any]:
        """What comes out of the pipeline, by one name for each array."""
        # Threads that met a new program together would each compile it.
        with nullcontext() if self._compiled else self._compiling:
            if self._inspect is not None:
                self.to_say, self._inspect = self._inspect(_first_arrays(raw)), None
            results = self._results(raw, keys)
            self._compiled = True
        return results

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

    def _results(self, raw: RawBatch, keys: Any) -> dict[str, Any]:
        if self._pipeline is None:
            return {**raw.arrays, **_rows_there(self._spec, raw.arrays)}
        pipeline, check = self._pipeline, self._check
        arrays = raw.arrays if raw.records is None else raw.records

        def run(out: Mapping[str, Any] | None) -> dict[str, Any]:
            return made_flat(pipeline, keys, arrays, out, check=check)

        return self._recycler(len(raw.plan.index), run)

    def _handed_out(self, results: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
        """A batch as the user gets it."""
        index, copy = plan.index, plan.copy
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
        """A batch of the first record; of a pipeline that mixes, of two of it."""
        first = np.zeros(2 if mixes(self._pipeline) else 1, np.int64)
        plan = Plan(0, first, first)
        raw = RawBatch(plan, self._source.read(first))
        return self._handed_out(self._results(raw, self._keys(plan, epoch)), plan)

    def _open_reader(self) -> ChunkReader | RowReader | SizedReader:
        if self._reader is None:
            # Where single records can be read there is no need for begun batches. The order is the
            # same, as it depends on the length of chunks alone.
            source, size, order = self._source, self._unit, self._schedule.order
            record = sum(s.nbytes for s in source.structure.values())
            room = self._budget.batches >= 2
            if hasattr(source, "read_records") and _makes_one_size(self._pipeline):
                self._reader = SizedReader(source, self._threads, min(1, self._prefetch))
                return self._reader
            seeks = getattr(source, "row_access", False) and record >= _LARGE_RECORD
            rows = order.shuffle == "full"
            if rows or (seeks and room and order.shuffle is not None):
                ahead = self._budget.batches - 1 if rows else min(1, self._prefetch)
                self._reader = RowReader(
                    source, size, self._threads, ahead, self._budget.travelling
                )
            else:
                self._reader = ChunkReader(
                    source, size, self._threads, self._budget.batches, self._budget.travelling
                )
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


def _ahead(
    items: Iterator[Any],
    count: int,
    make: Callable[[Any], Any] | None = None,
    threads: int = 1,
) -> Iterator[Any]:
    """What is made of the items, so many of them ready before they are asked for."""
    found: Prefetcher[Any] = Prefetcher(items, count, make, threads)
    with found:
        yield from found
