"""Perspective and Elastic: maps that are not affine."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..geometry import (
    Map,
    centre,
    control_shape,
    displacement_map,
    homography,
    pixel_matrix_map,
    projective_map,
    shortest,
    slope_bound,
)
from ..typing import ArrayLike, Key, NDArray, SpatialShape
from ._affine import MIN_SCALE, checked_matrix, least_magnification
from ._base import Frame, Geometric, Params, static, transform
from ._checked import (
    number,
    set_fields,
    whole,
)
from ._settings import Setting, setting

# Corners that move by a quarter of the side can meet on a line.
_MAX_CORNER_SHIFT = 0.24
# Of (A p)_3 relative to the centre: beyond it float32 loses the reprojection law.
_MIN_W, _MAX_W = 0.2, 5.0


@transform
class Perspective(Geometric):
    """Tilt the picture: every corner moves by a random amount; or a given homography.

    Args:
        scale: each corner moves by U(-scale, scale) of the side along x and y, in [0, 0.24].
            Default 0.1 when no matrix is given.
        matrix: (3, 3) forward homography on pixel coordinates (x, y, 1) of the frame, in the
            place of ``scale``. An array, so that new values compile nothing anew.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: both given, scale out of range, or a matrix that is singular, or whose
            horizon comes near the picture: (A p)_3 must stay within [0.2, 5] times its value
            at the centre.
    """

    scale: float | None = setting(number, default=None, low=0, high=_MAX_CORNER_SHIFT, unit="sides")
    matrix: ArrayLike | None = setting(checked_matrix, default=None, static=False, affine=False)
    p: float = static(default=1.0, kw_only=True)
    projective = True

    def __post_init__(self) -> None:
        if self.scale is not None and self.matrix is not None:
            raise ParameterError("`Perspective` takes `scale` or `matrix`, got both.")
        if self.scale is None and self.matrix is None:
            set_fields(self, scale=0.1)

    @property
    def mirrors(self) -> bool:  # type: ignore[override]
        """A given matrix may mirror; drawn ones do not."""
        return self.scale is None

    def check(self, frame: Frame) -> None:
        """A given homography must keep its horizon away from the picture."""
        if not isinstance(self.matrix, np.ndarray | jax.Array) or isinstance(
            self.matrix, jax.core.Tracer
        ):
            return
        height, width = frame.shape
        matrix = np.asarray(self.matrix, np.float64)
        cx, cy = centre(frame.shape)
        corners = np.array(
            [[cx, cy, 1], *[[x, y, 1] for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)]]
        )
        w = corners @ matrix[2]
        relative = w[1:] / w[0] if w[0] != 0 else np.array([np.inf])
        if (
            not (np.isfinite(relative).all() and (relative >= _MIN_W).all())
            or (relative > _MAX_W).any()
        ):
            raise ParameterError(
                f"`Perspective.matrix` must keep (A p)_3 within [{_MIN_W}, {_MAX_W}] times its "
                f"value at the centre of a {height} x {width} picture, got "
                f"{relative.min():.3g} to {relative.max():.3g} at the corners. "
                "The homography is degenerate there: choose a weaker tilt."
            )

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """At the centre, of the strongest tilts."""
        least = 1.0 if self.scale is None else _least_of_tilts(self.scale, shape)
        return least, least

    def given_scale(self, shape: SpatialShape) -> float:
        """The least magnification of the matrix at the centre."""
        return 1.0 if self.matrix is None else least_magnification(self.matrix, shape)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``corners``, (4, 2) float32 fractions of the side; or ``matrix`` as given."""
        del frame
        if self.scale is None:
            return {"matrix": jnp.asarray(self.matrix, jnp.float32)}
        s = self.scale
        return {"corners": jax.random.uniform(key, (4, 2), jnp.float32, -s, s)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The homography that takes the corners to where they move."""
        if self.scale is None:
            return pixel_matrix_map(params["matrix"], shape, affine=False)
        half = jnp.array([[shape[1] / 2, shape[0] / 2]], jnp.float32)
        signs = jnp.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], jnp.float32)
        corners = signs * half
        return projective_map(homography(corners, corners + params["corners"] * (2 * half)), shape)


def _least_of_tilts(scale: float, shape: SpatialShape) -> float:
    """The least magnification at the centre when every corner moves as far as it can."""
    side = np.array(shape[::-1], np.float64)
    jacobians = _tilts(scale) * side[:, None] / side
    # The smaller singular value, of what both add up to in squares and are in product.
    squares = (jacobians**2).sum((1, 2))
    area = np.linalg.det(jacobians)
    smaller = (squares - np.sqrt(np.maximum(squares**2 - 4 * area**2, 0))) / 2
    least = float(np.sqrt(np.maximum(smaller, 0)).min())
    return min(1.0, max(least, MIN_SCALE**2))


@lru_cache(maxsize=64)
def _tilts(scale: float) -> NDArray:
    """(256, 2, 2): Jacobians where the centre comes from, with sides of the frame as units."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    moves = np.array(list(itertools.product((-scale, scale), repeat=8))).reshape(-1, 4, 2)
    to, found = np.array([0.5, 0.5, 1]), []
    for target in corners + moves:
        rows = []
        for (x, y), (u, v) in zip(corners, target, strict=True):
            rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        matrix = np.append(np.linalg.solve(rows, target.ravel()), 1).reshape(3, 3)
        at = np.linalg.solve(matrix, to)
        found.append((matrix[:2, :2] - np.outer(to[:2], matrix[2, :2])) * at[2])
    return np.array(found)


MAX_SLOPE = 0.8


def intervals(value: Any, field_name: str) -> tuple[int, int]:
    grid = value if isinstance(value, tuple | list) else (value, value)
    if len(grid) != 2:
        raise ParameterError(f"`{field_name}` must be (rows, columns), got {value!r}.")
    rows, columns = (whole(g, field_name, low=1) for g in grid)
    return rows, columns


@transform
class Elastic(Geometric):
    """Bend the picture by a smooth random field: a cubic B-spline over a coarse control grid.

    The control values are drawn from U(-amount, amount) along x and y; the field is the
    *backward* displacement, in pixels.

    Args:
        amount: largest control value, as a fraction of the shorter side.
        grid: control intervals along (y, x); an int n is (n, n). Few make long waves.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: negative or not finite, or so strong that the field could fold: the
            slope ``2 amount (1/h_x + 1/h_y)``, h the spacing of the grid, must stay below 0.8.

    References:
        D. Rueckert et al., Nonrigid registration using free-form deformations, IEEE
        Transactions on Medical Imaging 18(8), 1999.
    """

    amount: float = setting(number, default=0.03, low=0, unit="shorter sides")
    grid: Setting[tuple[int, int], int | Sequence[int]] = setting(intervals, default=(5, 5))
    p: float = static(default=1.0, kw_only=True)
    dense = True

    def __post_init__(self) -> None:
        # A square frame is the mildest case: refuse at once what no frame can mend.
        self._refuse_folds((1024, 1024))

    def _refuse_folds(self, shape: SpatialShape) -> None:
        slope = slope_bound(self.amount * min(shape), self.grid, shape)
        if slope >= MAX_SLOPE:
            raise ParameterError(
                f"`Elastic` must keep its slope below {MAX_SLOPE}, got {slope:.3g} from "
                f"amount={self.amount} on a {self.grid[0]} x {self.grid[1]} grid over "
                f"{shape[0]} x {shape[1]} pixels. Lower the amount or use a coarser grid."
            )

    def check(self, frame: Frame) -> None:
        """The field must not be able to fold on this frame."""
        self._refuse_folds(frame.shape)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """Where the field is steepest."""
        least = 1 / (1 + slope_bound(self.amount * min(shape), self.grid, shape))
        return least, least

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``control``, (rows + 3, columns + 3, 2) float32 pixels, (dx, dy)."""
        # In float32, whether the sizes are numbers or data: the same bits.
        limit = jnp.float32(self.amount) * jnp.asarray(shortest(frame.shape), jnp.float32)
        unit = jax.random.uniform(key, control_shape(self.grid), jnp.float32, -1, 1)
        return {"control": unit * limit}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The displacement field."""
        return displacement_map(params["control"], shape)
