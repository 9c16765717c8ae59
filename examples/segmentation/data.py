"""Windows of the stereo scene with a label for every pixel: how much its surface faces us."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import multiaug as ma

sys.path.append(str(Path(__file__).resolve().parents[1] / "stereo"))

from scene import IGNORE, load_scene

Arrays = np.ndarray[Any, Any]
SIDE, STRIDE = 48, 16
# Borders of |n_z|, the cosine between the surface's normal and the line of sight: the label does
# not change when the camera rolls, comes closer, or sees the scene in a mirror.
FACING = (0.6, 0.9)
CLASSES = len(FACING) + 1


def spec_of(*, moved: bool) -> ma.DataSpec:
    """Coloured clouds; their coordinates move with the camera, or stay as they are."""
    document = ma.load_spec("rgbxyz").to_dict()
    document["entries"]["mask"]["ignore"] = IGNORE
    document["entries"]["mask"]["fill"] = IGNORE
    if not moved:
        document["camera"]["policy"] = "none"
    return ma.DataSpec.from_dict(document)


def records() -> tuple[dict[str, Arrays], dict[str, Arrays]]:
    """Training windows from the left of the scene, test windows from its right."""
    scene = load_scene()
    facing = np.abs(scene.normals[..., 2])
    known = np.isfinite(facing)
    mask = np.where(known, np.digitize(np.where(known, facing, 0), FACING), IGNORE).astype(np.uint8)
    middle = mask.shape[1] // 2
    return (
        _windows(scene, mask, range(0, middle - SIDE, STRIDE)),
        _windows(scene, mask, range(middle, mask.shape[1] - SIDE, STRIDE)),
    )


def _windows(scene: Any, mask: Arrays, lefts: range) -> dict[str, Arrays]:
    found: dict[str, list[Arrays]] = {"rgbxyz": [], "mask": [], "intrinsics": []}
    for x in lefts:
        for y in range(0, mask.shape[0] - SIDE, STRIDE):
            here = slice(y, y + SIDE), slice(x, x + SIDE)
            if (mask[here] == IGNORE).mean() > 0.5:
                continue
            shift = np.array([[0, 0, x], [0, 0, y], [0, 0, 0]], np.float32)
            found["rgbxyz"].append(scene.rgbxyz[here])
            found["mask"].append(mask[here])
            found["intrinsics"].append(scene.intrinsics - shift)
    return {name: np.stack(arrays) for name, arrays in found.items()}


def inputs(rgbxyz: Arrays, *, coordinates: bool) -> Arrays:
    """What the network sees: colours about 0, and metres about the middle of the scene."""
    held = np.asarray(rgbxyz)[..., :3] - 0.5
    if not coordinates:
        return held
    points = np.nan_to_num(np.asarray(rgbxyz)[..., 3:] - np.float32([0, 0, 3]))
    return np.concatenate([held, points], axis=-1)
