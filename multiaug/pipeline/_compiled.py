"""Batches on CPUs, sampled in C: straight from the caller's arrays into the results.

The geometry of a block of records is computed in JAX, in blocks of a fixed size, so that a record
gets the same bits in batches of every size, and the numbers of photometric steps with it. Where all
maps are matrices and all steps run in C, that is all; else fields, and what C cannot do to values,
are computed part by part, in JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from .._machine import core_count
from ..sampling import Bound, Compiled, can_check, compiled
from ..transforms import Transform
from ..typing import Array, NDArray
from ._blocks import BLOCK, Recent, cut, fitting, part_length, program_key, whole_block
from ._draw import Draws
from ._facts import Facts
from ._params import RecordParams
from ._rows import Rows
from ._run import prepare
from ._scratch import Scratch
from ._stages import (
    Pictures,
    Planned,
    draws_and_plans,
    finish_records,
    plan_block,
    plan_records,
    recolourings_of,
    shapes_of,
    tables_of,
)
from ._structure import Run
from ._target import Results, Target, sharing_devices
from ._threads import in_threads
from ._values import Looker

# Below so many values of all lanes together, waking another thread takes longer than the work.
_ONE_THREAD = 100_000
# A large record is cut into blocks of rows, so that the last one keeps all threads busy.
_BLOCK_PIXELS = 64 * 1024

_ON = np.bool_(True)


def run_compiled(
    run: Run,
    facts: Facts,
    draws: Draws,
    batch: Mapping[str, Any],
    flat: Set[str],
    out: Mapping[str, Any] | None,
    look: Looker | None,
) -> Results | None:
    """`run_in_parts`, sampled in C; None where that does not cover the run."""
    held: dict[str, Any] = {
        name: array if isinstance(array, Rows) and array.in_place else np.asarray(array)
        for name, array in batch.items()
    }
    work = _work_of(run, facts, draws, held)
    if work is None:
        return None
    size = len(draws.words)
    pictures = {name: _readable(held.pop(name)) for name, _, _ in work.pictures}
    blocks = work.blocks(run, facts, draws, held, pictures)
    target = Target(work.results, size, flat, sharing_devices(size), out)
    work.run(_Call(run, facts.moving, pictures, _checks(pictures, look), target, look), blocks)
    return target.arrays()


def _readable(array: NDArray | Rows) -> NDArray | Rows:
    """A picture that C can read."""
    if isinstance(array, Rows) or (array.flags.c_contiguous and array.flags.aligned):
        return array
    return np.require(array, requirements=["C", "A"])


class _Work:
    """A pipeline for records of one shape.

    Args:
        kernel: what is sampled.
        pictures: what the records hold.
        sampled: what the kernel makes of one record.
        results: what comes of one record.
        touched: results that are changed in JAX after they were sampled.
        draw_and_plan: see `draws_and_plans`.
    """

    def __init__(
        self,
        kernel: Compiled,
        pictures: Pictures,
        sampled: Mapping[str, jax.ShapeDtypeStruct],
        results: Mapping[str, jax.ShapeDtypeStruct],
        touched: frozenset[str],
        draw_and_plan: Callable[..., Planned],
    ) -> None:
        self.kernel, self.pictures = kernel, pictures
        self.sampled, self.results = sampled, results
        self._touched, self._draw_and_plan = touched, draw_and_plan
        self._by_part = kernel.dense or bool(touched)
        self._idle: list[Scratch] = []
        self._compiled = False

    def release(self) -> None:
        """Give back the memory that no thread is using."""
        self._idle.clear()

    def blocks(
        self,
        run: Run,
        facts: Facts,
        draws: Draws,
        rest: dict[str, NDArray],
        pictures: Mapping[str, NDArray | Rows],
    ) -> list[_Block | _Whole]:
        """A batch in blocks; ``rest`` are the entries that are no pictures."""
        size = len(draws.words)
        spans = [slice(begin, min(begin + BLOCK, size)) for begin in range(0, size, BLOCK)]
        drawn = draws.params if self._by_part or draws.are_made else draws.words
        given = [whole_block((drawn, rest), span.start, span.stop) for span in spans]
        if self._by_part:
            length = self._length(pictures)
            plan = partial(
                plan_records, facts.moving, run=run, pictures=self.pictures, length=length
            )
            return [
                _Block(params, others, span, length, partial(plan, params, others))
                for (params, others), span in zip(given, spans, strict=True)
            ]
        plan_all: Callable[..., Planned] = partial(self._draw_and_plan, facts.settings)
        on: tuple[Any, ...] = (_ON,)
        if draws.are_made:
            plan_all = partial(plan_block, facts.moving, run=run, pictures=self.pictures)
            on = ()
        # Computed while the caller does other things.
        return [_Whole(span, plan_all(*own, *on)) for own, span in zip(given, spans, strict=True)]

    def run(self, call: _Call, blocks: Sequence[_Block | _Whole]) -> None:
        """Run a batch into its target."""
        whole = [block for block in blocks if isinstance(block, _Whole)]
        if whole:
            self._run_blocks(call, whole)
            return
        parts = [
            partial(self._run_part, call, block, span)
            for block in blocks
            if isinstance(block, _Block)
            for span in cut(block.span.start, block.span.stop, block.length)
        ]
        # Threads that met a new program together would each compile it.
        alone = 0 if self._compiled else 1
        for part in parts[:alone]:
            part()
        self._compiled = True
        in_threads(parts[alone:])

    def _run_blocks(self, call: _Call, blocks: Sequence[_Whole]) -> None:
        """Run whole blocks; helpers begin with one while the next is made ready."""
        threads = self._threads(blocks[-1].span.stop)
        bounds: list[Bound] = []
        try:
            for block in blocks:
                results = {n: call.target.memory[n][block.span] for n in call.pictures}
                bound = self._bind(call, block.planned, block.span, results, threads)
                bounds.append(bound)
                if threads > 1:
                    bound.start(threads - 1)
        finally:
            for bound in bounds:
                bound.finish()
        for bound in bounds:
            call.suspect(bound)

    def _bind(
        self,
        call: _Call,
        planned: Planned,
        span: slice,
        results: Mapping[str, NDArray],
        threads: int,
    ) -> Bound:
        """Write the tables of some records, and make their pictures ready to be sampled."""
        size = span.stop - span.start
        for name, table in planned.tables.items():
            call.target.memory[name][span] = np.asarray(table)[:size]
        parts, rows = {}, {}
        for name, array in call.pictures.items():
            part = array[span]
            if isinstance(part, Rows):
                rows[name] = part.index
                part = part.array
            parts[name] = part
        return self.kernel.bind(
            parts,
            results,
            planned.geometry,
            call.checks,
            self._blocks(size, threads),
            rows,
            planned.recolourings,
        )

    def _run_part(self, call: _Call, block: _Block, span: slice) -> None:
        size, first = span.stop - span.start, span.start - block.span.start
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = Scratch()
        planned = block.plan(
            np.int32(first), fields=memory.fields(self.kernel.fields(block.length))
        )
        if self.kernel.dense:
            memory.positions = [p.field for p in planned.geometry if p.field is not None]
        results = {
            name: memory.sampled(name, block.length, self.sampled[name])[:size]
            if name in self._touched
            else call.target.memory[name][span]
            for name, _, _ in self.pictures
        }
        bound = self._bind(call, planned, span, results, 1)
        bound.finish()
        call.suspect(bound)
        if self._touched:
            changed = {n: self.results[n] for n in self._touched}
            done = finish_records(
                call.transforms, block.params, block.rest, np.array([first, size], np.int32),
                memory.pictures, memory.done(block.length, changed),
                run=call.run, pictures=self.pictures, touched=self._touched,
            )  # fmt: skip
            call.target.put(jax.block_until_ready(done), span.start, size)
            memory.kept = done
        self._idle.append(memory)

    def _length(self, pictures: Mapping[str, NDArray | Rows]) -> int:
        """Records of a part."""
        if self._touched:
            return part_length(pictures)
        return fitting(sum(field.size * 4 for field in self.kernel.fields(1)))

    def _threads(self, size: int) -> int:
        return 1 if size * self.kernel.values < _ONE_THREAD else core_count()

    def _blocks(self, size: int, threads: int) -> int:
        if threads == 1:
            return 1
        enough = -(-4 * threads // size)
        return max(1, min(enough, -(-self.kernel.pixels // _BLOCK_PIXELS)))


@dataclass(frozen=True)
class _Call:
    """One batch.

    Args:
        run: the static side.
        transforms: the pipeline's.
        pictures: name -> (N, H, W, C), C-contiguous; `Rows` of (M, H, W, C).
        checks: what the kernel is to look at; see `Compiled.bind`.
        target: where results go.
        look: is told of values that the spec may not allow.
    """

    run: Run
    transforms: tuple[Transform, ...]
    pictures: Mapping[str, NDArray | Rows]
    checks: Mapping[str, NDArray]
    target: Target
    look: Looker | None

    def suspect(self, bound: Bound) -> None:
        """Have the values looked at, if the kernel met some that may not be allowed."""
        if bound.suspicious:
            assert self.look is not None
            self.look.suspect()


@dataclass(frozen=True)
class _Block:
    """`BLOCK` records, of which those of the batch are the first; run in parts.

    Args:
        params: what they drew.
        rest: their entries that are no pictures.
        span: of the batch.
        length: records of a part.
        plan: first record of a part, ``fields`` -> its geometry and tables.
    """

    params: RecordParams
    rest: dict[str, NDArray]
    span: slice
    length: int
    plan: Callable[..., Planned]


class _Whole(NamedTuple):
    """A block that is run as a whole; ``planned`` need not have been computed yet."""

    span: slice
    planned: Planned


def _checks(pictures: Mapping[str, NDArray | Rows], look: Looker | None) -> dict[str, NDArray]:
    """What the kernel can look at; the rest is looked at here."""
    checks: dict[str, NDArray] = {}
    for name, array in pictures.items() if look is not None else ():
        assert look is not None
        if array.dtype == np.float32 and can_check(array.shape[-1]):
            checks[name] = look.nan_is_fine(name, array.shape[-1])
        elif not np.issubdtype(array.dtype, np.integer):
            look({name: np.asarray(array)})
    return checks


class _Uncovered:
    """In the place of a pipeline that the compiled sampler does not cover."""

    def release(self) -> None:
        """There is nothing to give back."""


_WORKS: Recent[_Work | _Uncovered] = Recent()


def _work_of(run: Run, facts: Facts, draws: Draws, batch: Mapping[str, NDArray]) -> _Work | None:
    if not len(draws.words):
        return None
    key = program_key(run, facts, draws.kind, batch)
    work = _WORKS.get(key, lambda: _new_work(run, facts.moving, draws.shapes, batch))
    return work if isinstance(work, _Work) else None


def _new_work(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, NDArray]
) -> _Work | _Uncovered:
    entries = run.spec.entries
    pictures = tuple(
        (name, array.shape[1:], array.dtype)
        for name, array in batch.items()
        if entries[name].kind == "spatial"
    )
    rest = {n: a for n, a in batch.items() if entries[n].kind != "spatial"}
    if not pictures:
        return _Uncovered()
    found: list[Any] = []
    shapes = shapes_of(pictures, len(params.key))

    def trace(transforms: Any, params: RecordParams, rest: dict[str, Array]) -> Any:
        task, own = prepare(run, transforms, params, rest, shapes)
        found.append((task, compiled(task, shapes, own[0])))
        return tables_of(task, own), recolourings_of(task, own)

    tables, recolourings = jax.eval_shape(trace, transforms, params, rest)
    task, kernel = found[0]
    if kernel is None:
        return _Uncovered()
    in_bytes = all(dtype == np.uint8 for _, _, dtype in pictures)
    left = frozenset(task.touched - recolourings.keys())
    if kernel.dense and left and in_bytes:
        # JAX's loop has fields and bytes at hand when photometry follows: a third less time.
        return _Uncovered()
    results = {n: jax.ShapeDtypeStruct(s.shape[1:], s.dtype) for n, s in tables.items()}
    sampled = {
        job.name: jax.ShapeDtypeStruct(
            (*job.size_out, batch[job.name].shape[-1]), batch[job.name].dtype
        )
        for job in task.jobs
    }
    changed = {
        n: jax.ShapeDtypeStruct(sampled[n].shape, of[0].dtype) for n, of in recolourings.items()
    }
    if left:

        def after(transforms: Any, params: RecordParams, rest: Any, given: Any) -> Any:
            task, own = prepare(run, transforms, params, rest, shapes)
            return task.after(jax.tree.map(lambda leaf: leaf[0], own), given)

        touched = {n: s for n, s in sampled.items() if n in left}
        changed |= jax.eval_shape(after, transforms, params, rest, touched)
    planner = draws_and_plans(transforms, run, pictures)
    return _Work(kernel, pictures, sampled, results | sampled | changed, left, planner)
