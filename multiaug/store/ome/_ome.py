"""Pictures in OME-NGFF, the format of microscopy: several resolutions, channels first."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import checked, one_of, optional, whole
from ...errors import StoreError
from ...files import sha256_of
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._record_source import RecordSource
from .._structure import common_length, refuse_frames
from ..zarr._group import DESTINATION_KIND, open_group
from ..zarr._marker import read_marker
from ..zarr._objects import FileObjects, Objects, StoreObjects
from ..zarr._reader import OnMissing
from ..zarr._unpack import open_reader
from ..zarr._zarr import ZarrSource
from ._ome_metadata import has_multiscales, level_of

if TYPE_CHECKING:
    import os

    import zarr
    from zarr.abc.store import Store

    from ...spec import DataSpec, EntrySpec


@register_source
class OmeSource(RecordSource):
    """Records in an OME-NGFF group, version 0.4 (zarr version 2) or 0.5 (version 3).

    The first axis holds the records, whatever it is called: t as a rule, z for the planes of a
    stack. Axes of length 1 are left out; the others must be y, x and channels. The picture of the
    group is the entry that the geometry of the spec refers to; labels are read from
    ``labels/<entry>``, other pictures from the group ``<entry>``, and what is no picture from the
    array ``<entry>``.

    Args:
        path: as in `ZarrSource`.
        spec: what the entries are; None takes the spec that the group carries.
        level: of resolution; 0 is the finest.
        on_missing: as in `ZarrSource`.

    Raises:
        StoreError: there is no such group or level, its metadata are not those of OME-NGFF, an
            entry is missing, or axes are none that records have.
        RecordError: an array is not what the spec says.
    """

    traits = SourceTraits(
        "ome-zarr", "images in OME-NGFF", carries_spec=True, within=ZarrSource.traits.name
    )

    @checked(
        path=DESTINATION_KIND,
        spec=optional(SPEC_KIND),
        level=whole(0),
        on_missing=one_of("raise", "fill"),
    )
    def __init__(
        self,
        path: str | os.PathLike[str] | Store,
        spec: DataSpec | None = None,
        *,
        level: int = 0,
        on_missing: OnMissing = "raise",
    ) -> None:
        self._arguments = (path, spec, level, on_missing)
        group, where = open_group(path)
        marker = read_marker(group, where)
        spec = spec or (marker.spec if marker else None)
        if spec is None:
            raise StoreError(
                f"{where}: the group carries no spec of its own. Pass one: "
                "open_source(path, multiaug.load_spec('name'))."
            )
        refuse_frames(spec, where, "OME-NGFF, as it is read here,")
        arrays, axes = _find(group, spec, level, where)
        count = common_length(arrays, where)
        if marker and marker.records != count:
            raise StoreError(
                f"{where}: the arrays hold {count} records, expected {marker.records} by the "
                "completion marker. The store was changed after it was written: write it again."
            )
        objects = _objects_of(group)
        self.remote, self.group = objects.remote, group
        self.roots = (objects.root,) if isinstance(objects, FileObjects) else ()
        on_missing = "raise" if marker else on_missing
        self._readers = {
            n: open_reader(
                a, spec.entries[n], objects, where, on_missing, vouched=marker is not None
            )
            for n, a in arrays.items()
        }
        for reader in self._readers.values():
            reader.keeps_chunks = reader.chunks[0] > 1
        self._orders = {
            n: _order(axes[n], reader.shape, spec.entries[n], f"{where}: {n!r}")
            for n, reader in self._readers.items()
        }
        super().__init__(spec, [f"record {i}" for i in range(count)], where)

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """A group of zarr with multiscales."""
        return has_multiscales(candidate.group)

    @property
    def path(self) -> Path:
        """Where the group is."""
        return Path(self._where)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, shapes, dtypes, chunks and codecs."""
        parts: list[bytes | str] = ["multiaug.ome/1"]
        for name, reader in sorted(self._readers.items()):
            metadata = {**reader.layout.array.metadata.to_dict(), "attributes": {}}
            where = reader.layout.array.path
            parts.append(json.dumps([name, where, metadata], sort_keys=True, default=str))
        return sha256_of(*parts, *self._maps.identity)

    def check(self, *, deep: bool = False) -> None:
        """Look for chunks that are not in the store, and decode all of them when ``deep``."""
        for reader in self._readers.values():
            missing = reader.missing(0, len(self))
            if missing is not None:
                reader.refuse(missing)
        super().check(deep=deep)

    def read_record(self, number: int) -> dict[str, NDArray]:
        found = {}
        for name, reader in self._readers.items():
            rows = np.empty((1, *reader.shape[1:]), reader.dtype)
            reader.read(number, number + 1, rows)
            found[name] = self._as_record(name, rows)
        return found

    def _as_record(self, name: str, rows: NDArray) -> NDArray:
        order = self._orders[name]
        if order is None:
            only: NDArray = rows[0]
            return only
        others = [axis for axis in range(rows.ndim) if axis not in order]  # all of length 1
        moved: NDArray = rows.transpose(*order, *others).reshape(
            [rows.shape[axis] for axis in order]
        )
        return np.ascontiguousarray(moved)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._arguments


def _reopen(path: Any, spec: DataSpec | None, level: int, on_missing: OnMissing) -> OmeSource:
    return OmeSource(path, spec, level=level, on_missing=on_missing)


def _objects_of(group: zarr.Group) -> Objects:
    import zarr

    if isinstance(group.store, zarr.storage.LocalStore):
        return FileObjects(Path(group.store.root))
    return StoreObjects(group.store)


def _find(
    group: zarr.Group, spec: DataSpec, level: int, where: str
) -> tuple[dict[str, zarr.Array[Any]], dict[str, list[str] | None]]:
    """The array of every entry, and its axes where it is a picture."""
    import zarr

    arrays: dict[str, zarr.Array[Any]] = {}
    axes: dict[str, list[str] | None] = {}
    main = spec.reference()
    for name, entry in spec.entries.items():
        if entry.time is not None:
            continue
        place = "" if name == main else f"labels/{name}" if is_label(entry) else name
        node: Any = group if not place else group.get(place)
        if isinstance(node, zarr.Group) and has_multiscales(node):
            path, axes[name] = level_of(node, level, f"{where}/{place}".rstrip("/"))
            node = node.get(path)
        elif entry.kind == "spatial":
            node = None
        else:
            axes[name] = None
        if isinstance(node, zarr.Array):
            arrays[name] = node
        elif not entry.optional:
            raise StoreError(
                f"{where}: there is no {place or 'picture'} for the entry {name!r}. Expected "
                + ("an array." if entry.kind != "spatial" else "a group with multiscales.")
            )
    return arrays, axes


def is_label(entry: EntrySpec) -> bool:
    """Whether an entry is a mask of classes or objects."""
    return entry.kind == "spatial" and all(group.role == "label" for group in entry.groups)


def _order(
    axes: list[str] | None, shape: tuple[int, ...], entry: EntrySpec, where: str
) -> tuple[int, ...] | None:
    """Axes of a record, y, x and channels, by their place in the array; None for other arrays."""
    if axes is None:
        return None
    if len(axes) != len(shape):
        raise StoreError(f"{where}: {len(axes)} axes are named, but the array has {len(shape)}.")
    if axes[0] in ("c", "y", "x"):
        raise StoreError(
            f"{where}: the axes {axes} begin with {axes[0]!r}. Expected the records first, such as "
            "('t', 'c', 'y', 'x')."
        )
    rest = [axis for axis in axes[1:] if axis not in ("y", "x")]
    long = [axis for axis in rest if shape[axes.index(axis)] > 1]
    if not {"y", "x"} <= set(axes) or len(long) > 1:
        raise StoreError(
            f"{where}: the axes {axes} of shape {shape} are not those of records of pictures. "
            "Expected y, x and one of channels; others may have length 1."
        )
    channel = long or [axis for axis in rest if axis == "c" and not is_label(entry)]
    return tuple(axes.index(axis) for axis in ("y", "x", *channel))
