"""What photometric steps do to a picture, as numbers for C; JAX computes these, and no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...sampling import PointwiseProgram, can_run_pointwise, constant
from ...spec import ChannelGroup
from ...transforms import (
    Clip,
    Noise,
    Operation,
    Photometric,
    PowerLaw,
    ScaleAboutMean,
    ScaleShift,
    Step,
    keyed,
)
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
    return isinstance(step.transform, Photometric) and step.transform.described


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
            kind, own = _numbers(operation, count)
            if own is None:
                return None
            kinds.append(kind)
            numbers += [on, *own]
            if isinstance(operation, Noise):
                words.append(jnp.stack(keyed(operation.seed, operation.stream)))
    if not can_run_pointwise(before, kinds, count):
        return None
    invalid, beside = group.invalid, None
    if isinstance(invalid, float | int):
        invalid, beside = float(constant(invalid, before)), float(beside_mark(group, dtypes))
    return PointwiseProgram(
        jnp.concatenate([jnp.zeros(0, jnp.float32), *(n.astype(jnp.float32) for n in numbers)]),
        jnp.stack(words) if words else jnp.zeros((0, 2), jnp.uint32),
        tuple(kinds),
        group.start,
        count,
        invalid,
        after,
        beside,
    )


def _numbers(operation: Operation, channels: int) -> tuple[str, list[Array] | None]:
    """The kind of a step for C, and its numbers; None where it has more than C takes."""
    match operation:
        case ScaleShift():
            own = [jnp.asarray(n) for n in (operation.origin, operation.scale, operation.shift)]
            sizes = {n.size for n in own}
            if sizes == {1}:
                return "scale_shift", [n.reshape(1) for n in own]
            by_channel = all(n.size == 1 or n.shape == (1, 1, channels) for n in own)
            spread = [jnp.broadcast_to(n.ravel(), channels) for n in own] if by_channel else None
            return "scale_shift_by_channel", spread
        case ScaleAboutMean():
            return "scale_about_mean", _each(operation.factor)
        case PowerLaw():
            return "power_law", _each(operation.exponent, operation.low, operation.extent)
        case Clip():
            return "clip", _each(operation.low, operation.high)
        case Noise():
            return "noise", _each(operation.scale)
        case _:
            return "", None  # an operation of somebody's own: it has no opcode


def _each(*numbers: Any) -> list[Array] | None:
    arrays = [jnp.asarray(n) for n in numbers]
    return [n.reshape(1) for n in arrays] if all(n.size == 1 for n in arrays) else None
