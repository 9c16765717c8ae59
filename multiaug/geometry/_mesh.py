"""A segment that moves the corners of a mesh of triangles, and what lies in each with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import jax.numpy as jnp
from jax import lax

from .._pytrees import register_dataclass
from ..typing import Array
from ._map import invert_jacobian
from ._segment import Jacobian


@register_dataclass
@dataclass(frozen=True)
class Mesh:
    """A dense segment: affine on each of the triangles into which a grid of cells is cut.

    Every cell of the output frame is cut from its upper right to its lower left corner, and a
    corner is read at its place plus its shift. The rim of the frame stays, and so does what lies
    outside of it.

    Args:
        shifts: (rows - 1, columns - 1, 2) float32, of the inner corners, in pixels.
        sides: (2,) float32, width and height of the frame.
        undo: the segment runs the other way round.
    """

    shifts: Array
    sides: Array
    undo: bool = field(default=False, metadata={"static": True})
    dense: ClassVar[bool] = True

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step."""
        return self._backward(x, y) if self.undo else self._forward(x, y)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""
        return self._forward(x, y) if self.undo else self._backward(x, y)

    def inverted(self) -> Mesh:
        """The segment that undoes this one."""
        return replace(self, undo=not self.undo)

    def gated(self, on: Array) -> Mesh:
        """No shift unless ``on``."""
        return replace(self, shifts=jnp.where(on, self.shifts, 0))

    @property
    def _all_shifts(self) -> Array:
        """(rows + 1, columns + 1, 2), those of the rim among them."""
        return jnp.pad(self.shifts, ((1, 1), (1, 1), (0, 0)))

    def _forward(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """From the regular mesh to the shifted one."""
        x, y = jnp.broadcast_arrays(x, y)
        shifts = self._all_shifts
        rows, columns = shifts.shape[0] - 1, shifts.shape[1] - 1
        width, height = self.sides[0], self.sides[1]
        tx, ty = (x / width + 0.5) * columns, (y / height + 0.5) * rows
        inside = (tx >= 0) & (tx <= columns) & (ty >= 0) & (ty <= rows)
        column = jnp.clip(jnp.floor(tx), 0, columns - 1)
        row = jnp.clip(jnp.floor(ty), 0, rows - 1)
        u, v = tx - column, ty - row
        j, i = column.astype(jnp.int32), row.astype(jnp.int32)
        upper_left, upper_right = shifts[i, j], shifts[i, j + 1]
        lower_left, lower_right = shifts[i + 1, j], shifts[i + 1, j + 1]
        first = (u + v <= 1)[..., None]
        along_u = jnp.where(first, upper_right - upper_left, lower_right - lower_left)
        along_v = jnp.where(first, lower_left - upper_left, lower_right - upper_right)
        there = upper_left + u[..., None] * along_u + v[..., None] * along_v
        back = lower_right + (u - 1)[..., None] * along_u + (v - 1)[..., None] * along_v
        shift = jnp.where(first, there, back)
        kept = inside[..., None]
        shift, along_u, along_v = (jnp.where(kept, part, 0) for part in (shift, along_u, along_v))
        by_x, by_y = along_u * (columns / width), along_v * (rows / height)
        jacobian = (1 + by_x[..., 0], by_y[..., 0], by_x[..., 1], 1 + by_y[..., 1])
        return x + shift[..., 0], y + shift[..., 1], jacobian

    def _backward(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """From the shifted mesh to the regular one: by the triangle that a position lies in."""
        x, y = jnp.broadcast_arrays(x, y)
        shifts = self._all_shifts
        rows, columns = shifts.shape[0] - 1, shifts.shape[1] - 1
        width, height = self.sides[0], self.sides[1]
        at = jnp.stack(
            jnp.meshgrid(
                (jnp.arange(columns + 1) / columns - 0.5) * width,
                (jnp.arange(rows + 1) / rows - 0.5) * height,
            ),
            -1,
        )
        cell = jnp.stack([width / columns, height / rows])
        inside = (jnp.abs(x) <= width / 2) & (jnp.abs(y) <= height / 2)

        def look(k: Array, best: tuple[Array, ...]) -> tuple[Array, ...]:
            """Barycentric coordinates in a triangle, where they fit better than before."""
            lower = k % 2
            i, j = (k // 2) // columns, (k // 2) % columns
            # The corner opposite of the cut, and which way its sides run.
            i, j, sign = i + lower, j + lower, 1 - 2 * lower
            corner, beside, beyond = (
                at[a, b] + shifts[a, b] for a, b in ((i, j), (i, j + sign), (i + sign, j))
            )
            (ax, ay), (bx, by) = beside - corner, beyond - corner
            dx, dy = x - corner[0], y - corner[1]
            area = ax * by - ay * bx
            u, v = (dx * by - dy * bx) / area, (ax * dy - ay * dx) / area
            fit = jnp.minimum(jnp.minimum(u, v), 1 - u - v)
            step = sign.astype(jnp.float32)
            found = at[i, j, 0] + step * u * cell[0], at[i, j, 1] + step * v * cell[1]
            slopes = [
                jnp.broadcast_to(s * step / c, x.shape)
                for s, c in ((ax, cell[0]), (bx, cell[1]), (ay, cell[0]), (by, cell[1]))
            ]
            better = fit > best[0]
            return tuple(
                jnp.where(better, new, old)
                for new, old in zip((fit, *found, *slopes), best, strict=True)
            )

        start = (jnp.full_like(x, -jnp.inf), x, y, *(jnp.zeros_like(x) for _ in range(4)))
        _, qx, qy, *slopes = lax.fori_loop(0, 2 * rows * columns, look, start)
        one, zero = jnp.ones_like(x), jnp.zeros_like(x)
        a, b, c, d = (
            jnp.where(inside, s, e) for s, e in zip(slopes, (one, zero, zero, one), strict=True)
        )
        qx, qy = jnp.where(inside, qx, x), jnp.where(inside, qy, y)
        return qx, qy, invert_jacobian((a, b, c, d))
