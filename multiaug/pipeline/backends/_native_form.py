"""A traced batch on CPUs: draws and plans, the call of the library, and what XLA does behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._machine import core_count
from ...sampling import call_in_program
from ...transforms import Transform
from ...typing import Array
from ..program._draws import draw_values
from ..program._params import RecordParams
from ..program._plan import prepare
from ..program._sizes import frames_along
from ._blocks import BLOCK
from ._native import blocks_of_rows, is_small
from ._native_plan import (
    Planned,
    at_all_times,
    draw_and_plan,
    finish_one,
    plan_batch,
    plan_of,
    run_apart,
    shapes_of,
)
from ._native_program import NativeProgram

# Positions of so many bytes are computed for a whole batch at once.
_MOST_FIELD_BYTES = 1 << 28


def native_results(
    program: NativeProgram,
    transforms: tuple[Transform, ...],
    drawn: RecordParams | Array,
    arrays: Mapping[str, Array],
) -> dict[str, Array]:
    """The results of a batch, images with an axis of channels. To be lowered for CPUs.

    Args:
        program: what is done to a record; it has a kernel.
        transforms: the pipeline's.
        drawn: params, or (N, w) uint32 words of keys that they are drawn from.
        arrays: the entries, leading N; images with an axis of channels.
    """
    rest = {n: arrays[n] for n in program.rest}
    if not program.by_part:
        planned = _planned(program, transforms, drawn, rest)
        return _sampled(program, planned, arrays) | planned.tables
    params = drawn if isinstance(drawn, RecordParams) else _params(program, transforms, drawn)
    assert program.kernel is not None
    fields = [jnp.zeros(s.shape, s.dtype) for s in program.kernel.fields(len(params.key))]
    if len(params.key) > 1 and sum(field.nbytes for field in fields) > _MOST_FIELD_BYTES:
        return _one_by_one(program, transforms, params, arrays)
    planned = plan_batch(
        transforms, params, rest, run=program.run, pictures=program.images, fields=fields
    )
    sampled = _sampled(program, planned, arrays)
    finished = _finished(program, transforms, params, rest, sampled, arrays)
    return sampled | finished | planned.tables


def _one_by_one(
    program: NativeProgram,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    arrays: Mapping[str, Array],
) -> dict[str, Array]:
    """Batches of one, one after the other: in the memory of one record's positions."""

    def record(own: tuple[RecordParams, dict[str, Array]]) -> dict[str, Array]:
        params, arrays = jax.tree.map(lambda leaf: leaf[None], own)
        done = native_results(program, transforms, params, arrays)
        return {n: a[0] for n, a in done.items()}

    return lax.map(record, (params, dict(arrays)))  # type: ignore[no-any-return]


def _sampled(
    program: NativeProgram, planned: Planned, arrays: Mapping[str, Array]
) -> dict[str, Array]:
    """What the library makes of the images that it resamples."""
    assert program.kernel is not None
    images = {n: arrays[n] for n, _, _ in program.native_pictures}
    size = len(next(iter(images.values())))
    helpers = max(1, core_count() // jax.local_device_count()) - 1
    helpers = 0 if is_small(program, size) else helpers
    kinds = {n: program.sampled[n] if n in program.touched else program.results[n] for n in images}
    valid = (f"{name}_valid" for name in images)
    kinds |= {n: program.results[n] for n in valid if n in program.results}
    shapes = {n: jax.ShapeDtypeStruct((size, *s.shape), s.dtype) for n, s in kinds.items()}
    blocks = blocks_of_rows(program, size, helpers)
    return call_in_program(
        program.kernel,
        images,
        planned.geometry,
        at_all_times(planned.pointwise_programs, program.times),
        shapes,
        helpers,
        blocks,
    )


def _finished(
    program: NativeProgram,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    rest: dict[str, Array],
    sampled: Mapping[str, Array],
    arrays: Mapping[str, Array],
) -> dict[str, Array]:
    """What XLA does to a batch, record by record: images that it resamples, values it changes."""
    if not program.finished:
        return {}
    shapes = shapes_of(program.images, len(params.key))
    task, own = prepare(program.run, transforms, params, rest, shapes)
    given = {n: sampled[n] for n in program.touched}
    sources = {n: arrays[n] for n in program.refused}

    def finish(record: tuple[Any, dict[str, Array], dict[str, Array]]) -> dict[str, Array]:
        found = finish_one(task, frozenset(program.refused), *record)
        return {n: found[n].reshape(s.shape) for n, s in program.finished.items()}

    return lax.map(finish, (own, given, sources))  # type: ignore[no-any-return]


def _planned(
    program: NativeProgram,
    transforms: tuple[Transform, ...],
    drawn: RecordParams | Array,
    rest: dict[str, Array],
) -> Planned:
    """Plans of all records, where no positions are computed."""
    one = plan_of if isinstance(drawn, RecordParams) else draw_and_plan
    words = drawn.key if isinstance(drawn, RecordParams) else drawn
    # As outside of traces, sizes are data: folded into other constants, they round otherwise.
    zero = _hidden_zero(words)
    sizes: list[Any] = [
        None if a is None else a + jnp.broadcast_to(zero.astype(a.dtype), a.shape)
        for a in program.sizes
    ]

    def block(own: tuple[Any, dict[str, Array]], on: Array) -> Planned:
        return one(
            transforms, *own, on, *sizes, run=program.run, pictures=program.images,
            kernel=program.kernel, refused=program.refused,
        )  # fmt: skip

    return _in_blocks(block, (drawn, rest), words)  # type: ignore[no-any-return]


def _params(
    program: NativeProgram, transforms: tuple[Transform, ...], words: Array
) -> RecordParams:
    """What all records draw."""
    run = program.run
    frames = frames_along(transforms, run.frame)

    def block(words: Array, on: Array) -> Any:
        def drawn(words: Array) -> Any:
            return draw_values(transforms, words, spec=run.spec, frames=frames, first=run.first)

        return run_apart(drawn, words, on)

    values = _in_blocks(block, words, words)
    return RecordParams(values, words, run.frame, frames[-1])


def _in_blocks(function: Callable[[Any, Array], Any], records: Any, words: Array) -> Any:
    """A function of blocks of records: the arithmetic that batches outside of traces have.

    Args:
        function: of a block, and of a flag that is True.
        records: a tree with a leading N.
        words: (N, w) uint32.
    """
    size = len(words)
    index = np.minimum(np.arange(-(-size // BLOCK) * BLOCK), size - 1)
    on = _hidden_zero(words) == 0
    blocks = jax.tree.map(
        lambda leaf: leaf[index].reshape(len(index) // BLOCK, BLOCK, *leaf.shape[1:]), records
    )
    found = lax.map(lambda own: function(own, on), blocks)
    return jax.tree.map(lambda leaf: leaf.reshape(len(index), *leaf.shape[2:])[:size], found)


def _hidden_zero(words: Array) -> Array:
    """0, which no compiler knows: of two neighbouring integers one is even."""
    x = words.ravel()[0]
    return (x * (x + np.uint32(1))) & np.uint32(1)
