"""One door to every kind of source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from .._arguments import TEXT, Kind, check_argument, checked, optional
from ..errors import ParameterError, StoreError
from ..spec import SPEC_KIND, DataSpec
from . import kinds as kinds  # registers those of the package
from ._candidate import Candidate
from ._kinds import KINDS, known_kinds, recognised, settings_of
from ._source import ChunkedSource
from .decode._picture import shown
from .folder._folder import PICTURES
from .zarr._group import DESTINATION_KIND, is_address

_DATA = Kind(
    "a path, a list of paths, a zarr store, a mapping from entry name to array or path, or an "
    "object of a kind that is registered",
    lambda value: isinstance(value, Mapping | list | tuple) or DESTINATION_KIND.accepts(value),
    "Write {'image': array}.",
)


@checked(spec=optional(SPEC_KIND), kind=optional(TEXT))
def open_source(
    data: Any,
    spec: DataSpec | None = None,
    *,
    kind: str | None = None,
    **settings: Any,
) -> ChunkedSource | Any:
    """Open a data set for reading.

    Names, shapes and dtypes of all arrays are checked against the spec; values are not read.

    =================================================  ============================================
    data                                               read by, with its settings
    =================================================  ============================================
    folder or address of a zarr group, or a zarr store `ZarrSource` (``on_missing``)
    the same, in OME-NGFF                              `OmeSource` (``on_missing``, ``level``)
    mapping from entry name to array                   `ArraySource` (``block``)
    one array (N, H, W, C), or a list of images        the same, for a spec with one entry
    .npy file, folder of them, mapping to files        `NpySource` (``channels``, ``block``)
    folders of .npy files with one record each         `NpyRecordSource` (``folders``)
    folder of .pcd files, or one                       `CloudSource` (``intrinsics``)
    folder of .ply files, or one                       `PlySource` (``shape``, ``intrinsics``)
    folder of pictures                                 `PictureSource` (``size``, ``classes``,
                                                        ``folders``)
    the same with boxes of COCO, VOC or YOLO           `AnnotatedSource` (``annotations``), for
                                                        specs that require boxes
    TIFF file of several pages or bands, GeoTIFF       `TiffSource` (``pages``)
    HDF5 file, or an open one                          `HDF5Source` (``datasets``)
    dataset of xarray, or a NetCDF file                `XarraySource` (``dims``)
    .tar shards, as webdataset writes them             `TarSource` (``fields``, ``size``)
    .parquet files of images                           `ParquetSource` (``columns``, ``size``)
    =================================================  ============================================

    The last two are a `SequentialSource`: their records come in their own order, and
    `multiaug.convert` writes them as a store. `register_source` makes kinds of your own known.

    Args:
        data: where the records are; their first axis, where they have one, is the records. Of
            files a list, or a pattern such as ``train-{000..011}.tar``, will do where several
            make one data set.
        spec: what the entries are. A store written by multiaug carries its spec, which is used
            when none is given.
        kind: the kind of source, by its name, where several recognise the data.
        settings: of the kind of source. ``on_missing`` of zarr stores: a chunk that is not in
            the store is an error by default. ``fill`` reads it as the array's fill value, for
            stores whose writer left out chunks of nothing but zeros, as zarr does by default.
            Stores that carry our completion marker are never filled.

    Raises:
        StoreError: there is no data set at the path, a required array is not in it, the arrays
            differ in length or are empty, the store is not complete, several kinds recognise the
            data, or a package that reads them is not installed.
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
    candidate = Candidate(data, settings, spec)
    found: Any = _named(kind) if kind is not None else recognised(candidate)
    if found is None:
        _refuse(candidate)
    known = settings_of(found)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        outer: Any = [k for k in KINDS.values() if k.traits.within == found.traits.name]
        for other in outer:
            if unknown[0] in settings_of(other):
                raise ParameterError(
                    f"open_source: {data} has no `{unknown[0]}`: it is none of {other.traits.what}."
                )
        raise ParameterError(
            f"open_source: {found.traits.what} have no setting {unknown[0]!r}; they have {known}."
        )
    if spec is None and not found.traits.carries_spec:
        raise ParameterError(
            f"open_source: {found.traits.what} carry no spec. Pass one: "
            "open_source(data, multiaug.load_spec('name'))."
        )
    return found(data, spec, **settings)


def is_recognised(data: object) -> bool:
    """Whether `open_source` knows what some data are."""
    return recognised(Candidate(data, {})) is not None


def _named(name: str) -> Any:
    if name not in KINDS:
        raise ParameterError(f"`open_source.kind` must be one of {sorted(KINDS)}, got {name!r}.")
    return KINDS[name]


def _refuse(candidate: Candidate) -> NoReturn:
    """Say what was found, which kinds there are, and what to do."""
    data = candidate.data
    check_argument("open_source.data", data, _DATA)
    if candidate.files:
        endings = {file.suffix.lower() for file in candidate.files}
        path = shown(candidate.files[0])
        text = _remedy(endings.pop()) if len(endings) == 1 else "the files are of several kinds."
        raise StoreError(f"{path}: {text} Known are {known_kinds()}.")
    if candidate.folder is not None:
        raise StoreError(
            f"{shown(candidate.folder)}: this is not a zarr store (it has no zarr.json or "
            f".zgroup), and nothing else that is known. Seen: {candidate.seen()}. Known are "
            f"{known_kinds()}."
        )
    if isinstance(data, str | os.PathLike) and not is_address(data):
        raise StoreError(f"{shown(Path(data))}: there is nothing there. Check the path.")
    raise ParameterError(
        f"open_source: a {type(data).__name__} of this content is of no kind that is known. Known "
        f"are {known_kinds()}."
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
    (".mat",): (
        "Pass arrays, open_source({'image': file['image'][:]}, spec); those of MATLAB 7.3 are "
        "HDF5, whose axes it turns round: kind='hdf5' reads them as they are stored."
    ),
    (
        ".arrow",
        ".feather",
        ".csv",
        ".tfrecord",
        ".tfrecords",
        ".lmdb",
        ".json",
    ): (
        "Iterate over the records and write them once: "
        "multiaug.convert(records, 'train.zarr', spec)."
    ),
    (".las", ".laz", ".xyz", ".bin", ".e57"): (
        "Project the points onto a camera and pass the arrays by entry name."
    ),
    (".zip",): "A zarr store in it opens as zarr.storage.ZipStore(path, mode='r').",
}
