"""Compiled entry points: which form a platform gets, and how a batch spreads over devices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..sampling import Form, over_records
from ..spec import DataSpec
from ..transforms import Frame, Transform
from ..typing import Array, Key, SpatialShape
from ._params import RecordParams
from ._run import Run, in_blocks, run_batch
from ._structure import out_shape

_AXIS = "records"


def is_traced(*trees: Any) -> bool:
    """True inside a user's own jit, grad, vmap or export."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def draw(
    transforms: tuple[Transform, ...], keys: Key, spec: DataSpec, shape: SpatialShape
) -> RecordParams:
    """Draw the params of a batch of keys (N,)."""
    form, count = _form_and_count(len(keys), transforms, keys)
    params: RecordParams = _draw(transforms, keys, count, spec=spec, shape=shape, form=form)
    return params


def _form_and_count(size: int, *arguments: Any) -> tuple[Form, Any]:
    if not _on_cpu():
        return "vmap", None
    # A loop of unknown length cannot be differentiated in reverse.
    return ("map", None) if is_traced(*arguments) else ("loop", np.int32(size))


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


@partial(jax.jit, static_argnames=("spec", "shape", "form"))
def _draw(
    transforms: tuple[Transform, ...],
    keys: Key,
    count: Array | None,
    *,
    spec: DataSpec,
    shape: SpatialShape,
    form: Form,
) -> RecordParams:
    implementation = jax.random.key_impl(keys)

    def one(words: Array) -> tuple[Any, ...]:
        key = jax.random.wrap_key_data(words, impl=implementation)
        drawn, frame = [], shape
        for position, transform in enumerate(transforms):
            drawn.append(transform.sample(jax.random.fold_in(key, position), Frame(frame, spec)))
            frame = transform.out_shape(frame)
        return tuple(drawn)

    key_data = jax.random.key_data(keys)
    if str(implementation) == "threefry2x32":
        values = in_blocks(one, key_data, count, form)
    else:
        # Under vmap the generators of hardware draw for all keys from the first one.
        values = over_records(one, key_data, count, "map" if form == "vmap" else form)
    return RecordParams(values, key_data, shape, out_shape(transforms, shape))


def execute(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, Any]
) -> dict[str, Array]:
    """Apply params to a batch, compiled; on all local devices when there are several."""
    arrays, size = dict(batch), len(params.key)
    traced = is_traced(transforms, params, arrays)
    form, count = _form_and_count(size, transforms, params, arrays)
    devices = jax.local_devices()
    if traced or min(size, len(devices)) == 1:
        done: dict[str, Array] = _run_on_one(transforms, params, arrays, count, run=run, form=form)
        return done
    return _spread(run, form, transforms, params, arrays, tuple(devices[:size]))


@partial(jax.jit, static_argnames=("run", "form"))
def _run_on_one(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: dict[str, Array],
    count: Array | None,
    *,
    run: Run,
    form: Form,
) -> dict[str, Array]:
    return run_batch(run, transforms, params, batch, count, form)


@partial(jax.jit, static_argnames=("run", "form", "mesh"))
def _run_on_mesh(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: dict[str, Array],
    counts: Array,
    *,
    run: Run,
    form: Form,
    mesh: Mesh,
) -> dict[str, Array]:
    def part(
        transforms: tuple[Transform, ...], params: RecordParams, batch: Any, count: Array
    ) -> dict[str, Array]:
        return run_batch(run, transforms, params, batch, count[0], form)

    shared, split = PartitionSpec(), PartitionSpec(_AXIS)
    spread = jax.shard_map(
        part,
        mesh=mesh,
        in_specs=(shared, split, split, split),
        out_specs=split,
        check_vma=False,
    )
    return spread(transforms, params, batch, counts)


def _spread(
    run: Run,
    form: Form,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: dict[str, Any],
    devices: tuple[jax.Device, ...],
) -> dict[str, Array]:
    """One part per device, the last one padded; padding is not computed, only carried."""
    size = len(params.key)
    part = -(-size // len(devices))
    counts = np.clip(size - part * np.arange(len(devices)), 0, part).astype(np.int32)
    index = np.minimum(np.arange(part * len(devices)), size - 1)
    if len(index) > size:
        params, batch = jax.tree.map(lambda leaf: leaf[index], (params, batch))
    mesh = Mesh(np.array(devices), (_AXIS,))
    sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
    params, batch, counts = jax.device_put((params, batch, counts), sharding)
    done = _run_on_mesh(transforms, params, batch, counts, run=run, form=form, mesh=mesh)
    return {name: array[:size] for name, array in done.items()} if len(index) > size else done
