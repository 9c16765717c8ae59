"""Means over what output pixels cover, for numbers whose sum is to be kept."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array
from ._axis import nearest
from ._plan import Band, Grid, Job, SampleContext
from ._taps import fill_row, gather, tap_at

# A step below 1 blurs a pixel over the rest of its width: by copies of it at so many places.
_COPIES = 4


def area(image: Array, band: Band, job: Job, grid: Grid, context: SampleContext) -> Array:
    """Means of the source over what each output pixel covers, in float32.

    Along each axis of the source a pixel of the output covers a box as wide as one step of the
    map. The boxes of neighbours meet, so the weights of a source pixel have one sum, wherever it
    lies and whatever the step is: with values per area, the total is kept. Steps of 1 are linear
    interpolation, longer ones give the mean of the pixels that the box covers, by their shares.

    Args:
        image: (H, W, C) the channels of the band.
        band: its border and its fill.
        job: says what the longest step is.
        grid: where output pixels lie; with the Jacobian.
        context: the output pixels.
    """
    height, width, channels = image.shape
    rows = image.astype(jnp.float32).reshape(-1, channels)
    assert grid.jacobian is not None
    assert band.fill is not None
    fill = fill_row(band.fill, channels)
    step_x, step_y = steps_of(grid, context)
    ix, iy = nearest(grid.x), nearest(grid.y)
    resized = context.view.warp.resized

    def add(total: tuple[Array, Array], offset: Array) -> tuple[tuple[Array, Array], None]:
        row, column = iy + offset[0], ix + offset[1]
        away_y, away_x = row.astype(jnp.float32) - grid.y, column.astype(jnp.float32) - grid.x
        weight = _share(away_y, step_y) * _share(away_x, step_x)
        tap = tap_at(column, row, weight, (height, width), band.border)
        inside = tap.inside
        if resized and band.border == "constant":
            inside = _inside(row, iy, step_y, height) & _inside(column, ix, step_x, width)
        value = jnp.where(inside[..., None], gather(rows, tap.index), fill)
        return (total[0] + value * weight[..., None], total[1] + weight), None

    reach_x, reach_y = (max(1, math.ceil(step / 2)) for step in job.longest_step)
    offsets = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1].reshape(2, -1).T
    blank = jnp.zeros((*grid.x.shape, channels), jnp.float32), jnp.zeros_like(grid.x)
    (total, weight), _ = lax.scan(add, blank, jnp.asarray(offsets, jnp.int32))
    # Of a step longer than was expected, only the middle is seen. Behind a horizon is nothing.
    seen = (weight > 0)[..., None]
    return jnp.where(seen, total / jnp.where(seen, weight[..., None], 1), fill)


def steps_of(grid: Grid, context: SampleContext) -> tuple[Array, Array]:
    """(x, y): by how many source pixels a pixel of the output reaches along each axis."""
    assert grid.jacobian is not None
    a, b, c, d = grid.jacobian
    (sx_in, sy_in), (sx, sy) = context.scale_in, context.scale_out
    return jnp.hypot(a / sx, b / sy) * sx_in, jnp.hypot(c / sx, d / sy) * sy_in


def _share(distance: Array, step: Array) -> Array:
    """The part of a box of width ``step`` that falls on a pixel, 1 wide, at a distance."""
    step = jnp.maximum(step, 1e-6)
    spread = jnp.maximum(1 - step, 0)
    places = [(k + 0.5) / _COPIES - 0.5 for k in range(_COPIES)]
    shares = [
        jnp.clip((1 + step) / 2 - jnp.abs(distance + spread * place), 0, jnp.minimum(step, 1))
        for place in places
    ]
    return sum(shares[1:], start=shares[0]) / (_COPIES * step)


def _inside(tap: Array, own: Array, step: Array, size: int) -> Array:
    """Whether there is something at a tap of a resized picture, along one axis.

    A pixel is spread over more than a short step: what would leave the picture stays in it, and
    pixels outside get nothing.
    """
    index = jnp.where(step < 1, own, tap)
    return (index >= 0) & (index < size)
