"""Stages two and three for a batch: resample, then change values and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ParameterError
from ..roles import SPATIAL_ROLES, TABLE_ROLES, PointSite, View
from ..sampling import (
    Carry,
    Form,
    Job,
    Loop,
    Task,
    cast,
    constant,
    first_carry,
    is_float,
    resample,
)
from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..transforms import Photometric, Range, Step, Target, Transform
from ..typing import Array, SpatialShape
from ._params import RecordParams
from ._structure import antialiasing, entry_out_size, exactness, gains_intrinsics, leaves
from ._view import build_view, camera_of, compose, default_intrinsics, steps_of


@dataclass(frozen=True)
class Run:
    """The static description of one pass over a batch; hashable, part of the jit key.

    Args:
        spec: what the entries are.
        frame: (H, W) of the reference picture before the transforms.
        inverse: run the pipeline backwards.
        resample_only: entries whose role was overridden: photometry leaves them alone.
    """

    spec: DataSpec
    frame: SpatialShape
    inverse: bool = False
    resample_only: tuple[str, ...] = ()


# What a record needs besides its pictures: its geometry, what it drew, its other entries.
_Own = tuple[View, RecordParams, dict[str, Array]]


def run_batch(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: Mapping[str, Array],
    form: Form,
    loop: Loop | None = None,
) -> dict[str, Array] | Carry:
    """Apply drawn params to a batch. Pure and traceable.

    Args:
        run: the static side.
        transforms: the pipeline's.
        params: what they drew, leading N.
        batch: the entries, leading N; pictures as (N, H, W, C).
        form: see `multiaug.sampling.resample`, also for what is returned.
        loop: likewise.
    """
    pictures, rest = _split(run, batch)
    task, own = prepare(run, transforms, params, rest, pictures, one_by_one=form == "map")
    return resample(task, pictures, own[0], own, form, loop)


def carry_of(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, Any]
) -> tuple[Carry, dict[str, jax.ShapeDtypeStruct]]:
    """What the form ``loop`` of `run_batch` begins with, for arguments of these shapes.

    Returns:
        The carry, and the shapes of one record's results.
    """
    found = []

    def trace(transforms: Any, params: RecordParams, batch: dict[str, Array]) -> None:
        pictures, rest = _split(run, batch)
        task, own = prepare(run, transforms, params, rest, pictures)
        found.append(first_carry(task, pictures, own[0], own))

    jax.eval_shape(trace, transforms, params, dict(batch))
    return found[0]


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
) -> tuple[Task, _Own]:
    """Stage one: the task for the sampler, and what it needs of every record. Traceable.

    Args:
        run: the static side.
        transforms: the pipeline's.
        params: what they drew, leading N.
        rest: the entries that are no pictures, leading N.
        pictures: the others, of which only shapes and dtypes are read.
        one_by_one: not vectorised over records.
    """
    entries = run.spec.entries
    sizes = {name: (array.shape[1], array.shape[2]) for name, array in pictures.items()}
    matrices = {n: array for n, array in rest.items() if entries[n].kind == "matrix"}

    def plan(one: tuple[RecordParams, dict[str, Array]]) -> View:
        return _plan(run, transforms, one[0].values, one[1], sizes)

    over = partial(lax.map, plan) if one_by_one else jax.vmap(plan)
    views: View = over((params, matrices))
    own = (views, params, rest)
    return _task(run, transforms, own, pictures, sizes), own


def _task(
    run: Run,
    transforms: tuple[Transform, ...],
    batch: _Own,
    pictures: Mapping[str, Array | jax.ShapeDtypeStruct],
    sizes: Mapping[str, SpatialShape],
) -> Task:
    """What the sampler is to do, and what is done to a record before and after."""

    def steps(drawn: Any) -> list[Step]:
        return [step for step, _ in steps_of(transforms, drawn, run.frame)]

    def before(own: _Own, arrays: dict[str, Array]) -> dict[str, Array]:
        return _photometry(run, steps(own[1].values), arrays)

    def after(own: _Own, sampled: dict[str, Array]) -> dict[str, Array]:
        view, params, rest = own
        if not run.inverse:
            sampled = _photometry(run, steps(params.values), sampled)
        return sampled | _move_tables(run, view, rest, sizes)

    views, jobs = batch[0], []
    changed = {n for n in pictures if _is_touched(run, n, transforms)}
    undone = run.inverse and bool(changed)
    given = jax.eval_shape(jax.vmap(before), batch, pictures) if undone else pictures
    for name, array in given.items():
        entry = run.spec.entries[name]
        # Only static parts of the views decide.
        bands = tuple(SPATIAL_ROLES[g.role].band(g, views) for g in _groups(entry, array))
        out = entry_out_size(sizes[name], views.chart.in_shape, views.chart.out_shape)
        jobs.append(Job(name, sizes[name], out, bands, entry.validity))
    low = None if run.inverse else antialiasing(transforms, run.frame)
    return Task(
        tuple(jobs),
        low,
        before if undone else None,
        after,
        frozenset() if run.inverse else frozenset(changed),
        exact=exactness(transforms, inverse=run.inverse),
    )


def _plan(
    run: Run,
    transforms: Sequence[Transform],
    drawn: Any,
    matrices: Mapping[str, Array],
    sizes: Mapping[str, SpatialShape],
) -> View:
    chart = compose(transforms, drawn, run.frame)
    rules = run.spec.camera
    poses = [m for n, m in matrices.items() if run.spec.entries[n].role == "extrinsics"]
    extrinsics = poses[0].astype(jnp.float32) if poses else None
    before, after = chart.in_shape, chart.out_shape
    if not run.inverse:
        camera = camera_of(run.spec, matrices, sizes, before, after, run.frame)
        return build_view(chart, rules, camera, extrinsics)
    camera = camera_of(run.spec, matrices, sizes, after, before, run.frame)
    given = any(run.spec.entries[n].role == "intrinsics" for n in matrices)
    if camera is not None and not given and gains_intrinsics(rules):
        # The default camera is that of the source; here it has been refitted already.
        own = camera_of(run.spec, {}, {}, before, after, run.frame)
        forward = build_view(chart, rules, own, None)
        assert forward.k_out is not None
        camera = camera._replace(k=forward.k_out)
    return build_view(chart.inverted(), rules, camera, extrinsics)


def _groups(entry: EntrySpec, array: Array | jax.ShapeDtypeStruct) -> list[ChannelGroup]:
    return [group.for_dtype(np.dtype(array.dtype).name) for group in entry.groups]


def _move_tables(
    run: Run, view: View, record: Mapping[str, Array], sizes: Mapping[str, SpatialShape]
) -> dict[str, Array]:
    chart, result = view.chart, {}
    values = dict(record)
    if gains_intrinsics(run.spec.camera) and not run.inverse:
        values = _default_camera(run, values, sizes) | values
    for name, value in values.items():
        entry = run.spec.entries.get(name)
        of = entry.of if entry is not None else None
        size = sizes.get(of or "", chart.in_shape)
        site = PointSite(view, size, entry_out_size(size, chart.in_shape, chart.out_shape))
        role = TABLE_ROLES["intrinsics" if entry is None else entry.role]
        group = ChannelGroup("intrinsics") if entry is None else entry.groups[0]
        for suffix, moved in role.move(value, group, site).items():
            result[f"{name}{suffix}"] = moved
    return result


def _default_camera(
    run: Run, values: Mapping[str, Array], sizes: Mapping[str, SpatialShape]
) -> dict[str, Array]:
    """The default intrinsics under the name that the spec gives them, where none were given."""
    declared = [e for e in run.spec.entries.values() if e.role == "intrinsics"]
    name = declared[0].name if declared else "intrinsics"
    k = default_intrinsics(run.spec.camera, run.frame)
    if name in values or name in sizes or k is None:
        return {}
    # Only its dtype and its frame matter: the role returns the refitted camera.
    return {name: k}


def _is_touched(run: Run, name: str, transforms: Sequence[Transform]) -> bool:
    """Some photometric transform changes the entry."""
    entry = run.spec.entries[name]
    if name in run.resample_only or all(g.role != "intensity" for g in entry.groups):
        return False
    return any(isinstance(t, Photometric) and t.touches(name) for t in leaves(transforms))


def _changes(step: Step, name: str) -> bool:
    return isinstance(step.transform, Photometric) and step.transform.touches(name)


def _photometry(run: Run, steps: list[Step], record: Mapping[str, Array]) -> dict[str, Array]:
    """Photometric steps on the intensity channels, in order; backwards when inverting."""
    result = dict(record)
    for name, entry in run.spec.entries.items():
        if name in record and _is_touched(run, name, [s.transform for s in steps]):
            touched = [s for s in steps if _changes(s, name)]
            result[name] = _change(run, entry, touched, result[name])
    return result


def _change(run: Run, entry: EntrySpec, steps: list[Step], array: Array) -> Array:
    keeps = all(s.transform.keeps_dtype for s in steps if isinstance(s.transform, Photometric))
    before = np.dtype(array.dtype)
    if run.inverse:
        before = _source_dtype(entry, steps, before, keeps=keeps)
    dtype = before if keeps or run.inverse else np.dtype(np.float32)
    parts = []
    for group in _groups(entry, array):
        part = array[..., group.channel_slice()]
        if group.role == "intensity":
            part = _change_group(run, entry.name, group, steps, part, (before, dtype))
        parts.append(cast(part, dtype))
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)


def _source_dtype(
    entry: EntrySpec, steps: list[Step], found: np.dtype[Any], *, keeps: bool
) -> np.dtype[Any]:
    """The dtype that values had before the steps; refuses steps that cannot be undone."""
    owners = ", ".join(dict.fromkeys(step.transform.owner for step in steps))
    if keeps and not is_float(found):
        raise ParameterError(
            f"The entry {entry.name!r} cannot be inverted: {owners} rounded and clipped its "
            f"{found.name} values. Leave the entry out of the call, or declare it as a float."
        )
    if keeps:
        return found
    if entry.dtype is None and any(g.range is None for g in entry.groups if g.role == "intensity"):
        raise ParameterError(
            f"The entry {entry.name!r} cannot be inverted: {owners} made it a float, and the spec "
            "does not say from what. Declare its dtype or its range in the spec."
        )
    return found if entry.dtype is None else np.dtype(jnp.dtype(entry.dtype))


def _change_group(
    run: Run,
    name: str,
    group: ChannelGroup,
    steps: list[Step],
    part: Array,
    dtypes: tuple[np.dtype[Any], np.dtype[Any]],
) -> Array:
    """Run the steps on values whose range is that of the first dtype; returns the second."""
    before, after = dtypes
    limits = value_range(group, before)
    valid = _valid(part, group)
    shape = part.shape
    if not any(isinstance(s.transform, Photometric) and s.transform.by_channel for s in steps):
        # Loops over three channels are too short to be vectorised.
        part = part.reshape(shape[0], -1, 1)
        valid = None if valid is None else valid.reshape(part.shape)
    values = part.astype(jnp.float32)
    if valid is not None:
        # A NaN that is dropped in the end still turns the gradients of the others into NaN.
        values = jnp.where(valid, values, limits[0])
    chain: list[tuple[Step, Target]] = []
    for step in steps:
        assert isinstance(step.transform, Photometric)
        chain.append((step, Target(name, group.start, limits, valid)))
        limits = _limits_after(step, limits)
    for step, target in reversed(chain) if run.inverse else chain:
        assert isinstance(step.transform, Photometric)
        act = step.transform.invert if run.inverse else step.transform.apply
        changed = act(step.params, values, target)
        values = changed if step.on is None else jnp.where(step.on, changed, values)
    changed = cast(values, after)
    touched = _touched(steps, valid)
    # Not by way of float32, which does not hold every integer.
    if touched is not None:
        changed = jnp.where(touched, changed, cast(part, after))
    return changed.reshape(shape)


def _limits_after(step: Step, limits: Range) -> Range:
    """The value range after a step; where the step may not run, its ends are arrays."""
    assert isinstance(step.transform, Photometric)
    after = step.transform.out_range(limits)
    if step.on is None or after is limits:
        return after
    lo, hi = (jnp.where(step.on, a, b) for a, b in zip(after, limits, strict=True))
    return lo, hi  # type: ignore[return-value]


def _touched(steps: list[Step], valid: Array | None) -> Array | None:
    """Where values may change: valid pixels, if any step runs; None when that is everywhere."""
    conditions = [step.on for step in steps if step.on is not None]
    if len(conditions) < len(steps):
        return valid
    runs = jnp.stack(conditions).any()
    return runs if valid is None else valid & runs


def _valid(part: Array, group: ChannelGroup) -> Array | None:
    if group.invalid is None:
        return None
    if group.invalid == "nan":
        return ~jnp.isnan(part)
    return part != constant(group.invalid, part.dtype)


def value_range(group: ChannelGroup, dtype: np.dtype[Any]) -> Range:
    """What black and white are: declared, or the dtype's range, or (0, 1) for floats."""
    if group.range is not None:
        return group.range
    if is_float(dtype) or dtype == np.bool_:
        return 0.0, 1.0
    info = np.iinfo(dtype)
    return float(info.min) if info.min else 0.0, float(info.max)
