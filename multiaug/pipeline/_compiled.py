"""Batches on CPUs, sampled in C: straight from the caller's arrays into the results.

The geometry of a block of records is computed in JAX, in blocks of a fixed size, so that a record
gets the same bits in batches of every size. Where all maps are matrices and no photometric
transform runs, that is all; else fields and photometry are computed part by part, in JAX.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax

from ..sampling import Compiled, Geometry, Task, can_check, compiled
from ..transforms import Transform
from ..typing import Array, NDArray
from ._params import RecordParams
from ._parts import BLOCK, cut, part_length, program_key, some_of
from ._run import Run, prepare
from ._target import Results, Target, empty
from ._threads import in_threads, worker_count
from ._values import Looker

# Below so many values of all lanes together, waking another thread takes longer than the work.
_ONE_THREAD = 150_000
# A large record is cut into blocks of rows, so that the last one keeps all threads busy.
_BLOCK_PIXELS = 64 * 1024

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
    size = len(params.key)
    devices = jax.local_devices()
    shapes = {
        name: jax.ShapeDtypeStruct((size, *s.shape[: -1 if name in flat else None]), s.dtype)
        for name, s in work.results.items()
    }
    # A result that cannot be divided equally stays on the first device.
    target = Target(shapes, devices if size % len(devices) == 0 else devices[:1], out)
    pictures = {
        name: np.require(held.pop(name), requirements=["C", "A"]) for name, _, _ in work.pictures
    }
    work.run(run, transforms, params, pictures, held, target, look)
    return target.arrays()


class _Work:
    """A pipeline for records of one shape.

    Args:
        kernel: what is sampled.
        pictures: what the records hold.
        sampled: what the kernel makes of one record.
        results: what comes of one record.
        touched: results that are changed after they were sampled.
    """

    def __init__(
        self,
        kernel: Compiled,
        pictures: _Pictures,
        sampled: Mapping[str, jax.ShapeDtypeStruct],
        results: Mapping[str, jax.ShapeDtypeStruct],
        touched: frozenset[str],
    ) -> None:
        self.kernel, self.pictures = kernel, pictures
        self.sampled, self.results = sampled, results
        self._touched = touched
        self._idle: list[_Memory] = []

    def release(self) -> None:
        """Give back the memory that no thread is using."""
        self._idle.clear()

    def run(
        self,
        run: Run,
        transforms: tuple[Transform, ...],
        params: RecordParams,
        pictures: Mapping[str, NDArray],
        rest: Mapping[str, NDArray],
        target: Target,
        look: Looker | None,
    ) -> None:
        """Run a batch into its target.

        Args:
            run: the static side.
            transforms: the pipeline's.
            params: what they drew.
            pictures: name -> (N, H, W, C), C-contiguous.
            rest: the other entries.
            target: where results go.
            look: is told of values that the spec may not allow.
        """
        size = len(params.key)
        checks = self._checks(pictures, look)
        by_part = self.kernel.dense or self._touched
        length = part_length(pictures) if by_part else BLOCK
        parts = []
        for begin in range(0, size, BLOCK):
            end = min(begin + BLOCK, size)
            block = _whole_block(params, begin, end), _whole_block(dict(rest), begin, end)
            spans = cut(begin, end, length) if by_part else [slice(begin, end)]
            parts += [(block, span, span.start - begin) for span in spans]

        def one(block: Any, span: slice, first: int) -> None:
            own = {name: array[span] for name, array in pictures.items()}
            threads = 1 if by_part else self._threads(span.stop - span.start)
            geometry, tables = _plan(
                transforms, *block, np.int32(first), run=run, pictures=self.pictures, length=length
            )
            for name, table in tables.items():
                target.memory[name][span] = np.asarray(table)[: span.stop - span.start]
            memory = self._idle.pop() if self._idle else _Memory()
            results = {
                name: memory.sampled(name, length, self.sampled)[: span.stop - span.start]
                if name in self._touched
                else target.memory[name][span]
                for name, _, _ in self.pictures
            }
            blocks = self._blocks(span.stop - span.start, threads)
            bound = self.kernel.bind(own, results, _as_numpy(geometry), checks, blocks)
            in_threads([bound.work] * threads)
            if bound.suspicious:
                assert look is not None
                look.suspect()
            if self._touched:
                span_of_block = np.array([first, span.stop - span.start], np.int32)
                done = _finish(
                    transforms, *block, span_of_block, memory.pictures, memory.done(self, length),
                    run=run, pictures=self.pictures, touched=self._touched,
                )  # fmt: skip
                target.put(jax.block_until_ready(done), span.start, span.stop - span.start)
                memory.kept = done
            self._idle.append(memory)

        if by_part:
            in_threads([partial(one, *part) for part in parts])
        else:
            for part in parts:
                one(*part)

    def _checks(self, pictures: Mapping[str, NDArray], look: Looker | None) -> dict[str, NDArray]:
        checks = {}
        for name, array in pictures.items() if look is not None else ():
            assert look is not None
            if array.dtype == np.float32 and can_check(array.shape[-1]):
                checks[name] = look.nan_is_fine(name, array.shape[-1])
            elif not np.issubdtype(array.dtype, np.integer):
                look({name: array})
        return checks

    def _threads(self, size: int) -> int:
        return 1 if size * self.kernel.values < _ONE_THREAD else worker_count()

    def _blocks(self, size: int, threads: int) -> int:
        if threads == 1:
            return 1
        enough = -(-4 * threads // size)
        return max(1, min(enough, -(-self.kernel.pixels // _BLOCK_PIXELS)))


class _Memory:
    """What a thread uses again for every part: sampled pictures, and those changed afterwards."""

    def __init__(self) -> None:
        self.pictures: dict[str, NDArray] = {}
        self.kept: dict[str, Array] | None = None

    def sampled(
        self, name: str, length: int, results: Mapping[str, jax.ShapeDtypeStruct]
    ) -> NDArray:
        if name not in self.pictures:
            shape = results[name]
            self.pictures[name] = empty((length, *shape.shape), shape.dtype)
            self.pictures[name][...] = 0
        return self.pictures[name]

    def done(self, work: _Work, length: int) -> dict[str, Any]:
        if self.kept is not None:
            return self.kept
        changed = {n: s for n, s in work.results.items() if n in work._touched}
        return {n: np.zeros((length, *_long_shape(s.shape)), s.dtype) for n, s in changed.items()}


@partial(jax.jit, static_argnames=("run", "pictures", "length"))
def _plan(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    first: Array,
    *,
    run: Run,
    pictures: _Pictures,
    length: int,
) -> tuple[Geometry, dict[str, Array]]:
    """Geometry and tables of some records of a block."""
    params, rest = some_of((params, rest), first, length)
    shapes = _shapes(pictures, length)
    task, own = prepare(run, transforms, params, rest, shapes)
    kernel = compiled(task, shapes, own[0])
    assert kernel is not None
    tables = _tables(task, own)
    return kernel.geometry(own[0]), tables


@partial(jax.jit, static_argnames=("run", "pictures", "touched"), donate_argnames=("done",))
def _finish(
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
                held, changed[n].reshape(_long_shape(changed[n].shape)), i, 0
            )
            for n, held in done.items()
        }

    return lax.fori_loop(0, span[1], step, done)  # type: ignore[no-any-return]


def _long_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Rows of all channels: loops over three of them are too short to be vectorised."""
    return shape[0], shape[1] * shape[2]


def _shapes(pictures: _Pictures, size: int) -> dict[str, jax.ShapeDtypeStruct]:
    return {n: jax.ShapeDtypeStruct((size, *shape), dtype) for n, shape, dtype in pictures}


def _tables(task: Task, own: Any) -> dict[str, Array]:
    return jax.vmap(lambda mine: task.after(mine, {}))(own)  # type: ignore[no-any-return]


def _as_numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)


def _whole_block(tree: Any, begin: int, end: int) -> Any:
    """Records begin .. end of some arrays; the last one is repeated up to a whole block."""
    leaves = jax.tree.leaves(tree)
    if not leaves or (end - begin == len(leaves[0]) == BLOCK):
        return tree
    index = np.minimum(np.arange(begin, begin + BLOCK), end - 1)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


# The pipelines that ran last; the latest keep their memory.
_WORKS: OrderedDict[Any, _Work | None] = OrderedDict()
_KEPT, _KEPT_WITH_MEMORY = 64, 3


def _work_of(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, NDArray]
) -> _Work | None:
    if not len(params.key):
        return None
    key = program_key(run, transforms, params, batch)
    if key in _WORKS:
        _WORKS.move_to_end(key)
        return _WORKS[key]
    work = _WORKS[key] = _new_work(run, transforms, params, batch)
    while len(_WORKS) > _KEPT:
        _WORKS.popitem(last=False)
    for older in list(_WORKS.values())[:-_KEPT_WITH_MEMORY]:
        if older is not None:
            older.release()
    return work


def _new_work(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, NDArray]
) -> _Work | None:
    entries = run.spec.entries
    pictures = tuple(
        (name, array.shape[1:], array.dtype)
        for name, array in batch.items()
        if entries[name].kind == "spatial"
    )
    rest = {n: a for n, a in batch.items() if entries[n].kind != "spatial"}
    if not pictures:
        return None
    found: list[Any] = []
    shapes = _shapes(pictures, len(params.key))

    def trace(transforms: Any, params: RecordParams, rest: dict[str, Array]) -> Any:
        task, own = prepare(run, transforms, params, rest, shapes)
        found.append((task, compiled(task, shapes, own[0])))
        return _tables(task, own)

    tables = jax.eval_shape(trace, transforms, params, rest)
    task, kernel = found[0]
    if kernel is None:
        return None
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
    return _Work(kernel, pictures, sampled, results | sampled | changed, task.touched)
