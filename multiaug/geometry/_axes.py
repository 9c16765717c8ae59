"""A segment that moves columns along x and rows along y, piecewise linearly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp

from .._pytrees import register_dataclass
from ..typing import Array
from ._segment import Jacobian


@register_dataclass
@dataclass(frozen=True)
class StretchedAxes:
    """A dense segment: x goes to x' and y to y' along lines through given knots.

    Beyond the outermost knots positions are shifted as these are.

    Args:
        out_x: (n,) float32, ascending, centred; where `source_x` is seen.
        source_x: (n,) float32, ascending.
        out_y: (m,) likewise for rows.
        source_y: (m,) likewise.
    """

    out_x: Array
    source_x: Array
    out_y: Array
    source_y: Array
    dense: ClassVar[bool] = True

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step."""
        px, slope_x = _along(x, self.out_x, self.source_x)
        py, slope_y = _along(y, self.out_y, self.source_y)
        return px, py, (slope_x, jnp.zeros_like(px), jnp.zeros_like(py), slope_y)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""
        return self.inverted().pull(x, y)

    def inverted(self) -> StretchedAxes:
        """The segment that undoes this one."""
        return StretchedAxes(self.source_x, self.out_x, self.source_y, self.out_y)

    def gated(self, on: Array) -> StretchedAxes:
        """The identity unless ``on``."""
        x = jnp.where(on, self.source_x, self.out_x)
        return replace(self, source_x=x, source_y=jnp.where(on, self.source_y, self.out_y))


def _along(t: Array, knots: Array, values: Array) -> tuple[Array, Array]:
    """Values and slopes of the line through some knots, at positions of any shape."""
    inner = knots[1:-1].reshape((1,) * t.ndim + (-1,))
    index = (t[..., None] >= inner).sum(-1, dtype=jnp.int32)
    left, right = knots[index], knots[index + 1]
    first, last = values[index], values[index + 1]
    beyond = (t < knots[0]) | (t > knots[-1])
    slope = jnp.where(beyond, 1, (last - first) / (right - left))
    # From the nearer end, so that a knot goes to its value to the bit.
    near = jnp.where(t - left < right - t, left, right)
    start = jnp.where(near == left, first, last)
    return start + (t - near) * slope, slope
