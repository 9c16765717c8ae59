"""One axis of a picture: where an index beyond the rim points, and interpolation weights."""

from __future__ import annotations

import jax.numpy as jnp

from ..typing import Array

# Coordinates are held inside this range, in which float32 still counts whole pixels.
LIMIT = float(2**22)


# As SciPy's modes "constant" and "wrap" have them: the picture ends at the centres of its outer
# pixels, and repeats after one pixel less than it has.
CLASSIC = ("constant-hard", "wrap-classic")
# What lies outside is the fill.
FILLED = ("constant", "constant-hard")


def fold(index: Array, size: int, border: str) -> Array:
    """Index of the pixel that stands for ``index`` under a border rule.

    Args:
        index: int32, any value.
        size: number of pixels on the axis.
        border: ``edge`` (a a | a b c d | d d), ``reflect`` (b a | a b c d | d c), ``mirror``
            (c b | a b c d | c b), ``wrap`` (c d | a b c d | a b), ``wrap-classic``
            (b c d | a b c d | b c); ``constant`` and ``constant-hard`` clip, and the caller
            replaces what lies outside.
    """
    if border in FILLED or border == "edge":
        return jnp.clip(index, 0, size - 1)
    if border == "wrap":
        return jnp.mod(index, size)
    if border == "wrap-classic":
        period = max(size - 1, 1)
        below = index + period * (-index // period + 1)
        folded = jnp.where(index > period, jnp.mod(index, period), index)
        return jnp.clip(jnp.where(index < 0, below, folded), 0, size - 1)
    if border == "reflect":
        folded = jnp.mod(index, 2 * size)
        return jnp.minimum(folded, 2 * size - 1 - folded)
    if border == "mirror":
        period = max(2 * size - 2, 1)
        folded = jnp.mod(index, period)
        return jnp.minimum(folded, period - folded) if size > 1 else folded * 0
    raise AssertionError(border)


def held(coordinate: Array, size: int) -> Array:
    """Positions in the picture's area, not beyond its outermost pixel centres; others stay.

    The area ends half a pixel outside of the last centres. A picture that is brought to another
    size shows all of it, and nothing else.
    """
    inside = (coordinate >= -0.5) & (coordinate <= size - 0.5)
    return jnp.where(inside, jnp.clip(coordinate, 0, size - 1), coordinate)


def split(coordinate: Array) -> tuple[Array, Array]:
    """Whole part (int32) and fraction in [0, 1] of a coordinate; 1 a hair below a whole number.

    NaN counts as far outside.
    """
    held = jnp.clip(jnp.where(jnp.isnan(coordinate), LIMIT, coordinate), -LIMIT, LIMIT)
    whole = jnp.floor(held)
    return whole.astype(jnp.int32), held - whole


def nearest(coordinate: Array) -> Array:
    """Index of the nearest pixel centre; halves go up."""
    whole, fraction = split(coordinate)
    return whole + (fraction >= 0.5).astype(jnp.int32)


def weights(fraction: Array, method: str) -> list[tuple[int, Array]]:
    """Interpolation weights as (offset from the whole part, weight)."""
    f = fraction
    if method == "linear":
        return [(0, 1 - f), (1, f)]
    kernel = {"cubic": _keys, "spline3": _bspline}[method]
    return [(-1, kernel(1 + f)), (0, kernel(f)), (1, kernel(1 - f)), (2, kernel(2 - f))]


def _keys(t: Array) -> Array:
    """Cubic convolution with a = -1/2 at distance t in [0, 2].

    References:
        R. G. Keys, Cubic convolution interpolation for digital image processing, IEEE
        Transactions on Acoustics, Speech and Signal Processing 29(6), 1981.
    """
    near = (1.5 * t - 2.5) * t * t + 1
    far = -0.5 * (((t - 5) * t + 8) * t - 4)
    return jnp.where(t < 1, near, far)


def _bspline(t: Array) -> Array:
    """Cubic B-spline at distance t in [0, 2]; values must have gone through `prefilter`."""
    near = 2 / 3 - t * t * (1 - t / 2)
    far = (2 - t) ** 3 / 6
    return jnp.where(t < 1, near, far)
