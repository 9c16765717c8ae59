"""Which camera an organised cloud is the image of: fits that assume no convention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..typing import NDArray

_AHEAD = 0.9  # the share of points that must be on one side of the camera
_SKEW = 0.1  # of y against x, relative to the focal length: beyond it the grid is turned
_ROUNDS = 3


class Fit(NamedTuple):
    """A camera that explains where on the grid the points of a cloud stand.

    Args:
        axes: (3, 3), from the cloud's axes to right-down-ahead; of 0, 1 and -1.
        k: (3, 3) intrinsics, upper triangular.
        residual: median distance to the grid, in pixels.
        turn: degrees by which the grid is turned against the axes; 0 below a few.
    """

    axes: NDArray
    k: NDArray
    residual: float
    turn: float

    @property
    def is_usual(self) -> bool:
        """X right, Y down, Z ahead."""
        return self.turn == 0 and bool((self.axes == np.eye(3)).all())


def pinhole_fits(points: NDArray, xy: NDArray) -> Iterator[Fit]:
    """Cameras at the origin that look along one of the axes, that along Z first.

    Args:
        points: (n, 3) finite.
        xy: (n, 2) the pixels that they stand at.
    """
    for ahead in (2, 0, 1):
        depth = points[:, ahead]
        sign = 1.0 if np.mean(depth > 0) >= 0.5 else -1.0
        seen = sign * depth > 0
        if seen.mean() >= _AHEAD:
            across = [axis for axis in range(3) if axis != ahead]
            slopes = points[seen][:, across] / np.abs(depth[seen, np.newaxis])
            yield from _fit(slopes, xy[seen], across, ahead, sign)


def parallel_fits(points: NDArray, xy: NDArray) -> Iterator[Fit]:
    """As `pinhole_fits` for parallel rays: height maps and scanners of profiles."""
    for ahead in (2, 0, 1):
        across = [axis for axis in range(3) if axis != ahead]
        yield from _fit(points[:, across], xy, across, ahead, 0.0)


def _fit(slopes: NDArray, xy: NDArray, across: list[int], ahead: int, sign: float) -> Iterator[Fit]:
    """Least squares on ``xy = A slopes + c``, without the worst points; sign 0: any Z."""
    keep = np.ones(len(slopes), bool)
    for _ in range(_ROUNDS):
        mean = slopes[keep].mean(0)
        # Columns of one size: metres and slopes differ by orders of magnitude.
        spread = np.maximum(slopes[keep].std(0), 1e-12 * (1 + np.abs(mean)))
        design = np.c_[(slopes - mean) / spread, np.ones(len(slopes))]
        found, _, rank, _ = np.linalg.lstsq(design[keep], xy[keep], rcond=1e-6)
        if rank < 3:
            return
        distance = np.hypot(*(design @ found - xy).T)
        median = float(np.median(distance))
        keep = distance <= 3 * median + 1e-9
    linear = found[:2].T / spread
    yield _read(linear, found[2] - linear @ mean, across, ahead, sign, median)


def _read(
    linear: NDArray, offset: NDArray, across: list[int], ahead: int, sign: float, residual: float
) -> Fit:
    """Axes and intrinsics of a fitted (2, 2) map."""
    if abs(linear[0, 0] * linear[1, 1]) < abs(linear[0, 1] * linear[1, 0]):
        linear, across = linear[:, ::-1], across[::-1]
    signs = np.where(np.diagonal(linear) < 0, -1.0, 1.0)
    axes = np.zeros((3, 3))
    axes[0, across[0]], axes[1, across[1]] = signs
    axes[2, ahead] = 1
    axes[2, ahead] = sign or np.linalg.det(axes)
    (fx, skew), (lean, fy) = linear * signs
    turn = 0.0 if abs(lean) <= _SKEW * fy else float(np.degrees(np.arctan2(lean, fy)))
    k = np.array([[fx, skew, offset[0]], [0, fy, offset[1]], [0, 0, 1]])
    return Fit(axes, k, residual, turn)


def residual_of_any_camera(points: NDArray, xy: NDArray) -> float:
    """Median distance to the grid, in pixels, for a camera at any place, by a 3 x 4 matrix.

    References:
        R. Hartley and A. Zisserman, Multiple View Geometry, 2nd ed. 2004, section 7.1.
    """
    x, p = _normalised(points), _normalised(xy)
    x, p = np.c_[x, np.ones(len(x))], np.c_[p, np.ones(len(p))]
    nothing = np.zeros_like(x)
    rows = np.r_[np.c_[x, nothing, -p[:, :1] * x], np.c_[nothing, x, -p[:, 1:2] * x]]
    matrix = np.linalg.eigh(rows.T @ rows)[1][:, 0].reshape(3, 4)
    seen = x @ matrix.T
    side = seen[:, 2] > 0
    if max(side.mean(), 1 - side.mean()) < _AHEAD:
        return np.inf
    scale = np.sqrt(2) / _size(xy)
    return float(np.median(np.hypot(*(seen[:, :2] / seen[:, 2:] - p[:, :2]).T)) / scale)


def _normalised(values: NDArray) -> NDArray:
    """Values (n, d) about 0, of size 1: the conditioning that the algebraic fit needs."""
    about: NDArray = (values - values.mean(0)) * np.sqrt(values.shape[1]) / _size(values)
    return about


def _size(values: NDArray) -> float:
    return float(np.sqrt(((values - values.mean(0)) ** 2).sum(1).mean())) or 1.0
