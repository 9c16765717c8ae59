"""Compiled entry points: which form a platform gets, and how a batch spreads over devices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..sampling import Form
from ..transforms import Transform
from ..typing import Array
from ._compiled import CompiledCall, compiled_call
from ._draw import Draws, on_cpu
from ._facts import Facts
from ._params import RecordParams
from ._parts import run_in_parts
from ._rows import gathered
from ._run import run_batch
from ._structure import Run
from ._values import Looker, check_record_values

_AXIS = "records"


def is_traced(*trees: Any) -> bool:
    """True inside a user's own jit, grad, vmap or export."""
    leaves = jax.tree.leaves(trees)
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def execute(
    run: Run,
    facts: Facts,
    draws: Draws,
    batch: Mapping[str, Any],
    *,
    out: Mapping[str, Any] | None,
    check: bool,
) -> dict[str, Array]:
    """Apply what a batch drew to it, compiled; on all local devices when there are several.

    Raises:
        RecordError: values that the spec does not allow, where they are checked.
    """
    arrays, flat = _of_one_rank(run, batch)
    traced = facts.traced or is_traced(draws.leaves, arrays)
    if on_cpu() and not traced:
        call = compiled_call(run, facts, draws, arrays, flat)
        if call is not None:
            return call(facts, draws, batch, out, check=check)
        looker = Looker(run.spec, batch) if check else None
        done = run_in_parts(run, facts, draws.params, gathered(arrays), flat, out, looker)
        if looker is not None:
            looker.conclude()
        return done
    transforms, params, arrays = facts.moving, draws.params, gathered(arrays)
    if check and not traced:
        check_record_values(run.spec, batch, batch=True)
    devices = jax.local_devices()[: len(draws.words)]
    if traced:
        form: Form = "map" if on_cpu() else "vmap"
        done = _run_whole(transforms, params, arrays, run=run, form=form)
    elif len(devices) == 1:
        done = _run_whole(transforms, params, arrays, run=run, form="vmap")
    else:
        done = _spread(run, transforms, params, arrays, tuple(devices))
    return {n: a[..., 0] if n in flat else a for n, a in done.items()}


def call_in_c(
    run: Run, facts: Facts, draws: Draws, batch: Mapping[str, Any]
) -> CompiledCall | None:
    """What `execute` runs batches like this one with, if they run in C, whole."""
    if not on_cpu() or facts.traced:
        return None
    call = compiled_call(run, facts, draws, *_of_one_rank(run, batch))
    return call if call is not None and call.whole else None


def _of_one_rank(run: Run, batch: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The batch with an axis of channels for all pictures, and those that had none."""
    entries = run.spec.entries
    flat = {n for n, a in batch.items() if np.ndim(a) == 3 and entries[n].kind == "spatial"}
    return {n: a[..., None] if n in flat else a for n, a in batch.items()}, flat


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
