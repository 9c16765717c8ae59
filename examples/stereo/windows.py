"""The scene as a data set: overlapping windows, each a record with a camera of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scene import Scene

from multiaug.spec import DataSpec
from multiaug.store import write_zarr

SIDE = 256  # pixels
STRIDE = 64  # pixels
CHUNK = 8  # records

Place = tuple[int, int]
"""Top left corner (x, y) of a window."""


def origins(scene: Scene) -> list[Place]:
    """All windows, row by row."""
    height, width = scene.depth.shape
    return [
        (x, y)
        for y in range(0, height - SIDE + 1, STRIDE)
        for x in range(0, width - SIDE + 1, STRIDE)
    ]


def cut(scene: Scene, x: int, y: int) -> dict[str, np.ndarray]:
    """One record: the window of every picture, and the camera that sees only this window.

    Points, normals and depths keep their values, since the camera did not move. Only the origin
    of the pixel coordinates did, and with it the principal point.
    """
    window = slice(y, y + SIDE), slice(x, x + SIDE)
    shift = np.array([[0, 0, x], [0, 0, y], [0, 0, 0]], np.float32)
    return {
        "rgbxyz": scene.rgbxyz[window],
        "normals": scene.normals[window],
        "depth": scene.depth[window],
        "mask": scene.mask[window],
        "intrinsics": scene.intrinsics - shift,
    }


def choose(scene: Scene, count: int | None) -> list[Place]:
    """All windows, or so many of them, spread over the scene."""
    places = origins(scene)
    if count is None or count >= len(places):
        return places
    return [places[i] for i in np.linspace(0, len(places) - 1, count).round().astype(int)]


def write_windows(dest: Path, scene: Scene, places: list[Place], spec: DataSpec) -> Path:
    """Write the records as a zarr store; an older store at ``dest`` is replaced."""

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for x, y in places:
            yield {name: array[None] for name, array in cut(scene, x, y).items()}

    return write_zarr(batches(), spec, dest, chunk=CHUNK, overwrite=True)
