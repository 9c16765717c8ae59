"""ThinPlateSpline and PiecewiseAffine: dense maps given by shifts of control points."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map, Mesh, ThinPlate, slope_bound, thin_plate_slope
from ..typing import Key, SpatialShape
from ._base import Frame, Geometric, Params, static, transform
from ._checked import number
from ._settings import Setting, setting
from ._warps import MAX_SLOPE, intervals
from ._windows import sides_of

_MOST_POINTS, _MOST_CELLS = 8, 16


class _Shifted(Geometric):
    """Fields of the subclasses, and what keeps their maps from folding."""

    amount: float
    dense = True

    def _slope(self, shape: SpatialShape) -> float:
        raise NotImplementedError

    def _refuse_folds(self) -> None:
        """Refuse what could fold on a square frame: on any other one the map is less steep."""
        slope = self._slope((1, 1))
        if slope >= MAX_SLOPE:
            raise ParameterError(
                f"`{self.owner}.amount` must keep the slope of the map below {MAX_SLOPE}, so that "
                f"it cannot fold, got {slope:.3g} from amount={self.amount:g}. Lower it to "
                f"{self.amount * MAX_SLOPE / slope * 0.99:.3g}, or use a coarser grid."
            )

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """Where the map is steepest."""
        least = 1 / (1 + self._slope(shape))
        return least, least


@transform
class ThinPlateSpline(_Shifted):
    """Bend the image like a thin plate through control points that move by random amounts.

    The points lie on a regular grid, the outermost in the corners, and move by U(-amount, amount)
    along x and y; between them the plate bends as little as it can. The shifts are those of the
    *backward* map: what is seen at a point is what lies at its shifted place.

    Args:
        amount: the largest shift, as a fraction of the shorter side.
        grid: control points along (y, x), from 2 to 8; an int n is (n, n).
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: negative or not finite, fewer than 2 points, or so strong that the plate
            could fold: its slope must stay below 0.8.

    References:
        F. L. Bookstein, Principal warps: thin-plate splines and the decomposition of deformations,
        IEEE TPAMI 11(6), 1989. kornia's ``RandomThinPlateSpline`` and albumentations'
        ``ThinPlateSpline`` do not keep it from folding.
    """

    amount: float = setting(number, default=0.05, low=0, unit="shorter sides")
    grid: Setting[tuple[int, int], int | Sequence[int]] = setting(intervals, default=(3, 3))
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if not all(2 <= n <= _MOST_POINTS for n in self.grid):
            raise ParameterError(
                f"`ThinPlateSpline.grid` must be 2 to {_MOST_POINTS} control points along each "
                f"axis, got {self.grid}."
            )
        self._refuse_folds()

    def _slope(self, shape: SpatialShape) -> float:
        return thin_plate_slope(self.amount * min(shape), self.grid, shape)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``shifts``, (points, 2) float32 pixels, (dx, dy), row by row."""
        limit = self.amount * jnp.minimum(*sides_of(frame.shape))
        count = self.grid[0] * self.grid[1]
        return {"shifts": jax.random.uniform(key, (count, 2), jnp.float32, -1, 1) * limit}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The bent plate."""
        segment = ThinPlate(params["shifts"], jnp.stack(sides_of(shape)), self.grid)
        return Map((segment,), shape, shape)


@transform
class PiecewiseAffine(_Shifted):
    """Move the inner corners of a grid by random amounts; each of its triangles is affine.

    The grid cuts the frame into cells, and each cell is cut from its upper right to its lower left
    corner. Corners move by U(-amount, amount) along x and y, those on the rim of the frame stay.
    The shifts are those of the *backward* map.

    Args:
        amount: the largest shift, as a fraction of the shorter side.
        grid: cells along (y, x), at most 16; an int n is (n, n).
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: negative or not finite, or so strong that triangles could turn over: the
            slope ``2 amount (1/h_x + 1/h_y)``, h the sides of a cell, must stay below 0.8.

    References:
        scikit-image's ``PiecewiseAffineTransform``; imgaug's and albumentations'
        ``PiecewiseAffine(scale, nb_rows, nb_cols)`` draw normal shifts, move the rim as well, and
        may turn triangles over.
    """

    amount: float = setting(number, default=0.03, low=0, unit="shorter sides")
    grid: Setting[tuple[int, int], int | Sequence[int]] = setting(intervals, default=(4, 4))
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if max(self.grid) > _MOST_CELLS:
            raise ParameterError(
                f"`PiecewiseAffine.grid` must be at most {_MOST_CELLS} cells along each axis, got "
                f"{self.grid}. Elastic has finer grids."
            )
        self._refuse_folds()

    def _slope(self, shape: SpatialShape) -> float:
        return slope_bound(self.amount * min(shape), self.grid, shape)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``shifts``, (rows - 1, columns - 1, 2) float32 pixels, (dx, dy)."""
        limit = self.amount * jnp.minimum(*sides_of(frame.shape))
        rows, columns = self.grid
        unit = jax.random.uniform(key, (rows - 1, columns - 1, 2), jnp.float32, -1, 1)
        return {"shifts": unit * limit}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The shifted mesh."""
        segment = Mesh(params["shifts"], jnp.stack(sides_of(shape)))
        return Map((segment,), shape, shape)
