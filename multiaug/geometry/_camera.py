"""Pinhole cameras: what a map of the picture does to the camera behind it.

A picture of points X taken by ``p ~ K X`` shows, after the map A, ``p' ~ A K X``. Any A is
explained by new intrinsics K' and a camera motion M with ``A K = K' M``, M orthogonal: an RQ
decomposition. The moved points ``X' = M X`` fall on ``p' ~ K' X'``, where their colour went.

References:
    R. Hartley and A. Zisserman, Multiple View Geometry, 2nd ed. 2004, sections 6.2 and 8.4.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from .._arguments import NUMBERS, checked
from ..errors import RecordError
from ..typing import Array, ArrayLike, NDArray, SpatialShape
from ._map import Projective
from ._matrix import centre, determinant, inverse, product, shift


def rq(matrix: Array) -> tuple[Array, Array]:
    """Split ``matrix = s K M``: K upper triangular, K[2, 2] = 1, M orthogonal, s > 0.

    Gram-Schmidt from the bottom row up, each projection done twice: in float32 one pass loses
    up to a pixel on strong maps. No cross product, so reflections stay reflections.

    Args:
        matrix: (3, 3) float32, the sign chosen so that points in view have positive depth.
    """
    a1, a2, a3 = matrix[0], matrix[1], matrix[2]
    scale = _length(a3)
    m3 = _unit(a3)
    m2 = _unit(_reject(_reject(a2, m3), m3))
    m1 = _unit(_reject(_reject(_reject(_reject(a1, m3), m2), m3), m2))
    motion = jnp.stack([m1, m2, m3])
    upper = jnp.triu(product(matrix, motion.T)) / scale
    return upper.at[2, 2].set(1), motion


def _length(v: Array) -> Array:
    # A true square root: sqrt(x * x) is |x| exactly, so axis-aligned motions come out exact.
    return jnp.sqrt(jnp.sum(v * v))


def _unit(v: Array) -> Array:
    # Number by number: of a vector divided by a scalar XLA makes a product with the reciprocal, and
    # f (1 / f) is not 1 for every f. The motion of a crop or a flip is to be exact.
    length = _length(v)
    return jnp.stack([v[i] / length for i in range(3)])


def _reject(v: Array, unit: Array) -> Array:
    return v - jnp.sum(v * unit) * unit


def centre_intrinsics(k: Array, shape: SpatialShape, scale: tuple[float, float]) -> Array:
    """Intrinsics in an entry's pixels -> in centred coordinates of the reference frame.

    Args:
        k: (3, 3) float32, in pixels of an entry of (height, width) = ``shape``.
        shape: the entry's size.
        scale: (x, y), entry pixels per reference pixel.
    """
    cx, cy = centre(shape)
    k = product(shift(-cx, -cy), k / k[2, 2])
    return k / jnp.array([scale[0], scale[1], 1], jnp.float32)[:, None]


def uncentre_intrinsics(k: Array, shape: SpatialShape, scale: tuple[float, float]) -> Array:
    """The inverse of `centre_intrinsics`, for the output frame."""
    cx, cy = centre(shape)
    return product(shift(cx, cy), k * jnp.array([scale[0], scale[1], 1], jnp.float32)[:, None])


def deformation(segment: Projective, k: Array, kept: Array) -> Array:
    """``H = K^-1 A K`` of a camera whose intrinsics must stay, as numbers in pixels.

    Scaled so that a zoom by s at the centre of a transform's frame takes (X, Y, Z) to
    (X, Y, Z / s); the factors of several transforms multiply.

    Args:
        segment: the matrix of the map, centred; of every transform in it, w is 1 at the centre
            of its frame.
        k: (3, 3) intrinsics, centred on the input frame.
        kept: (3, 3) the same numbers in pixels, centred on the output frame.
    """
    # Where w is 1, the Jacobian has the determinant of the whole matrix. The centre of the source
    # would not do for the product: a crop may have left it far away, or behind the horizon.
    zoom = jnp.sqrt(jnp.abs(determinant(segment.forward)))
    return product(product(inverse(kept), segment.forward), k) / zoom


def mirrors(segment: Projective) -> Array:
    """True when the map turns left into right."""
    # det A = w^3 times the determinant of the Jacobian, and w > 0 where the picture is seen.
    return determinant(segment.forward) < 0


def rays(k: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """(X/Z, Y/Z) of the points seen at centred positions (x, y) by centred intrinsics."""
    # Left to itself XLA turns a division by a scalar into this product, or not, from one number
    # of devices to the next.
    fx, fy = 1 / k[0, 0], 1 / k[1, 1]
    v = (y - k[1, 2]) * fy
    return (x - k[0, 1] * v - k[0, 2]) * fx, v


def intrinsics_from_fov(degrees: float, shape: SpatialShape) -> NDArray:
    """(3, 3) float32 of a camera with square pixels and a horizontal field of view."""
    cx, cy = centre(shape)
    f = shape[1] / 2 / np.tan(np.deg2rad(degrees) / 2)
    return np.array([[f, 0, cx], [0, f, cy], [0, 0, 1]], np.float32)


def intrinsics_of_view(degrees: float, shape: SpatialShape) -> Array:
    """`intrinsics_from_fov`, of a shape that may be traced."""
    cx, cy = centre(shape)
    f = shape[1] * np.float32(0.5 / np.tan(np.deg2rad(degrees) / 2))
    return jnp.stack(
        [
            jnp.stack([jnp.asarray(v, jnp.float32) for v in row])
            for row in ((f, 0, cx), (0, f, cy), (0, 0, 1))
        ]
    )


class EstimatedIntrinsics(NamedTuple):
    """What `estimate_intrinsics` returns."""

    intrinsics: NDArray
    """(3, 3) float64, in pixels of the cloud's own grid."""
    residual: float
    """Root mean square distance, in pixels, between the grid and the reprojected points."""


@checked(xyz=NUMBERS)
def estimate_intrinsics(xyz: ArrayLike) -> EstimatedIntrinsics:
    """Fit fx, fy, cx, cy to an organised cloud, by least squares on x = fx X/Z + cx.

    Args:
        xyz: (H, W, 3) points in the camera frame; NaN, inf and Z <= 0 are left out.

    Returns:
        The intrinsics and the residual; a residual above a pixel says that the cloud is
        not the picture of a pinhole camera on its own grid (cropped and resized, say, or in
        the world frame).

    Raises:
        RecordError: not (H, W, 3), or the points do not determine a camera.
    """
    cloud = np.asarray(xyz, np.float64)
    if cloud.ndim != 3 or cloud.shape[2] != 3:
        raise RecordError(
            f"`xyz` must be an organised cloud (H, W, 3), got shape {cloud.shape}. "
            "An unorganised cloud has no pixel grid to fit a camera to."
        )
    usable = np.isfinite(cloud).all(-1) & (cloud[..., 2] > 0)
    rows, columns = np.nonzero(usable)
    points = cloud[usable]
    spread = usable.any(0).sum() > 1 and usable.any(1).sum() > 1
    if len(points) < 4 or not spread:
        raise RecordError(
            f"`xyz` must hold at least 4 valid points in 2 rows and 2 columns, got {len(points)}. "
            "Pass intrinsics of your own."
        )
    fx, cx = _fit_line(points[:, 0] / points[:, 2], columns)
    fy, cy = _fit_line(points[:, 1] / points[:, 2], rows)
    if not (fx > 0 and fy > 0):
        raise RecordError(
            f"`xyz` must look along +Z with x right and y down, got fx = {fx:.4g}, "
            f"fy = {fy:.4g}. Convert the axes first, with `multiaug.convert_axes`."
        )
    dx = fx * points[:, 0] / points[:, 2] + cx - columns
    dy = fy * points[:, 1] / points[:, 2] + cy - rows
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return EstimatedIntrinsics(k, float(np.sqrt(np.mean(dx**2 + dy**2))))


def _fit_line(slope: NDArray, pixel: NDArray) -> tuple[float, float]:
    """Focal length and principal point of one axis."""
    centred = slope - slope.mean()
    variance = float((centred**2).sum())
    if variance <= np.finfo(np.float64).eps * max(1.0, float((slope**2).sum())):
        raise RecordError(
            "`xyz` must spread over the picture, but all points lie on one ray. "
            "Pass intrinsics of your own."
        )
    focal = float((centred * (pixel - pixel.mean())).sum()) / variance
    return focal, float(pixel.mean() - focal * slope.mean())
