"""The reference sampler: the arrays of one record, band by band."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..geometry import LOST
from ..typing import Array
from ._area import area
from ._axis import CLASSIC
from ._blend import blend, prepared, source_context
from ._dtype import cast
from ._locate import fold_position, inside_of
from ._pick import pick, picks_valid
from ._plan import Band, Grid, Job, LowPass, SampleContext, positions, ratio
from ._taps import (
    HALF,
    gather,
    invalid_value,
    is_valid,
    move,
    native_fill,
    off_the_mark,
    taps_of,
)

# Methods that copy pixels.
COPYING = frozenset({"nearest", "majority"})


def resample_array(
    image: Array, job: Job, grid: Grid, low: LowPass | None, context: SampleContext
) -> dict[str, Array]:
    """Resample one array of one record.

    Args:
        image: (H, W, C), any supported dtype.
        job: what its channels are.
        grid: where they are read.
        low: antialiasing, when the run asks for it.
        context: the output pixels.

    Returns:
        ``{job.name: (h, w, C)}`` in the dtype of ``image``, and ``<name>_valid`` on request.
    """
    parts = [resample_band(image[..., b.channels], b, job, grid, low, context) for b in job.bands]
    result = {job.name: parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)}
    if job.validity:
        result[f"{job.name}_valid"] = validity(image, job, grid, context)
    return result


def resample_band(
    image: Array, band: Band, job: Job, grid: Grid, low: LowPass | None, context: SampleContext
) -> Array:
    size, resized = (image.shape[0], image.shape[1]), context.view.warp.resized
    read = inside_of(grid, size, band.border, resized=resized)
    if band.border in CLASSIC:
        return _resample_classic(image, band, job, read, low, context)
    if band.method in COPYING:
        values, known, outside = pick(image, band, read)
    elif band.method == "area":
        values, known, outside = area(image, band, job, grid, context), None, None
    else:
        values, known, outside = blend(image, band, job, (grid, read), low, context)
    if band.move is not None:
        values, known = move(values, known, band, context)
    values = off_the_mark(cast(values, image.dtype), band)
    if band.fill is not None and outside is not None:
        values = jnp.where(outside, native_fill(band, image), values)
    if known is not None and band.border != "constant":
        known = known & (jnp.abs(grid.x) < LOST)[..., None]
    if known is not None:
        values = jnp.where(known, values, invalid_value(band, image))
    return values


def _resample_classic(
    image: Array, band: Band, job: Job, grid: Grid, low: LowPass | None, context: SampleContext
) -> Array:
    """Positions are folded between the outer pixels, beyond which splines are mirrored."""
    height, width = image.shape[:2]
    x, y = fold_position(grid.x, width, band.border), fold_position(grid.y, height, band.border)
    inside = (x >= 0) & (y >= 0)
    folded = grid._replace(x=jnp.maximum(x, 0), y=jnp.maximum(y, 0))
    within = replace(band, border="mirror", fill=(0.0,))
    values = resample_band(image, within, job, folded, low, context)
    beyond = invalid_value(band, image) if band.fill is None else native_fill(band, image)
    return jnp.where(inside[..., None], values, beyond)


def validity(image: Array, job: Job, grid: Grid, context: SampleContext) -> Array:
    """(h, w) bool: the picture shows something there, in all of its channels.

    Of channels that are blended, at least half of the linear weight is valid and inside the
    picture; of those that are copied, the pixel that is.
    """
    size = (image.shape[0], image.shape[1])
    grid = inside_of(grid, size, "constant", resized=context.view.warp.resized)
    blended = jnp.ones(image.shape[:2], bool)
    shown = jnp.ones(grid.x.shape, bool)
    if any(band.border in CLASSIC for band in job.bands):
        height, width = job.size_in
        within_x = (grid.x >= 0) & (grid.x <= width - 1)
        shown = within_x & (grid.y >= 0) & (grid.y <= height - 1)
    for band in job.bands:
        part = image[..., band.channels]
        if band.method in COPYING:
            shown = shown & picks_valid(part, band, grid)
        elif band.encode is not None:
            coded = prepared(part, band, source_context(context, job.size_in))
            blended = blended & ~jnp.isnan(coded).any(-1)
        elif band.invalid is not None:
            blended = blended & is_valid(part, band).all(-1)
    if all(band.method in COPYING for band in job.bands):
        return shown
    flat = blended.reshape(-1)
    total = jnp.zeros_like(grid.x)
    for tap in taps_of(grid, "linear", size, "constant"):
        total = total + jnp.where(tap.inside & gather(flat, tap.index), tap.weight, 0)
    return shown & (total >= HALF)


def context_of(
    job: Job, grid: Grid, dtype: np.dtype[Any], view: object, first: Array | int = 0
) -> SampleContext:
    """The output pixels of a job, or a block of its rows that begins at ``first``."""
    warp = view.warp  # type: ignore[attr-defined]
    scale_in, scale_out = ratio(job.size_in, warp.in_shape), ratio(job.size_out, warp.out_shape)
    cx, cy = (job.size_in[1] - 1) / 2, (job.size_in[0] - 1) / 2
    out_x, out_y = positions(job.size_out, warp.out_shape)
    if grid.x.shape[0] != job.size_out[0]:
        out_y = lax.dynamic_slice_in_dim(out_y, first, grid.x.shape[0])
    return SampleContext(
        (grid.x - cx) / scale_in[0],
        (grid.y - cy) / scale_in[1],
        out_x,
        out_y,
        grid.jacobian,
        scale_in,
        scale_out,
        dtype,
        view,
    )
