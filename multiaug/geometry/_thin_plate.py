"""A segment that bends a thin plate through displaced control points."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax

from .._pytrees import register_dataclass
from ..typing import Array, NDArray, SpatialShape
from ._displacement import Gradient
from ._map import invert_jacobian
from ._segment import Jacobian

# As of splines: a contraction shrinks what is left by the slope, Newton doubles the digits.
_CONTRACTIONS, _NEWTON_STEPS = 3, 4
# Points per frame along each axis where the steepest slope is looked for, and how far out.
_LOOK, _REACH = 48, 1.0


@register_dataclass
@dataclass(frozen=True)
class ThinPlate:
    """A dense segment: the backward map is ``p' + d(p')``, d a thin-plate spline.

    The plate is a square, edge to edge over the frame: positions are divided by its sides before
    distances are taken. Control points lie on a regular grid, the outermost in the corners.

    Args:
        shifts: (rows * columns, 2) float32, d at the control points, row by row, in pixels.
        sides: (2,) float32, width and height of the frame.
        grid: control points along (y, x).
        undo: the segment runs the other way round.
    """

    shifts: Array
    sides: Array
    grid: tuple[int, int] = field(metadata={"static": True})
    undo: bool = field(default=False, metadata={"static": True})
    dense: ClassVar[bool] = True

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step."""
        return self._solve(x, y) if self.undo else self._add(x, y)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""
        return self._add(x, y) if self.undo else self._solve(x, y)

    def inverted(self) -> ThinPlate:
        """The segment that undoes this one."""
        return replace(self, undo=not self.undo)

    def gated(self, on: Array) -> ThinPlate:
        """No displacement unless ``on``."""
        return replace(self, shifts=jnp.where(on, self.shifts, 0))

    def _add(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        x, y = jnp.broadcast_arrays(x, y)
        dx, dy, (a, b, c, d) = self._field(x, y)
        return x + dx, y + dy, (1 + a, b, c, 1 + d)

    def _solve(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        x, y = jnp.broadcast_arrays(x, y)
        qx, qy = lax.fori_loop(0, _CONTRACTIONS + _NEWTON_STEPS, partial(self._step, x, y), (x, y))
        a, b, c, d = self._field(qx, qy)[2]
        return qx, qy, invert_jacobian((1 + a, b, c, 1 + d))

    def _step(self, x: Array, y: Array, i: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        """A step towards q with q + d(q) = p; see `undisplace`. A loop compiles the field once."""
        dx, dy, (a, b, c, d) = self._field(*at)
        rx, ry = at[0] + dx - x, at[1] + dy - y
        determinant = (1 + a) * (1 + d) - b * c
        newton = ((1 + d) * rx - b * ry) / determinant, ((1 + a) * ry - c * rx) / determinant
        near = i >= _CONTRACTIONS
        step = jnp.where(near, newton[0], rx), jnp.where(near, newton[1], ry)
        return at[0] - step[0], at[1] - step[1]

    def _field(self, x: Array, y: Array) -> tuple[Array, Array, Gradient]:
        """The displacement and its gradient, in pixels."""
        points = jnp.asarray(_points(self.grid), jnp.float32)
        solution = jnp.asarray(_solution(self.grid), jnp.float32)
        weights = jnp.matmul(solution, self.shifts, precision=lax.Precision.HIGHEST)
        u, v = x / self.sides[0], y / self.sides[1]
        flat, (by_u, by_v) = weights[-3], weights[-2:]
        start = [flat[k] + by_u[k] * u + by_v[k] * v for k in (0, 1)]
        slopes = [jnp.broadcast_to(part[k], u.shape) for k in (0, 1) for part in (by_u, by_v)]

        def add(i: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
            du, dv = u - points[i, 0], v - points[i, 1]
            square = du * du + dv * dv
            log = jnp.log(jnp.where(square > 0, square, 1))
            value, rise = square * log, 2 * (log + 1)
            gain = jnp.where(square > 0, rise, 0)
            parts = (value, gain * du, gain * dv)
            wx, wy = weights[i, 0], weights[i, 1]
            (p, q, r), (dx, dy, a, b, c, d) = parts, sums
            return dx + wx * p, dy + wy * p, a + wx * q, b + wx * r, c + wy * q, d + wy * r

        dx, dy, a, b, c, d = lax.fori_loop(0, len(points), add, (*start, *slopes))
        width, height = self.sides[0], self.sides[1]
        return dx, dy, (a / width, b / height, c / width, d / height)


def _kernel(square: NDArray) -> NDArray:
    return square * np.log(np.where(square > 0, square, 1))


def _points(grid: tuple[int, int]) -> NDArray:
    """(n, 2), x and y of the control points on the square plate, row by row."""
    y, x = np.meshgrid(*(np.linspace(-0.5, 0.5, n) for n in grid), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], -1)


@lru_cache(maxsize=16)
def _solution(grid: tuple[int, int]) -> NDArray:
    """(n + 3, n): weights of the kernels and of 1, x and y, for a shift of each point."""
    points = _points(grid)
    n = len(points)
    square = ((points[:, None] - points[None]) ** 2).sum(-1)
    flat = np.concatenate([np.ones((n, 1)), points], 1)
    system = np.block([[_kernel(square), flat], [flat.T, np.zeros((3, 3))]])
    return np.linalg.solve(system, np.eye(n + 3)[:, :n])


@lru_cache(maxsize=16)
def _steepness(grid: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Sums over the control points of the absolute slopes of their shares, along x and y."""
    points, solution = _points(grid), _solution(grid)
    line = np.linspace(-_REACH, _REACH, round(2 * _REACH * _LOOK) + 1)
    at = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    apart = at[:, None] - points[None]
    square = (apart**2).sum(-1, keepdims=True)
    slope = np.where(square > 0, 2 * (np.log(np.where(square > 0, square, 1)) + 1), 0) * apart
    shares = np.einsum("pnk,nm->pmk", slope, solution[:-3]) + solution[-2:].T[None]
    along = np.abs(shares).sum(1)
    return along[:, 0], along[:, 1]


def thin_plate_slope(amount: float, grid: tuple[int, int], shape: SpatialShape) -> float:
    """The largest row sum of |grad d| for control points that move within +-amount pixels."""
    along_x, along_y = _steepness(grid)
    return amount * float((along_x / shape[1] + along_y / shape[0]).max())
