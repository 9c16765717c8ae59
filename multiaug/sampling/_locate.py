"""Where a pixel is read in a padded picture: one index, and a fraction along each axis."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from ..geometry import FAR, LOST
from ..typing import Array, SpatialShape
from ._axis import FILLED, held
from ._plan import Grid


class Located(NamedTuple):
    """The four taps of every output pixel in a picture with a rim of one pixel.

    Args:
        first: (h, w) uint32, the upper left tap in the padded picture, row-major.
        fx: (h, w) in [0, 1), weight of the right taps.
        fy: (h, w), weight of the lower taps.
        lost: (h, w) bool, behind a horizon: there is no such place.
    """

    first: Array
    fx: Array
    fy: Array
    lost: Array


def padded_shape(size: SpatialShape) -> SpatialShape:
    """A rim of one pixel; below, another row that the lower taps of the rim may touch."""
    return size[0] + 3, size[1] + 2


def locate(grid: Grid, size: SpatialShape, border: str, *, resized: bool) -> Located:
    """Fold positions into the padded picture.

    Positions are folded, not indices: the four taps stay neighbours, one index serves them all,
    and whole numbers stay whole.

    Args:
        grid: positions in pixels of the picture.
        size: (height, width) of the picture without its rim.
        border: see `fold`.
        resized: see `Map`.
    """
    grid = inside_of(grid, size, border, resized=resized)
    x, y = fold_position(grid.x, size[1], border), fold_position(grid.y, size[0], border)
    left, top = jnp.floor(x), jnp.floor(y)
    row, column = top.astype(jnp.int32) + 1, left.astype(jnp.int32) + 1
    index = (row * padded_shape(size)[1] + column).astype(jnp.uint32)
    return Located(index, x - left, y - top, ~(jnp.abs(grid.x) < LOST))


def inside_of(grid: Grid, size: SpatialShape, border: str, *, resized: bool) -> Grid:
    """Where a picture is read whose area must not be blended with what a border fills in.

    Other borders continue it by pixels of its own.
    """
    if not resized or border not in FILLED:
        return grid
    return grid._replace(x=held(grid.x, size[1]), y=held(grid.y, size[0]))


def fold_position(c: Array, size: int, border: str) -> Array:
    """The position inside the padded picture that stands for ``c``; see `fold` for the borders."""
    c = jnp.where(jnp.isnan(c), FAR, c)
    if border == "constant":
        return jnp.clip(c, -1, size)
    if border == "constant-hard":
        return jnp.where((c >= 0) & (c <= size - 1), c, -1)
    if border == "wrap-classic":
        period = max(size - 1, 1)
        below = c + period * (jnp.floor(-c / period) + 1)
        c = jnp.where(c < 0, below, jnp.where(c > period, c - period * jnp.floor(c / period), c))
    if border == "wrap":
        c = c - size * jnp.floor(c / size)
        return jnp.clip(c, 0, size)
    if border == "reflect":
        # No half is added to what is kept: the fraction would be rounded.
        c = c - 2 * size * jnp.floor((c + 0.5) / (2 * size))
        c = jnp.where(c > size - 0.5, 2 * size - 1 - c, c)
    if border == "mirror":
        period = max(2 * size - 2, 1)
        c = c - period * jnp.floor(c / period)
        c = jnp.minimum(c, period - c)
    return jnp.clip(c, 0, size - 1)
