"""Organised point clouds in .pcd files, as records of a spec."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..._arguments import PATH, checked, shown
from ...errors import ParameterError, RecordError, StoreError, warn
from ...files import sha256_file, sha256_of
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._record_source import RecordSource
from .._structure import refuse_frames
from ..folder._folder import look_into, tells_images
from ._cloud_file import Cloud
from ._pcd import read_pcd

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ...spec import ChannelGroup, DataSpec, EntrySpec

# What a role's channels are called in .pcd files, where the spec gives them no names.
_ROLE_FIELDS = {
    "position": ("x", "y", "z"),
    "direction": ("normal_x", "normal_y", "normal_z"),
    "depth": ("z",),
    "label": ("label",),
    "intensity": ("r", "g", "b"),
}
_SYNONYMS = {
    "nx": "normal_x", "ny": "normal_y", "nz": "normal_z", "red": "r", "green": "g", "blue": "b",
}  # fmt: skip
_BYTE_OF = {"r": 16, "g": 8, "b": 0, "a": 24}


@register_source
class CloudSource(RecordSource):
    """Organised clouds in .pcd files: ascii, binary or binary_compressed.

    Channels are found by their names in the spec (x, y, z, r, g, b, normal_x, label, or any other
    field), or else by role. Colours come from the packed fields ``rgb`` or ``rgba``; they keep
    0 .. 255 in integer entries and fill the declared range in floating ones.

    Args:
        path: a folder with .pcd files, one file, or a list of them.
        spec: what the entries are. An entry of role intrinsics is filled as ``intrinsics`` says.
        intrinsics: ``estimate`` fits a pinhole camera to each cloud; an array (3, 3) is used for
            all of them.

    Attributes:
        residuals: file name -> how far the fitted camera is from the cloud's own pixels, root
            mean square, in pixels; for the clouds read so far. More than a pixel says that a cloud
            is not the picture of a pinhole camera on its own grid.

    Raises:
        StoreError: no clouds, unorganised ones, or damaged ones.
        RecordError: a cloud lacks what the spec declares, or is not like the first one.
    """

    traits = SourceTraits("pcd", ".pcd clouds", suffixes=(".pcd",), folders=True)

    @checked(spec=SPEC_KIND)
    def __init__(
        self,
        path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        spec: DataSpec,
        *,
        intrinsics: Literal["estimate"] | ArrayLike = "estimate",
    ) -> None:
        self._files, where = _files(path, self.traits)
        refuse_frames(spec, where, f"a {self.traits.suffixes[0]} file")
        self.residuals: dict[str, float] = {}
        self._told = False
        self._intrinsics = None if isinstance(intrinsics, str) else np.asarray(intrinsics)
        self._entries = dict(spec.entries)
        cloud = self._cloud(self._files[0])
        if cloud.viewpoint is not None:
            warn(
                f"{self._files[0]}: VIEWPOINT is {' '.join(f'{n:g}' for n in cloud.viewpoint)} and "
                "not the origin. Points are read as they are stored, in the frame of the file; if "
                "that is not the camera's, move them there first."
            )
        self._present = [n for n, e in spec.entries.items() if _has(cloud, e)]
        super().__init__(spec, [file.name for file in self._files], where)

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """Files, or a folder with some in it or below, and no arrays in itself."""
        inside = any(ending in candidate.endings_below for ending in cls.traits.suffixes)
        free = ".npy" not in candidate.endings and not tells_images(candidate)
        return (inside and free) or candidate.ends(cls.traits.suffixes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files."""
        parts = [part for file in self._files for part in (file.name, sha256_file(file))]
        return sha256_of("multiaug.clouds/1", *parts, *self._maps.identity)

    def read_record(self, number: int) -> dict[str, NDArray]:
        file = self._files[number]
        cloud = self._cloud(file)
        record = {}
        for name in self._present:
            entry = self._entries[name]
            if entry.kind == "matrix":
                record[name] = self._camera(cloud, file, entry)
            else:
                record[name] = self._picture(cloud, entry, file)
        return record

    def _cloud(self, file: Path) -> Cloud:
        """Read one file."""
        return read_pcd(file)

    def _picture(self, cloud: Cloud, entry: EntrySpec, file: Path) -> NDArray:
        picture, zeros = _picture(cloud, entry, file)
        if zeros and not self._told:
            self._told = True
            warn(
                f"{file}: {zeros:,} values of {entry.name!r} are at the origin, where the camera "
                "is: they are taken as no data, as the spec marks it. That goes for all clouds."
            )
        return picture

    def _camera(self, cloud: Cloud, file: Path, entry: EntrySpec) -> NDArray:
        matrix = self._intrinsics
        if matrix is None:
            found = [_channel(cloud, axis) for axis in "xyz"]
            axes = [values for values in found if values is not None]
            if len(axes) < 3:
                raise RecordError(
                    f"{file}: there are no fields x, y and z to estimate the intrinsics from; "
                    f"found {sorted(cloud.fields)}. Pass intrinsics of your own."
                )
            points = np.stack(axes, axis=-1)
            matrix, self.residuals[file.name] = fit_camera(points, str(file))
        return np.ascontiguousarray(matrix, entry.dtype or "float32")


def fit_camera(points: NDArray, where: str) -> tuple[NDArray, float]:
    """Fit fx, fy, cx, cy by least squares on column = fx X/Z + cx and row = fy Y/Z + cy.

    Args:
        points: (H, W, 3) in the camera frame; those that are not finite or have Z <= 0 are left
            out.
        where: the file, for errors.

    Returns:
        The matrix (3, 3), and the residual in pixels, root mean square.

    Raises:
        RecordError: the points do not determine a camera.
    """
    cloud = points.astype(np.float64)
    usable = np.isfinite(cloud).all(-1) & (cloud[..., 2] > 0)
    rows, columns = np.nonzero(usable)
    rays = cloud[usable][:, :2] / cloud[usable][:, 2:]
    matrix, errors = np.eye(3), []
    for axis, pixels in enumerate((columns, rows)):
        design = np.stack([rays[:, axis], np.ones(len(rays))], axis=1)
        solution, _, rank, _ = np.linalg.lstsq(design, pixels.astype(np.float64))
        if len(rays) < 4 or rank < 2 or solution[0] <= 0:
            raise RecordError(
                f"{where}: no camera fits the cloud ({len(rays)} usable points). It must look "
                "along +Z with x right and y down (`multiaug.convert_axes` turns other axes) and "
                "spread over the picture; or pass intrinsics of your own."
            )
        matrix[axis, axis], matrix[axis, 2] = solution
        errors.append(design @ solution - pixels)
    return matrix, float(np.sqrt(np.mean(errors[0] ** 2 + errors[1] ** 2)))


def _files(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], traits: SourceTraits
) -> tuple[list[Path], str]:
    if not isinstance(path, str | os.PathLike):
        if not isinstance(path, list | tuple) or not all(map(PATH.accepts, path)):
            raise ParameterError(
                f"`CloudSource.path` must be a path or a list of paths, got {shown(path)}."
            )
        files = [Path(file) for file in path]
        where = "the given clouds"
    else:
        root = Path(path)
        where = str(root)
        files = look_into(root, set(traits.suffixes)).files if root.is_dir() else [root]
    if not files:
        raise StoreError(f"{where}: there are no {traits.suffixes[0]} files in it.")
    for file in files:
        if not file.is_file():
            raise StoreError(f"{file}: there is nothing there. Check the path.")
    return files, where


def _names(group: ChannelGroup, entry: EntrySpec) -> tuple[str, ...]:
    names = group.names or _ROLE_FIELDS.get(group.role, (entry.name,))
    return tuple(_SYNONYMS.get(name, name) for name in names)


def _has(cloud: Cloud, entry: EntrySpec) -> bool:
    """Whether an entry is to be read; what is required is, and its lack is an error then."""
    if entry.kind == "matrix":
        return entry.role == "intrinsics"
    if entry.time is not None:
        return False
    found = all(
        _channel(cloud, name) is not None for group in entry.groups for name in _names(group, entry)
    )
    return entry.kind == "spatial" and (found or not entry.optional)


def _picture(cloud: Cloud, entry: EntrySpec, file: Path) -> tuple[NDArray, int]:
    """An entry of a cloud, and how many of its pixels were at the origin and are no data."""
    channels: list[NDArray] = []
    zeros = 0
    for group in entry.groups:
        first = len(channels)
        for name in _names(group, entry):
            values = _channel(cloud, name)
            if values is None:
                raise RecordError(
                    f"{file}: there is no field for channel {name!r} of {entry.name!r}; found "
                    f"{sorted(cloud.fields)}."
                )
            channels.append(_scaled(values, name, group, entry))
        if group.role in ("position", "depth") and group.invalid is not None:
            channels[first:], found = _marked(channels[first:], group.invalid)
            zeros += found
    dtype = entry.dtype or ("uint8" if entry.role == "label" else "float32")
    if entry.channels == 1:
        return _cast(channels[0], dtype, entry, file), zeros
    return _cast(np.stack(channels, axis=-1), dtype, entry, file), zeros


def _marked(channels: list[NDArray], invalid: float | Literal["nan"]) -> tuple[list[NDArray], int]:
    """Mark pixels without a point as the spec does: drivers write NaN, or the origin."""
    origin = np.logical_and.reduce([values == 0 for values in channels])
    lost = origin | ~np.logical_and.reduce([np.isfinite(values) for values in channels])
    mark = np.nan if invalid == "nan" else float(invalid)
    count = 0 if mark == 0 else int(origin.sum())
    if not lost.any() or all(values.dtype.kind in "iu" for values in channels):
        return channels, 0
    return [np.where(lost, values.dtype.type(mark), values) for values in channels], count


def _channel(cloud: Cloud, name: str) -> NDArray | None:
    if name in cloud.fields:
        return cloud.fields[name]
    for field, values in cloud.fields.items():
        lower = field.lower()
        if name in (lower, _SYNONYMS.get(lower)):
            return values
    for packed in ("rgb", "rgba"):
        if name in _BYTE_OF and packed in cloud.fields:
            colours = cloud.fields[packed]
            if colours.ndim != 2 or colours.dtype.itemsize != 4:
                raise RecordError(
                    f"The field {packed!r} holds {colours.dtype} {colours.shape}, expected one "
                    "number of 4 bytes for each point, of which each byte is a colour."
                )
            # The four bytes of a colour, often called a float.
            words = np.ascontiguousarray(colours).view(np.uint32)
            return (words >> _BYTE_OF[name]) & 255
    return None


def _scaled(values: NDArray, name: str, group: ChannelGroup, entry: EntrySpec) -> NDArray:
    if name not in _BYTE_OF or group.role != "intensity" or (entry.dtype or "f")[0] in "ui":
        return values
    low, high = group.range or (0.0, 1.0)
    return np.float32(low) + values.astype(np.float32) * np.float32((high - low) / 255)


def _cast(values: NDArray, dtype: str, entry: EntrySpec, file: Path) -> NDArray:
    target = np.dtype(dtype)
    if target.kind in "iu":
        info = np.iinfo(target)
        if values.size and (values.min() < info.min or values.max() > info.max):
            raise RecordError(
                f"{file}: {entry.name!r} holds values from {values.min()} to {values.max()}, "
                f"which {dtype} cannot hold. Declare a wider dtype."
            )
    rounded: NDArray = np.ascontiguousarray(values, target)
    if entry.role == "position" and values.dtype.itemsize > target.itemsize:
        _refuse_rounding(values, rounded, entry, file)
    return rounded


def _refuse_rounding(values: NDArray, rounded: NDArray, entry: EntrySpec, file: Path) -> None:
    """Coordinates of a map, millions of metres, lose their centimetres in float32."""
    points = values[np.isfinite(values).all(-1)] if values.ndim == 3 else values
    if not points.size:
        return
    extent = float(np.ptp(points.reshape(-1, points.shape[-1]), axis=0).max())
    error = float(np.nanmax(np.abs(values - rounded.astype(np.float64))))
    if error > 1e-4 * extent:
        raise RecordError(
            f"{file}: {entry.name!r} lies around {float(np.abs(points).max()):g}, and rounding to "
            f"{rounded.dtype} moves points by up to {error:g}, of an extent of {extent:g}. "
            "Subtract where the camera is, or declare a wider dtype."
        )
