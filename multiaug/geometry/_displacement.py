"""Smooth displacement fields: a cubic B-spline over a coarse grid of control points."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array, ArrayLike, NDArray, SpatialShape

Gradient = tuple[Array, Array, Array, Array]  # dxdx, dxdy, dydx, dydy
Field = Callable[[Array, Array], tuple[Array, Array, Gradient]]

# The spline of n intervals has n + 3 control points per axis: knots -1 .. n + 1.
KNOT_MARGIN = 3


def _basis(t: ArrayLike, xp: ModuleType = jnp) -> tuple[Any, Any]:
    """Cubic B-spline and its derivative at distance t from the knot."""
    a = xp.abs(t)
    near = 2 / 3 - a * a * (1 - a / 2)
    far = (2 - a) ** 3 / 6
    value = xp.where(a < 1, near, xp.where(a < 2, far, 0))
    near_slope = a * (1.5 * a - 2)
    far_slope = -0.5 * (2 - a) ** 2
    slope = xp.where(a < 1, near_slope, xp.where(a < 2, far_slope, 0))
    return value, slope * xp.sign(t)


def spline_weights(positions: NDArray, side: int, knots: int) -> tuple[NDArray, NDArray]:
    """What each control value adds at n centred positions along a side of a frame, and its slope.

    In NumPy, float32: every size of an image has its own, and JAX would compile for each.

    Returns:
        (n, knots) weights and their derivatives by the position.
    """
    intervals = knots - KNOT_MARGIN
    per_pixel = np.float32(intervals / side)
    t = (positions + np.float32(side / 2)) * per_pixel
    weights, slopes = _basis(_distances(t, intervals, np), np)
    return weights, slopes * per_pixel


def _distances(t: ArrayLike, intervals: int, xp: ModuleType = jnp) -> Any:
    """Distance of every position from every knot, along a new last axis."""
    knots = xp.arange(intervals + KNOT_MARGIN, dtype=t.dtype) - 1
    return t[..., None] - knots.reshape((1,) * t.ndim + (-1,))


def control_shape(grid: tuple[int, int]) -> tuple[int, int, int]:
    """Shape of the control array of ``grid`` = (rows, columns) intervals: (R+3, C+3, 2)."""
    return grid[0] + KNOT_MARGIN, grid[1] + KNOT_MARGIN, 2


def slope_bound(amount: float, grid: tuple[int, int], shape: SpatialShape) -> float:
    """The largest possible row sum of |grad d| for control values within +-amount pixels.

    A cubic B-spline's derivative is a quadratic spline of the differences of its control
    values over the spacing h, so |d'| <= 2 amount / h along each axis.
    """
    return 2 * amount * (grid[0] / shape[0] + grid[1] / shape[1])


def displacement(
    control: Array, x: Array, y: Array, shape: SpatialShape
) -> tuple[Array, Array, tuple[Array, Array, Array, Array]]:
    """Evaluate the field and its gradient at centred positions.

    Args:
        control: (R, C, 2), control values (dx, dy) in pixels of the frame ``shape``.
        x: centred positions, any shape; or (1, w).
        y: the same shape as x; or (h, 1), and the field on their grid is products of matrices.
        shape: (height, width) of the frame that the grid spans, edge to edge.

    Returns:
        (dx, dy, (dxdx, dxdy, dydx, dydy)); outside the frame the field fades to zero.
    """
    rows, columns = control.shape[0] - KNOT_MARGIN, control.shape[1] - KNOT_MARGIN
    tx = (x + shape[1] / 2) * (columns / shape[1])
    ty = (y + shape[0] / 2) * (rows / shape[0])
    bx, sx = _basis(_distances(tx, columns))
    by, sy = _basis(_distances(ty, rows))

    if x.shape != y.shape:
        slopes = sx[0] * (columns / shape[1]), sy[:, 0] * (rows / shape[0])
        return _on_grid(control, (bx[0], slopes[0]), (by[:, 0], slopes[1]))

    def along_x(basis: Array) -> Array:  # (..., R, 2)
        return jnp.tensordot(basis, control, ((-1,), (1,)), precision=lax.Precision.HIGHEST)

    across, slope_across = along_x(bx), along_x(sx) * (columns / shape[1])
    d = jnp.sum(by[..., None] * across, axis=-2)
    ddx = jnp.sum(by[..., None] * slope_across, axis=-2)
    ddy = jnp.sum(sy[..., None] * across, axis=-2) * (rows / shape[0])
    return d[..., 0], d[..., 1], (ddx[..., 0], ddy[..., 0], ddx[..., 1], ddy[..., 1])


def _on_grid(
    control: Array, along_x: tuple[Array, Array], along_y: tuple[Array, Array]
) -> tuple[Array, Array, tuple[Array, Array, Array, Array]]:
    """`displacement` on a grid, from the basis and its slope at its columns and at its rows."""

    def product(across: Array, down: Array) -> tuple[Array, Array]:
        both = jnp.einsum("wc,hr,rck->khw", across, down, control, precision=lax.Precision.HIGHEST)
        return both[0], both[1]

    (bx, sx), (by, sy) = along_x, along_y
    dx, dy = product(bx, by)
    dxdx, dydx = product(sx, by)
    dxdy, dydy = product(bx, sy)
    return dx, dy, (dxdx, dxdy, dydx, dydy)


# Newton doubles the digits once near; three contraction steps (factor < 0.8) bring it there.
_CONTRACTIONS, _NEWTON_STEPS = 3, 4


def undisplace(
    control: Array, x: Array, y: Array, shape: SpatialShape
) -> tuple[Array, Array, tuple[Array, Array, Array, Array]]:
    """Solve ``q + d(q) = p`` for q: the inverse of the map ``q -> q + d(q)``.

    Returns:
        (qx, qy, gradient of d at q), q to better than 1e-3 pixels while |grad d| < 0.8.
    """
    return solved(lambda qx, qy: displacement(control, qx, qy, shape), x, y)


def solved(field: Field, x: Array, y: Array) -> tuple[Array, Array, Gradient]:
    """`undisplace` of any smooth field of displacements, whose gradient stays below 0.8."""
    qx, qy = x, y
    for _ in range(_CONTRACTIONS):
        dx, dy, _ = field(qx, qy)
        qx, qy = x - dx, y - dy
    for _ in range(_NEWTON_STEPS):
        dx, dy, (a, b, c, d) = field(qx, qy)
        rx, ry = qx + dx - x, qy + dy - y
        determinant = (1 + a) * (1 + d) - b * c
        qx = qx - ((1 + d) * rx - b * ry) / determinant
        qy = qy - ((1 + a) * ry - c * rx) / determinant
    return qx, qy, field(qx, qy)[2]
