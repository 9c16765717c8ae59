"""Records in a zarr group: one array per entry, the records on the first axis."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._arguments import checked, one_of, optional
from ...errors import CorruptChunkError, StoreError, warn
from ...files import sha256_of
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._block_source import BlockSource
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._plausible import inspect_source
from .._source import Structure, check_indices, check_out
from .._structure import check_arrays, check_entries, common_length
from .._value_maps import ValueMaps
from ._group import DESTINATION_KIND, names_in, open_arrays, open_group
from ._marker import read_marker
from ._objects import FileObjects, Objects, StoreObjects
from ._reader import OnMissing
from ._requests import Request, RequestsFor
from ._unpack import UnpackingReader, open_reader
from ._verify import digest_of

if TYPE_CHECKING:
    import os

    import zarr
    from numpy.typing import ArrayLike
    from zarr.abc.store import Store

    from ...spec import DataSpec

# A block is held in memory at once; the length that all chunk grids have in common may be huge.
_BLOCK_BYTES = 64 * 2**20


@register_source
class ZarrSource(BlockSource):
    """Records in a zarr group, version 2 or 3, sharded or not.

    The arrays that the spec declares are read; others in the group are left alone and can be
    reached through ``group``. A block is the common length of the chunks (of the shards, where
    there are any) of the arrays along the records, unless that is more than 64 MiB: then the
    array with the largest records decides. ``chunk`` is the same for chunks alone: as many
    records are decoded together.

    Chunks of the usual codecs (blosc, zstd, lz4, gzip, zlib, none, crc32c) are decoded straight
    into memory that is used again, by several threads; zarr-python reads all others. Both give
    the same bits.

    Args:
        path: the folder of the group; an address such as ``s3://bucket/train.zarr``, which
            needs fsspec and its driver; or an open store of zarr's, such as
            ``zarr.storage.ObjectStore``.
        spec: what the entries are; None takes the spec that the store carries.
        on_missing: ``raise`` makes a missing chunk an error; ``fill`` reads it as the array's
            fill value, for stores whose writer left out chunks of nothing but zeros. A store
            that carries our completion marker is never filled.

    Raises:
        StoreError: the path is not a zarr group, a required entry is not in it, the arrays
            differ in length, or the store is not complete.
        RecordError: an array is not what the spec says.
        ParameterError: ``on_missing`` is neither ``raise`` nor ``fill``.
    """

    traits = SourceTraits("zarr", "zarr stores", carries_spec=True, last_resort=True)

    @checked(path=DESTINATION_KIND, spec=optional(SPEC_KIND), on_missing=one_of("raise", "fill"))
    def __init__(
        self,
        path: str | os.PathLike[str] | Store,
        spec: DataSpec | None = None,
        *,
        on_missing: OnMissing = "raise",
    ) -> None:
        self._arguments = (path, spec, on_missing)
        self.group, self._where = open_group(path)
        self._marker = read_marker(self.group, self._where)
        declared = self._choose_spec(spec)
        self._spec, self._maps = declared.as_read(), ValueMaps(declared)
        self.on_missing: OnMissing = "raise" if self._marker else on_missing
        arrays = open_arrays(self.group, self._spec, self._where)
        self._length = common_length(arrays, self._where)
        self._check_length()
        check_arrays(self._spec, arrays, self._where)
        self._objects = _objects_of(self.group)
        self.remote = self._objects.remote
        settings: Any = self._objects, self._where, self.on_missing
        self._readers = {
            n: open_reader(a, self._spec.entries[n], *settings, vouched=self._marker is not None)
            for n, a in arrays.items()
        }
        if self._marker is None and not self.remote:
            self._say_what_is_missing()
        self.structure = {n: Structure(r.shape[1:], r.dtype) for n, r in self._readers.items()}
        structures = {n: Structure(r.shape, r.dtype) for n, r in self._readers.items()}
        check_entries(self._spec, structures, self._where)
        layouts = {n: reader.layout for n, reader in self._readers.items()}
        sizes = {n: layout.record_bytes for n, layout in layouts.items()}
        self._block = _common({n: lay.stored[0] for n, lay in layouts.items()}, sizes, self._length)
        self.chunk = _common({n: lay.chunks[0] for n, lay in layouts.items()}, sizes, self._length)
        for reader in self._readers.values():
            reader.keeps_chunks = self.chunk % reader.chunks[0] != 0

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """A folder with zarr's metadata, a store of zarr's, or an address."""
        return candidate.is_zarr

    @property
    def path(self) -> Path:
        """Where the group is."""
        return Path(self._where)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folder that is read, where it is one of this machine."""
        return (self._objects.root,) if isinstance(self._objects, FileObjects) else ()

    @property
    def row_access(self) -> bool:
        """Whether single records are read without the rest of their chunks: nothing is packed."""
        return all(r.seekable or r.keeps_chunks for r in self._readers.values())

    @property
    def direct(self) -> dict[str, bool]:
        """Entry name -> whether its chunks are decoded here (True) or by zarr-python (False)."""
        return {name: reader.direct for name, reader in self._readers.items()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, shapes, dtypes, chunks and codecs, and of the marker's digests.

        The values themselves are covered only in stores that carry our marker.
        """
        parts: list[bytes | str] = [f"multiaug.zarr/1 {self._block}"]
        for name, reader in sorted(self._readers.items()):
            metadata = {**reader.layout.array.metadata.to_dict(), "attributes": {}}
            parts.append(json.dumps([name, metadata], sort_keys=True, default=str))
            parts.append(self._marker.sha256.get(name, "") if self._marker else "")
            if isinstance(reader, UnpackingReader):
                parts.append(repr(reader.packing))
        return sha256_of(*parts, *self._maps.identity)

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """See `BlockSource.read_range`.

        Raises:
            MissingChunkError: a chunk is not in the store and is not to be filled.
            CorruptChunkError: a chunk cannot be decoded.
        """
        for name, array in out.items():
            self._readers[name].read(start, stop, array)
        self._maps.apply(out, slice(stop - start))

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """Read records by position; each chunk is decoded once, however often it is asked for.

        Args:
            indices: integers (n,) in [0, N), in any order, repeats allowed.
            out: entry name -> contiguous (n, ...) arrays to read to; new ones by default.

        Raises:
            ParameterError: an index is negative or past the end, or ``out`` does not fit.
            MissingChunkError: a chunk is not in the store and is not to be filled.
            CorruptChunkError: a chunk cannot be decoded.
        """
        rows = check_indices(indices, self._length)
        arrays = check_out(out, self.structure, len(rows))
        for name, array in arrays.items():
            self._readers[name].take(rows, array)
        self._maps.apply(arrays)
        return arrays

    def _requests(self) -> RequestsFor | None:
        return requests_of(self)

    def check(self, *, deep: bool = False) -> None:
        """Look for damage in the whole store.

        Args:
            deep: decode every chunk, and compare the values with the digests that a store
                written here carries; and look whether records, a few of them, are what the
                spec says. Without it only missing chunks are looked for, which decodes nothing.

        Raises:
            MissingChunkError: a chunk is not in the store, whatever ``on_missing`` says.
            CorruptChunkError: a chunk cannot be decoded, or the values are not those written.
            RecordError: records are not what the spec says.
        """
        for reader in self._readers.values():
            missing = reader.missing(0, self._length)
            if missing is not None:
                reader.refuse(missing)
        if deep:
            self._check_values()
            inspect_source(self)

    def _check_values(self) -> None:
        # The digests are those of what is stored, before any of it is mapped.
        stored = ZarrSource(self._arguments[0], self._spec, on_missing=self.on_missing)
        for name in self._readers:
            rows = self._marker.digest_rows if self._marker else None
            found = digest_of(stored, name, rows)
            expected = self._marker.sha256.get(name) if self._marker else None
            if expected is not None and found != expected:
                raise CorruptChunkError(
                    f"{self._where}: array {name!r} decodes, but its values have the SHA-256 "
                    f"{found}, expected {expected} by the completion marker. They were changed "
                    "after writing: restore the store from a copy, or write it again."
                )

    @property
    def ignored(self) -> list[str]:
        """Arrays in the group that the spec does not declare: times, coordinates, what else."""
        return [name for name in names_in(self.group) if name not in self._spec.entries]

    def __repr__(self) -> str:
        ignored = [] if self.remote else self.ignored
        return f"ZarrSource({self._where!r}, records={self._length}, entries={[*self._readers]}" + (
            f", left alone: {ignored})" if ignored else ")"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Threads, locks and open files stay behind: the other process opens the store itself.
        return _reopen, self._arguments

    def _say_what_is_missing(self) -> None:
        """An optional entry may be there under another name."""
        missing = [name for name in self._spec.entries if name not in self._readers]
        others = [name for name in self.ignored if self._has_records(name)] if missing else []
        if others:
            warn(
                f"{self._where}: there is no {', '.join(map(repr, missing))}, which is optional; "
                f"of the arrays that are there the spec does not declare {others}. If one of them "
                "is meant, name the entry so in the spec."
            )

    def _has_records(self, name: str) -> bool:
        shape: tuple[int, ...] = getattr(self.group.get(name), "shape", ())
        return len(shape) > 2 and shape[0] == self._length

    def _choose_spec(self, spec: DataSpec | None) -> DataSpec:
        if spec is not None:
            return spec
        if self._marker is None:
            raise StoreError(
                f"{self._where}: the store carries no spec of its own. Pass one: "
                "open_source(path, multiaug.load_spec('name'))."
            )
        return self._marker.spec

    def _check_length(self) -> None:
        if self._marker and self._marker.records != self._length:
            raise StoreError(
                f"{self._where}: the arrays hold {self._length} records, expected "
                f"{self._marker.records} by the completion marker. The store was changed after "
                "it was written: write it again."
            )


def requests_of(source: object) -> RequestsFor | None:
    """What is asked of a store for rows of a source, before they are read.

    None where threads read all by themselves: of files, of chunks that zarr-python decodes, and of
    other kinds of sources.
    """
    if not isinstance(source, ZarrSource) or not source.remote:
        return None
    readers = list(source._readers.values())
    if not all(reader.can_be_fetched for reader in readers):
        return None

    def requests(rows: NDArray) -> list[Request]:
        return [request for reader in readers for request in reader.requests(rows)]

    return requests


def _reopen(path: Any, spec: DataSpec | None, on_missing: OnMissing) -> ZarrSource:
    return ZarrSource(path, spec, on_missing=on_missing)


def _objects_of(group: zarr.Group) -> Objects:
    import zarr

    if isinstance(group.store, zarr.storage.LocalStore):
        return FileObjects(Path(group.store.root))
    return StoreObjects(group.store)


def _common(lengths: Mapping[str, int], sizes: Mapping[str, int], count: int) -> int:
    """Records per block or chunk, from the lengths of the arrays' own; see `ZarrSource`."""
    # A whole-array chunk (labels, coordinates) goes with any grid, so it has no say.
    parts = [length for length in lengths.values() if length < count]
    length = math.lcm(*parts) if parts else count
    if length * sum(sizes.values()) > _BLOCK_BYTES:
        length = lengths[max(sizes, key=lambda name: sizes[name])]
    return min(length, count)
