"""Records that no transform would leave a point of: all of them are behind their camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import RecordError
from ..spec import ChannelGroup, DataSpec
from ..typing import NDArray
from ._projection import channels_of, is_invalid

_GRID = 16  # points along each axis that are looked at first
_MANY = 16  # points, below which a record may lose all of them


def refuse_behind(spec: DataSpec, record: Mapping[str, Any], *, batch: bool) -> None:
    """Refuse points and depths that resampling on the ray would turn into holes, all of them.

    A sparse grid is looked at first, so that records in view cost next to nothing.

    Args:
        spec: what the values mean.
        record: arrays that have passed `check_structure`. What NumPy cannot look at in place is
            not looked at.
        batch: the arrays have a leading N.

    Raises:
        RecordError: naming the entry and the likely reason.
    """
    if spec.camera.policy == "none" or not _has_intrinsics(spec, record):
        return
    for name, values in record.items():
        for group in spec.entries[name].groups:
            if group.role in ("position", "depth") and group.interpolation == "ray":
                array = values if batch else values[np.newaxis]
                if spec.entries[name].time is not None:
                    array = array[:, 0]  # frames have the camera of their record
                for i, count in _lost(spec, record, array, group, batch):
                    raise RecordError(_message(name, group, i if batch else None, count))


def _has_intrinsics(spec: DataSpec, record: Mapping[str, Any]) -> bool:
    return spec.camera.has_default or any(spec.entries[n].role == "intrinsics" for n in record)


def _lost(
    spec: DataSpec, record: Mapping[str, Any], array: Any, group: ChannelGroup, batch: bool
) -> Iterator[tuple[int, int]]:
    """Number of each record with many values and none ahead of the camera, and how many."""
    rows = np.array([[0.0, 0.0, 1.0, 0.0]])
    if group.role == "position" and spec.camera.frame == "world":
        pose = next((a for n, a in record.items() if spec.entries[n].role == "extrinsics"), None)
        if pose is None:
            return  # nothing is done on rays
        rows = np.asarray(pose)[..., 2, :].reshape(-1, 4)
    down, right = (max(1, length // _GRID) for length in array.shape[1:3])
    valid, ahead = _ahead(np.asarray(array[:, ::down, ::right]), group, rows)
    for i in np.flatnonzero((valid > 0) & (ahead == 0)):
        row = rows if len(rows) == 1 else rows[i : i + 1]
        (count,), (left,) = _ahead(np.asarray(array[i : i + 1]), group, row)
        if count >= _MANY and not left:
            yield int(i), int(count)


def _ahead(values: NDArray, group: ChannelGroup, rows: NDArray) -> tuple[NDArray, NDArray]:
    """How many pixels of each record hold something, and how many something ahead.

    Args:
        values: (n, H, W, C), or (n, H, W).
        group: what they mean.
        rows: (n, 4) or (1, 4), the third of each record's extrinsics.
    """
    part = channels_of(values, group, batch=True).astype(np.float32)
    valid = ~is_invalid(part, group)
    if group.role == "depth":
        z = part[..., 0]
    else:
        axis, offset = rows[:, None, None, :3].astype(np.float32), rows[:, None, None, 3]
        # Infinity is refused by those who check values, before or after.
        with np.errstate(invalid="ignore"):
            z = (part * axis).sum(-1) + offset
    return valid.sum((1, 2)), (valid & (z > 0)).sum((1, 2))


def _message(name: str, group: ChannelGroup, i: int | None, count: int) -> str:
    what = "depths" if group.role == "depth" else "points"
    place = "" if i is None else f" of record {i}"
    remedy = (
        "negate them"
        if group.role == "depth"
        else "Points of OpenGL, Blender and PCL's viewer look along -Z: convert them with "
        "`ma.convert_axes(record, 'opengl', spec=spec)`; in the world's frame look at the "
        "extrinsics, which lead from the world to the camera (`ma.invert_extrinsics`)"
    )
    return (
        f"{name}: found all {count} {what}{place} behind the camera (Z <= 0), expected Z > 0, X "
        f"right, Y down: no transform would leave one of them. {remedy[0].upper()}{remedy[1:]}."
    )
