"""Guesses for organised clouds in .pcd files, from the fields of the first one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._arguments import shown
from ...errors import StoreError
from ...spec import DataSpec
from ..clouds._clouds import fit_camera
from ..clouds._pcd import read_pcd
from ._entry import Document, entry_name

Guessed = tuple[DataSpec, dict[str, Any], tuple[str, ...]]
_LARGEST_RESIDUAL = 2.0  # pixels: a worse camera is not the one that saw the cloud


def guess_clouds(files: Sequence[Path]) -> Guessed:
    """The spec of clouds: their colours, points, normals and labels."""
    cloud = read_pcd(files[0])
    fields = {name.lower(): values for name, values in cloud.fields.items()}
    entries: dict[str, Document] = {}
    notes = []
    if {"rgb", "rgba"} & fields.keys() or {"r", "g", "b"} <= fields.keys():
        entries["image"] = {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]}
        notes.append("the colours of the points are taken for an image, uint8, r, g, b.")
    if {"x", "y", "z"} <= fields.keys():
        entries["points"] = {
            "role": "position", "dtype": "float32", "channels": ["x", "y", "z"], "invalid": "nan",
        }  # fmt: skip
        points = np.stack([fields[axis] for axis in "xyz"], axis=-1)
        height, width = points.shape[:2]
        known = np.isfinite(points).all(-1) & (points != 0).any(-1)
        notes.append(
            f"x, y, z are taken for points in the camera's frame, {height} x {width}, Z ahead; "
            f"{1 - known.mean():.0%} of the pixels of {files[0].name} have none."
        )
        notes.append(_camera(entries, np.where(known[..., None], points, np.nan), str(files[0])))
    if {"normal_x", "normal_y", "normal_z"} <= fields.keys():
        entries["normals"] = {"role": "direction", "dtype": "float32", "invalid": "nan"}
        notes.append("normal_x, normal_y, normal_z are taken for normals in the same frame.")
    if "label" in fields:
        labels = np.unique(fields["label"])
        dtype = "uint8" if labels.max() < 256 else "int32"
        entries["mask"] = {"role": "label", "dtype": dtype}
        listed = ", ".join(map(str, labels[:12].tolist())) + (" .." if len(labels) > 12 else "")
        notes.append(f"label is taken for a mask of classes: {listed} in {files[0].name}.")
    if not entries:
        raise StoreError(
            f"{shown(str(files[0]))}: its fields {sorted(cloud.fields)} are none of x, y, z, rgb, "
            "normal_x or label. Write a spec whose channels have the names of the fields."
        )
    spec = {"name": entry_name(files[0].parent.name or "clouds"), "entries": entries}
    return DataSpec.from_dict(spec, "the guessed spec"), {}, tuple(notes)


def _camera(entries: dict[str, Document], points: Any, where: str) -> str:
    """Add intrinsics where a camera fits the points on their own grid."""
    try:
        matrix, residual = fit_camera(points, where)
    except ValueError:
        return "no camera fits the points, so the spec has no intrinsics."
    if residual > _LARGEST_RESIDUAL:
        return (
            f"the best camera is {residual:.1f} px away from the points, so the spec has no "
            "intrinsics."
        )
    entries["intrinsics"] = {"role": "intrinsics", "dtype": "float32", "of": "points"}
    return (
        f"intrinsics are fitted to each cloud: focal length {matrix[0, 0]:.1f} px, "
        f"{residual:.3f} px away from its points."
    )
