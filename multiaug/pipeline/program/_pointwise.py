"""Photometric steps on the intensity channels of a record, in JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ParameterError
from ...sampling import beside, cast, constant, is_float
from ...spec import ChannelGroup, EntrySpec
from ...transforms import Photometric, Range, Step, Target, Transform, is_uniform
from ...typing import Array, NDArray
from ._structure import Run, groups_of, leaves


def is_touched(run: Run, name: str, transforms: Sequence[Transform]) -> bool:
    """Some photometric transform changes the entry."""
    entry = run.spec.entries[name]
    if name in run.resample_only or all(g.role != "intensity" for g in entry.groups):
        return False
    return any(isinstance(t, Photometric) and t.touches(name) for t in leaves(transforms))


def changes(step: Step, name: str) -> bool:
    """The step is a photometric one, and touches the entry."""
    return isinstance(step.transform, Photometric) and step.transform.touches(name)


def photometry(run: Run, steps: list[Step], record: Mapping[str, Array]) -> dict[str, Array]:
    """Photometric steps on the intensity channels, in order; backwards when inverting."""
    result = dict(record)
    for name, entry in run.spec.entries.items():
        if name in record and is_touched(run, name, [s.transform for s in steps]):
            touched = [s for s in steps if changes(s, name)]
            result[name] = _change_images(run, entry, touched, result[name])
    return result


def _change_images(run: Run, entry: EntrySpec, steps: list[Step], array: Array) -> Array:
    """The image of an entry, or all of its frames (T, h, w, c) by the same steps."""
    if array.ndim == 3:
        return _change(run, entry, steps, array, None)
    change = partial(_change, run, entry, steps)
    return jax.vmap(change)(array, jnp.arange(len(array), dtype=jnp.uint32))


def _change(
    run: Run, entry: EntrySpec, steps: list[Step], array: Array, time: Array | None
) -> Array:
    keeps = keeps_dtype(steps)
    before = np.dtype(array.dtype)
    if run.inverse:
        before = _source_dtype(entry, steps, before, keeps=keeps)
    dtype = before if keeps or run.inverse else np.dtype(np.float32)
    parts = []
    for group in groups_of(entry, array.dtype):
        part = array[..., group.channel_slice()]
        if group.role == "intensity":
            part = _change_group(run, entry.name, group, steps, part, (before, dtype), time)
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
    time: Array | None,
) -> Array:
    """Run the steps on values whose range is that of the first dtype; returns the second."""
    before, after = dtypes
    limits = value_range(group, before)
    valid = _valid(part, group)
    shape = part.shape
    chain = targets(name, group, shape[-1], steps, limits, valid, time)
    if all(_treats_channels_alike(run, step, target) for step, target in chain):
        # Loops over three channels are too short to be vectorised.
        part = part.reshape(shape[0], -1, 1)
        valid = None if valid is None else valid.reshape(part.shape)
    values = part.astype(jnp.float32)
    if valid is not None:
        # A NaN that is dropped in the end still turns the gradients of the others into NaN.
        values = jnp.where(valid, values, limits[0])
    values = _run_steps(run, targets(name, group, shape[-1], steps, limits, valid, time), values)
    changed = cast(values, after)
    for step, target in reversed(chain) if run.inverse else chain:
        part = _rearranged(run, step, target, part)
        valid = None if valid is None else _rearranged(run, step, target, valid)
    if group.invalid is not None and group.invalid != "nan":
        # A value that falls on the number of those without data is still one.
        mark = constant(group.invalid, before).astype(after)
        changed = jnp.where(changed == mark, beside_mark(group, dtypes), changed)
    touched = _touched(steps, valid)
    # Not by way of float32, which does not hold every integer.
    if touched is not None:
        changed = jnp.where(touched, changed, cast(part, after))
    return changed.reshape(shape)


def targets(
    name: str,
    group: ChannelGroup,
    channels: int,
    steps: Sequence[Step],
    limits: Range,
    valid: Array | None,
    time: Array | None = None,
) -> list[tuple[Step, Target]]:
    """Each step with what it may know of the values that it gets."""
    found = []
    for step in steps:
        target = Target(
            name, group.start, limits, valid, channels, group.names, time, group.invalid
        )
        found.append((step, target))
        limits = _limits_after(step, limits)
    return found


def _run_steps(run: Run, chain: Sequence[tuple[Step, Target]], values: Array) -> Array:
    valid = chain[0][1].valid if chain else None
    for step, target in reversed(chain) if run.inverse else chain:
        assert isinstance(step.transform, Photometric)
        target = target._replace(valid=valid)
        act = step.transform.invert if run.inverse else step.transform.apply
        changed = act(step.params, values, target)
        values = changed if step.on is None else jnp.where(step.on, changed, values)
        valid = None if valid is None else _rearranged(run, step, target, valid)
    return values


def _rearranged(run: Run, step: Step, target: Target, array: Array) -> Array:
    """What belongs to the values, such as where they are valid, where a step has moved them."""
    assert isinstance(step.transform, Photometric)
    if type(step.transform).rearranged is Photometric.rearranged:
        return array
    move = step.transform.invert if run.inverse else step.transform.rearranged
    moved = move(step.params, array, target)
    return moved if step.on is None else jnp.where(step.on, moved, array)


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


def beside_mark(group: ChannelGroup, dtypes: tuple[np.dtype[Any], np.dtype[Any]]) -> NDArray:
    """What stands for a value that would be the group's number of pixels without data."""
    before, after = dtypes
    top = value_range(group, before)[1] if before == after else math.inf
    return beside(float(constant(group.invalid, before)), after, top)  # type: ignore[arg-type]


def _treats_channels_alike(run: Run, step: Step, target: Target) -> bool:
    """Values may come as (h, w * c, 1): the transform says so, or its operations are such.

    Of an `apply` that says nothing nothing is known: a blur would blur across channels.
    """
    transform = step.transform
    assert isinstance(transform, Photometric)
    if transform.by_channel is not None:
        return not transform.by_channel
    name = "invert" if run.inverse else "apply"
    overridden = getattr(type(transform), name) is not getattr(Photometric, name)
    if overridden or not transform.described:
        return False
    return all(is_uniform(operation) for operation in transform.operations(step.params, target))


def keeps_dtype(steps: Sequence[Step]) -> bool:
    """Integers come back as integers."""
    return keeps_dtype_of([step.transform for step in steps])


def keeps_dtype_of(transforms: Sequence[Transform]) -> bool:
    """`keeps_dtype`, of transforms."""
    return all(t.keeps_dtype for t in transforms if isinstance(t, Photometric))
