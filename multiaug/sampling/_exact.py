"""Whole-pixel maps: flips, quarter turns, windows. Nothing is blended, so nothing is located."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from ..geometry import Map, centre
from ..typing import Array, SpatialShape
from ._axis import FILLED, fold
from ._lanes import Reading
from ._plan import Band, Exact, SampleContext
from ._taps import gather, is_valid, native_fill


def read_exactly(
    image: Array,
    band: Band,
    warp: Map,
    size_out: SpatialShape,
    exact: Exact,
    context: SampleContext | None,
) -> Reading:
    """Copy the pixels of a picture that has the resolution of its frame.

    Args:
        image: (H, W, C) the channels of the band.
        band: only its border, its fill and its invalid values matter.
        warp: a map that takes pixel centres to pixel centres.
        size_out: (h, w) of the result.
        exact: what else is known of the map.
        context: the output pixels, where the band encodes.
    """
    if exact == "window":
        values, inside = _cut(image, warp, size_out), None
    else:
        values, inside = _follow(image, band, warp, size_out)
    known = is_valid(values, band) if band.invalid is not None else None
    if band.encode is not None:
        # Values that cannot be encoded, such as points behind the camera, are not seen.
        assert context is not None
        coded = band.encode(values.astype(jnp.float32), context)
        known = ~jnp.isnan(coded).any(-1, keepdims=True)
    if inside is not None and band.border in FILLED:
        if band.fill is None:
            known = inside if known is None else known & inside
        elif known is not None:
            known = known | ~inside
    return Reading(values, known)


def _cut(image: Array, warp: Map, size_out: SpatialShape) -> Array:
    """A window of the picture, mirrored or not: copies of rows.

    In a loop over records a branch is taken, not computed beside the others: selecting pixel by
    pixel between a row and its mirror image takes fifty times as long.
    """
    backward = warp.matrix().backward
    (cx_in, cy_in), (cx, cy) = centre((image.shape[0], image.shape[1])), centre(size_out)
    start = [
        jnp.rint(backward[axis, 2] + middle_in - middle).astype(jnp.int32)
        for axis, middle_in, middle in ((1, cy_in, cy), (0, cx_in, cx))
    ]
    window = lax.dynamic_slice(image, (*start, 0), (*size_out, image.shape[-1]))
    turns = [lambda w: w, lambda w: w[:, ::-1], lambda w: w[::-1], lambda w: w[::-1, ::-1]]
    mirrored = [(backward[axis, axis] < 0).astype(jnp.int32) for axis in (0, 1)]
    return lax.switch(mirrored[0] + 2 * mirrored[1], turns, window)  # type: ignore[no-any-return]


def _follow(image: Array, band: Band, warp: Map, size_out: SpatialShape) -> tuple[Array, Array]:
    """Pixel by pixel, the border where the map leaves the picture."""
    height, width, channels = image.shape
    row, column, inside = _sources(warp, (height, width), size_out, band.border)
    values = gather(image.reshape(height * width, channels), row * width + column)
    if band.border in FILLED and band.fill is not None:
        values = jnp.where(inside, values, native_fill(band, image))
    return values, inside


def _sources(
    warp: Map, size_in: SpatialShape, size_out: SpatialShape, border: str
) -> tuple[Array, Array, Array]:
    """(row, column, inside), the pixel that each output pixel shows: (h, w), (h, w), (h, w, 1)."""
    backward = warp.matrix().backward
    (cx_in, cy_in), (cx, cy) = centre(size_in), centre(size_out)
    x = (jnp.arange(size_out[1], dtype=jnp.float32) - cx)[None, :]
    y = (jnp.arange(size_out[0], dtype=jnp.float32) - cy)[:, None]
    # Each source axis follows one output axis: folded along it, not pixel by pixel.
    upright = jnp.abs(backward[0, 0]) > 0.5

    def along(first: int, second: int, offset: float, size: int) -> tuple[Array, Array]:
        shift = backward[first, 2] + offset
        ahead = jnp.rint(backward[first, first] * (x, y)[first] + shift).astype(jnp.int32)
        aside = jnp.rint(backward[first, second] * (x, y)[second] + shift).astype(jnp.int32)
        inside = [(index >= 0) & (index < size) for index in (ahead, aside)]
        folded = [fold(index, size, border) for index in (ahead, aside)]
        return jnp.where(upright, folded[0], folded[1]), jnp.where(upright, inside[0], inside[1])

    column, inside_x = along(0, 1, cx_in, size_in[1])
    row, inside_y = along(1, 0, cy_in, size_in[0])
    return row, column, (inside_x & inside_y)[..., None]
