"""The points of records as their cameras see them, and the distance to the pixels they stand at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..errors import ParameterError, RecordError
from ..spec import ChannelGroup, DataSpec, check_structure
from ..typing import NDArray, SpatialShape
from ._conventions import as_array, scale_intrinsics


class Cloud(NamedTuple):
    """The positions of one entry of one record.

    Args:
        name: of the entry.
        points: (H, W, 3) float64, NaN where there is no point.
        intrinsics: (3, 3) in pixels of these, or None.
        extrinsics: (4, 4), or None.
        camera: the entry that the intrinsics are of; "" for the spec's default camera.
    """

    name: str
    points: NDArray
    intrinsics: NDArray | None
    extrinsics: NDArray | None
    camera: str


def reprojection_error(spec: DataSpec, record: Mapping[str, Any]) -> dict[str, NDArray]:
    """How far the points of a record fall from their pixels, seen by the camera of the record.

    ``|project(K, X[y, x]) - (x, y)|``, with ``X`` brought to the camera by the extrinsics first
    where the spec says ``"frame": "world"``. It is near 0 where the cloud, its intrinsics and
    its extrinsics are of one camera, before as after any augmentation.

    Args:
        spec: what the entries of the record are.
        record: entry name -> array; a record or, with a leading N, a batch. Only positions and
            what belongs to their camera are looked at, so other entries may be missing.

    Returns:
        The name of each entry with a role ``position`` -> float64 (H, W) or (N, H, W), with the
        axis of the entry's frames where it has ``time``, pixels of that entry; NaN where there is
        no point, inf where it is behind the camera.

    Raises:
        ParameterError: not a DataSpec and a mapping.
        RecordError: the record is not what the spec declares, or has no position, no
            intrinsics, or no extrinsics in the world frame.
    """
    if not isinstance(spec, DataSpec) or not isinstance(record, Mapping):
        raise ParameterError(
            "`reprojection_error` must get a DataSpec and a record (entry name -> array), "
            f"got {type(spec).__name__} and {type(record).__name__}."
        )
    arrays = {n: as_array(n, array) for n, array in record.items() if n in spec.entries}
    positions = [name for name in arrays if position_group(spec, name) is not None]
    if not positions:
        raise RecordError(f"The record has no entry of the role position of {spec.name!r}.")
    batch = arrays[positions[0]].ndim == (4 if spec.entries[positions[0]].time is None else 5)
    check_structure(spec, arrays, batch=batch, dtypes=False, partial=True)
    records = arrays if batch else {name: array[np.newaxis] for name, array in arrays.items()}
    result: dict[str, NDArray] = {}
    for name in positions:
        count = 1 if spec.entries[name].time is None else records[name].shape[1]
        at_times = []
        for time in range(count):
            images = first_images(spec, records, {name: time})
            errors = [_error(spec, cloud) for cloud in clouds(spec.of_images(), images, name)]
            at_times.append(np.stack(errors))
        found = at_times[0] if spec.entries[name].time is None else np.stack(at_times, axis=1)
        result[name] = found if batch else found[0]
    return result


def first_images(
    spec: DataSpec, records: Mapping[str, Any], times: Mapping[str, int] = MappingProxyType({})
) -> dict[str, Any]:
    """Records (n, ...) with one frame in the place of all of those of an entry.

    Args:
        spec: what the entries are.
        records: arrays by entry name.
        times: which frame, of entries where it is not the first.
    """
    return {
        name: array if spec.entries[name].time is None else array[:, times.get(name, 0)]
        for name, array in records.items()
    }


def _error(spec: DataSpec, cloud: Cloud) -> NDArray:
    if cloud.intrinsics is None:
        raise RecordError(
            f"{cloud.name}: the reprojection error needs intrinsics, but the record has none and "
            f"the spec {spec.name!r} has no default camera. `estimate_intrinsics` fits some."
        )
    points = cloud.points
    if spec.camera.frame == "world":
        if cloud.extrinsics is None:
            raise RecordError(
                f"{cloud.name}: the spec {spec.name!r} has its points in the world frame, so the "
                "reprojection error needs an entry with the role extrinsics."
            )
        points = move(cloud.extrinsics, points)
    x, y = pixels(points.shape[:2])
    u, v = project(cloud.intrinsics, points)
    error: NDArray = np.hypot(u - x, v - y)
    error[points[..., 2] <= 0] = np.inf
    return error


def clouds(spec: DataSpec, records: Mapping[str, NDArray], name: str) -> Iterator[Cloud]:
    """The positions of an entry, record by record, with their cameras.

    Args:
        spec: what the values mean.
        records: arrays (n, ...) by entry name.
        name: of an entry with a position.
    """
    group = position_group(spec, name)
    assert group is not None
    array = records[name]
    extrinsics = _of_role(spec, records, "extrinsics")
    camera = _of_role(spec, records, "intrinsics") or ""
    for i in range(len(array)):
        points = array[i][..., group.channel_slice()].astype(np.float64)
        points[is_invalid(points, group)] = np.nan
        pose = None if extrinsics is None else records[extrinsics][i].astype(np.float64)
        k = intrinsics_of(spec, records, i, (points.shape[0], points.shape[1]))
        yield Cloud(name, points, k, pose, camera)


def position_group(spec: DataSpec, name: str) -> ChannelGroup | None:
    """The channels of an entry that are a position, if any are."""
    return next((g for g in spec.entries[name].groups if g.role == "position"), None)


def channels_of(array: NDArray, group: ChannelGroup, *, batch: bool) -> NDArray:
    """The channels of a group, on an axis of their own; of one record or of several."""
    if array.ndim == 2 + batch:
        return array[..., np.newaxis]
    return array[..., group.channel_slice()]


def is_invalid(values: NDArray, group: ChannelGroup) -> NDArray:
    """Where the values (..., C) of a group hold no data.

    Zeros of points, depths and directions are none, though the spec may not say so: no sensor
    sees itself.
    """
    bad: NDArray = ~np.isfinite(values).all(-1) | (values == 0).all(-1)
    if group.invalid is not None and group.invalid != "nan":
        bad |= (values == group.invalid).all(-1)
    return bad


def intrinsics_of(
    spec: DataSpec, records: Mapping[str, NDArray], i: int, size: SpatialShape
) -> NDArray | None:
    """(3, 3) float64 of record ``i``, in pixels of a picture of (height, width) ``size``."""
    name = _of_role(spec, records, "intrinsics")
    pictures = {n: records[n].shape[1:3] for n in records if spec.entries[n].kind == "spatial"}
    reference = spec.reference(pictures)
    shape = pictures[reference] if reference is not None else size
    if name is not None:
        k = records[name][i].astype(np.float64)
        k = k / k[2, 2]
        shape = pictures.get(spec.entries[name].of or "", shape)
    else:
        default = default_intrinsics(spec, shape)
        if default is None:
            return None
        k = default
    return scale_intrinsics(k, (shape[0], shape[1]), size)


def default_intrinsics(spec: DataSpec, shape: SpatialShape) -> NDArray | None:
    """(3, 3) of the camera that the spec gives to records without intrinsics; None for none."""
    height, width = shape
    if spec.camera.intrinsics is not None:
        fx, fy, cx, cy = spec.camera.intrinsics
    elif spec.camera.fov_degrees is not None:
        fx = fy = width / 2 / np.tan(np.deg2rad(spec.camera.fov_degrees) / 2)
        cx, cy = (width - 1) / 2, (height - 1) / 2
    else:
        return None
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def _of_role(spec: DataSpec, records: Mapping[str, NDArray], role: str) -> str | None:
    return next((n for n in spec.entries if n in records and spec.entries[n].role == role), None)


def pixels(shape: SpatialShape) -> tuple[NDArray, NDArray]:
    """Return x (1, W) and y (H, 1)."""
    return np.arange(shape[1])[np.newaxis, :], np.arange(shape[0])[:, np.newaxis]


def move(motion: NDArray, points: NDArray) -> NDArray:
    """Points (..., 3) moved by the upper three rows of a (4, 4) or (3, 4) matrix."""
    moved: NDArray = points @ motion[:3, :3].T + motion[:3, 3]
    return moved


def project(k: NDArray, points: NDArray) -> tuple[NDArray, NDArray]:
    """Return x and y, in pixels, of points (..., 3) in the camera's frame."""
    with np.errstate(all="ignore"):
        u, v = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
        return k[0, 0] * u + k[0, 1] * v + k[0, 2], k[1, 1] * v + k[1, 2]


def camera_points(
    spec: DataSpec, records: Mapping[str, NDArray], i: int, shape: tuple[int, ...]
) -> NDArray | None:
    """(H, W, 3) points of record i in the camera's frame, if a cloud of this size is there."""
    for name in records:
        if position_group(spec, name) is not None and records[name].shape[1:3] == shape:
            single = {n: array[i : i + 1] for n, array in records.items()}
            cloud = next(clouds(spec, single, name))
            if spec.camera.frame == "camera":
                return cloud.points
            if cloud.extrinsics is not None:
                return move(cloud.extrinsics, cloud.points)
    return None
