"""Copying: nearest, and labels by majority. Values never leave their dtype."""

from __future__ import annotations

import jax.numpy as jnp

from ..typing import Array
from ._axis import nearest
from ._plan import Band, Grid
from ._taps import HALF, Tap, gather, is_valid, tap_at, taps_of


def pick(image: Array, band: Band, grid: Grid) -> tuple[Array, Array | None, Array | None]:
    """Values copied from single pixels: (values, known, outside)."""
    values, inside = _picked(image, band, grid)
    known = is_valid(values, band) if band.invalid is not None else None
    outside = ~inside[..., None] if band.border == "constant" else None
    if outside is not None and band.fill is None:
        known = ~outside if known is None else known & ~outside
        outside = None
    elif outside is not None and known is not None:
        known = known | outside
    return values, known, outside


def picks_valid(image: Array, band: Band, grid: Grid) -> Array:
    """(h, w) bool: the pixel that is copied has data, and lies inside the picture."""
    values, inside = _picked(image, band, grid)
    if band.invalid is not None:
        inside = inside & is_valid(values, band).all(-1)
    if band.method == "nearest":
        return inside & _nearest_tap(image, grid, "constant").inside
    taps = taps_of(grid, "linear", (image.shape[0], image.shape[1]), "constant")
    return inside & (sum((jnp.where(t.inside, t.weight, 0) for t in taps), start=0.0) >= HALF)


def _picked(image: Array, band: Band, grid: Grid) -> tuple[Array, Array]:
    """The values of the pixels that are copied, and whether the picture goes so far."""
    height, width, channels = image.shape
    rows = image.reshape(height * width, channels)
    if band.method == "majority":
        index, inside = _majority(rows, band, grid, (height, width))
    else:
        tap = _nearest_tap(image, grid, band.border)
        index, inside = tap.index, tap.inside
    return gather(rows, index), inside


def _nearest_tap(image: Array, grid: Grid, border: str) -> Tap:
    size = (image.shape[0], image.shape[1])
    return tap_at(nearest(grid.x), nearest(grid.y), jnp.ones_like(grid.x), size, border)


def _majority(rows: Array, band: Band, grid: Grid, size: tuple[int, int]) -> tuple[Array, Array]:
    """The tap whose label gathers most of the linear weight; ties go to the nearer tap."""
    taps = taps_of(grid, "linear", size, band.border)
    fill = 0 if band.fill is None else int(band.fill[0])
    labels = [
        jnp.where(tap.inside, gather(rows, tap.index)[..., 0].astype(jnp.int32), fill)
        for tap in taps
    ]
    scores = [
        sum((jnp.where(labels[j] == labels[k], taps[j].weight, 0) for j in range(4)), start=0.0)
        for k in range(4)
    ]
    index, inside, best, own = taps[0].index, taps[0].inside, scores[0], taps[0].weight
    for tap, score in zip(taps[1:], scores[1:], strict=True):
        # Scores are sums of the same four weights in another order: equal ones differ by ulps.
        tie = jnp.abs(score - best) < 1e-6
        better = jnp.where(tie, tap.weight > own, score > best)
        index = jnp.where(better, tap.index, index)
        inside = jnp.where(better, tap.inside, inside)
        own = jnp.where(better, tap.weight, own)
        best = jnp.where(better, score, best)
    return index, inside
