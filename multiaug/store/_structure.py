"""Names, lengths, shapes and dtypes of a data set against its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import RecordError, StoreError
from ..spec import check_structure

if TYPE_CHECKING:
    import zarr

    from ..spec import DataSpec


class HasShape(Protocol):
    """Anything with a shape: a NumPy array, a zarr array, a `Structure`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""


def common_length(arrays: Mapping[str, HasShape], where: str) -> int:
    """Return the number of records, which every array must have as its first axis.

    Args:
        arrays: at least one array.
        where: the store, for the error's text.

    Raises:
        StoreError: an array has no axis, the lengths differ, or there is nothing in them.
    """
    if not arrays:
        raise StoreError(f"{where}: there is no array to read. Expected one array per entry.")
    for name, array in arrays.items():
        if not array.shape:
            raise StoreError(
                f"{where}: {name!r} has no axis. Expected the records on the first axis: (N, ...)."
            )
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise StoreError(
            f"{where}: the arrays differ in length: {found}. Expected the same number of records "
            "in every array."
        )
    length = next(iter(lengths.values()))
    if length == 0:
        raise StoreError(f"{where}: the arrays hold no records. Expected at least one.")
    return length


_ROWS = {"y", "lat", "latitude", "row", "rows", "height", "h", "northing"}
_COLUMNS = {"x", "lon", "longitude", "col", "cols", "column", "columns", "width", "w", "easting"}
_CHANNELS = {"band", "bands", "channel", "channels", "c", "wavelength"}
_RECORDS = {
    "record", "records", "sample", "samples", "time", "t", "n", "batch", "frame", "frames", "scene",
    "index", "image", "images",
}  # fmt: skip


def axis_named(name: str) -> str | None:
    """What an axis is by its name: record, height, width or channel; None if that is unknown."""
    short = name.lower().rpartition("_")[2]
    kinds = {"record": _RECORDS, "height": _ROWS, "width": _COLUMNS, "channel": _CHANNELS}
    return next((kind for kind, names in kinds.items() if short in names), None)


def check_arrays(spec: DataSpec, arrays: Mapping[str, zarr.Array[Any]], where: str) -> None:
    """Refuse zarr arrays of another kind than numbers, and axes whose names tell another order.

    Raises:
        RecordError: the values are no numbers, or rows and columns are not the second and third
            axis, or those behind the frames.
    """
    for name, array in arrays.items():
        dtype = np.dtype(array.dtype)
        if dtype.kind not in "biufV" or dtype.names is not None:
            raise RecordError(
                f"{where}: {name!r} holds {_KINDS.get(dtype.kind, dtype.name)} ({dtype}), expected "
                "numbers. Convert the array, or leave the entry out of the spec."
            )
        axes = _axes(array)
        if spec.entries[name].kind != "spatial" or axes is None:
            continue
        short = [str(axis).lower().rpartition("_")[2] for axis in axes]
        rows = [i for i, axis in enumerate(short) if axis in _ROWS]
        columns = [i for i, axis in enumerate(short) if axis in _COLUMNS]
        frames = spec.entries[name].time is not None
        expected = (1 + frames, 2 + frames)
        swapped = len(rows) == len(columns) == 1 and (rows[0], columns[0]) != expected
        if swapped or short[0] in _CHANNELS:
            raise RecordError(
                f"{where}: the axes of {name!r} are ({', '.join(map(str, axes))}), expected "
                f"records, {'frames, ' * frames}rows, columns and, where there are any, channels, "
                "in this order. Bring them there first: xarray's transpose, or multiaug.convert of "
                "the array after numpy.moveaxis."
            )


_KINDS = {
    "O": "Python objects", "S": "bytes", "U": "text", "T": "text", "M": "dates", "m": "durations",
    "c": "complex numbers", "V": "structured values",
}  # fmt: skip


def _axes(array: zarr.Array[Any]) -> list[Any] | None:
    """Names of all axes, as version 3 or xarray has them; None where they are not given."""
    found: Any = getattr(array.metadata, "dimension_names", None)
    found = found or array.attrs.get("_ARRAY_DIMENSIONS")
    named = isinstance(found, list | tuple) and len(found) == array.ndim and None not in found
    return list(found) if named else None


def refuse_frames(spec: DataSpec, where: str, what: str) -> None:
    """Refuse required entries with ``time`` where only single images are stored.

    Args:
        spec: what the entries are.
        where: the store.
        what: holds one image of every entry of a record.

    Raises:
        StoreError: there is such an entry.
    """
    for name, entry in spec.entries.items():
        if entry.time is not None and not entry.optional:
            raise StoreError(
                f'{where}: the entry {name!r} has frames ("time" in the spec), and {what} holds '
                "one image of it for each record. Pass arrays with the frames on the second axis, "
                '.npy files or a plain zarr store of them; or leave "time" out of the spec.'
            )


def check_entries(spec: DataSpec, arrays: Mapping[str, Any], where: str) -> None:
    """Check every array against the spec.

    Raises:
        RecordError: with ``where`` in front of what the spec finds wrong.
    """
    try:
        check_structure(spec, arrays, batch=True)
    except RecordError as error:
        raise RecordError(f"{where}: {error}{_channels_first(spec, arrays)}") from error


def _channels_first(spec: DataSpec, arrays: Mapping[str, Any]) -> str:
    """A hint where pictures look like (N, C, H, W)."""
    for name, entry in spec.entries.items():
        shape = tuple(getattr(arrays.get(name), "shape", ()))
        image, count = entry.image_shape(shape[1:]), entry.channels
        if entry.kind == "spatial" and len(image) == 3 and image[0] == count != image[2]:
            frames = "T, " if entry.time is not None else ""
            return (
                f"\n  {name} looks like (N, {frames}C, H, W), channels first: bring them to the "
                f"end with numpy.moveaxis(array, {len(shape) - 3}, -1), or open .npy files with "
                "channels='first'"
            )
    return ""
