"""Stages two and three for a batch: resample, then change values and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...roles import SPATIAL_ROLES, TABLE_ROLES, PointContext, RecordGeometry
from ...sampling import (
    Form,
    Job,
    PointwiseProgram,
    Task,
    resample,
)
from ...spec import ChannelGroup
from ...transforms import Transform
from ...typing import Array
from ._geometry import build_view, camera_of, compose, default_intrinsics, steps_of
from ._operations import pointwise_programs
from ._params import RecordParams
from ._pointwise import is_touched, photometry
from ._sizes import Sizes, sizes_of
from ._structure import (
    Run,
    antialiasing,
    gains_intrinsics,
    groups_of,
    least_scale,
    longest_step,
)
from ._ties import tied_tables

# What a record needs besides its images: its geometry, what it drew, its other entries, its sizes.
_Own = tuple[RecordGeometry, RecordParams, dict[str, Array], Sizes]


def run_batch(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: Mapping[str, Array],
    form: Form,
) -> dict[str, Array]:
    """Apply drawn params to a batch. Pure and traceable.

    Args:
        run: the static side.
        transforms: the pipeline's.
        params: what they drew, leading N.
        batch: the entries, leading N; pictures as (N, H, W, C), those with time (N, T, H, W, C).
        form: see `multiaug.sampling.resample`, also for what is returned.
    """
    pictures, rest = _split(run, batch)
    task, own = prepare(run, transforms, params, rest, pictures, one_by_one=form == "map")
    return resample(task, pictures, own[0], own, form)


def _split(run: Run, batch: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    entries = run.spec.entries
    pictures = {n: array for n, array in batch.items() if entries[n].kind == "spatial"}
    return pictures, {n: array for n, array in batch.items() if n not in pictures}


def prepare(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    pictures: Mapping[str, Array | jax.ShapeDtypeStruct],
    *,
    one_by_one: bool = False,
    rows: Array | None = None,
) -> tuple[Task, _Own]:
    """Stage one: the task for the sampler, and what it needs of every record. Traceable.

    Args:
        run: the static side.
        transforms: the pipeline's.
        params: what they drew, leading N.
        rest: the entries that are no pictures, leading N.
        pictures: the others, of which only shapes and dtypes are read.
        one_by_one: not vectorised over records.
        rows: (N, n, 2) from `Sizes.packed`: the sizes of every record, in the place of those of
            the pictures, which only say what task there is.
    """
    entries = run.spec.entries
    images = {name: (array.shape[-3], array.shape[-2]) for name, array in pictures.items()}
    given = sizes_of(run, transforms, images)
    matrices = {n: array for n, array in rest.items() if entries[n].kind == "matrix"}

    def plan(
        one: tuple[RecordParams, dict[str, Array], Array | None],
    ) -> tuple[RecordGeometry, Sizes]:
        params, matrices, rows = one
        sizes = given if rows is None else given.unpacked(rows)
        return _plan(run, transforms, params.values, matrices, sizes), sizes

    over = partial(lax.map, plan) if one_by_one else jax.vmap(plan)
    views, sizes = over((params, matrices, rows))
    own = (views, params, rest, sizes)
    return _task(run, transforms, own, pictures, given), own


def _task(
    run: Run,
    transforms: tuple[Transform, ...],
    batch: _Own,
    pictures: Mapping[str, Array | jax.ShapeDtypeStruct],
    sizes: Sizes,
) -> Task:
    """What the sampler is to do, and what is done to a record before and after."""
    steps = partial(steps_of, transforms)

    def undo(own: _Own, arrays: dict[str, Array]) -> dict[str, Array]:
        return photometry(run, steps(own[1].values), arrays)

    def after(own: _Own, sampled: dict[str, Array]) -> dict[str, Array]:
        view, params, rest, sizes = own
        if not run.inverse:
            sampled = photometry(run, steps(params.values), sampled)
        return sampled | _move_tables(run, view, rest, sizes)

    def run_pointwise(own: _Own) -> dict[str, tuple[PointwiseProgram, ...]]:
        its, found = steps(own[1].values), {}
        for name in changed:
            one = pointwise_programs(run, name, given[name].dtype, given[name].shape[-1], its)
            if one is not None:
                found[name] = one
        return found

    views, jobs = batch[0], []
    changed = [n for n in pictures if is_touched(run, n, transforms)]
    undone = run.inverse and bool(changed)
    given = jax.eval_shape(jax.vmap(undo), batch, pictures) if undone else pictures
    scale = least_scale(transforms, run)
    for name, array in given.items():
        entry = run.spec.entries[name]
        # Only static parts of the views decide.
        bands = tuple(SPATIAL_ROLES[g.role].band(g, views) for g in groups_of(entry, array.dtype))
        size_in, size_out = sizes.images[name]
        if scale == 1 and not views.warp.resized:
            # No pixel covers more or less than one: the mean over it is linear interpolation.
            bands = tuple(replace(b, method="linear") if b.method == "area" else b for b in bands)
        job = Job(name, size_in, size_out, bands, entry.validity, entry.time is not None)
        jobs.append(replace(job, longest_step=longest_step(job, sizes.before, sizes.after, scale)))
    low = None if run.inverse else antialiasing(transforms, scale)
    return Task(
        tuple(jobs),
        low,
        undo if undone else None,
        after,
        frozenset() if run.inverse else frozenset(changed),
        run_pointwise=run_pointwise,
        undone=frozenset(changed) if undone else frozenset(),
    )


def _plan(
    run: Run,
    transforms: Sequence[Transform],
    drawn: Any,
    matrices: Mapping[str, Array],
    sizes: Sizes,
) -> RecordGeometry:
    warp = compose(transforms, drawn, sizes.frames)
    rules = run.spec.camera
    poses = [m for n, m in matrices.items() if run.spec.entries[n].role == "extrinsics"]
    extrinsics = poses[0].astype(jnp.float32) if poses else None
    camera = camera_of(run.spec, matrices, sizes, sizes.source)
    if not run.inverse:
        return build_view(warp, rules, camera, extrinsics)
    given = any(run.spec.entries[n].role == "intrinsics" for n in matrices)
    if camera is not None and not given and gains_intrinsics(rules):
        # The default camera is that of the source; here it has been refitted already.
        own = camera_of(run.spec, {}, Sizes(sizes.frames, {}), sizes.source)
        forward = build_view(warp, rules, own, None)
        assert forward.k_out is not None
        camera = camera._replace(k=forward.k_out)
    return build_view(warp.inverted(), rules, camera, extrinsics)


def _move_tables(
    run: Run, view: RecordGeometry, record: Mapping[str, Array], sizes: Sizes
) -> dict[str, Array]:
    result = {}
    values = dict(record)
    if gains_intrinsics(run.spec.camera) and not run.inverse:
        values = _default_camera(run, values, sizes) | values
    for name, value in values.items():
        entry = run.spec.entries.get(name)
        of = entry.of if entry is not None else None
        context = PointContext(view, *sizes.of(of))
        role = TABLE_ROLES["intrinsics" if entry is None else entry.role]
        group = ChannelGroup("intrinsics") if entry is None else entry.groups[0]
        for suffix, moved in role.move(value, group, context).items():
            result[f"{name}{suffix}"] = moved
        if group.capacity is not None and not run.inverse:
            result[f"{name}_valid"] = ~jnp.isnan(value).any(axis=-1)
        if name in tied_tables(run.spec):
            result[f"{name}_mirrored"] = jnp.asarray(view.mirrored)
    return result


def _default_camera(run: Run, values: Mapping[str, Array], sizes: Sizes) -> dict[str, Array]:
    """The default intrinsics under the name that the spec gives them, where none were given."""
    declared = [e for e in run.spec.entries.values() if e.role == "intrinsics"]
    name = declared[0].name if declared else "intrinsics"
    k = default_intrinsics(run.spec.camera, sizes.source)
    if name in values or name in sizes.images or k is None:
        return {}
    # Only its dtype and its frame matter: the role returns the refitted camera.
    return {name: k}
