"""The seam: a batch of arrays that share a map goes in, the resampled batch comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from ..typing import Array, SpatialShape
from ._kernels import resample_array, site_of
from ._plan import Grid, Job, LowPass, sampling_grid

T = TypeVar("T")
Form = Literal["loop", "map", "vmap"]


def resample(
    arrays: Mapping[str, Array], jobs: Sequence[Job], view: Any, low: LowPass | None
) -> dict[str, Array]:
    """Resample the arrays of one record; arrays of the same sizes share their grid.

    Args:
        arrays: name -> (H, W, C).
        jobs: one per array.
        view: has ``chart``, the `Map` of the record; handed on to the bands.
        low: antialiasing of the run.

    Returns:
        name -> (h, w, C), and ``<name>_valid`` -> (h, w) bool where asked for.
    """
    grids: dict[tuple[SpatialShape, SpatialShape], Grid] = {}
    result: dict[str, Array] = {}
    for job in jobs:
        sizes = (job.size_in, job.size_out)
        if sizes not in grids:
            sharing = [j for j in jobs if (j.size_in, j.size_out) == sizes]
            wanted = any(band.needs_jacobian for j in sharing for band in j.bands)
            grids[sizes] = sampling_grid(view.chart, *sizes, jacobian=wanted)
        array, grid = arrays[job.name], grids[sizes]
        site = site_of(job, grid, array.dtype, view)
        result.update(resample_array(array, job, grid, low, site))
    return result


def over_records(body: Callable[[Any], T], records: Any, count: Array | None, form: Form) -> T:
    """Run ``body`` on every record of a batch (all leaves have a leading N).

    Args:
        body: one record -> its results, a pytree of arrays.
        records: the batch.
        count: how many records to run, an int32 scalar; only ``loop`` reads it. It is a run-time
            value on purpose: XLA then cannot unroll a loop over one record and fuse it anew, so
            a record gets the same bits in every batch.
        form: ``loop`` for CPUs, ``vmap`` for accelerators, ``map`` where the result must be
            differentiable in reverse.
    """
    if form == "vmap":
        return jax.vmap(body)(records)
    if form == "map":
        return lax.map(body, records)  # type: ignore[no-any-return]

    def take(i: Array) -> Any:
        return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, i, keepdims=False), records)

    size = jax.tree.leaves(records)[0].shape[0]
    if size < _LEAST:
        longer = jax.tree.map(_lengthen, records)
        done = over_records(body, longer, count, form)
        return jax.tree.map(lambda leaf: leaf[:size], done)  # type: ignore[no-any-return]
    shapes = jax.eval_shape(lambda: body(take(jnp.int32(0))))
    buffers = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape), leaf.dtype), shapes)

    def step(i: Array, done: Any) -> Any:
        return jax.tree.map(
            lambda buffer, new: lax.dynamic_update_index_in_dim(buffer, new, i, 0),
            done,
            body(take(i)),
        )

    return lax.fori_loop(0, count, step, buffers)  # type: ignore[no-any-return]


# The compiler knows all that an index into one or two records can be, and rewrites the loop for
# it: products move out and are rounded, sums pair up in another order. From three records on
# the code is the same for every batch.
_LEAST = 3


def _lengthen(leaf: Array) -> Array:
    """Records that are never run, after the given ones."""
    spare = jnp.zeros((_LEAST - leaf.shape[0], *leaf.shape[1:]), leaf.dtype)
    return jnp.concatenate([leaf, spare])
