"""Batches on CPUs, sampled in C: straight from the caller's arrays into the results.

The geometry of a block of records is computed in JAX, in blocks of a fixed size, so that a record
gets the same bits in batches of every size. Where all maps are matrices and no photometric
transform runs, that is all; else fields and photometry are computed part by part, in JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .._machine import core_count
from ..sampling import (
    LEVELS,
    Compiled,
    Geometry,
    Recolouring,
    Task,
    can_check,
    compiled,
    count_levels,
    recolour,
)
from ..transforms import Transform
from ..typing import Array, NDArray
from ._blocks import BLOCK, Recent, cut, part_length, program_key, some_of, whole_block
from ._params import RecordParams
from ._run import prepare
from ._scratch import Scratch, in_place, rows_of_channels
from ._structure import Run
from ._target import Results, Target, sharing_devices
from ._threads import in_threads
from ._values import Looker

# Below so many values of all lanes together, waking another thread takes longer than the work.
_ONE_THREAD = 150_000
# A large record is cut into blocks of rows, so that the last one keeps all threads busy.
_BLOCK_PIXELS = 64 * 1024

_FIRST = np.int32(0)
_Planned = tuple[Geometry, dict[str, Array]]

# (name, shape of one record, dtype) of every picture: what the compiled functions know of them.
_Pictures = tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]


def run_compiled(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: Mapping[str, Any],
    flat: Set[str],
    out: Mapping[str, Any] | None,
    look: Looker | None,
) -> Results | None:
    """`run_in_parts`, sampled in C; None where that does not cover the run."""
    held = {name: np.asarray(array) for name, array in batch.items()}
    work = _work_of(run, transforms, params, held)
    if work is None:
        return None
    pictures = {
        name: np.require(held.pop(name), requirements=["C", "A"]) for name, _, _ in work.pictures
    }
    size = len(params.key)
    blocks = work.blocks(run, transforms, params, held, pictures)
    target = Target.of(work.results, size, flat, sharing_devices(size), out)
    work.run(_Call(run, transforms, pictures, _checks(pictures, look), target, look), blocks)
    return target.arrays()


class _Work:
    """A pipeline for records of one shape.

    Args:
        kernel: what is sampled.
        pictures: what the records hold.
        sampled: what the kernel makes of one record.
        results: what comes of one record.
        touched: results that are changed after they were sampled.
        counted: of which the levels are counted, to be changed level by level in C. None where
            they are changed in JAX.
    """

    def __init__(
        self,
        kernel: Compiled,
        pictures: _Pictures,
        sampled: Mapping[str, jax.ShapeDtypeStruct],
        results: Mapping[str, jax.ShapeDtypeStruct],
        touched: frozenset[str],
        counted: frozenset[str] | None,
    ) -> None:
        self.kernel, self.pictures = kernel, pictures
        self.sampled, self.results = sampled, results
        self._touched, self._counted = touched, counted
        # Where pixels keep their dtype, they get their new values in place.
        self._aside = {
            n for n in touched if counted is None or results[n].dtype != sampled[n].dtype
        }
        self._by_part = kernel.dense or bool(touched)
        self._idle: list[Scratch] = []
        self._compiled = False

    def release(self) -> None:
        """Give back the memory that no thread is using."""
        self._idle.clear()

    def blocks(
        self,
        run: Run,
        transforms: tuple[Transform, ...],
        params: RecordParams,
        rest: dict[str, NDArray],
        pictures: Mapping[str, NDArray],
    ) -> list[_Block]:
        """A batch in blocks; ``rest`` are the entries that are no pictures."""
        length = part_length(pictures) if self._by_part else BLOCK
        size, blocks = len(params.key), []
        for begin in range(0, size, BLOCK):
            end = min(begin + BLOCK, size)
            own, others = whole_block(params, begin, end), whole_block(rest, begin, end)
            plan = partial(
                _plan_records,
                transforms, own, others, run=run, pictures=self.pictures, length=length,
            )  # fmt: skip
            # Computed while the caller does other things.
            whole = None if self._by_part else plan(_FIRST)
            blocks.append(_Block(own, others, begin, end, length, plan, whole))
        return blocks

    def run(self, call: _Call, blocks: Sequence[_Block]) -> None:
        """Run a batch into its target."""
        parts = []
        for block in blocks:
            spans, threads = [slice(block.begin, block.end)], 1
            if self._by_part:
                spans = cut(block.begin, block.end, block.length)
            else:
                threads = self._threads(block.end - block.begin)
            parts += [partial(self._run_part, call, block, span, threads) for span in spans]
        # Blocks of small pictures are for one thread each; of large ones, all threads share one.
        size = blocks[-1].end
        single = self._by_part or (self._threads(BLOCK) == 1 and self._threads(size) > 1)
        # Threads that met a new program together would each compile it.
        alone = len(parts) if not single else 0 if self._compiled else 1
        for part in parts[:alone]:
            part()
        self._compiled = True
        in_threads(parts[alone:])

    def _run_part(self, call: _Call, block: _Block, span: slice, threads: int) -> None:
        size, first = span.stop - span.start, span.start - block.begin
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = Scratch()
        geometry, tables = block.whole or block.plan(
            np.int32(first), fields=memory.fields(self.kernel.fields(block.length))
        )
        if self.kernel.dense:
            memory.positions = [p.field for p in geometry if p.field is not None]
        for name, table in tables.items():
            call.target.memory[name][span] = np.asarray(table)[:size]
        results = {
            name: memory.sampled(name, block.length, self.sampled[name])[:size]
            if name in self._aside
            else call.target.memory[name][span]
            for name, _, _ in self.pictures
        }
        bound = self.kernel.bind(
            {name: array[span] for name, array in call.pictures.items()},
            results,
            jax.tree.map(in_place, geometry),
            call.checks,
            self._blocks(size, threads),
        )
        in_threads([bound.work] * threads)
        if bound.suspicious:
            assert call.look is not None
            call.look.suspect()
        if self._counted is not None:
            how = _recolour_records(
                call.transforms, block.params, block.rest, np.int32(first),
                {n: count_levels(results[n], block.length) for n in self._counted},
                run=call.run, pictures=self.pictures, length=block.length,
            )  # fmt: skip
            for name, changes in how.items():
                recolour(results[name], changes, call.target.memory[name][span])
        elif self._touched:
            changed = {n: self.results[n] for n in self._touched}
            done = _finish_records(
                call.transforms, block.params, block.rest, np.array([first, size], np.int32),
                memory.pictures, memory.done(block.length, changed),
                run=call.run, pictures=self.pictures, touched=self._touched,
            )  # fmt: skip
            call.target.put(jax.block_until_ready(done), span.start, size)
            memory.kept = done
        self._idle.append(memory)

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
        pictures: name -> (N, H, W, C), C-contiguous.
        checks: what the kernel is to look at; see `Compiled.bind`.
        target: where results go.
        look: is told of values that the spec may not allow.
    """

    run: Run
    transforms: tuple[Transform, ...]
    pictures: Mapping[str, NDArray]
    checks: Mapping[str, NDArray]
    target: Target
    look: Looker | None


@dataclass(frozen=True)
class _Block:
    """`BLOCK` records, of which ``begin`` .. ``end`` of the batch are the first.

    Args:
        params: what they drew.
        rest: their entries that are no pictures.
        begin, end: of the batch.
        length: records of a part.
        plan: first record of a part, ``fields`` -> its geometry and tables.
        whole: those of the block, where it is run as one part.
    """

    params: RecordParams
    rest: dict[str, NDArray]
    begin: int
    end: int
    length: int
    plan: Callable[..., _Planned]
    whole: _Planned | None


def _checks(pictures: Mapping[str, NDArray], look: Looker | None) -> dict[str, NDArray]:
    """What the kernel can look at; the rest is looked at here."""
    checks: dict[str, NDArray] = {}
    for name, array in pictures.items() if look is not None else ():
        assert look is not None
        if array.dtype == np.float32 and can_check(array.shape[-1]):
            checks[name] = look.nan_is_fine(name, array.shape[-1])
        elif not np.issubdtype(array.dtype, np.integer):
            look({name: array})
    return checks


@partial(jax.jit, static_argnames=("run", "pictures", "length"), donate_argnames=("fields",))
def _plan_records(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    first: Array,
    *,
    run: Run,
    pictures: _Pictures,
    length: int,
    fields: Sequence[Array] = (),
) -> _Planned:
    """Geometry and tables of some records of a block; positions are written to ``fields``."""
    params, rest = some_of((params, rest), first, length)
    shapes = _shapes(pictures, length)
    task, own = prepare(run, transforms, params, rest, shapes)
    kernel = compiled(task, shapes, own[0])
    assert kernel is not None
    return kernel.geometry(own[0], fields), _tables(task, own)


@partial(jax.jit, static_argnames=("run", "pictures", "touched"), donate_argnames=("done",))
def _finish_records(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    span: Array,
    sampled: dict[str, Array],
    done: dict[str, Array],
    *,
    run: Run,
    pictures: _Pictures,
    touched: frozenset[str],
) -> dict[str, Array]:
    """Photometry of ``span[1]`` records from ``span[0]`` of a block on, into ``done``."""
    length = len(next(iter(sampled.values())))
    params, rest = some_of((params, rest), span[0], length)
    task, own = prepare(run, transforms, params, rest, _shapes(pictures, length))

    def step(i: Array, done: dict[str, Array]) -> dict[str, Array]:
        mine, given = jax.tree.map(
            lambda leaf: lax.dynamic_index_in_dim(leaf, i, keepdims=False), (own, sampled)
        )
        changed = task.after(mine, given)
        return {
            n: lax.dynamic_update_index_in_dim(
                held, changed[n].reshape(rows_of_channels(changed[n].shape)), i, 0
            )
            for n, held in done.items()
        }

    return lax.fori_loop(0, span[1], step, done)  # type: ignore[no-any-return]


@partial(jax.jit, static_argnames=("run", "pictures", "length"))
def _recolour_records(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    first: Array,
    counts: dict[str, Array],
    *,
    run: Run,
    pictures: _Pictures,
    length: int,
) -> dict[str, Recolouring]:
    """What becomes of the levels in some records of a block."""
    params, rest = some_of((params, rest), first, length)
    task, own = prepare(run, transforms, params, rest, _shapes(pictures, length))
    recolour = task.recolour
    assert recolour is not None
    return jax.vmap(lambda mine, of: recolour(mine, of.__getitem__))(own, counts)


def _shapes(pictures: _Pictures, size: int) -> dict[str, jax.ShapeDtypeStruct]:
    return {n: jax.ShapeDtypeStruct((size, *shape), dtype) for n, shape, dtype in pictures}


def _tables(task: Task, own: Any) -> dict[str, Array]:
    return jax.vmap(lambda mine: task.after(mine, {}))(own)


class _Uncovered:
    """In the place of a pipeline that the compiled sampler does not cover."""

    def release(self) -> None:
        """There is nothing to give back."""


_WORKS: Recent[_Work | _Uncovered] = Recent()


def _work_of(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, NDArray]
) -> _Work | None:
    if not len(params.key):
        return None
    key = program_key(run, transforms, params, batch)
    work = _WORKS.get(key, partial(_new_work, run, transforms, params, batch))
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
    shapes = _shapes(pictures, len(params.key))

    def trace(transforms: Any, params: RecordParams, rest: dict[str, Array]) -> Any:
        task, own = prepare(run, transforms, params, rest, shapes)
        found.append((task, compiled(task, shapes, own[0])))
        return _tables(task, own)

    tables = jax.eval_shape(trace, transforms, params, rest)
    task, kernel = found[0]
    if kernel is None:
        return _Uncovered()
    in_bytes = all(dtype == np.uint8 for _, _, dtype in pictures)
    if kernel.dense and task.touched and task.recolour is None and in_bytes:
        # JAX's loop has fields and bytes at hand when photometry follows: a third less time.
        return _Uncovered()
    results = {n: jax.ShapeDtypeStruct(s.shape[1:], s.dtype) for n, s in tables.items()}
    sampled = {
        job.name: jax.ShapeDtypeStruct(
            (*job.size_out, batch[job.name].shape[-1]), batch[job.name].dtype
        )
        for job in task.jobs
    }
    changed = {}
    if task.touched:

        def after(transforms: Any, params: RecordParams, rest: Any, given: Any) -> Any:
            task, own = prepare(run, transforms, params, rest, shapes)
            return task.after(jax.tree.map(lambda leaf: leaf[0], own), given)

        touched = {n: s for n, s in sampled.items() if n in task.touched}
        changed = jax.eval_shape(after, transforms, params, rest, touched)
    counted = None
    if task.recolour is not None:
        asked: list[str] = []

        def count(name: str) -> Array:
            asked.append(name)
            return jnp.zeros((sampled[name].shape[-1], LEVELS), jnp.int32)

        def levels(transforms: Any, params: RecordParams, rest: Any) -> Any:
            task, own = prepare(run, transforms, params, rest, shapes)
            assert task.recolour is not None
            return task.recolour(jax.tree.map(lambda leaf: leaf[0], own), count)

        jax.eval_shape(levels, transforms, params, rest)
        counted = frozenset(asked)
    return _Work(kernel, pictures, sampled, results | sampled | changed, task.touched, counted)
