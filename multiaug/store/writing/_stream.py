"""Writing records as a zarr store that is either whole or not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import FLAG, Kind, checked, is_iterable, optional, shown, whole
from ...errors import ParameterError, RecordError, StoreError, old_order
from ...files import array_bytes, create_array, writing
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._source import Structure
from .._structure import check_entries, common_length
from ..zarr._group import DESTINATION_KIND, Destination, is_store
from ..zarr._marker import Marker
from ._at_once import staged_group
from ._contents import chunk_records
from ._formats import axis_names, check_name
from ._writer import refuse_missing

if TYPE_CHECKING:
    import zarr
    from numpy.typing import ArrayLike

    from ...spec import DataSpec
    from ..zarr._objects import Objects


@old_order(
    "dest", "batches", "spec",
    known_by=lambda first: isinstance(first, str | os.PathLike) or is_store(first),
)  # fmt: skip
@checked(
    batches=Kind("batches, one mapping from entry name to array each", is_iterable),
    spec=SPEC_KIND,
    dest=DESTINATION_KIND,
    chunk=optional(whole(1)),
    overwrite=FLAG,
)
def write_zarr(
    batches: Iterable[Mapping[str, ArrayLike]],
    spec: DataSpec,
    dest: Destination,
    *,
    chunk: int | None = None,
    overwrite: bool = False,
) -> Any:
    """Write batches of records as a zarr group (version 3), one array per entry.

    A folder is made under a temporary name and gets its own name when all of it is there, so an
    interrupted write leaves nothing behind; what was written to an open store is refused by
    readers until it is complete. Chunks hold whole records, are compressed with
    zstd and carry a checksum; chunks of nothing but zeros are written too, so that a missing
    chunk can be known as damage. The attribute ``multiaug`` says, last of all, that the store
    is complete, how many records it holds, by which spec, and the SHA-256 of every array.

    Args:
        batches: mappings from entry name to (n, ...) array, of any number and any n. All
            batches hold the same names, dtypes and shapes after the first axis. Arrays that the
            spec does not declare (such as the ``<name>_valid`` that a pipeline adds) are written
            as well; sources do not read them.
        spec: what the entries are; it is stored with them.
        dest: the folder to make, or an open, writable store of zarr's.
        chunk: records per chunk; by default as `multiaug.export` has it: one if it has 100 kB or
            more, else as many as make 256 kB.
        overwrite: replace a zarr store at ``dest``, once the new one is complete. Anything
            else that stands there is refused all the same.

    Returns:
        ``dest``.

    Raises:
        StoreError: ``dest`` exists, there are no records, or zarr cannot hold a dtype.
        RecordError: a batch is not what the spec says, or not like the first one.
        ParameterError: ``chunk`` is less than 1, or the spec maps ``values``, which sources do.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from multiaug.spec import DataSpec
        >>> from multiaug.store import open_source
        >>> spec = DataSpec.from_dict(
        ...     {"name": "gray", "entries": {"image": {"role": "intensity", "channels": 1}}}
        ... )
        >>> batches = ({"image": np.full((5, 8, 8, 1), i, np.uint8)} for i in range(4))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_zarr(batches, spec, Path(folder, "gray.zarr"), chunk=8)
        ...     len(open_source(path))
        20
    """
    if spec != spec.as_read():
        raise ParameterError(
            f"write_zarr: the spec {spec.name!r} maps `values` as a source reads them, and it is "
            "not known whether these records were read. Pass source.spec for records that were, "
            "or write stored ones with multiaug.convert, which maps them."
        )
    with staged_group(dest, overwrite=overwrite) as (group, objects):
        with _naming(dest):
            writer = _Stream(group, objects, spec, chunk)
        for batch in batches:
            if not isinstance(batch, Mapping):
                raise RecordError(
                    f"write_zarr.batches: found {shown(batch)}, expected mappings from entry name "
                    "to array."
                )
            arrays = {name: np.asarray(array) for name, array in batch.items()}
            with _naming(dest):
                writer.add(arrays)
        with _naming(dest):
            writer.close(dest)
    return dest if is_store(dest) else Path(dest)


@contextmanager
def _naming(dest: Destination) -> Iterator[None]:
    """Name the destination in errors of the system or of a store."""
    if not is_store(dest):
        with writing(Path(dest)):
            yield
        return
    try:
        yield
    except (StoreError, RecordError):
        raise
    except Exception as error:  # every store has errors of its own
        raise StoreError(
            f"{dest} cannot be written: {type(error).__name__}: {error}. Run the same command "
            "again with overwrite=True: what is there is not complete, and readers refuse it."
        ) from error


class _Stream:
    """Arrays that grow by whole chunks; what is left over waits for the next batch."""

    def __init__(
        self, group: zarr.Group, objects: Objects, spec: DataSpec, chunk: int | None
    ) -> None:
        self.group = group
        self.objects = objects
        self.spec = spec
        self.chunk = chunk or 0  # decided by the first batch
        Marker(0, spec, self.chunk, {}, complete=False).write(self.group)
        self.arrays: dict[str, zarr.Array[Any]] = {}
        self.digests: dict[str, Any] = {}
        self.waiting: dict[str, list[NDArray]] = {}
        self.records = 0  # accepted
        self.written = 0
        self.batches = 0

    def add(self, batch: Mapping[str, NDArray]) -> None:
        """Take a batch, and write the chunks that are full."""
        where = f"batch {self.batches}"
        self.batches += 1
        if batch and all(rows.shape[:1] == (0,) for rows in batch.values()):
            return
        self._check(batch, where)
        count = len(next(iter(batch.values())))
        if not self.arrays:
            self._create(batch)
        for name, rows in batch.items():
            self.waiting[name].append(rows.copy())  # callers reuse their buffers
        self.records += count
        full = (self.records - self.written) // self.chunk * self.chunk
        if full:
            self._flush(full)

    def close(self, dest: Destination) -> None:
        """Write what is left, see that every chunk is there, and mark the store complete."""
        if not self.records:
            raise StoreError(f"{dest}: the batches hold no records, so there is nothing to write.")
        if self.records > self.written:
            self._flush(self.records - self.written)
        for array in self.arrays.values():
            array.resize((self.records, *array.shape[1:]))
            refuse_missing(array, self.objects, self.records)
        sha256 = {name: digest.hexdigest() for name, digest in self.digests.items()}
        Marker(self.records, self.spec, self.chunk, sha256).write(self.group)

    def _check(self, batch: Mapping[str, NDArray], where: str) -> None:
        for name, rows in batch.items():
            check_name(name, rows, where)
        declared = {name: rows for name, rows in batch.items() if name in self.spec.entries}
        check_entries(self.spec, declared, where)
        common_length(batch, where)
        if self.arrays:
            self._check_like_first(batch, where)

    def _check_like_first(self, batch: Mapping[str, NDArray], where: str) -> None:
        if set(batch) != set(self.arrays):
            raise RecordError(
                f"{where}: found the entries {sorted(batch)}, expected {sorted(self.arrays)} as "
                "in the first batch. Write the same entries in every batch."
            )
        for name, rows in batch.items():
            first = self.arrays[name]
            if (rows.dtype.name, rows.shape[1:]) != (first.dtype.name, first.shape[1:]):
                raise RecordError(
                    f"{where}: {name!r} is {_text(rows)}, expected {_text(first)} as in the first "
                    "batch. One array holds one dtype and shape."
                )

    def _create(self, batch: Mapping[str, NDArray]) -> None:
        structure = {name: Structure(rows.shape[1:], rows.dtype) for name, rows in batch.items()}
        self.chunk = self.chunk or chunk_records(structure)
        for name, entry in structure.items():
            self.arrays[name] = create_array(
                self.group,
                name,
                shape=(self.chunk, *entry.shape),
                chunks=(self.chunk, *entry.shape),
                dtype=entry.dtype,
                axes=axis_names(name, entry, self.spec),
            )
            self.digests[name] = hashlib.sha256()
            self.waiting[name] = []

    def _flush(self, count: int) -> None:
        """Write the first ``count`` waiting rows."""
        stop = self.written + count
        for name, array in self.arrays.items():
            rows = np.concatenate(self.waiting[name])
            rows = rows.astype(rows.dtype.newbyteorder("="), copy=False)
            self.waiting[name] = [rows[count:]]
            if stop > array.shape[0]:
                # Doubling: zarr looks at every chunk each time an array is resized.
                array.resize((max(stop, 2 * array.shape[0]), *array.shape[1:]))
            array[self.written : stop] = rows[:count]
            self.digests[name].update(array_bytes(rows[:count]))
        self.written = stop


def _text(array: NDArray | zarr.Array[Any]) -> str:
    return f"{array.dtype.name} ({', '.join(['n', *map(str, array.shape[1:])])})"
