"""Which program runs records of a kind, made once: for all sizes where that can be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import jax
import numpy as np

from ...errors import warn
from ...roles import TABLE_ROLES
from ...sampling import divide, is_counted
from ...spec import EntrySpec
from ...transforms import Transform
from ...typing import Array
from ..program._draws import Draws
from ..program._params import RecordParams
from ..program._plan import prepare
from ..program._sizes import Sizes, sizes_of
from ..program._sizes_as_data import NEEDS_A_NUMBER, reason_of_sizes
from ..program._structure import Run
from ..program._traits import PipelineTraits
from ._blocks import LRUCache, program_key
from ._native_plan import Planner, images_of, pointwise_of, shapes_of, tables_of, times_of
from ._native_program import NativeProgram, Rows, Shrinking

# Tables are planned with so many rows, or four times as many, and so on: few compiled programs
# serve all numbers of boxes.
_LEAST_ROWS = 16
_WORKS: LRUCache[NativeProgram] = LRUCache()
# Programs that serve all sizes, or why there is none.
_TEMPLATES: dict[Hashable, NativeProgram | str] = {}
_MOST_TEMPLATES = 256


def program_of(
    run: Run, traits: PipelineTraits, draws: Draws, batch: Mapping[str, Any]
) -> NativeProgram:
    """What is done to records like these.

    Arguments are those of `compiled_call`; of arrays only shapes and dtypes are read.
    """
    key = program_key(run, traits, draws.kind, batch)
    return _WORKS.get(key, lambda: _program(run, traits, draws, batch))


def _program(
    run: Run, traits: PipelineTraits, draws: Draws, batch: Mapping[str, Any]
) -> NativeProgram:
    entries, transforms = run.spec.entries, traits.moving
    spatial = {n: a for n, a in batch.items() if entries[n].kind == "spatial"}
    images = {n: (a.shape[-3], a.shape[-2]) for n, a in spatial.items()}
    times = {n: a.shape[1] for n, a in spatial.items() if len(a.shape) == 5}
    sizes, shrinking = sizes_of(run, transforms, images), Shrinking.of(run, transforms)
    rows = {
        n: Rows(a.shape[1], _planned_rows(entries[n], a.shape[1]))
        for n, a in batch.items()
        if entries[n].kind == "points"
    }
    key = (
        (run.spec, run.inverse, run.resample_only, run.first, run.roles),
        traits.program,
        draws.kind_of_any_size,
        _kind(batch, images, rows),
        _flags(sizes, shrinking),
    )
    known = _TEMPLATES.get(key)
    if known is None:
        known = _template(run, traits, draws, batch, rows)
        if len(_TEMPLATES) >= _MOST_TEMPLATES:
            _TEMPLATES.clear()
        _TEMPLATES[key] = known
    if isinstance(known, NativeProgram):
        return known.of_sizes(run, sizes, shrinking, rows, times)
    _say_sizes(key, known, sizes)
    exact = {name: Rows(there, there) for name, (there, _) in rows.items()}
    found = _new_program(run, transforms, draws.shapes, batch, exact)
    found.each_size = known
    return found


# Programs that are compiled for each size -> the sizes that they have met.
_MET: dict[Hashable, set[Hashable]] = {}
_MANY_SIZES = 8


def _say_sizes(key: Hashable, reason: str, sizes: Sizes) -> None:
    """Warn, once, when images of many sizes keep the compiler busy."""
    if len(_MET) >= _MOST_TEMPLATES:
        _MET.clear()
    met = _MET.setdefault(key, set())
    met.add((sizes.frames, tuple(sizes.images.items())))
    if len(met) == _MANY_SIZES:
        warn(
            f"{_MANY_SIZES} sizes of images have been compiled for, each for about a second, "
            f"because {reason}. Bring images to few sizes before this pipeline, or change what is "
            "named here; Pipeline.explain says what is compiled for each size."
        )


def _planned_rows(entry: EntrySpec, there: int) -> int:
    """How many rows a table is planned with; as many as there are where rows depend on others."""
    group, planned = entry.groups[0], _LEAST_ROWS
    alone = getattr(TABLE_ROLES[group.role], "rowwise", False) and not group.mirror_pairs
    if not alone or group.capacity is not None:
        return there
    while planned < there:
        planned *= 4
    return planned


def _kind(
    batch: Mapping[str, Any], images: Mapping[str, Any], rows: Mapping[str, Rows]
) -> Hashable:
    """What records are, but for their sizes."""
    found = []
    for name, array in batch.items():
        # Planned is for one image: frames of an entry share it.
        shape = (len(array.shape), array.shape[-1]) if name in images else array.shape[1:]
        if name in rows:
            shape = (rows[name].planned, *array.shape[2:])
        found.append((name, shape, array.dtype))
    return tuple(found)


def _flags(sizes: Sizes, shrinking: Shrinking) -> Hashable:
    """What the sizes of records decide of a program: records that differ in it need others."""
    pairs = list(sizes.images.values())
    alike = tuple(pairs.index(pair) for pair in pairs)
    counted = all(is_counted(*pair) for pair in pairs)
    return alike, shrinking.low is None, shrinking.scale == 1, counted


def _template(
    run: Run,
    traits: PipelineTraits,
    draws: Draws,
    batch: Mapping[str, Any],
    rows: Mapping[str, Rows],
) -> NativeProgram | str:
    """A program that serves all sizes; why there is none."""
    transforms = traits.moving
    reason = reason_of_sizes(transforms, run.spec)
    if reason is not None:
        return reason
    full = {
        n: jax.ShapeDtypeStruct((a.shape[0], rows[n].planned, *a.shape[2:]), a.dtype)
        if n in rows
        else a
        for n, a in batch.items()
    }
    found = _new_program(
        run,
        transforms,
        draws.shapes,
        full,
        {n: Rows(r.planned, r.planned) for n, r in rows.items()},
    )
    if found.refused:
        name, why = next(iter(found.refused.items()))
        return f"XLA resamples {name!r}, as {why}"
    if found.by_part:
        return "XLA computes values, or positions of a displacement field"
    try:
        found.trace(traits, draws, full)
    except NEEDS_A_NUMBER as error:
        first = str(error).split("\n", 1)[0]
        return f"a role, or a segment of a map, computes with sizes in Python ({first})"
    return found


def _new_program(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: Mapping[str, Any],
    rows: Mapping[str, Rows],
) -> NativeProgram:
    entries = run.spec.entries
    pictures = tuple(
        (name, array.shape[1:], array.dtype)
        for name, array in batch.items()
        if entries[name].kind == "spatial"
    )
    rest = {
        n: jax.ShapeDtypeStruct(np.shape(a), a.dtype)
        for n, a in batch.items()
        if entries[n].kind != "spatial"
    }
    found: list[Any] = []
    shapes = shapes_of(pictures, len(params.key))

    def trace(transforms: Any, params: RecordParams, rest: dict[str, Array]) -> Any:
        task, own = prepare(run, transforms, params, rest, shapes)
        found.append((task, divide(task, shapes, own[0], times_of(pictures))))
        return tables_of(task, own), pointwise_of(task, own)

    tables, pointwise_programs = jax.eval_shape(trace, transforms, params, rest)
    task, (kernel, refused) = found[0]
    pointwise_programs = {n: p for n, p in pointwise_programs.items() if n not in refused}
    left = frozenset(task.touched - pointwise_programs.keys() - refused.keys())
    results = {n: jax.ShapeDtypeStruct(s.shape[1:], s.dtype) for n, s in tables.items()}
    dtypes = jax.eval_shape(
        lambda transforms, params, rest, images: _undone(run, transforms, params, rest, images),
        transforms, params, rest, {n: shapes[n] for n in shapes},
    )  # fmt: skip
    frames = {name: shape[:-3] for name, shape, _ in pictures}
    sampled = {
        job.name: jax.ShapeDtypeStruct(
            (*frames[job.name], *job.size_out, batch[job.name].shape[-1]), dtypes[job.name].dtype
        )
        for job in task.jobs
    }
    valid = {
        f"{job.name}_valid": jax.ShapeDtypeStruct((*frames[job.name], *job.size_out), np.bool_)
        for job in task.jobs
        if job.validity
    }
    changed = {
        n: jax.ShapeDtypeStruct(sampled[n].shape, of[0].dtype)
        for n, of in pointwise_programs.items()
    }
    finished = left | (task.touched & refused.keys())
    if finished:

        def after(transforms: Any, params: RecordParams, rest: Any, given: Any) -> Any:
            task, own = prepare(run, transforms, params, rest, shapes)
            return task.after(jax.tree.map(lambda leaf: leaf[0], own), given)

        touched = {n: s for n, s in sampled.items() if n in finished}
        changed |= jax.eval_shape(after, transforms, params, rest, touched)
    planner = Planner(transforms, run, images_of(pictures), kernel, refused)
    return NativeProgram(
        run, kernel, refused, pictures, {n: rows.get(n) for n in rest},
        {n: s for n, s in sampled.items() if n not in refused},
        results | sampled | valid | changed, left, planner,
    )  # fmt: skip


def _undone(
    run: Run,
    transforms: Any,
    params: RecordParams,
    rest: dict[str, Array],
    images: dict[str, Array],
) -> dict[str, Array]:
    """The images of a record that are to be resampled: their dtypes are wanted."""
    task, own = prepare(run, transforms, params, rest, images)
    if task.before is None:
        return images
    return jax.vmap(task.before)(own, images)
