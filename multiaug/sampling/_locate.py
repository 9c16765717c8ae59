"""Where a pixel is read: positions folded by a border rule."""

from __future__ import annotations

import jax.numpy as jnp

from ..geometry import FAR
from ..typing import Array, SpatialShape
from ._axis import FILLED, held
from ._plan import Grid


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
