"""Batches on CPUs, sampled in C: straight from the caller's arrays into the results.

The geometry of a block of records is computed in JAX, in blocks of a fixed size, so that a record
gets the same bits in batches of every size, and the numbers of photometric steps with it. Where all
maps are matrices and all steps run in C, that is all; else fields, and what C cannot do to values,
are computed part by part, in JAX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from ..._machine import core_count
from ...sampling import Bound, Flight
from ...spec import check_values
from ...transforms import Transform
from ...typing import NDArray
from ..buffers._indexed import IndexedBatch
from ..buffers._outputs import Layout, Results, Target, address_of, sharing_devices
from ..program._draws import Draws
from ..program._structure import Run
from ..program._traits import PipelineTraits
from ._blocks import BLOCK, cut, whole_block
from ._native_plan import Pictures, Planned, at_all_times, finish_records, plan_records
from ._native_program import NativeProgram
from ._native_programs import program_of
from ._threads import in_threads

# Below so many values of all lanes together, waking another thread takes longer than the work.
_ONE_THREAD = 100_000
# A large record is cut into blocks of rows, so that the last one keeps all threads busy.
_BLOCK_PIXELS = 64 * 1024


def compiled_call(
    run: Run,
    traits: PipelineTraits,
    draws: Draws,
    batch: Mapping[str, Any],
    flat: Set[str],
    single: bool = False,
) -> CompiledCall | None:
    """What runs batches like this one on CPUs: in native code what that covers.

    None of a single record only.

    Args:
        run: the static side.
        traits: the pipeline's.
        draws: of the records.
        batch: the entries, leading N; pictures with an axis of channels.
        flat: pictures whose axis of channels is to be dropped.
        single: the batch is of one, whose results lose their leading axis; what is run part by
            part does not know such batches.
    """
    work = program_of(run, traits, draws, batch)
    if single and work.by_part:
        return None
    return work.call(len(draws.words), frozenset(flat), single=single)


class CompiledCall:
    """What is found out once about batches of one structure and one size.

    Args:
        work: what is done to a record.
        size: how many records.
        flat: pictures without an axis of channels.
        single: it is one record: pictures and results have no leading axis.
    """

    def __init__(
        self, work: NativeProgram, size: int, flat: Set[str], *, single: bool = False
    ) -> None:
        self._work, self._single = work, single
        devices = sharing_devices(size)
        self._layout = Layout(work.results, size, flat, devices, single=single)
        self._spans = [slice(at, min(at + BLOCK, size)) for at in range(0, size, BLOCK)]
        self._alone = work.by_part or is_small(work, size)
        self._flat = flat
        self._idle: dict[tuple[int, int, bool], list[Bound]] = {}

    @property
    def whole(self) -> bool:
        """Nothing is run part by part."""
        return not self._work.by_part

    @property
    def rest(self) -> Sequence[str]:
        """Entries that are no pictures; they have a leading axis, of a single record too."""
        return self._work.rest

    def __call__(
        self,
        traits: PipelineTraits,
        draws: Draws,
        batch: Mapping[str, Any],
        out: Mapping[str, Any] | None,
        *,
        check: bool,
    ) -> Results:
        """Run a batch.

        Args:
            traits: the pipeline's.
            draws: of the records.
            batch: the entries, leading N; pictures with an axis of channels, or without.
            out: results of an earlier call, whose memory may be used.
            check: refuse values that the spec does not allow.

        Raises:
            RecordError: there are such values, or ``out`` is not what the call returns.
        """
        work = self._work
        pictures = _Read(batch, work.native_pictures)
        rest = {n: np.asarray(batch[n]) for n in work.rest}
        drawn = draws.params if work.by_part or draws.are_made else draws.words
        tables = work.filled(rest)
        given = [whole_block((drawn, tables), span.start, span.stop) for span in self._spans]
        look = partial(work.look, batch, rest, single=self._single) if check else None
        if work.by_part:
            sound = look is None or look()
            target = Target(self._layout, out)
            sources = {n: self._with_channels(n, batch[n]) for n in work.refused}
            sound &= self._run_parts(_Call(traits.moving, pictures, sources, target, check), given)
        else:
            # Computed while memory is made ready.
            planned = work.planned(traits, given, drawn=draws.are_made)
            target = Target(self._layout, out)
            sound = self._run_blocks(pictures, target, planned, look)
        if not sound and self._single:
            one = {n: a[0] if n in rest else a for n, a in batch.items()}
            check_values(work.run.spec, one, batch=False)
        elif not sound:
            check_values(work.run.spec, batch, batch=True)
        return target.arrays()

    def _with_channels(self, name: str, array: Any) -> NDArray:
        found: NDArray = np.asarray(array)
        return found[..., None] if name in self._flat else found

    def _run_blocks(
        self,
        pictures: _Read,
        target: Target,
        planned: Sequence[Planned],
        look: Callable[[], bool] | None,
    ) -> bool:
        """Run whole blocks; helpers are at work while the next is made ready, and at the look."""
        bounds: list[Bound] = []
        check, sound = look is not None, True
        most = 0 if self._alone else core_count() - 1
        flight = Flight(len(self._spans)) if self._work.kernel is not None else None
        try:
            for span, plan in zip(self._spans, planned, strict=True):
                if flight is not None:
                    places = target.at(span.start)
                    bound = self._pointed(pictures, span, places, plan, most, check=check)
                    bounds.append(bound)
                    # One piece of work is that of the caller.
                    flight.add(bound, min(most, bound.size * bound.blocks - 1))
                self._put_tables(target, plan, span)
            if look is not None:
                sound = look()
        finally:
            if flight is not None:
                flight.finish()
        for bound in bounds:
            sound &= self._given_back(bound, check=check)
        return sound

    def _run_parts(self, call: _Call, given: Sequence[Any]) -> bool:
        """Run blocks part by part, each by one thread."""
        work = self._work
        length = work.part_length()
        parts = [
            partial(self._run_part, call, own, block, span, length)
            for own, block in zip(given, self._spans, strict=True)
            for span in cut(block.start, block.stop, length)
        ]
        # Threads that met a new program together would each compile it.
        alone = 0 if work.has_run else 1
        for part in parts[:alone]:
            part()
        work.has_run = True
        in_threads(parts[alone:])
        return call.sound

    def _run_part(self, call: _Call, own: Any, block: slice, span: slice, length: int) -> None:
        work, (params, rest) = self._work, own
        size, first = span.stop - span.start, span.start - block.start
        memory, kernel = work.scratch(), work.kernel
        planned = plan_records(
            call.transforms, params, rest, np.int32(first),
            run=work.run, pictures=work.images, length=length,
            fields=memory.fields([] if kernel is None else kernel.fields(length)),
        )  # fmt: skip
        if kernel is not None and kernel.dense:
            memory.positions = [p.field for p in planned.geometry if p.field is not None]
        if kernel is not None:
            places = call.target.at(span.start) | {
                name: address_of(memory.sampled(name, length, work.sampled[name]))
                for name in work.touched
            }
            bound = self._pointed(call.pictures, span, places, planned, 0, check=call.check)
            alone = Flight(1)
            alone.add(bound, 0)
            alone.finish()
            if not self._given_back(bound, check=call.check):
                call.sound = False
        self._put_tables(call.target, planned, span)
        if work.finished:
            sources = {n: memory.staged(n, a[span], length) for n, a in call.sources.items()}
            done = finish_records(
                call.transforms, params, rest, np.array([first, size], np.int32),
                memory.pictures, sources, memory.done(length, work.finished),
                run=work.run, pictures=work.images, refused=frozenset(work.refused),
            )  # fmt: skip
            call.target.put(jax.block_until_ready(done), span.start, size)
            memory.kept = done
        work.give_back(memory)

    def _pointed(
        self,
        pictures: _Read,
        span: slice,
        places: Mapping[str, int],
        planned: Planned,
        helpers: int,
        *,
        check: bool,
    ) -> Bound:
        """Some records, made ready to be sampled by this thread and some helpers."""
        size = span.stop - span.start
        pieces = blocks_of_rows(self._work, size, helpers)
        try:
            bound = self._idle[size, pieces, check].pop()
        except LookupError:
            bound = self._new_bound(size, pieces, planned, check=check)
        programs = at_all_times(planned.pointwise_programs, self._work.times)
        bound.point(*pictures.at(span.start), places, planned.geometry, programs)
        return bound

    def _put_tables(self, target: Target, planned: Planned, span: slice) -> None:
        """Results of some records that are no pictures."""
        for name, table in planned.tables.items():
            found = np.asarray(table)[: span.stop - span.start]
            place = target.view(name) if self._single else target.view(name)[span]
            # Tables are planned with more rows than there are.
            found = found[:, : place.shape[-found.ndim + 1]] if found.ndim > 1 else found
            place[...] = found[0] if self._single else found

    def _new_bound(self, size: int, pieces: int, planned: Planned, *, check: bool) -> Bound:
        work = self._work
        record_bytes = dict(self._layout.record_bytes)
        for name in work.touched:
            shape = work.sampled[name]
            record_bytes[name] = math.prod(shape.shape) * shape.dtype.itemsize
        checks = work.checks if check else {}
        assert work.kernel is not None
        return work.kernel.bound(size, record_bytes, checks, pieces, planned.pointwise_programs)

    def _given_back(self, bound: Bound, *, check: bool) -> bool:
        """Have a batch's structures used again; whether what was looked at is sound."""
        bound.check_memory()
        sound = not bound.has_nonfinite
        self._idle.setdefault((bound.size, bound.blocks, check), []).append(bound)
        return sound


def is_small(program: NativeProgram, size: int) -> bool:
    """Whether a batch of so many records is not worth waking another thread."""
    return program.kernel is None or size * program.kernel.values < _ONE_THREAD


def blocks_of_rows(program: NativeProgram, size: int, helpers: int) -> int:
    """How many pieces each of so many records is cut into for this thread and some helpers."""
    if not helpers or program.kernel is None:
        return 1
    enough = -(-4 * (helpers + 1) // size)
    return max(1, min(enough, -(-program.kernel.pixels // _BLOCK_PIXELS)))


class _Read:
    """Pictures of a batch where C reads them.

    Args:
        batch: arrays, or `IndexedBatch` of them.
        pictures: what is read.
    """

    def __init__(self, batch: Mapping[str, Any], pictures: Pictures) -> None:
        self.arrays: dict[str, NDArray | IndexedBatch] = {}
        self._sources: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        for name, _, _ in pictures:
            array = batch[name]
            if isinstance(array, IndexedBatch) and array.in_place:
                self._rows[name] = address_of(array.index)
                self._sources[name] = address_of(array.array)
            else:
                array = np.asarray(array)
                flags = array.flags
                if not (flags.c_contiguous and flags.aligned):
                    array = np.require(array, requirements=["C", "A"])
                self._sources[name] = address_of(array)
            self.arrays[name] = array

    def at(self, start: int) -> tuple[dict[str, int], dict[str, int]]:
        """Addresses of records from ``start`` on, and of their numbers; see `Bound.point`."""
        if start == 0:
            return self._sources, self._rows
        rows = {name: place + 8 * start for name, place in self._rows.items()}
        sources = {
            name: place if name in rows else place + start * self.arrays[name][0].nbytes
            for name, place in self._sources.items()
        }
        return sources, rows


@dataclass
class _Call:
    """One batch that is run in parts.

    Args:
        transforms: the pipeline's.
        pictures: what native code reads.
        sources: images that XLA resamples.
        target: where results go.
        check: look at values.
        sound: no thread saw one that may not be allowed.
    """

    transforms: tuple[Transform, ...]
    pictures: _Read
    sources: Mapping[str, NDArray]
    target: Target
    check: bool
    sound: bool = True
