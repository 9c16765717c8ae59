"""What OME-NGFF says about pictures in zarr: axes, levels and labels, versions 0.4 and 0.5.

References:
    OME-NGFF 0.4 (attributes of zarr version 2 groups) and 0.5 (under ``ome``, version 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import StoreError

if TYPE_CHECKING:
    import zarr

OME_VERSIONS = ("0.4", "0.5")
ZARR_FORMAT = {"0.4": 2, "0.5": 3}
# The specification knows no axis of records. Viewers put a slider on one of time.
RECORDS = "t"


def axes_of(channels: bool) -> list[dict[str, str]]:
    """Axes of records (t), channels where there are any, y and x: the order is prescribed."""
    middle = [{"name": "c", "type": "channel"}] if channels else []
    space = [{"name": name, "type": "space"} for name in ("y", "x")]
    return [{"name": RECORDS, "type": "time"}, *middle, *space]


def multiscales_of(
    name: str, axes: Sequence[Mapping[str, str]], centred: Sequence[float], factors: Sequence[int]
) -> list[dict[str, Any]]:
    """The document of one picture.

    Args:
        name: of the picture.
        axes: see `axes_of`.
        centred: for each level, where in pixels of the first one its first pixel lies.
        factors: pixels of the first level per pixel of each, along y and x.
    """
    still = [1.0] * (len(axes) - 2)
    datasets = []
    for number, (factor, offset) in enumerate(zip(factors, centred, strict=True)):
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": [*still, *[float(factor)] * 2]}]
        if offset:
            zeros = [0.0] * len(still)
            steps.append({"type": "translation", "translation": [*zeros, offset, offset]})
        datasets.append({"path": str(number), "coordinateTransformations": steps})
    return [{"name": name, "axes": list(axes), "datasets": datasets}]


def put(group: zarr.Group, version: str, document: Mapping[str, Any]) -> None:
    """Write the attributes of a group, where its version has them."""
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **document}
        return
    for key, value in document.items():
        if key == "multiscales":
            value = [{"version": version, **part} for part in value]
        if key == "image-label":
            value = {"version": version, **value}
        group.attrs[key] = value


def document_of(group: zarr.Group) -> Mapping[str, Any]:
    """The attributes of a group, wherever its version has them; empty for other groups."""
    attributes: Mapping[str, Any] = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def has_multiscales(group: zarr.Group) -> bool:
    """Whether a group is a picture of OME-NGFF."""
    return bool(document_of(group).get("multiscales"))


def level_of(group: zarr.Group, level: int, where: str) -> tuple[str, list[str]]:
    """The path of a level's array and the names of its axes.

    Raises:
        StoreError: the metadata are not what the specification says, or there is no such level.
    """
    try:
        first = document_of(group)["multiscales"][0]
        paths = [str(part["path"]) for part in first["datasets"]]
        axes = [part if isinstance(part, str) else str(part["name"]) for part in first["axes"]]
    except (KeyError, IndexError, TypeError) as error:
        raise StoreError(
            f"{where}: the multiscales of OME-NGFF cannot be read: {error!r}. Expected version "
            f"{' or '.join(OME_VERSIONS)}, with axes and datasets."
        ) from error
    if not 0 <= level < len(paths):
        raise StoreError(f"{where}: there is no level {level}, only {len(paths)}, from 0.")
    if any(".." in part.split("/") or part.startswith("/") for part in paths):
        raise StoreError(f"{where}: the path {paths[level]!r} of a level leaves the group.")
    return paths[level], axes
