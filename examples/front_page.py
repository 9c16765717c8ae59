"""Draw the image of README.md: one record of a coloured point cloud before and after.

    python examples/front_page.py --out docs/images

The record is the stereo scene that scikit-image ships. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from PIL import Image

import multiaug as ma
from multiaug.preview import contact_sheet, record_limits, render_record

sys.path.insert(0, str(Path(__file__).parent / "stereo"))
from scene import Scene, load_scene

STEP = 2  # pixels of the scene for each pixel of the record
PANELS = {
    "rgbxyz intensity": "colour",
    "mask": "mask",
    "depth": "depth",
    "normals": "normals",
}
YAW, PITCH = 28.0, -10.0  # degrees: where the cloud is looked at from
MIDDLE = 3.2  # metres from the camera: the point that the onlooker turns about
JUMP = 0.1  # metres
GROUND = 24  # of the image of the cloud


def main(arguments: Sequence[str] | None = None) -> int:
    """Augment the scene and write ``front-page.png``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args(arguments)
    spec = without_floating_points(ma.load_spec("stereo-normals"))
    pipeline = ma.Pipeline(
        [ma.Rotate((14, 14)), ma.Scale((1.1, 1.1)), ma.Flip("x", p=1), ma.Brightness((0.1, 0.1))],
        spec,
    )
    before = record_of(load_scene())
    after = pipeline(jax.random.key(options.seed), before)
    after = {name: np.asarray(array) for name, array in after.items()}
    error = np.nanmax(ma.reprojection_error(spec, after)["rgbxyz"])
    limits = record_limits(spec, before, after)
    rows = []
    for record in (before, after):
        panels = render_record(spec, record, limits)
        rows.append([*(panels[name] for name in PANELS), from_the_side(record)])
    sheet = contact_sheet(
        rows,
        columns=[*PANELS.values(), "the cloud, from the side"],
        labels=["Before", "After"],
    )
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "front-page.jpg"
    Image.fromarray(sheet).save(path, quality=88)
    print(f"{path}: every point falls on its pixel to within {error:.5f} px")
    return 0


def without_floating_points(spec: ma.DataSpec) -> ma.DataSpec:
    """Nothing is blended of two surfaces that are more than JUMP apart."""
    document = spec.to_dict()
    document["entries"]["depth"]["max_jump"] = JUMP
    for group in document["entries"]["rgbxyz"]["channels"]:
        if group["role"] == "position":
            group["max_jump"] = JUMP
    return ma.DataSpec.from_dict(document)


def record_of(scene: Scene) -> dict[str, np.ndarray]:
    """Every second pixel of the scene; the camera is that of the smaller image."""
    arrays = {"rgbxyz": scene.rgbxyz, "normals": scene.normals}
    arrays |= {"depth": scene.depth, "mask": scene.mask}
    record = {name: array[::STEP, ::STEP] for name, array in arrays.items()}
    # Every second pixel: the middle of the first one stays where it is, as 0.
    camera = scene.intrinsics / np.array([[STEP], [STEP], [1]], np.float32)
    return {**record, "intrinsics": camera}


def from_the_side(record: Mapping[str, np.ndarray]) -> np.ndarray:
    """The points in their colours, as somebody sees them who stands to the left of the camera."""
    height, width = record["depth"].shape
    colours, points = record["rgbxyz"][..., :3], record["rgbxyz"][..., 3:].astype(np.float64)
    known = np.isfinite(points).all(-1)
    yaw, pitch = np.deg2rad([YAW, PITCH])
    about_y = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    turned = (points[known] - [0, 0, MIDDLE]) @ np.transpose(np.matmul(about_x, about_y))
    turned += [0, 0, MIDDLE + 0.6]
    focal = record["intrinsics"][0, 0]
    x = np.rint(focal * turned[:, 0] / turned[:, 2] + width / 2).astype(int)
    y = np.rint(focal * turned[:, 1] / turned[:, 2] + height / 2).astype(int)
    image = np.full((height, width, 3), GROUND, np.uint8)
    shown = np.rint(np.clip(colours[known], 0, 1) * 255).astype(np.uint8)
    # Far points first, so that near ones cover them; each is two pixels wide.
    for i in np.argsort(-turned[:, 2]):
        if 0 <= x[i] < width - 1 and 0 <= y[i] < height - 1:
            image[y[i] : y[i] + 2, x[i] : x[i] + 2] = shown[i]
    return image


if __name__ == "__main__":
    raise SystemExit(main())
