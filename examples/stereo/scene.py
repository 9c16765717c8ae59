"""One organised point cloud, from the stereo pair that scikit-image ships.

An organised cloud keeps the picture's grid: pixel (y, x) holds the colour seen there and the
point in space that was seen. Camera frame: X to the right, Y down, Z forward, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage import data

FOCAL = 994.978  # pixels
CENTRE = (311.193, 254.877)  # pixels, x and y
OFFSET = 31.086  # pixels: the difference of the two cameras' principal points
BASELINE = 0.193001  # metres

MAX_JUMP = 0.02  # of the depth: a larger step between neighbours is an edge, not a slope
BANDS = (2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 4.5)  # metres: the borders of the depth bands
IGNORE = 255


@dataclass(frozen=True)
class Scene:
    """The whole picture, as the entries of the shipped spec ``stereo-normals``.

    Args:
        rgbxyz: float32 (H, W, 6): colour in [0, 1], then X, Y, Z in metres, NaN where unknown.
        normals: float32 (H, W, 3): unit length, towards the camera, NaN where unknown.
        depth: float32 (H, W): Z in metres, NaN where unknown.
        mask: uint8 (H, W): number of the depth band, 255 where the depth is unknown.
        intrinsics: float32 (3, 3), in pixels.
    """

    rgbxyz: np.ndarray
    normals: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    intrinsics: np.ndarray


def load_scene() -> Scene:
    """Return the scene "motorcycle" of the Middlebury stereo data sets of 2014.

    References:
        D. Scharstein et al. High-resolution stereo datasets with subpixel-accurate ground
        truth. GCPR, 2014.
    """
    left, _, disparity = data.stereo_motorcycle()
    intrinsics = camera_matrix()
    depth = depth_of(disparity)
    points = lift(depth, intrinsics)
    rgb = left / 255.0
    return Scene(
        rgbxyz=np.concatenate([rgb, points], axis=-1).astype(np.float32),
        normals=surface_normals(points).astype(np.float32),
        depth=depth.astype(np.float32),
        mask=depth_bands(depth),
        intrinsics=intrinsics.astype(np.float32),
    )


def camera_matrix() -> np.ndarray:
    """The left camera's intrinsics, float64 (3, 3)."""
    return np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]], np.float64)


def depth_of(disparity: np.ndarray) -> np.ndarray:
    """Depth in metres, float64 (H, W), from the disparity in pixels; NaN where it is infinite."""
    known = np.isfinite(disparity)
    depth = BASELINE * FOCAL / (np.where(known, disparity, 1).astype(np.float64) + OFFSET)
    return np.where(known, depth, np.nan)


def lift(depth: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Points (H, W, 3) on the rays of their pixels: X = Z K^-1 (x, y, 1)."""
    height, width = depth.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(intrinsics).T
    return depth[..., None] * rays


def surface_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals (H, W, 3) by the cross product of central differences.

    NaN at the rim, where a neighbour is unknown, and where the depth jumps: the points there
    are on two surfaces, and a plane through both is on neither.
    """
    across = np.full_like(points, np.nan)
    down = np.full_like(points, np.nan)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    down[1:-1] = points[2:] - points[:-2]
    normals = np.cross(across, down)
    with np.errstate(invalid="ignore"):
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        towards_camera = np.sum(normals * points, axis=-1, keepdims=True) < 0
        jump = np.maximum(np.abs(across[..., 2]), np.abs(down[..., 2])) > MAX_JUMP * points[..., 2]
    normals = np.where(towards_camera, normals, -normals)
    normals[jump] = np.nan
    return normals


def depth_bands(depth: np.ndarray) -> np.ndarray:
    """Label mask uint8 (H, W): which band of `BANDS` the depth is in."""
    known = np.isfinite(depth)
    bands = np.digitize(np.where(known, depth, 0), BANDS)
    return np.where(known, bands, IGNORE).astype(np.uint8)
