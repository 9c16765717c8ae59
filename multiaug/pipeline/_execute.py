"""Compiled entry points: which form a platform gets, and how a batch spreads over devices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..sampling import Form
from ..spec import DataSpec
from ..transforms import Frame, Transform, drawing_key
from ..typing import Array, Key, SpatialShape
from ._blocks import BLOCK
from ._compiled import run_compiled
from ._params import RecordParams
from ._parts import run_in_parts
from ._rows import gathered
from ._run import run_batch
from ._structure import Run, out_shape
from ._values import Looker, check_record_values

_AXIS = "records"


def is_traced(*trees: Any) -> bool:
    """True inside a user's own jit, grad, vmap or export."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def on_cpu() -> bool:
    """True when batches run on CPUs, where one record after the other is fastest."""
    return jax.default_backend() == "cpu"


def draw(
    transforms: tuple[Transform, ...], keys: Key, spec: DataSpec, shape: SpatialShape
) -> RecordParams:
    """Draw the params of a batch of keys (N,); on CPUs as NumPy arrays, where they are joined."""
    size, words = len(keys), jax.random.key_data(keys)
    sample = partial(_draw_block, transforms, spec=spec, shape=shape)
    # Inside a trace what is computed of constants is traced too.
    if not on_cpu() or isinstance(words, jax.core.Tracer):
        values = _draw_anywhere(transforms, words, spec=spec, shape=shape)
    elif size == BLOCK:
        values = sample(words)
    else:
        # As many at a time whatever the batch: the same compiled arithmetic for a batch of one
        # and of a thousand gives a record the same bits in both.
        held = np.asarray(words)
        index = np.minimum(np.arange(-(-size // BLOCK) * BLOCK), size - 1).reshape(-1, BLOCK)
        values = _joined([sample(held[i]) for i in index], size)
    return RecordParams(values, words, shape, out_shape(transforms, shape))


def _joined(blocks: list[Any], size: int) -> Any:
    """The first records of some blocks."""

    def join(*leaves: Array) -> Any:
        return np.concatenate([np.asarray(leaf) for leaf in leaves])[:size]

    return jax.tree.map(join, *blocks)


def _draw(
    transforms: tuple[Transform, ...],
    words: Array,
    *,
    spec: DataSpec,
    shape: SpatialShape,
) -> tuple[Any, ...]:
    """What the transforms draw from keys of these words (N, w)."""

    def one(words: Array) -> tuple[Any, ...]:
        key, drawn, frame = drawing_key(words), [], shape
        for position, transform in enumerate(transforms):
            drawn.append(transform.sample(jax.random.fold_in(key, position), Frame(frame, spec)))
            frame = transform.out_shape(frame)
        return tuple(drawn)

    drawn: tuple[Any, ...] = jax.vmap(one)(words)
    return drawn


_draw_anywhere = jax.jit(_draw, static_argnames=("spec", "shape"))
# A block is a few hundred numbers: LLVM's last level takes as long again to compile and saves
# microseconds. JAX takes such settings outside of traces only.
_draw_block = jax.jit(
    _draw,
    static_argnames=("spec", "shape"),
    compiler_options={"xla_backend_optimization_level": 2},
)


def execute(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: Mapping[str, Any],
    *,
    out: Mapping[str, Any] | None,
    check: bool,
) -> dict[str, Array]:
    """Apply params to a batch, compiled; on all local devices when there are several.

    Raises:
        RecordError: values that the spec does not allow, where they are checked.
    """
    pictures = {n for n in batch if run.spec.entries[n].kind == "spatial"}
    # One rank for all pictures: a mask is a picture of one channel.
    flat = {n for n in pictures if np.ndim(batch[n]) == 3}
    arrays = {n: a[..., None] if n in flat else a for n, a in batch.items()}
    devices = jax.local_devices()[: len(params.key)]
    traced = is_traced(transforms, params, arrays)
    if traced or not on_cpu():
        arrays = gathered(arrays)
    if check and not traced and not on_cpu():
        check_record_values(run.spec, batch, batch=True)
    if traced:
        form: Form = "map" if on_cpu() else "vmap"
        done = _run_whole(transforms, params, arrays, run=run, form=form)
    elif on_cpu():
        looker = Looker(run.spec, batch) if check else None
        done = run_compiled(run, transforms, params, arrays, flat, out, looker)
        if done is None:
            done = run_in_parts(run, transforms, params, gathered(arrays), flat, out, looker)
        if looker is not None:
            looker.conclude()
        return done
    elif len(devices) == 1:
        done = _run_whole(transforms, params, arrays, run=run, form="vmap")
    else:
        done = _spread(run, transforms, params, arrays, tuple(devices))
    return {n: a[..., 0] if n in flat else a for n, a in done.items()}


@partial(jax.jit, static_argnames=("run", "form"))
def _run_whole(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: dict[str, Array],
    *,
    run: Run,
    form: Form,
) -> dict[str, Array]:
    return run_batch(run, transforms, params, batch, form)  # type: ignore[return-value]


@partial(jax.jit, static_argnames=("run", "mesh"))
def _run_on_mesh(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: dict[str, Array],
    *,
    run: Run,
    mesh: Mesh,
) -> dict[str, Array]:
    def part(
        transforms: tuple[Transform, ...], params: RecordParams, batch: Any
    ) -> dict[str, Array]:
        return run_batch(run, transforms, params, batch, "vmap")  # type: ignore[return-value]

    shared, split = PartitionSpec(), PartitionSpec(_AXIS)
    spread = jax.shard_map(
        part, mesh=mesh, in_specs=(shared, split, split), out_specs=split, check_vma=False
    )
    return spread(transforms, params, batch)


def _spread(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: dict[str, Any],
    devices: tuple[jax.Device, ...],
) -> dict[str, Array]:
    """One part per accelerator; the last record is repeated until they are of one size."""
    size = len(params.key)
    part = -(-size // len(devices))
    index = np.minimum(np.arange(part * len(devices)), size - 1)
    if len(index) > size:
        params, batch = jax.tree.map(lambda leaf: leaf[index], (params, batch))
    mesh = Mesh(np.array(devices), (_AXIS,))
    sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
    params, batch = jax.device_put((params, batch), sharding)
    done = _run_on_mesh(transforms, params, batch, run=run, mesh=mesh)
    return {name: array[:size] for name, array in done.items()} if len(index) > size else done
