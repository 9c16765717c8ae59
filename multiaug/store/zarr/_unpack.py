"""Readers of arrays, of packed ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...typing import NDArray
from .._packing import Packing, packing_of
from ._layout import Layout, MissingChunk
from ._objects import Objects
from ._reader import ArrayReader, OnMissing
from ._requests import Request

if TYPE_CHECKING:
    import zarr

    from ...spec import EntrySpec


def open_reader(
    array: zarr.Array[Any],
    entry: EntrySpec,
    objects: Objects,
    where: str,
    on_missing: OnMissing,
    *,
    vouched: bool,
) -> ArrayReader | UnpackingReader:
    """A reader of an entry's values: of the array as it is, unless its attributes say otherwise.

    Args:
        array: see `ArrayReader`.
        entry: what the array is.
        objects: see `ArrayReader`.
        where: see `ArrayReader`.
        on_missing: see `ArrayReader`.
        vouched: see `ArrayReader`.

    Raises:
        StoreError: see `ArrayReader` and `packing_of`.
        RecordError: see `packing_of`.
    """
    reader = ArrayReader(array, objects, where, on_missing, vouched=vouched)
    packing = packing_of(array, entry, where)
    return reader if packing is None else UnpackingReader(reader, packing, where)


class UnpackingReader:
    """Reads rows of a packed array, as `ArrayReader` reads others.

    Args:
        reader: of the stored numbers.
        packing: what they stand for.
        where: the store, for errors.
    """

    seekable = False
    in_place = False

    def __init__(self, reader: ArrayReader, packing: Packing, where: str) -> None:
        self._reader, self.packing, self._where = reader, packing, where
        self.layout: Layout = reader.layout
        self.shape, self.chunks, self.dtype = reader.shape, reader.chunks, packing.dtype
        self.direct = reader.direct

    @property
    def keeps_chunks(self) -> bool:
        """See `ArrayReader`."""
        return self._reader.keeps_chunks

    @keeps_chunks.setter
    def keeps_chunks(self, value: bool) -> None:
        self._reader.keeps_chunks = value

    def read(self, start: int, stop: int, out: NDArray) -> None:
        """See `ArrayReader.read`."""
        length = self.chunks[0]
        room = -(-stop // length) * length - start  # so that the last chunk is decoded in place
        stored = np.empty((room, *self.shape[1:]), self._reader.dtype)
        self._reader.read(start, stop, stored)
        count = stop - start
        self.packing.unpack(stored[:count], out[:count], np.arange(start, stop), self._where)

    def take(self, rows: NDArray, out: NDArray) -> None:
        """See `ArrayReader.take`."""
        stored = np.empty(out.shape, self._reader.dtype)
        self._reader.take(rows, stored)
        self.packing.unpack(stored, out, rows, self._where)

    @property
    def can_be_fetched(self) -> bool:
        """See `ArrayReader`."""
        return self._reader.can_be_fetched

    def requests(self, rows: NDArray) -> list[Request]:
        """See `ArrayReader.requests`."""
        return self._reader.requests(rows)

    def missing(self, start: int, stop: int) -> MissingChunk | None:
        """See `ArrayReader.missing`."""
        return self._reader.missing(start, stop)

    def refuse(self, missing: MissingChunk) -> NoReturn:
        """See `ArrayReader.refuse`."""
        self._reader.refuse(missing)
