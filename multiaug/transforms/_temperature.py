"""The colour of a black body, as gains of red, green and blue."""

from __future__ import annotations

import jax.numpy as jnp

from ..typing import Array

# Highest power of 1000 / T first: x below and above 4000 K; then y from x, below 2222 K, below
# 4000 K, and above. Y. Kim et al., US patent 7024034, 2006.
_X_WARM = (-0.2661239, -0.2343589, 0.8776956, 0.179910)
_X_COLD = (-3.0258469, 2.1070379, 0.2226347, 0.240390)
_Y_RED = (-1.1063814, -1.34811020, 2.18555832, -0.20219683)
_Y_WARM = (-0.9549476, -1.37418593, 2.09137015, -0.16748867)
_Y_COLD = (3.0817580, -5.87338670, 3.75112997, -0.37001483)

# CIE XYZ to linear sRGB, IEC 61966-2-1.
_TO_RGB = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
_NEUTRAL = 6500.0


def gains(kelvin: Array) -> Array:
    """(3,): by how much the light of a black body of T kelvin has more than that of 6500 K.

    Of red, green and blue; green has 1.
    """
    there, neutral = (_over_green(jnp.asarray(t, jnp.float32)) for t in (kelvin, _NEUTRAL))
    return there / neutral


def _over_green(kelvin: Array) -> Array:
    t = 1000 / kelvin
    x = jnp.where(kelvin < 4000, _polynomial(_X_WARM, t), _polynomial(_X_COLD, t))
    y = jnp.where(kelvin < 2222, _polynomial(_Y_RED, x), _polynomial(_Y_WARM, x))
    y = jnp.where(kelvin < 4000, y, _polynomial(_Y_COLD, x))
    xyz = x / y, 1.0, (1 - x - y) / y
    rgb = [a * xyz[0] + b * xyz[1] + c * xyz[2] for a, b, c in _TO_RGB]
    return jnp.stack([channel / rgb[1] for channel in rgb])


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    total = jnp.zeros_like(x)
    for coefficient in coefficients:
        total = total * x + coefficient
    return total
