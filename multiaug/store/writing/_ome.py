"""OME-NGFF: every image in several resolutions, channels first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import checked, one_of, optional, whole
from ...errors import ParameterError
from ...files import create_array
from ...typing import NDArray
from .._source import Structure
from ..ome._ome import is_label
from ..ome._ome_metadata import OME_VERSIONS, ZARR_FORMAT, axes_of, multiscales_of, put
from ..zarr._group import DESTINATION_KIND, Destination
from ._contents import Contents
from ._formats import Part
from ._writer import Writer, open_writer

if TYPE_CHECKING:
    import zarr

    from ...spec import DataSpec, EntrySpec

_SMALLEST = 64


class OmeSink:
    """OME-NGFF, as a destination of `multiaug.export`; see `multiaug.write_ome`.

    Args:
        dest: the folder to make, or an open, writable store of zarr's.
        levels: resolutions, each half of the one before; by default as many as leave 64 pixels.
        version: of OME-NGFF: 0.5, which is zarr version 3, or 0.4, version 2.

    Raises:
        ParameterError: another version, or fewer levels than one.

    References:
        https://ngff.openmicroscopy.org/0.5/
    """

    @checked(dest=DESTINATION_KIND, levels=optional(whole(1)), version=one_of(*OME_VERSIONS))
    def __init__(
        self, dest: Destination, *, levels: int | None = None, version: str = "0.5"
    ) -> None:
        self.dest = dest
        self._format = _Ome(levels, version)

    @contextmanager
    def open(self, contents: Contents) -> Iterator[Writer]:
        """See `Sink`.

        Raises:
            ParameterError: more levels than the images have pixels, or an entry with frames.
        """
        spec = contents.spec
        framed = next((n for n in contents.structure if _has_frames(spec, n)), None)
        if framed is not None:
            raise ParameterError(
                f'`write_ome` writes single images, got the entry {framed!r} with frames ("time"). '
                "Write the source with multiaug.convert, or one without the entry."
            )
        for name in contents.structure:
            self._format.levels_of(name, contents)
        with open_writer(self.dest, contents, self._format) as writer:
            yield writer


@dataclass(frozen=True)
class _Ome:
    """The `Format`. Every level of an entry is an array."""

    levels: int | None
    version: str

    @property
    def zarr_version(self) -> int:
        """See `Format`."""
        return ZARR_FORMAT[self.version]

    def levels_of(self, name: str, contents: Contents) -> int:
        """How many resolutions an entry has; 0 for what is no image."""
        if not _is_image(contents.spec, name):
            return 0
        height, width = contents.structure[name].shape[:2]
        side = min(height, width)
        if self.levels is None:
            return max(1, (side // _SMALLEST).bit_length())
        if self.levels > side.bit_length():
            raise ParameterError(
                f"`write_ome.levels` must be from 1 to {side.bit_length()} for {name!r} of "
                f"{height} x {width} pixels, got {self.levels!r}."
            )
        return self.levels

    def create(self, group: zarr.Group, contents: Contents) -> None:
        """See `Format`."""
        spec = contents.spec
        labels = [n for n in contents.structure if _is_label(spec, n)]
        if labels:
            put(group.create_group("labels"), self.version, {"labels": labels})
        for name, entry in contents.structure.items():
            count = self.levels_of(name, contents)
            if not count:
                self._array(group, name, entry.shape, entry.dtype, contents, None)
                continue
            place = _place(spec, name)
            held = group.create_group(place) if place else group
            axes = axes_of(len(entry.shape) > 2)
            names = [axis["name"] for axis in axes]
            factors = [2**number for number in range(count)]
            for number, factor in enumerate(factors):
                sides = (side // factor for side in entry.shape[:2])
                shape = (*entry.shape[2:], *sides)
                self._array(held, str(number), shape, entry.dtype, contents, names)
            mean = _is_mean(spec.entries[name], entry)
            centred = [(factor - 1) / 2 if mean else 0.0 for factor in factors]
            document: dict[str, Any] = {"multiscales": multiscales_of(name, axes, centred, factors)}
            if name in labels:
                document["image-label"] = {"source": {"image": "../../"}}
            put(held, self.version, document)

    def parts(self, name: str, values: NDArray, contents: Contents) -> Iterable[Part]:
        """See `Format`."""
        count = self.levels_of(name, contents)
        if not count:
            yield name, values
            return
        place, entry = _place(contents.spec, name), contents.structure[name]
        mean = _is_mean(contents.spec.entries[name], entry)
        for number in range(count):
            rows = _reduced(values, 2**number, mean) if number else values
            moved = np.moveaxis(rows, -1, 1) if len(entry.shape) > 2 else rows
            yield f"{place}/{number}".lstrip("/"), np.ascontiguousarray(moved)

    def _array(
        self,
        group: zarr.Group,
        name: str,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        contents: Contents,
        axes: Sequence[str] | None,
    ) -> None:
        create_array(
            group,
            name,
            shape=(contents.records, *shape),
            chunks=(contents.chunk, *shape),
            shards=(contents.block, *shape),
            dtype=dtype,
            axes=axes,
        )


def _has_frames(spec: DataSpec, name: str) -> bool:
    return name in spec.entries and spec.entries[name].time is not None


def _is_image(spec: DataSpec, name: str) -> bool:
    return name in spec.entries and spec.entries[name].kind == "spatial"


def _is_label(spec: DataSpec, name: str) -> bool:
    return _is_image(spec, name) and name != spec.reference() and is_label(spec.entries[name])


def _place(spec: DataSpec, name: str) -> str:
    """The group of an image: that of the reference is the group itself."""
    if name == spec.reference():
        return ""
    return f"labels/{name}" if _is_label(spec, name) else name


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
