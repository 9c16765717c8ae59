"""Is the augmented cloud still a cloud that this camera could have seen?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scene import surface_normals

import multiaug as ma

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
        normals_angle: degrees; half of the normals are closer than this to the normal of the
            surface that the augmented points themselves span.
    """

    pixels: int
    reprojection_max: float
    reprojection_mean: float
    depth_max: float
    normals_max: float
    normals_angle: float


def angle_to_surface(normals: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Angles in degrees between normals and the surface of a cloud, both (H, W, 3).

    Returns:
        float64 (n,), of the pixels where both are known.
    """
    cosine = np.sum(normals * surface_normals(points.astype(np.float64)), axis=-1)
    return np.degrees(np.arccos(np.clip(cosine[np.isfinite(cosine)], -1, 1)))


def check(spec: ma.DataSpec, batches: list[Arrays]) -> Report:
    """Measure augmented batches of the spec ``stereo-normals``."""
    errors, depths, lengths, angles = [], [], [], []
    for batch in batches:
        points = batch["rgbxyz"][..., 3:]
        error = ma.reprojection_error(spec, batch)["rgbxyz"]
        errors.append(error[np.isfinite(error)])
        depth = np.abs(batch["depth"].reshape(points.shape[:3]) / points[..., 2] - 1)
        depths.append(np.nanmax(depth))
        normals = batch["normals"].astype(np.float64)
        lengths.append(np.nanmax(np.abs(np.linalg.norm(normals, axis=-1) - 1)))
        angles += [angle_to_surface(n, p) for n, p in zip(normals, points, strict=True)]
    joined = np.concatenate(errors)
    return Report(
        pixels=joined.size,
        reprojection_max=float(joined.max()),
        reprojection_mean=float(joined.mean()),
        depth_max=float(np.max(depths)),
        normals_max=float(np.max(lengths)),
        normals_angle=float(np.median(np.concatenate(angles))),
    )
