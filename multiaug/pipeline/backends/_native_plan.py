"""What the compiled executor leaves to JAX: plans, tables, and values that C cannot change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...sampling import (
    Compiled,
    Geometry,
    PointwiseProgram,
    Task,
    divide,
    prepared_record,
    resample_record,
)
from ...transforms import Transform, words_at
from ...typing import Array
from ..program._draws import QUICKLY_COMPILED, draw_values
from ..program._params import RecordParams
from ..program._plan import prepare
from ..program._sizes import frames_along
from ..program._structure import Run, out_shape
from ._blocks import some_of
from ._shard_map import varied, varying_axes


class Planned(NamedTuple):
    """What C has to be told of some records.

    Args:
        geometry: where their pictures are read.
        tables: results that are no pictures.
        pointwise_programs: what is done to pictures once they are sampled, by name.
    """

    geometry: Geometry
    tables: dict[str, Array]
    pointwise_programs: dict[str, tuple[PointwiseProgram, ...]]


A = TypeVar("A")
B = TypeVar("B")

# (name, shape of one record, dtype) of every picture: what the compiled functions know of them.
Pictures = tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]


def images_of(pictures: Pictures) -> Pictures:
    """One image (H, W, C) of each: all that plans depend on, as frames of an entry share them."""
    return tuple((name, shape[-3:], dtype) for name, shape, dtype in pictures)


def times_of(pictures: Pictures) -> dict[str, int]:
    """How many frames a record has of the entries (T, H, W, C)."""
    return {name: shape[0] for name, shape, _ in pictures if len(shape) == 4}


def at_all_times(
    programs: Mapping[str, tuple[PointwiseProgram, ...]], times: Mapping[str, int]
) -> dict[str, tuple[PointwiseProgram, ...]]:
    """Programs whose noise differs from frame to frame: their words become (T, N, noises, 2)."""
    found = dict(programs)
    for name, count in times.items():
        if any(program.words.shape[1] for program in found.get(name, ())):
            time = np.arange(count, dtype=np.uint32).reshape(-1, 1, 1)
            found[name] = tuple(
                replace(program, words=words_at(_here(program.words)[None], time))
                for program in found[name]
            )
    return found


def _here(array: Array) -> Any:
    """Computed with NumPy, unless it is traced."""
    return array if isinstance(array, jax.core.Tracer) else np.asarray(array)


@partial(jax.jit, static_argnames=("run", "pictures", "length"), donate_argnames=("fields",))
def plan_records(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    first: Array,
    *,
    run: Run,
    pictures: Pictures,
    length: int,
    fields: Sequence[Array] = (),
) -> Planned:
    """What C needs of some records of a block; positions are written to ``fields``."""
    params, rest = some_of((params, rest), first, length)
    return _plan(transforms, params, rest, run, shapes_of(pictures, length), fields)


class Planner:
    """The compiled functions that plan whole blocks of records, where no positions are computed.

    They plan for records of any sizes when these come as data, and else for those of ``pictures``.

    Args:
        transforms: of the run; their settings are arguments.
        run: the static side.
        pictures: what a record holds.
        kernel: what resamples them.
        refused: names of images that it does not resample.
    """

    def __init__(
        self,
        transforms: tuple[Transform, ...],
        run: Run,
        pictures: Pictures,
        kernel: Compiled | None,
        refused: Collection[str],
    ) -> None:
        structure = jax.tree.structure(transforms)
        static: dict[str, Any] = {
            "run": run, "pictures": pictures, "kernel": kernel, "refused": frozenset(refused),
        }  # fmt: skip

        # Functions of arrays alone: to look static arguments up takes as long as they run.
        @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
        def draw_and_plan_block(
            settings: list[Array],
            words: Array,
            rest: dict[str, Array],
            on: Array,
            rows: Array | None,
            scales: Array | None,
        ) -> Planned:
            transforms = jax.tree.unflatten(structure, settings)
            return draw_and_plan(transforms, words, rest, on, rows, scales, **static)

        @jax.jit
        def plan_block(
            settings: list[Array],
            values: Any,
            words: Array,
            rest: dict[str, Array],
            rows: Array | None,
            scales: Array | None,
        ) -> Planned:
            transforms = jax.tree.unflatten(structure, settings)
            params = _params(run, transforms, values, words)
            return _plan_with(transforms, params, rest, rows, scales, **static)

        self.draw_and_plan = draw_and_plan_block
        """`draw_and_plan` in one call: two take longer than small images."""
        self.plan = plan_block
        """The same of params that have been drawn."""


def _params(run: Run, transforms: tuple[Transform, ...], values: Any, words: Array) -> RecordParams:
    return RecordParams(values, words, run.frame, out_shape(transforms, run.frame))


def draw_and_plan(
    transforms: tuple[Transform, ...],
    words: Array,
    rest: dict[str, Array],
    on: Array,
    rows: Array | None = None,
    scales: Array | None = None,
    *,
    run: Run,
    pictures: Pictures,
    kernel: Compiled | None,
    refused: Collection[str],
) -> Planned:
    """What C needs of a block of records, drawn from the words of their keys. Traceable.

    Draws that the compiler weaves into the arithmetic of the plan might be rounded otherwise than
    those of `Pipeline.sample`: a branch that may not be taken stays apart.

    Args:
        transforms: of the run.
        words: (N, w) uint32.
        rest: the other entries, leading N.
        on: True.
        rows: (N, n, 2) from `Sizes.packed`; None where the sizes are those of ``pictures``.
        scales: (N, groups, 3, 3), `Compiled.scales` of every record, along with ``rows``.
        run: the static side.
        pictures: of the records.
        kernel: what resamples them.
        refused: names of images that it does not resample.
    """
    frames = frames_along(transforms, run.frame)
    values = draw_values(
        transforms, words, {}, None if rows is None else rows[:, : len(frames)],
        spec=run.spec, frames=frames, first=run.first,
    )  # fmt: skip

    def plan(params: RecordParams) -> Planned:
        return _plan_with(
            transforms, params, rest, rows, scales,
            run=run, pictures=pictures, kernel=kernel, refused=refused,
        )  # fmt: skip

    return run_apart(plan, _params(run, transforms, values, words), on)


def run_apart(function: Callable[[A], B], argument: A, on: Array) -> B:
    """A function whose arithmetic no compiler mixes with that of its argument. Traceable."""
    axes = varying_axes((argument, on))

    def real(argument: A) -> B:
        return varied(function(argument), axes)

    def nothing(argument: A) -> B:
        kinds = jax.eval_shape(function, argument)
        return varied(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), kinds), axes)  # type: ignore[no-any-return]

    return lax.cond(on, real, nothing, argument)  # type: ignore[no-any-return]


def plan_of(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    on: Array,
    rows: Array | None = None,
    scales: Array | None = None,
    *,
    run: Run,
    pictures: Pictures,
    kernel: Compiled | None,
    refused: Collection[str],
) -> Planned:
    """`draw_and_plan` of a block of params that are there already. Traceable."""

    def plan(params: RecordParams) -> Planned:
        return _plan_with(
            transforms, params, rest, rows, scales,
            run=run, pictures=pictures, kernel=kernel, refused=refused,
        )  # fmt: skip

    return run_apart(plan, params, on)


def plan_batch(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    *,
    run: Run,
    pictures: Pictures,
    fields: Sequence[Array],
) -> Planned:
    """What C needs of all records of a batch; positions are written to ``fields``. Traceable."""
    return _plan(transforms, params, rest, run, shapes_of(pictures, len(params.key)), fields)


def _plan(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    run: Run,
    shapes: Mapping[str, jax.ShapeDtypeStruct],
    fields: Sequence[Array] = (),
) -> Planned:
    task, own = prepare(run, transforms, params, rest, shapes)
    native, refused = divide(task, shapes, own[0])
    return _told(task, own, native, refused, fields, None)


def _plan_with(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    rows: Array | None = None,
    scales: Array | None = None,
    *,
    run: Run,
    pictures: Pictures,
    kernel: Compiled | None,
    refused: Collection[str],
) -> Planned:
    shapes = shapes_of(pictures, len(params.key))
    task, own = prepare(run, transforms, params, rest, shapes, rows=rows)
    return _told(task, own, kernel, refused, (), scales)


def _told(
    task: Task,
    own: Any,
    kernel: Compiled | None,
    refused: Collection[str],
    fields: Sequence[Array],
    scales: Array | None,
) -> Planned:
    views, _, _, sizes = own
    geometry = [] if kernel is None else kernel.geometry(views, sizes, fields, scales)
    pointwise = {n: p for n, p in pointwise_of(task, own).items() if n not in refused}
    return Planned(geometry, tables_of(task, own), pointwise)


@partial(jax.jit, static_argnames=("run", "pictures", "refused"), donate_argnames=("done",))
def finish_records(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    span: Array,
    sampled: dict[str, Array],
    sources: dict[str, Array],
    done: dict[str, Array],
    *,
    run: Run,
    pictures: Pictures,
    refused: frozenset[str],
) -> dict[str, Array]:
    """What native code leaves of ``span[1]`` records from ``span[0]`` of a block on, into ``done``.

    Args:
        transforms: the pipeline's.
        params: of the block.
        rest: the other entries of the block.
        span: (2,) int32.
        sampled: images that are resampled already, and whose values are to change.
        sources: images that are to be resampled.
        done: memory for the results; see `long_rows` for their shapes.
        run: the static side.
        pictures: of the records.
        refused: names of ``sources``.
    """
    length = next(iter((sampled | sources).values())).shape[0]
    params, rest = some_of((params, rest), span[0], length)
    task, own = prepare(run, transforms, params, rest, shapes_of(pictures, length))

    def step(i: Array, done: dict[str, Array]) -> dict[str, Array]:
        mine, given, images = jax.tree.map(
            lambda leaf: lax.dynamic_index_in_dim(leaf, i, keepdims=False), (own, sampled, sources)
        )
        found = finish_one(task, refused, mine, given, images)
        return {
            n: lax.dynamic_update_index_in_dim(held, found[n].reshape(held.shape[1:]), i, 0)
            for n, held in done.items()
        }

    return lax.fori_loop(0, span[1], step, done)  # type: ignore[no-any-return]


def finish_one(
    task: Task,
    refused: frozenset[str],
    own: Any,
    sampled: Mapping[str, Array],
    images: dict[str, Array],
) -> dict[str, Array]:
    """What native code leaves of one record; arguments are as for `finish_records`. Traceable."""
    found: dict[str, Array] = dict(sampled)
    if refused:
        left = replace(task, jobs=tuple(job for job in task.jobs if job.name in refused))
        found |= resample_record(prepared_record(task, own, images), left, own[0])
    return found | task.after(own, {n: found[n] for n in task.touched & found.keys()})


def shapes_of(pictures: Pictures, size: int) -> dict[str, jax.ShapeDtypeStruct]:
    """What so many records hold."""
    return {n: jax.ShapeDtypeStruct((size, *shape), dtype) for n, shape, dtype in pictures}


def tables_of(task: Task, own: Any) -> dict[str, Array]:
    """Results that are no pictures, of a batch."""
    return jax.vmap(lambda mine: task.after(mine, {}))(own)


def pointwise_of(task: Task, own: Any) -> dict[str, tuple[PointwiseProgram, ...]]:
    """What C does to pictures of a batch once they are sampled."""
    run_pointwise = task.run_pointwise
    return {} if run_pointwise is None else jax.vmap(run_pointwise)(own)
