"""Filters over whole pictures that come before interpolation: spline coefficients, low-pass."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from ..typing import Array
from ._axis import fold

# The inverse of the cubic B-spline decays by |pole| = 0.268 per pixel: 0.268^13 = 4e-8.
_POLE = float(np.sqrt(3) - 2)
_REACH = 13
# Coefficients are kept this far beyond the rim, where a border of its own continues them.
SPLINE_MARGIN = 12


def extend(image: Array, margin: int, border: str, fill: Array, axis: int) -> Array:
    """Continue an axis by ``margin`` pixels on both sides under a border rule.

    Args:
        image: (H, W, C) float32.
        margin: pixels, more than the axis has is fine.
        border: see `fold`.
        fill: (1, 1, C) values beyond a ``constant`` border.
        axis: 0 or 1.
    """
    size = image.shape[axis]
    index = jnp.arange(-margin, size + margin, dtype=jnp.int32)
    extended = jnp.take(image, fold(index, size, border), axis=axis, mode="clip")
    if border != "constant":
        return extended
    inside = (index >= 0) & (index < size)
    return jnp.where(inside[:, None, None] if axis == 0 else inside[None, :, None], extended, fill)


def prefilter(image: Array, border: str, fill: Array) -> Array:
    """Cubic B-spline coefficients of a picture, with `SPLINE_MARGIN` more on every side.

    The recursive filter of the reference is a convolution with ``sqrt(3) pole^|k|``, cut where
    it falls below float32: it runs the same on every platform.

    References:
        M. Unser, Splines: a perfect fit for signal and image processing, IEEE Signal
        Processing Magazine 16(6), 1999, box 2.
    """
    taps = np.sqrt(3) * _POLE ** np.abs(np.arange(-_REACH, _REACH + 1))
    kernel = [float(tap) for tap in taps / taps.sum()]
    for axis in (0, 1):
        image = convolve(extend(image, SPLINE_MARGIN + _REACH, border, fill, axis), kernel, axis)
    return image


def convolve(image: Array, kernel: Sequence[float | Array], axis: int) -> Array:
    """Correlate an axis with a kernel of 2 R + 1 taps of sum 1; it loses R pixels on both sides.

    By what the others differ from the middle one: where nothing differs, nothing is rounded.
    Halves, as the difference of two numbers may be none.
    """
    size = image.shape[axis] - len(kernel) + 1

    def window(start: int) -> Array:
        return image[start : start + size] if axis == 0 else image[:, start : start + size]

    reach = len(kernel) // 2
    middle = window(reach) / 2
    total = jnp.zeros_like(middle)
    for start, tap in enumerate(kernel):
        if start != reach:
            total = total + (window(start) / 2 - middle) * tap
    return (middle + total) * 2


def gaussian_kernel(sigma: Array, radius: int) -> list[Array]:
    """Normalised Gaussian taps at -radius .. radius; exactly a unit impulse where sigma is 0."""
    safe = jnp.where(sigma > 0, sigma, 1)
    half = [jnp.where(sigma > 0, jnp.exp(-0.5 * (k / safe) ** 2), 0) for k in range(1, radius + 1)]
    total = 1 + 2 * sum(half, start=jnp.zeros_like(safe))
    return [tap / total for tap in [*half[::-1], jnp.ones_like(safe), *half]]


def lowpass(
    image: Array, sigma: tuple[Array, Array], radius: tuple[int, int], border: str, fill: Array
) -> Array:
    """Gaussian low-pass of a picture, separable.

    Args:
        image: (H, W, C) float32.
        sigma: (x, y) standard deviations in pixels, scalars; 0 leaves the axis alone.
        radius: (x, y) taps on each side, static.
        border: see `fold`.
        fill: (1, 1, C) values beyond a ``constant`` border.
    """
    for axis, (s, r) in ((0, (sigma[1], radius[1])), (1, (sigma[0], radius[0]))):
        if r > 0:
            image = convolve(extend(image, r, border, fill, axis), gaussian_kernel(s, r), axis)
    return image
