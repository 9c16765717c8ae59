"""What people give as extrinsics, and what brings their points to the camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..spec import DataSpec
from ..typing import NDArray
from ._finding import Finding

_RIGID = 0.02  # how far lengths may be off: half precision and sloppy calibrations are nearer


class Motion(NamedTuple):
    """One reading of the extrinsics.

    Args:
        matrix: (4, 4) from the points to the camera.
        entry: what the problem is in; "" for the cloud.
        problem: what the numbers are instead of what is expected; "" for nothing.
        remedy: what to do.
    """

    matrix: NDArray
    entry: str = ""
    problem: str = ""
    remedy: str = ""


def motions(spec: DataSpec, extrinsics: NDArray | None) -> list[Motion]:
    """All readings, the documented one first."""
    if extrinsics is None:
        return [Motion(np.eye(4))]
    name = extrinsics_entry(spec)
    inverse = np.linalg.inv(extrinsics)
    if spec.camera.frame == "camera":
        problem = "the points are in the frame of the world"
        remedy = 'say "camera": {"frame": "world"}'
        return [
            Motion(np.eye(4)),
            Motion(extrinsics, "", problem, remedy),
            Motion(inverse, "", problem, f"{remedy} and invert the extrinsics: they are {_POSE}"),
        ]
    turn, place = extrinsics[:3, :3], extrinsics[:3, 3]
    return [
        Motion(extrinsics),
        Motion(
            inverse,
            name,
            f"the extrinsics are {_POSE}",
            "invert them with `ma.invert_extrinsics`",
        ),
        Motion(
            np.eye(4),
            "",
            "the points are in the camera's frame already",
            'say "camera": {"frame": "camera"}, or move the points into the world',
        ),
        Motion(
            _motion(turn, place / 1000),
            name,
            "the translation is 1000 times that of the points, as millimetres beside metres",
            "divide extrinsics[:3, 3] by 1000",
        ),
        Motion(
            _motion(turn, place * 1000),
            name,
            "the translation is a thousandth of that of the points, as metres beside millimetres",
            "multiply extrinsics[:3, 3] by 1000",
        ),
        Motion(
            _motion(turn, -turn @ place),
            name,
            "the last column holds the place of the camera in the world, not the translation",
            "put `t = -R @ centre` there",
        ),
        Motion(
            _motion(turn.T, place),
            name,
            "the rotation is transposed (camera-to-world) beside a world-to-camera translation",
            "transpose extrinsics[:3, :3]",
        ),
    ]


_POSE = "camera-to-world (a pose, as ScanNet, TUM and NeRF have it)"


def _motion(turn: NDArray, place: NDArray) -> NDArray:
    motion: NDArray = np.r_[np.c_[turn, place], [[0, 0, 0, 1]]]
    return motion


def extrinsics_entry(spec: DataSpec) -> str:
    """The name of the entry with the role extrinsics; "" when there is none."""
    return next((n for n, entry in spec.entries.items() if entry.role == "extrinsics"), "")


def inspect_extrinsics(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """Extrinsics that are no rigid motion: scaled, or sheared. A mirror comes of augmentation."""
    name = extrinsics_entry(spec)
    if name not in records:
        return
    turn = records[name][:, :3, :3].astype(np.float64)
    lengths = np.linalg.svd(turn, compute_uv=False)
    scale = lengths.mean(1)
    sheared = np.abs(lengths / scale[:, np.newaxis] - 1).max(1) > _RIGID
    if sheared.any():
        worst = lengths[int(np.argmax(sheared))]
        yield Finding(
            name,
            "found a 3 x 3 part that stretches space by "
            f"{', '.join(f'{length:.4g}' for length in worst)} along its axes; expected a "
            "rotation; leave scales and shears out of the extrinsics",
            True,
        )
    elif (np.abs(scale - 1) > _RIGID).any():
        worst_scale = scale[int(np.argmax(np.abs(scale - 1)))]
        yield Finding(
            name,
            f"found a scale of {worst_scale:.4g} inside (det = {worst_scale**3:.4g}); expected a "
            "rotation and a translation in the units of the points. Depth and the points would "
            "be in two units; divide extrinsics[:3] by the scale",
            False,
        )
