"""Taps: which source pixels an output pixel reads, and which of them are valid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from ..typing import Array, ArrayLike
from ._axis import fold, split, weights
from ._dtype import beside, constant, is_float
from ._plan import Band, Grid, SampleContext

# Weights are sums of rounded products; "less than half" must not depend on their last bits.
HALF = 0.5 - 1e-6


@dataclass(frozen=True)
class Tap:
    """One source pixel per output pixel."""

    index: Array  # (h, w) row-major, always inside
    inside: Array  # (h, w) bool, False beyond the rim of a constant border
    weight: Array  # (h, w) float32


def tap_at(ix: Array, iy: Array, weight: Array, size: tuple[int, int], border: str) -> Tap:
    height, width = size
    index = fold(iy, height, border) * width + fold(ix, width, border)
    inside = (ix >= 0) & (ix < width) & (iy >= 0) & (iy < height)
    return Tap(index, inside if border == "constant" else jnp.ones_like(inside), weight)


def taps_of(
    grid: Grid, method: str, size: tuple[int, int], border: str, *, resized: bool = False
) -> list[Tap]:
    """All taps; of a position inside of a picture that is ``resized``, none is beyond the rim."""
    (ix, fx), (iy, fy) = split(grid.x), split(grid.y)
    taps = [
        tap_at(ix + dx, iy + dy, wy * wx, size, border)
        for dy, wy in weights(fy, method)
        for dx, wx in weights(fx, method)
    ]
    if not resized:
        return taps
    within = is_within(grid, size)
    return [replace(tap, inside=tap.inside | within) for tap in taps]


def is_within(grid: Grid, size: tuple[int, int]) -> Array:
    """Between the outermost pixel centres, where all that lies in a resized picture is read."""
    x, y = grid.x, grid.y
    return (x >= 0) & (x <= size[1] - 1) & (y >= 0) & (y <= size[0] - 1)


def gather(rows: Array, index: Array) -> Array:
    return rows.at[index].get(mode="promise_in_bounds")


def is_valid(values: Array, band: Band) -> Array:
    """(..., 1) for joint bands, else (..., C)."""
    if isinstance(band.invalid, str):
        bad = jnp.isnan(values)
        return ~(bad.any(-1, keepdims=True) if band.joint else bad)
    assert band.invalid is not None
    bad = values == constant(band.invalid, values.dtype)
    return ~(bad.all(-1, keepdims=True) if band.joint else bad)


def fill_row(fill: tuple[float, ...], channels: int) -> Array:
    return jnp.broadcast_to(jnp.asarray(fill, jnp.float32), (1, 1, channels))


def native_fill(band: Band, image: Array) -> Array:
    """The fill in the dtype of the array: float32 would round the larger integers."""
    assert band.fill is not None
    fill = np.stack([constant(value, image.dtype) for value in band.fill])
    return jnp.broadcast_to(fill, (1, 1, image.shape[-1]))


def move(
    values: Array, known: Array | None, band: Band, context: SampleContext
) -> tuple[Array, Array | None]:
    """Values after the move of the role, and what is known of them.

    A role says NaN of what has no place in the dtype. Integers have none: it is not known.
    """
    assert band.move is not None
    # A NaN that is put back in the end still turns the gradient of the map into NaN.
    values = band.move(values if known is None else jnp.where(known, values, 0), context)
    if known is not None and not is_float(context.dtype) and is_float(values.dtype):
        known = known & ~jnp.isnan(values).any(-1, keepdims=True)
    return values, known


def off_the_mark(values: Array, band: Band) -> Array:
    """Values in their dtype, those of them moved that rounding made the number of no data.

    Of integers only, which are rounded and clipped; floats that meet it are too rare.
    """
    joint = band.joint and values.shape[-1] > 1
    if not isinstance(band.invalid, float) or is_float(values.dtype) or joint:
        return values
    mark = constant(band.invalid, values.dtype)
    return jnp.where(values == mark, beside(band.invalid, values.dtype), values)


def invalid_value(band: Band, image: Array) -> ArrayLike:
    """What stands where nothing is known: the fill, when no value means that."""
    if band.invalid is None and band.fill is not None:
        return native_fill(band, image)
    return constant(band.invalid if isinstance(band.invalid, float) else math.nan, image.dtype)
