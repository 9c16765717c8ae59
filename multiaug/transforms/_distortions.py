"""GridDistortion and OpticalDistortion: dense maps with an inverse in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..geometry import Lens, Map, StretchedAxes
from ..typing import Array, Key, SpatialShape
from ._affine import uniform, unit_uniform
from ._base import Frame, Geometric, Params, static, transform
from ._checked import symmetric
from ._settings import Ranged, Setting, setting
from ._warps import intervals
from ._windows import sides_of

_MOST_STEPS = 64


@transform
class GridDistortion(Geometric):
    """Stretch and squeeze the columns and the rows of a grid; the frame stays.

    Each of n columns of the result shows a strip of the image whose width is ``(1 + u_i) / n`` of
    it, all divided by their sum, with u_i drawn from U(lo, hi); rows likewise.

    Args:
        limit: (lo, hi) of u, within [-0.8, 0.8]; a number v means (-v, v).
        steps: rows and columns of the grid, at most 64; an int n is (n, n).
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a limit beyond 0.8, where strips come near to vanish; no steps.

    References:
        albumentations' ``GridDistortion(num_steps, distort_limit, normalized=True)``; MONAI's
        ``RandGridDistortiond``, which lets the last strip run over the border.
    """

    limit: Ranged = setting(symmetric, default=0.3, low=-0.8, high=0.8, unit="strips")
    steps: Setting[tuple[int, int], int | Sequence[int]] = setting(intervals, default=(5, 5))
    p: float = static(default=1.0, kw_only=True)
    dense = True

    def __post_init__(self) -> None:
        if max(self.steps) > _MOST_STEPS:
            raise ParameterError(
                f"`GridDistortion.steps` must be at most {_MOST_STEPS}, got {self.steps}."
            )

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """Of a strip at the upper limit among others at the lower one."""
        lo, hi = self.limit
        rows, columns = self.steps
        x, y = (((1 + hi) + (n - 1) * (1 + lo)) / (n * (1 + hi)) for n in (columns, rows))
        return x, y

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``columns`` and ``rows``, (n,) float32: where strips end, as shares of the sides."""
        rows, columns = self.steps
        u = uniform(jax.random.uniform(key, (rows + columns,), jnp.float32), self.limit)
        return {"columns": _ends(u[:columns]), "rows": _ends(u[columns:])}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The strips, edge to edge."""
        x, y = (
            _knots(params[name], side)
            for name, side in zip(("columns", "rows"), sides_of(shape), strict=True)
        )
        return Map((StretchedAxes(*x, *y),), shape, shape)


def _ends(u: Array) -> Array:
    total = jnp.cumsum(1 + u)
    return (total / total[-1]).at[-1].set(1)


def _knots(ends: Array, side: Array) -> tuple[Array, Array]:
    """Centred positions of the edges of strips, in the result and in the source."""
    even = jnp.arange(len(ends) + 1, dtype=jnp.float32) / len(ends) - 0.5
    source = jnp.concatenate([jnp.zeros(1, jnp.float32), ends]) - 0.5
    return even * side, source * side


# Least and largest slope of the radius that is read: beyond, an image is squeezed to a line.
_MIN_SLOPE, _MAX_SLOPE = 0.2, 5.0


@transform
class OpticalDistortion(Geometric):
    """Distort as a lens does, about the centre: ``p = p' (1 + k1 r^2 + k2 r^4)`` is read at p'.

    r is the distance from the centre in half diagonals, 1 in the corners; of coefficients that
    OpenCV uses, with distances in focal lengths f, ``k1 = k1_cv (d / f)^2`` and
    ``k2 = k2_cv (d / f)^4``, d the half diagonal in pixels. Positive numbers pull the corners
    inward (barrel), negative ones push them out (pincushion). Beyond the corners the radius goes
    on along its tangent, so that every position has one that it is read at.

    Args:
        k1: (lo, hi); a number v means (-v, v).
        k2: likewise.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ranges that are not finite, or so strong that the slope of the radius,
            ``1 + 3 k1 r^2 + 5 k2 r^4``, can leave [0.2, 5] within the frame.

    References:
        D. C. Brown, Close-range camera calibration, Photogrammetric Engineering 37(8), 1971.
        albumentations' ``OpticalDistortion(distort_limit)`` draws one number for k1 and k2, and
        divides x by the width and y by the height.
    """

    k1: Ranged = setting(symmetric, default=0.1)
    k2: Ranged = setting(symmetric, default=0.0)
    p: float = static(default=1.0, kw_only=True)
    dense = True

    def __post_init__(self) -> None:
        slopes = [self._slopes(k1, k2) for k1 in self.k1 for k2 in self.k2]
        least, most = min(s.min() for s in slopes), max(s.max() for s in slopes)
        if least < _MIN_SLOPE or most > _MAX_SLOPE:
            raise ParameterError(
                f"`OpticalDistortion.k1` and `k2` must keep 1 + 3 k1 r^2 + 5 k2 r^4 within "
                f"[{_MIN_SLOPE}, {_MAX_SLOPE}] up to the corners, got {least:.3g} to {most:.3g} "
                f"from k1={self.k1} and k2={self.k2}. Choose smaller numbers."
            )

    @staticmethod
    def _slopes(k1: float, k2: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The slope of the radius at the centre, in the corners, and where it turns between."""
        square = np.array([0.0, 1.0, min(max(-0.3 * k1 / k2, 0.0), 1.0) if k2 else 0.0])
        return 1 + square * (3 * k1 + square * 5 * k2)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """Along the radius or across it, whichever is squeezed more."""
        along = max(float(self._slopes(k1, self.k2[1]).max()) for k1 in self.k1)
        across = max(0.0, self.k1[1]) + max(0.0, self.k2[1])
        least = 1 / max(along, 1 + across)
        return least, least

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``k``, (2,) float32."""
        u, v = unit_uniform(key, 2)
        return {"k": jnp.stack([uniform(u, self.k1), uniform(v, self.k2)])}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The lens, over the whole frame."""
        width, height = sides_of(shape)
        radius = jnp.sqrt(width * width + height * height) / 2
        return Map((Lens(params["k"], radius),), shape, shape)
