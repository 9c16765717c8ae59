"""Rows of one zarr array, decoded where they are wanted."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from ..._machine import core_count
from ...errors import CorruptChunkError, MissingChunkError, StoreError
from ...typing import NDArray
from .._pool import scratch
from ..codecs import DamageError, read_chain
from ._by_zarr import RowsByZarr, unreadable
from ._layout import Layout, MissingChunk
from ._many import ManyChunks
from ._objects import FileObjects, Objects, StoreObjects, read_at
from ._requests import Part, Request
from ._seek import ChunkPlaces
from ._shards import OpenFile

if TYPE_CHECKING:
    import zarr

OnMissing = Literal["raise", "fill"]

_TRIES = 3  # of a chunk that does not decode: it may have been read while it was replaced
_FIRST_WAIT = 0.01  # seconds; doubled from try to try
_DECODING = threading.BoundedSemaphore(core_count())
_LARGEST_KEPT_CHUNK = 32 * 2**20


class ArrayReader:
    """Reads rows of one array.

    Known codecs are decoded directly; whatever else there is, zarr-python reads.

    Args:
        array: an open zarr array, version 2 or 3.
        objects: the store that it is in.
        where: the store, for errors.
        on_missing: whether chunks that are not there are an error, or the fill value.
        vouched: the store said that it is complete, so what is missing is damage.

    Raises:
        StoreError: the chunk grid is not regular, or missing chunks cannot be told.
    """

    def __init__(
        self,
        array: zarr.Array[Any],
        objects: Objects,
        where: str,
        on_missing: OnMissing,
        *,
        vouched: bool,
    ) -> None:
        self.layout = Layout(array, objects, vouch=on_missing == "raise")
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.chunks = self.layout.chunks
        self._array = array
        self._objects = objects
        self._where = where
        self._on_missing = on_missing
        self._vouched = vouched
        chain, sharding = read_chain(array) or (None, None)
        self._chain, self._sharding = chain, sharding
        self._grid = [
            range(-(-side // step))
            for side, step in zip(self.shape[1:], self.chunks[1:], strict=True)
        ]
        self._zeros = (0,) * len(self._grid)
        # Chunks that hold whole records, in C order, are decoded in place.
        spans = all(
            step >= side for side, step in zip(self.shape[1:], self.chunks[1:], strict=True)
        )
        exact = spans and self.chunks[1:] == self.shape[1:]
        self._in_place = exact and chain is not None and chain.order == "C"
        self.chunk_bytes = int(np.prod(self.chunks)) * self.dtype.itemsize
        self._places = ChunkPlaces(self.layout, objects, sharding, self.chunk_bytes)
        self._by_zarr = RowsByZarr(array, self.layout, objects, where)
        self._many: ManyChunks | None = None
        if self._in_place and chain is not None:
            self._many = ManyChunks.of(objects, self.layout, chain, self._places, self.chunk_bytes)
        # Many threads wait for a network, but only as many decode as there are cores.
        self._permits: AbstractContextManager[Any] = _DECODING if objects.remote else nullcontext()
        # The last chunk of an array whose chunks are longer than what is read at once.
        self.keeps_chunks = False
        self._keeping = threading.Lock()
        self._kept: tuple[int, NDArray] | None = None
        self._largest = 0  # of the stored chunks that have come, in bytes

    @property
    def direct(self) -> bool:
        """Whether chunks are decoded here, and not by zarr-python."""
        return self._chain is not None

    @property
    def seekable(self) -> bool:
        """Whether single rows can be read out of a chunk: values as they are, in files."""
        local = isinstance(self._objects, FileObjects)
        return local and self._in_place and self._chain is not None and self._chain.plain

    @property
    def in_place(self) -> bool:
        """Whether a chunk of whole records decodes into its final place."""
        return self._in_place

    def read(self, start: int, stop: int, out: NDArray) -> None:
        """Read neighbouring rows.

        Args:
            start: the first row.
            stop: the row after the last one.
            out: (n, ...) with n at least ``stop - start``, contiguous. Rows past ``stop`` are
                room to decode the last chunk in; what stands in them afterwards means nothing.

        Raises:
            MissingChunkError: a chunk is not in the store and is not to be filled.
            CorruptChunkError: a chunk cannot be decoded.
            StoreError: it cannot be read.
        """
        if not out.size:
            return  # tables without rows have no chunks
        length = self.chunks[0]
        whole = range(0)  # chunks for which there is room
        if self._in_place:
            end = min(-(-stop // length), (start + len(out)) // length)
            whole = range(-(-start // length), end)
        if whole:
            self._decode_chunks(np.arange(whole.start, end), out[whole.start * length - start :])
        for chunk in range(start // length, -(-stop // length)):
            if chunk in whole:
                continue
            first = chunk * length
            low, high = max(start, first), min(stop, first + length)
            if self._chain is None:
                self._read_with_zarr(low, high, out[low - start : high - start])
            else:
                rows = self._chunk(chunk, high - first)
                out[low - start : high - start] = rows[low - first : high - first]

    def take(self, rows: NDArray, out: NDArray) -> None:
        """Read rows in any order; those of one chunk are decoded together.

        Args:
            rows: int64 (n,), positions.
            out: (n, ...), contiguous.

        Raises:
            MissingChunkError: as `read`; CorruptChunkError and StoreError likewise.
        """
        if not out.size:
            return
        length = self.chunks[0]
        if length == 1 and self._in_place:
            self._decode_chunks(rows, out)
            return
        if self.seekable:
            self._seek(rows, out)
            return
        chunks = rows // length
        order = np.argsort(chunks, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(chunks[order])) + 1):
            if not len(places):
                continue
            chunk = int(chunks[places[0]])
            inside = rows[places] - chunk * length
            if self._chain is None:
                low, high = int(inside.min()), int(inside.max()) + 1
                values = np.empty((high - low, *self.shape[1:]), self.dtype)
                self._read_with_zarr(chunk * length + low, chunk * length + high, values)
                out[places] = values[inside - low]
            else:
                out[places] = self._chunk(chunk, int(inside.max()) + 1)[inside]

    def _seek(self, rows: NDArray, out: NDArray) -> None:
        """Read rows without the rest of their chunks."""
        size, length = self.layout.record_bytes, self.chunks[0]
        memory = out.reshape(-1).view(np.uint8).data
        files: dict[int, OpenFile | None] = {}
        for place, row in enumerate(rows.tolist()):
            chunk, inside = divmod(row, length)
            if chunk not in files:
                files[chunk] = self._places.file((chunk, *self._zeros))
            found, got = files[chunk], 0
            if found is not None:
                target = memory[place * size : (place + 1) * size]
                with suppress(OSError):
                    got = os.preadv(found.handle, [target], found.start + inside * size)
            if got != size:
                # Something is wrong with the chunk; reading all of it says what.
                out[place] = self._chunk(chunk, inside + 1)[inside]

    @property
    def can_be_fetched(self) -> bool:
        """Whether requests may be made before the rows are read: far chunks that are known here."""
        return isinstance(self._objects, StoreObjects) and self._chain is not None

    def requests(self, rows: NDArray) -> list[Request]:
        """What will be asked of the store for rows.

        Of chunks that are kept for the rows that come next, nothing.

        Args:
            rows: int64 (n,), positions.
        """
        if self.keeps_chunks or not all(self.shape):
            return []
        size = self._largest or self.chunk_bytes
        places = product(np.unique(rows // self.chunks[0]).tolist(), *self._grid)
        return [Request(size, partial(self._fetch, place)) for place in places]

    async def _fetch(self, position: tuple[int, ...]) -> tuple[Part, NDArray | None] | None:
        assert isinstance(self._objects, StoreObjects)
        key = self._places.key(position)
        span: tuple[int, int | None] = (0, None)
        if self._sharding is not None:
            shard = await self._places.shard_soon(key)
            found = None if shard is None else shard.span(self._places.inner(position))
            if found is None:
                return None
            span = found
        part, stored = await self._objects.fetch(key, *span)
        self._largest = max(self._largest, 0 if stored is None else stored.size)
        return part, stored

    def missing(self, start: int, stop: int) -> MissingChunk | None:
        """The first chunk with any of the rows [start, stop) that is not in the store."""
        return next(self.layout.missing(start, stop), None)

    def refuse(self, missing: MissingChunk) -> NoReturn:
        """Raise the error of a missing chunk."""
        remedy = (
            "The store was complete when it was written, so this is damage: restore it from a "
            "copy, or write it again."
            if self._vouched
            else "If its writer leaves chunks of nothing but zeros out, pass on_missing='fill'; "
            "otherwise restore the chunk."
        )
        raise MissingChunkError(
            f"{self._where}: array {self._array.path!r} lacks chunk {missing.key}, which holds "
            f"rows {missing.rows[0]} to {missing.rows[1] - 1}. {remedy}"
        )

    def _chunk(self, chunk: int, used: int) -> NDArray:
        """The rows of a chunk, in memory of the thread or in what is kept of the last one."""
        if not self.keeps_chunks or self.chunk_bytes > _LARGEST_KEPT_CHUNK:
            return self._decode_rows(chunk, scratch(self._rows_bytes(), "chunk"))
        with self._keeping:
            if self._kept is None or self._kept[0] != chunk:
                memory = np.empty(self._rows_bytes(), np.uint8)
                self._kept = chunk, self._decode_rows(chunk, memory)
            return self._kept[1]

    def _rows_bytes(self) -> int:
        return self.chunks[0] * self.layout.record_bytes

    def _decode_rows(self, chunk: int, memory: NDArray) -> NDArray:
        """All rows of a chunk, from all objects that hold a part of them."""
        rows: NDArray = memory.view(self.dtype).reshape(self.chunks[0], *self.shape[1:])
        if self._in_place:
            self._decode_chunk(chunk, rows)
            return rows
        assert self._chain is not None
        part = scratch(self.chunk_bytes, "part")
        for place in product(*self._grid):
            self._decode((chunk, *place), part)
            values = part.view(self.dtype).reshape(self.chunks, order=self._chain.order)  # type: ignore[call-overload]
            region = tuple(
                slice(index * step, min((index + 1) * step, side))
                for index, step, side in zip(place, self.chunks[1:], self.shape[1:], strict=True)
            )
            sizes = tuple(part.stop - part.start for part in region)
            rows[:, *region] = values[:, *(slice(size) for size in sizes)]
        return rows

    def _decode_chunks(self, chunks: NDArray, out: NDArray) -> None:
        """Decode chunks of whole rows to places one behind the other."""
        length, many = self.chunks[0], self._many
        place = 0
        while place < len(chunks):
            done = 0 if many is None else many.decode(chunks[place:], out[place * length :])
            if not done:
                many = None  # where one cannot be read that way, there may be more of the kind
            place += done
            if place < len(chunks):
                self._decode_chunk(int(chunks[place]), out[place * length : (place + 1) * length])
                place += 1

    def _decode_chunk(self, chunk: int, out: NDArray) -> None:
        self._decode((chunk, *self._zeros), out.reshape(-1).view(np.uint8))

    def _decode(self, position: tuple[int, ...], out: NDArray) -> None:
        """Decode one chunk of the grid; what is broken is read again before it is refused."""
        for number in range(_TRIES):
            try:
                if not self._try_to_decode(position, out):
                    self._fill(position, out)
                return
            except DamageError as damage:
                key = self._places.key(position)
                if number == _TRIES - 1:
                    self._refuse_damage(position, damage)
                self._places.forget(key)
                time.sleep(_FIRST_WAIT * 2**number * (0.5 + random.random()))
            except StoreError:
                raise
            except OSError as error:
                raise unreadable(self._where, self._places.key(position), error) from error

    def _try_to_decode(self, position: tuple[int, ...], out: NDArray) -> bool:
        assert self._chain is not None
        place = out if self._chain.plain else None
        key = self._places.key(position)
        if self._sharding is None:
            stored = self._objects.whole(key, place)
        else:
            stored = self._part_of_shard(key, position, place)
        if stored is None:
            return False
        try:
            with self._permits:
                self._chain.decode(stored, out)
        except (DamageError, MemoryError):
            raise
        except Exception as error:  # every codec has errors of its own
            raise DamageError(f"{type(error).__name__}: {error}") from error
        return True

    def _part_of_shard(
        self, key: str, position: tuple[int, ...], place: NDArray | None
    ) -> NDArray | None:
        shard = self._places.shard(key)
        if shard is None:
            return None
        span = shard.span(self._places.inner(position))
        if span is None:
            return None
        if shard.handle is not None:
            return read_at(shard.handle, span[0], span[1], place)
        return self._objects.part(key, span[0], span[1], place)

    def _fill(self, position: tuple[int, ...], out: NDArray) -> None:
        if self._on_missing == "raise":
            start = position[0] * self.chunks[0]
            key = self._places.key(position)
            rows = start, min(start + self.chunks[0], self.shape[0])
            if self._sharding is not None and self._objects.size(key) is not None:
                key = f"{key} (inner chunk {self._places.inner(position)})"
            elif self._sharding is not None:
                first = start // self._sharding.shard[0] * self._sharding.shard[0]
                rows = first, min(first + self._sharding.shard[0], self.shape[0])
            self.refuse(MissingChunk(key, rows))
        value = self._array.fill_value
        out.view(self.dtype)[:] = 0 if value is None else value

    def _read_with_zarr(self, start: int, stop: int, out: NDArray) -> None:
        if self._on_missing == "raise" and (missing := self.missing(start, stop)) is not None:
            self.refuse(missing)
        self._by_zarr.read(start, stop, out)

    def _refuse_damage(self, position: tuple[int, ...], damage: DamageError) -> NoReturn:
        key = self._places.key(position)
        inner = "" if self._sharding is None else f"inner chunk {self._places.inner(position)} "
        start = position[0] * self.chunks[0]
        stop = min(start + self.chunks[0], self.shape[0])
        raise CorruptChunkError(
            f"{self._where}: chunk {key} cannot be decoded: {inner}{damage}. It holds rows "
            f"{start} to {stop - 1}. Restore it from a copy, or write the store again."
        ) from damage
