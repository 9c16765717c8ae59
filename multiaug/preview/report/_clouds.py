"""Clouds for the small 3-D view: few enough points, in few enough bytes."""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np

from ...spec import DataSpec
from ...typing import NDArray
from .._render import render

Record = dict[str, NDArray]
_MOST_POINTS = 12_000


class Cloud(NamedTuple):
    """Points with colours.

    Args:
        name: of the entry, and what was done to it.
        size: how many points.
        points: base64 of int16 (n, 3), within -32767 .. 32767 for the cube around both clouds.
        colours: base64 of uint8 (n, 3).
        label: what is seen, for those who do not see it.
    """

    name: str
    size: int
    points: str
    colours: str
    label: str


def clouds(
    before: DataSpec, record: Record, after: DataSpec, made: Record
) -> list[tuple[Cloud, Cloud]]:
    """Every cloud of a record as it was and as it came out, both within one cube."""
    found = []
    for entry in before.entries.values():
        other = after.entries.get(entry.name)
        if other is None or entry.name not in record or entry.time is not None:
            continue
        for group in entry.groups:
            if group.role != "position" or entry.name not in made:
                continue
            old, new = (
                _points(spec, one, entry.name) for spec, one in ((before, record), (after, made))
            )
            if not len(old[0]) or not len(new[0]):
                continue
            both = np.concatenate([old[0], new[0]])
            low, high = np.percentile(both, [1, 99], axis=0)
            centre, extent = (low + high) / 2, float(np.max(high - low)) / 2 or 1.0
            found.append(
                (
                    _cloud(f"{entry.name}, as it is", old, centre, extent),
                    _cloud(f"{entry.name}, augmented", new, centre, extent),
                )
            )
    return found


def _points(spec: DataSpec, record: Record, name: str) -> tuple[NDArray, NDArray]:
    """Points (n, 3) that are known, and their colours."""
    entry = spec.entries[name]
    array = np.asarray(record[name])
    group = next(g for g in entry.groups if g.role == "position")
    points = array[..., group.channel_slice()]
    colours = _colours(spec, record, points.shape[:2], name)
    known = group.has_data(points)
    flat = points[known].astype(np.float64)
    chosen = np.random.default_rng(0).permutation(len(flat))[:_MOST_POINTS]
    return flat[chosen], colours[known][chosen]


def _colours(spec: DataSpec, record: Record, shape: tuple[int, ...], name: str) -> NDArray:
    """What the pixels of the points look like: their own colours, or an image of the same size."""
    own_first = sorted(spec.entries.values(), key=lambda entry: entry.name != name)
    for entry in own_first:
        if entry.name not in record or entry.kind != "spatial" or entry.time is not None:
            continue
        array = np.asarray(record[entry.name])
        for group in entry.groups:
            if group.role == "intensity" and array.shape[:2] == shape:
                part = array[..., group.channel_slice()] if array.ndim == 3 else array
                return render(part, group)
    return np.full((*shape, 3), 150, np.uint8)


def _cloud(name: str, cloud: tuple[NDArray, NDArray], centre: NDArray, extent: float) -> Cloud:
    scaled = np.clip((cloud[0] - centre) / extent, -1.5, 1.5) / 1.5 * 32767
    points = np.rint(scaled).astype("<i2")
    return Cloud(
        name,
        len(points),
        base64.b64encode(points.tobytes()).decode(),
        base64.b64encode(np.ascontiguousarray(cloud[1], np.uint8).tobytes()).decode(),
        f"{name}: a cloud of {len(points)} points. Drag to turn it, or use the arrow keys; plus "
        "and minus come closer and go back; 0 is the camera's view.",
    )
