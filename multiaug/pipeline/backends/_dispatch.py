"""Compiled entry points: which form a platform gets, and how a batch spreads over devices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ...sampling import Form
from ...transforms import Transform
from ...typing import Array
from ..buffers._indexed import gathered
from ..checks._values import begin_check
from ..program._draws import Draws, on_cpu
from ..program._params import RecordParams
from ..program._structure import Run
from ..program._traits import PipelineTraits
from ._native import CompiledCall, compiled_call
from ._traced import call_in_trace
from ._whole import of_one_rank, run_whole

_AXIS = "records"


def is_traced(*trees: Any) -> bool:
    """True inside a user's own jit, grad, vmap or export."""
    leaves = jax.tree.leaves(trees)
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def execute(
    run: Run,
    traits: PipelineTraits,
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
    traced = traits.traced or is_traced(draws.leaves, batch)
    if on_cpu() and not traced:
        arrays, flat = of_one_rank(run, batch)
        call = compiled_call(run, traits, draws, arrays, flat)
        assert call is not None
        return call(traits, draws, batch, out, check=check)
    transforms, arrays = traits.moving, gathered(batch)
    if traced:
        done_in_c = call_in_trace(run, traits, draws, arrays) if on_cpu() else None
        if done_in_c is not None:
            return done_in_c
        form: Form = "map" if on_cpu() else "vmap"
        whole: dict[str, Array] = run_whole(transforms, draws.params, arrays, run=run, form=form)
        return whole
    # Calls are queued: the look at the values first, the work behind it, then who waits for the
    # former leaves the latter running.
    conclude = begin_check(run.spec, arrays, batch=True) if check else None
    drawn = draws.params if draws.are_made else draws.words
    devices = jax.local_devices()[: len(draws.words)]
    done: dict[str, Array]
    if len(devices) == 1:
        done = run_whole(transforms, drawn, arrays, run=run, form="vmap")
    else:
        done = _spread(run, transforms, drawn, arrays, tuple(devices))
    if conclude is not None:
        conclude()
    return done


def call_in_c(
    run: Run, traits: PipelineTraits, draws: Draws, batch: Mapping[str, Any], *, single: bool
) -> CompiledCall | None:
    """What `execute` runs batches like this one with, if they run in C, whole.

    Of a batch of one, ``single`` makes it what runs such a record without a leading axis.
    """
    if not on_cpu() or traits.traced:
        return None
    call = compiled_call(run, traits, draws, *of_one_rank(run, batch), single)
    return call if call is not None and call.whole else None


@partial(jax.jit, static_argnames=("run", "mesh"))
def _run_on_mesh(
    transforms: tuple[Transform, ...],
    drawn: RecordParams | Array,
    batch: dict[str, Array],
    *,
    run: Run,
    mesh: Mesh,
) -> dict[str, Array]:
    def part(
        transforms: tuple[Transform, ...], drawn: RecordParams | Array, batch: Any
    ) -> dict[str, Array]:
        done: dict[str, Array] = run_whole(transforms, drawn, batch, run=run, form="vmap")
        return done

    shared, split = PartitionSpec(), PartitionSpec(_AXIS)
    spread = jax.shard_map(
        part, mesh=mesh, in_specs=(shared, split, split), out_specs=split, check_vma=False
    )
    return spread(transforms, drawn, batch)


def _spread(
    run: Run,
    transforms: tuple[Transform, ...],
    drawn: RecordParams | Array,
    batch: dict[str, Any],
    devices: tuple[jax.Device, ...],
) -> dict[str, Array]:
    """One part per accelerator; the last record is repeated until they are of one size."""
    size = len(drawn.key if isinstance(drawn, RecordParams) else drawn)
    part = -(-size // len(devices))
    index = np.minimum(np.arange(part * len(devices)), size - 1)
    if len(index) > size:
        drawn, batch = jax.tree.map(lambda leaf: leaf[index], (drawn, batch))
    mesh = Mesh(np.array(devices), (_AXIS,))
    sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
    drawn, batch = jax.device_put((drawn, batch), sharding)
    done = _run_on_mesh(transforms, drawn, batch, run=run, mesh=mesh)
    return {name: array[:size] for name, array in done.items()} if len(index) > size else done
