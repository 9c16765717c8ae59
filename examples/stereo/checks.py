"""Is the augmented cloud still a cloud that this camera could have seen?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Report:
    """What was measured over all valid pixels of some records.

    Args:
        pixels: number of pixels with a point.
        reprojection_max: px; the largest distance between a pixel and the projection of its point.
        reprojection_mean: px.
        depth_max: relative; the largest difference between the depth channel and the cloud's Z.
        normals_max: the largest difference of a normal's length from 1.
    """

    pixels: int
    reprojection_max: float
    reprojection_mean: float
    depth_max: float
    normals_max: float


def reprojection_error(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Distance in pixels between ``project(K, X[y, x])`` and ``(x, y)``.

    Args:
        points: (N, H, W, 3) in the camera frame, NaN where unknown.
        intrinsics: (N, 3, 3) in pixels.

    Returns:
        float64 (N, H, W), NaN where unknown.
    """
    height, width = points.shape[1:3]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    seen = np.einsum("nij,nhwj->nhwi", intrinsics.astype(np.float64), points.astype(np.float64))
    seen = seen[..., :2] / seen[..., 2:]
    return np.hypot(seen[..., 0] - x, seen[..., 1] - y)


def check(batches: list[Arrays]) -> Report:
    """Measure augmented batches; the arrays are those of the spec ``stereo-normals``."""
    errors, depths, lengths = [], [], []
    for batch in batches:
        points = batch["rgbxyz"][..., 3:]
        error = reprojection_error(points, batch["intrinsics"])
        errors.append(error[np.isfinite(error)])
        depth = np.abs(batch["depth"].reshape(points.shape[:3]) / points[..., 2] - 1)
        depths.append(np.nanmax(depth))
        length = np.linalg.norm(batch["normals"].astype(np.float64), axis=-1)
        lengths.append(np.nanmax(np.abs(length - 1)))
    joined = np.concatenate(errors)
    return Report(
        pixels=joined.size,
        reprojection_max=float(joined.max()),
        reprojection_mean=float(joined.mean()),
        depth_max=float(np.max(depths)),
        normals_max=float(np.max(lengths)),
    )
