"""What photometric steps do to a picture, as numbers for C; JAX computes these, and no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...sampling import PointwiseProgram, can_run_pointwise, constant, elements_of
from ...spec import ChannelGroup
from ...transforms import Photometric, Step, makes_noise
from ...typing import Array
from ._pointwise import beside_mark, changes, keeps_dtype, targets, value_range
from ._structure import Run, groups_of


def pointwise_programs(
    run: Run, name: str, dtype: Any, channels: int, steps: Sequence[Step]
) -> tuple[PointwiseProgram, ...] | None:
    """What the steps do to a picture of one record, by channel groups. Traceable.

    Args:
        run: the static side.
        name: the entry.
        dtype: its.
        channels: its.
        steps: of the record.

    Returns:
        None where C cannot do it; whether it can does not depend on the numbers.
    """
    before = np.dtype(dtype)
    groups = groups_of(run.spec.entries[name], before)
    steps = [step for step in steps if changes(step, name)]
    after = before if keeps_dtype(steps) else np.dtype(np.float32)
    if run.inverse or not all(_described(step) for step in steps):
        return None
    if before != after and len(groups) > 1:
        # Numbers get wider in place: all those of a pixel together.
        return None
    found = []
    for group in groups:
        if group.role == "intensity":
            one = _pointwise_program(name, group, channels, steps, (before, after))
            if one is None:
                return None
            found.append(one)
    return tuple(found)


def _described(step: Step) -> bool:
    """It says what it does in operations, and moves no pixels without data."""
    transform = step.transform
    assert isinstance(transform, Photometric)
    moves = type(transform).rearranged is not Photometric.rearranged
    return transform.described and not moves


def _pointwise_program(
    name: str,
    group: ChannelGroup,
    channels: int,
    steps: Sequence[Step],
    dtypes: tuple[np.dtype[Any], np.dtype[Any]],
) -> PointwiseProgram | None:
    before, after = dtypes
    count = len(range(channels)[group.channel_slice()])
    kinds: list[str] = []
    numbers: list[Array] = []
    words: list[Array] = []
    for step, target in targets(name, group, count, steps, value_range(group, before), None):
        assert isinstance(step.transform, Photometric)
        on = jnp.ones(1) if step.on is None else jnp.reshape(step.on, 1)
        for operation in step.transform.operations(step.params, target):
            # An operation of somebody's own has no row in the table.
            pack = getattr(operation, "pack", None)
            packed = None if pack is None else pack(count)
            if packed is None or not can_run_pointwise(before, packed[:1], count):
                return None
            kind, own = packed
            if sum(part.size for part in own) != elements_of(kind, count):
                return None
            kinds.append(kind)
            numbers += [on, *own]
            if makes_noise(operation):
                words.append(operation.words().reshape(-1, 2))
    if not can_run_pointwise(before, kinds, count):
        return None
    invalid, beside = group.invalid, None
    if isinstance(invalid, float | int):
        invalid, beside = float(constant(invalid, before)), float(beside_mark(group, dtypes))
    return PointwiseProgram(
        jnp.concatenate([jnp.zeros(0, jnp.float32), *(n.astype(jnp.float32) for n in numbers)]),
        jnp.concatenate(words) if words else jnp.zeros((0, 2), jnp.uint32),
        tuple(kinds),
        group.start,
        count,
        invalid,
        after,
        beside,
    )
