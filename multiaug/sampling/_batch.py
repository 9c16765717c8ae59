"""The seam: a batch of arrays that share a map goes in, the resampled batch comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jax
from jax import lax

from ..typing import Array, SpatialShape
from ._kernels import context_of, resample_array
from ._plan import Grid, Task, prepared_record, sampling_grid

Form = Literal["map", "vmap"]


def resample(
    task: Task, arrays: Mapping[str, Array], views: Any, own: Any, form: Form
) -> dict[str, Array]:
    """Resample a batch. All implementations read positions from one coordinate function.

    Args:
        task: what to do.
        arrays: name -> (N, H, W, C), one per job; or (N, T, H, W, C), T frames that share a map.
        views: a pytree with a leading N; has ``warp``, the `Map` of each record, and is handed
            on to the bands.
        own: a pytree with a leading N, handed to ``before`` and ``after``.
        form: ``vmap`` is vectorised over records, for accelerators; ``map`` goes record by
            record, for CPUs.

    Returns:
        name -> (N, h, w, C) in the dtype of the array, ``<name>_valid`` -> (N, h, w) bool where
        asked for, and what else ``after`` returns.
    """

    def body(record: tuple[dict[str, Array], Any, Any]) -> dict[str, Array]:
        given, view, mine = record
        prepared = prepared_record(task, mine, given)
        sampled = resample_record(prepared, task, view, vectorised=form == "vmap")
        return sampled | task.after(mine, {n: sampled[n] for n in task.touched})

    records = (dict(arrays), views, own)
    return jax.vmap(body)(records) if form == "vmap" else lax.map(body, records)


def resample_record(
    arrays: Mapping[str, Array], task: Task, view: Any, *, vectorised: bool = False
) -> dict[str, Array]:
    """The reference: arrays (H, W, C), or (T, H, W, C), of one record.

    Those of the same sizes share their grid.
    """
    grids: dict[tuple[SpatialShape, SpatialShape], Grid] = {}
    result: dict[str, Array] = {}
    for job in task.jobs:
        sizes = (job.size_in, job.size_out)
        if sizes not in grids:
            sharing = [j for j in task.jobs if (j.size_in, j.size_out) == sizes]
            wanted = any(band.needs_jacobian for j in sharing for band in j.bands)
            grids[sizes] = sampling_grid(view.warp, *sizes, jacobian=wanted, vectorised=vectorised)
        array, grid = arrays[job.name], grids[sizes]
        context = context_of(job, grid, array.dtype, view)

        def sample(image: Array, of: tuple[Any, ...] = (job, grid, task.low, context)) -> Any:
            return resample_array(image, *of)

        if array.ndim == 3:
            result.update(sample(array))
        else:  # frames are read where one image is
            result.update(jax.vmap(sample)(array) if vectorised else lax.map(sample, array))
    return result
