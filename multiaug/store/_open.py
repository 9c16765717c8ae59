"""One door to every kind of source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._arguments import Kind, checked, optional
from ..errors import ParameterError, StoreError
from ..spec import SPEC_KIND
from ._arrays import ArraySource
from ._clouds import CloudSource
from ._folder import PICTURES
from ._group import DESTINATION_KIND, is_address, looks_like_zarr, open_group
from ._npy import NpySource
from ._ome import OmeSource
from ._ome_metadata import has_multiscales
from ._pictures import PictureSource
from ._source import Source
from ._zarr import ZarrSource

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from zarr.abc.store import Store

    from ..spec import DataSpec

SourceClass = Callable[..., Source]


def _is_data(value: Any) -> bool:
    return isinstance(value, Mapping) or DESTINATION_KIND.accepts(value)


@checked(
    data=Kind(
        "a path, a zarr store, or a mapping from entry name to array or path",
        _is_data,
        "Write {'image': array}.",
    ),
    spec=optional(SPEC_KIND),
)
def open_source(
    data: str | os.PathLike[str] | Store | Mapping[str, ArrayLike | str | os.PathLike[str]],
    spec: DataSpec | None = None,
    **settings: Any,
) -> Source:
    """Open a data set for reading.

    Names, shapes and dtypes of all arrays are checked against the spec; values are not read.

    =================================================  ============================================
    data                                               read by, with its settings
    =================================================  ============================================
    folder or address of a zarr group, or a zarr store `ZarrSource` (``on_missing``)
    the same, in OME-NGFF                              `OmeSource` (``on_missing``, ``level``)
    mapping from entry name to array                   `ArraySource` (``block``)
    .npy file, folder of them, mapping to files        `NpySource` (``channels``, ``block``)
    folder of .pcd files, or one                       `CloudSource` (``intrinsics``)
    folder of pictures                                 `PictureSource` (``size``, ``classes``,
                                                        ``folders``)
    =================================================  ============================================

    Args:
        data: where the records are; their first axis, where they have one, is the records.
        spec: what the entries are. A store written by multiaug carries its spec, which is used
            when none is given.
        settings: of the kind of source. ``on_missing`` of zarr stores: a chunk that is not in
            the store is an error by default. ``fill`` reads it as the array's fill value, for
            stores whose writer left out chunks of nothing but zeros, as zarr does by default.
            Stores that carry our completion marker are never filled.

    Raises:
        StoreError: there is no data set at the path, a required array is not in it, the arrays
            differ in length or are empty, or the store is not complete.
        RecordError: an array is not what the spec says.
        ParameterError: no spec where one is needed, or a setting that the kind does not have.

    Example:
        >>> import numpy as np
        >>> from multiaug.spec import DataSpec
        >>> spec = DataSpec.from_dict(
        ...     {"name": "gray", "entries": {"image": {"role": "intensity", "channels": 1}}}
        ... )
        >>> source = open_source({"image": np.zeros((100, 8, 8, 1), np.uint8)}, spec)
        >>> len(source), source.read([99, 3])["image"].shape
        (100, (2, 8, 8, 1))
        >>> [len(block.index) for block in source.scan()]
        [64, 36]
    """
    kind, what, known = _kind(data, pictures=bool({"folders", "classes"} & set(settings)))
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ParameterError(
            f"open_source: {what} have no setting {unknown[0]!r}; they have {sorted(known)}."
        )
    if not isinstance(data, Mapping) and kind is ZarrSource:
        if has_multiscales(open_group(data)[0]):
            return OmeSource(data, spec, **settings)
        if "level" in settings:
            raise ParameterError(
                f"open_source: {data} has no `level`: it has no multiscales of OME-NGFF."
            )
        return ZarrSource(data, spec, **settings)
    if spec is None:
        raise ParameterError(
            f"open_source: {what} carry no spec. Pass one: "
            "open_source(data, multiaug.load_spec('name'))."
        )
    return kind(data, spec, **settings)


def _kind(data: Any, *, pictures: bool) -> tuple[SourceClass, str, set[str]]:
    """Class, name and settings of what reads the data; settings may say that it is pictures."""
    npy = NpySource, ".npy files", {"channels", "block"}
    clouds = CloudSource, "clouds", {"intrinsics"}
    zarr = ZarrSource, "zarr stores", {"on_missing", "level"}
    if isinstance(data, Mapping):
        if data and all(isinstance(value, str | os.PathLike) for value in data.values()):
            return npy
        return ArraySource, "arrays in memory", {"block"}
    if not isinstance(data, str | os.PathLike) or is_address(data):
        return zarr
    path = Path(data)
    if path.suffix.lower() == ".npy":
        return npy
    if path.suffix.lower() == ".pcd":
        return clouds
    if path.is_file():
        raise StoreError(f"{path}: {_remedy(path.suffix.lower())}")
    if not path.is_dir() or looks_like_zarr(path):
        return zarr
    own, below = _endings(path)
    images = PictureSource, "folders of pictures", {"size", "classes", "folders", "most_pixels"}
    if pictures and below & PICTURES:
        return images
    if ".npy" in own:
        return npy
    if ".pcd" in below and below & PICTURES:
        raise StoreError(
            f"{path}: there are .pcd files and pictures in it. Say which are meant: "
            "multiaug.store.CloudSource(path, spec) or multiaug.store.PictureSource(path, spec)."
        )
    if ".pcd" in below:
        return clouds
    if below & PICTURES:
        return images
    raise StoreError(
        f"{path}: this is not a zarr store (it has no zarr.json or .zgroup), and there are no "
        ".npy, .pcd or picture files in it."
    )


def _remedy(ending: str) -> str:
    """What to do with a single file of a kind that is not read."""
    if ending in PICTURES:
        return "this is one picture. Give the folder that the pictures are in."
    for endings, text in _OTHERS.items():
        if ending in endings:
            return f"{ending} files are not read. {text}"
    return (
        "this is not a zarr store, nor a file of another kind that is read. Pass arrays by entry "
        "name, or write the records once: multiaug.convert(records, 'train.zarr', spec)."
    )


# Kinds of files that people have, and how to get at their records.
_OTHERS = {
    (".npz",): "Pass its arrays: open_source(dict(numpy.load(path)), spec).",
    (".h5", ".hdf5", ".hdf", ".nc", ".nc4", ".mat"): (
        "Pass arrays, open_source({'image': file['image'][:]}, spec), or write them once: "
        "multiaug.convert(records, 'train.zarr', spec)."
    ),
    (
        ".parquet",
        ".arrow",
        ".feather",
        ".csv",
        ".tfrecord",
        ".tfrecords",
        ".tar",
        ".lmdb",
        ".json",
    ): (
        "Iterate over the records and write them once: "
        "multiaug.convert(records, 'train.zarr', spec)."
    ),
    (".ply", ".las", ".laz", ".xyz", ".bin", ".e57"): (
        "Project the points onto a camera and pass the arrays by entry name."
    ),
    (".zip",): "A zarr store in it opens as zarr.storage.ZipStore(path, mode='r').",
}

_LOOKED_AT = 1000


def _endings(folder: Path) -> tuple[set[str], set[str]]:
    """Endings of the files in a folder, and of those in it and the folders below it."""
    own: set[str] = set()
    found: set[str] = set()
    for number, (_, below, names) in enumerate(os.walk(folder, followlinks=True)):
        below[:] = [name for name in below if not name.startswith(".")]
        found |= {Path(name).suffix.lower() for name in names if not name.startswith(".")}
        own = set(found) if number == 0 else own
        if number > _LOOKED_AT:
            break
    return own, found
