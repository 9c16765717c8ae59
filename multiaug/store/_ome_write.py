"""Writing OME-NGFF: every picture in several resolutions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import FLAG, PATH, checked, one_of, optional, whole
from ..errors import ParameterError
from ..files import staged_directory, writing
from ..typing import NDArray
from ._adapt import chunked
from ._by_position import RecordReader
from ._group import only_stores, refuse_inside
from ._marker import Marker
from ._ome import is_label
from ._ome_metadata import VERSIONS, ZARR_FORMAT, axes_of, multiscales_of, put
from ._source import Source, Structure
from ._write import check_name

if TYPE_CHECKING:
    import zarr

    from ..spec import DataSpec, EntrySpec

_LARGE_RECORD = 100_000
_CHUNK_BYTES = 256 * 1024
_SHARD_BYTES = 64 * 2**20
_SMALLEST = 64


@checked(
    dest=PATH,
    levels=optional(whole(1)),
    version=one_of(*VERSIONS),
    overwrite=FLAG,
)
def write_ome(
    source: Source,
    dest: str | os.PathLike[str],
    *,
    levels: int | None = None,
    version: str = "0.5",
    overwrite: bool = False,
) -> Path:
    """Write a data set as OME-NGFF, to look at it in napari and other viewers of microscopy.

    The records become the axis t, channels come first. The picture that the geometry of the spec
    refers to is the picture of the group, those of labels are in ``labels``, others in groups of
    their own. Pixels of a coarser level are means of intensities; of labels and of everything
    else, and where values mark pixels without data, one pixel out of the finer ones. The spec goes
    into the attributes, so `open_source` needs none. For training keep `multiaug.export`: its
    chunks are the records as they are.

    Args:
        source: the records, such as an export.
        dest: the folder to make.
        levels: resolutions, each half of the one before; by default as many as leave 64 pixels.
        version: of OME-NGFF: 0.5, which is zarr version 3, or 0.4, version 2.
        overwrite: replace a zarr store at ``dest``, when the new one is complete.

    Returns:
        ``dest``.

    Raises:
        StoreError: ``dest`` exists or cannot be written, or zarr cannot hold a dtype.
        ParameterError: another version, or more levels than the pictures have pixels.

    References:
        https://ngff.openmicroscopy.org/0.5/

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> source = ma.open_source({"image": np.zeros((3, 128, 128, 3), np.uint8)}, spec)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ma.write_ome(source, f"{folder}/look.ome.zarr")
        ...     ma.open_source(path, level=1).read([0])["image"].shape
        (1, 64, 64, 3)
    """
    source = chunked(source, "write_ome.source")
    refuse_inside(source, dest)
    target, structure, spec = Path(dest), dict(source.structure), source.spec
    framed = next((n for n in structure if n in spec.entries and spec.entries[n].time), None)
    if framed is not None:
        raise ParameterError(
            f'`write_ome` writes single images, got the entry {framed!r} with frames ("time"). '
            "Write the source with multiaug.convert, or one without the entry."
        )
    for name, entry in structure.items():
        check_name(name, entry, str(target))
    counts = {n: _levels(n, s, levels) for n, s in structure.items() if _is_picture(spec, n)}
    with (
        staged_directory(target, may_replace=only_stores if overwrite else None) as staged,
        writing(target),
        RecordReader(source) as reader,
    ):
        group = _new_group(staged, version)
        marker = Marker(len(source), spec, source.chunk, {}, complete=False)
        marker.write(group)
        lengths = _lengths(structure, len(source))
        arrays = _create(group, version, spec, structure, counts, len(source), lengths)
        for start in range(0, len(source), lengths[1]):
            batch = reader.read(np.arange(start, min(start + lengths[1], len(source))))
            for name, level in ((n, level) for n, found in arrays.items() for level in found):
                level.write(start, batch[name])
        Marker(len(source), spec, source.chunk, {}).write(group)
    return target


def _is_picture(spec: DataSpec, name: str) -> bool:
    return name in spec.entries and spec.entries[name].kind == "spatial"


def _levels(name: str, structure: Structure, levels: int | None) -> int:
    side = min(structure.shape[:2])
    if levels is None:
        return max(1, (side // _SMALLEST).bit_length())
    if not isinstance(levels, int) or not 1 <= levels <= side.bit_length():
        raise ParameterError(
            f"`write_ome.levels` must be from 1 to {side.bit_length()} for {name!r} of "
            f"{structure.shape[0]} x {structure.shape[1]} pixels, got {levels!r}."
        )
    return levels


def _new_group(folder: Path, version: str) -> zarr.Group:
    import zarr

    found = ZARR_FORMAT[version]
    return zarr.open_group(folder, mode="w", zarr_format=3 if found == 3 else 2)


def _create(
    group: zarr.Group,
    version: str,
    spec: DataSpec,
    structure: Mapping[str, Structure],
    counts: Mapping[str, int],
    records: int,
    lengths: tuple[int, int],
) -> dict[str, list[_Level]]:
    """Groups, metadata and empty arrays: entry name -> its levels."""
    found: dict[str, list[_Level]] = {}
    labels = [n for n in counts if n != spec.reference() and is_label(spec.entries[n])]
    if labels:
        put(group.create_group("labels"), version, {"labels": labels})
    for name, entry in structure.items():
        if name not in counts:
            array = _array(group, name, version, entry.shape, entry.dtype, records, lengths, None)
            found[name] = [_Level(array, 1, False, False)]
            continue
        own = group
        if name != spec.reference():
            own = group.create_group(f"labels/{name}" if name in labels else name)
        channels, mean = len(entry.shape) > 2, _is_mean(spec.entries[name], entry)
        axes = axes_of(channels)
        found[name] = []
        for number in range(counts[name]):
            factor = 2**number
            sides = tuple(side // factor for side in entry.shape[:2])
            shape = (*entry.shape[2:], *sides)
            names = [axis["name"] for axis in axes]
            array = _array(own, str(number), version, shape, entry.dtype, records, lengths, names)
            found[name].append(_Level(array, factor, channels, mean))
        factors = [level.factor for level in found[name]]
        centred = [(factor - 1) / 2 if mean else 0.0 for factor in factors]
        document: dict[str, Any] = {"multiscales": multiscales_of(name, axes, centred, factors)}
        if name in labels:
            document["image-label"] = {"source": {"image": "../../"}}
        put(own, version, document)
    return found


class _Level:
    """One resolution of an entry.

    Args:
        array: where it goes.
        factor: pixels of the source per pixel.
        channels: whether the records have channels, last.
        mean: of the pixels, or the first of them.
    """

    def __init__(self, array: zarr.Array[Any], factor: int, channels: bool, mean: bool) -> None:
        self.array, self.factor, self.channels, self.mean = array, factor, channels, mean

    def write(self, start: int, rows: NDArray) -> None:
        """Write records (n, H, W) or (n, H, W, C) from a position on."""
        if self.factor > 1:
            rows = _reduced(rows, self.factor, self.mean)
        self.array[start : start + len(rows)] = np.moveaxis(rows, -1, 1) if self.channels else rows


def _reduced(rows: NDArray, factor: int, mean: bool) -> NDArray:
    height, width = rows.shape[1] // factor, rows.shape[2] // factor
    cut = rows[:, : height * factor, : width * factor]
    if not mean:
        return cut[:, ::factor, ::factor]
    tiles = cut.reshape(len(rows), height, factor, width, factor, *rows.shape[3:])
    found = tiles.mean((2, 4), dtype=np.float64)
    whole: NDArray = np.rint(found) if rows.dtype.kind in "iu" else found
    return whole.astype(rows.dtype)


def _is_mean(entry: EntrySpec, structure: Structure) -> bool:
    """Intensities everywhere; the mean of a number that marks pixels without data says nothing."""
    plain = all(
        group.role == "intensity" and group.for_dtype(structure.dtype.name).invalid is None
        for group in entry.groups
    )
    return plain and structure.dtype.kind in "iuf"


def _array(
    group: zarr.Group,
    name: str,
    version: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    records: int,
    lengths: tuple[int, int],
    axes: list[str] | None,
) -> zarr.Array[Any]:
    import numcodecs
    from zarr.codecs import ZstdCodec

    rows, shard = lengths
    settings: dict[str, Any]
    if version == "0.5":
        settings = {
            "shards": (shard, *shape),
            "compressors": ZstdCodec(level=3, checksum=True),
            "dimension_names": axes,
        }
    else:  # viewers of that version ask for slashes between the numbers of a chunk
        settings = {
            "compressors": numcodecs.Zstd(level=3, checksum=True),
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        }
    return group.create_array(
        name,
        shape=(records, *shape),
        chunks=(rows, *shape),
        dtype=dtype.newbyteorder("="),
        config={"write_empty_chunks": True},
        **settings,
    )


def _lengths(structure: Mapping[str, Structure], records: int) -> tuple[int, int]:
    """Records of a chunk and of a shard, the same for all arrays, so that none is written twice."""
    largest = max(s.nbytes for s in structure.values())
    rows = 1 if largest >= _LARGE_RECORD else _CHUNK_BYTES // max(1, largest)
    rows = min(max(1, rows), records)
    return rows, min(max(1, _SHARD_BYTES // (largest * rows)), -(-records // rows)) * rows
