"""A segment that distorts as a lens does: radially, by a polynomial of the radius."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import jax.numpy as jnp

from .._pytrees import register_dataclass
from ..typing import Array
from ._map import invert_jacobian
from ._segment import Jacobian, with_jacobian

# Twelve halvings of the radius, and Newton doubles the digits that they give.
_HALVINGS, _NEWTON_STEPS = 12, 3


@register_dataclass
@dataclass(frozen=True)
class Lens:
    """A dense segment: ``p = p' (1 + k1 r^2 + k2 r^4)`` is read at p', r = |p'| / radius.

    Beyond r = 1 the radius goes on along its tangent, so that the map never turns back.

    Args:
        k: (2,) float32, k1 and k2.
        radius: scalar float32, in pixels, from the centre.
        undo: the segment runs the other way round.
    """

    k: Array
    radius: Array
    undo: bool = field(default=False, metadata={"static": True})
    dense: ClassVar[bool] = True

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step."""
        return self._undistorted(x, y) if self.undo else with_jacobian(self._distorted, x, y)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""
        return with_jacobian(self._distorted, x, y) if self.undo else self._undistorted(x, y)

    def inverted(self) -> Lens:
        """The segment that undoes this one."""
        return replace(self, undo=not self.undo)

    def gated(self, on: Array) -> Lens:
        """No distortion unless ``on``."""
        return replace(self, k=jnp.where(on, self.k, 0))

    def _distorted(self, x: Array, y: Array) -> tuple[Array, Array]:
        square = (x * x + y * y) / (self.radius * self.radius)
        inside = 1 + square * (self.k[0] + square * self.k[1])
        far = jnp.sqrt(jnp.where(square > 1, square, 1))
        edge, slope = self._at_edge()
        factor = jnp.where(square > 1, (edge + slope * (far - 1)) / far, inside)
        return x * factor, y * factor

    def _at_edge(self) -> tuple[Array, Array]:
        """The radius that 1 is read at, and its slope there."""
        return 1 + self.k[0] + self.k[1], 1 + 3 * self.k[0] + 5 * self.k[1]

    def _undistorted(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        x, y = jnp.broadcast_arrays(x, y)
        target = jnp.sqrt(x * x + y * y) / self.radius
        edge, slope = self._at_edge()
        low, high = jnp.zeros_like(target), jnp.ones_like(target)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = self._read_at(middle)[0] < target
            low, high = jnp.where(below, middle, low), jnp.where(below, high, middle)
        r = (low + high) / 2
        for _ in range(_NEWTON_STEPS):
            value, rise = self._read_at(r)
            r = jnp.clip(r - (value - target) / rise, 0, 1)
        r = jnp.where(target > edge, 1 + (target - edge) / slope, r)
        factor = jnp.where(target > 0, r / jnp.where(target > 0, target, 1), 1)
        x, y = x * factor, y * factor
        return x, y, invert_jacobian(with_jacobian(self._distorted, x, y)[2])

    def _read_at(self, r: Array) -> tuple[Array, Array]:
        """Where a radius within [0, 1] is read, and the slope."""
        square = r * r
        k1, k2 = self.k[0], self.k[1]
        return r * (1 + square * (k1 + square * k2)), 1 + square * (3 * k1 + square * 5 * k2)
