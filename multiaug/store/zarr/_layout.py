"""Which stored objects hold which rows of a zarr array, and whether they are there.

zarr reads an absent chunk as its fill value without a word, because writers may leave chunks
of nothing but fill values out. Here an absent object is found before reading: by its file, and
for inner chunks of a shard by the shard's index.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import StoreError
from ._objects import Objects
from ._shards import ShardIndex

if TYPE_CHECKING:
    import zarr


@dataclass(frozen=True)
class MissingChunk:
    """A chunk that the metadata promises and the store lacks.

    Args:
        key: the object's key inside the store; for an inner chunk of a shard, its position too.
        rows: the half-open range of records that it holds.
    """

    key: str
    rows: tuple[int, int]


class Layout:
    """The stored objects of one array.

    Args:
        array: an open zarr array, version 2 or 3.
        objects: the store that it is in.
        vouch: missing chunks will be asked for, so the kind of shards must be known.

    Attributes:
        around: what stands in keys before and after the number of an object along the records,
            where it is the first along all other axes; None for keys of another form.

    Raises:
        StoreError: the chunk grid is not regular, or the shards are of an unknown kind.
    """

    def __init__(self, array: zarr.Array[Any], objects: Objects, *, vouch: bool = True) -> None:
        self.array = array
        self._store = objects
        try:
            self.chunks = array.chunks
            self.stored = array.shards or array.chunks
        except NotImplementedError as error:
            raise StoreError(
                f"{array.store_path}: the chunks are not a regular grid. Rewrite the array with "
                "one chunk shape."
            ) from error
        self._prefix = f"{array.path}/" if array.path else ""
        # zarr takes several microseconds for a key; most differ in their first number alone.
        self._zeros = (0,) * (len(self.chunks) - 1)
        number = 10**9 + 7
        one = array.metadata.encode_chunk_key((number, *self._zeros))
        before, found, after = one.partition(str(number))
        self.around = (self._prefix + before, after) if found else None
        self.index = ShardIndex.of(array, str(array.store_path)) if vouch else None

    @property
    def record_bytes(self) -> int:
        """Decoded size of one record, in bytes."""
        size = self.array.dtype.itemsize
        for side in self.array.shape[1:]:
            size *= side
        return int(size)

    def objects(self, start: int, stop: int) -> Iterator[tuple[int, ...]]:
        """Grid position of every stored object with any of the rows [start, stop)."""
        grid = [
            range(-(-side // step))
            for side, step in zip(self.array.shape[1:], self.stored[1:], strict=True)
        ]
        first = range(start // self.stored[0], -(-stop // self.stored[0]))
        return itertools.product(first, *grid)

    def key(self, position: tuple[int, ...]) -> str:
        """Key of a stored object, inside the store: the array's name and the chunk's key."""
        if self.around is not None and position[1:] == self._zeros:
            return f"{self.around[0]}{position[0]}{self.around[1]}"
        return self._prefix + self.array.metadata.encode_chunk_key(position)

    def rows(self, position: tuple[int, ...]) -> tuple[int, int]:
        """Half-open range of rows in a stored object."""
        start = position[0] * self.stored[0]
        return start, min(start + self.stored[0], self.array.shape[0])

    def missing(self, start: int, stop: int) -> Iterator[MissingChunk]:
        """Chunks with any of the rows [start, stop) that are not in the store."""
        for position in self.objects(start, stop):
            if self._store.size(self.key(position)) is None:
                yield MissingChunk(self.key(position), self.rows(position))
            elif self.index is not None:
                yield from self._missing_inside(position, start, stop)

    def _missing_inside(
        self, position: tuple[int, ...], start: int, stop: int
    ) -> Iterator[MissingChunk]:
        assert self.index is not None
        first, last = self.rows(position)
        step = self.chunks[0]
        for inner in self.index.missing(
            self._store, self.key(position), position, self.array.shape
        ):
            rows = first + inner[0] * step, min(first + (inner[0] + 1) * step, last)
            if rows[0] < stop and start < rows[1]:
                yield MissingChunk(f"{self.key(position)} (inner chunk {inner})", rows)
