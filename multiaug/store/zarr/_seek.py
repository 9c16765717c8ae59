"""Where in the objects of a store the chunks of an array are; what was opened last stays open."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Hashable
from math import prod
from typing import Generic, TypeVar

import numpy as np

from ...typing import NDArray
from ..codecs import DamageError, Sharding
from ._layout import Layout
from ._objects import FileObjects, Objects
from ._shards import OpenFile, OpenShard, open_shard

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")

_OPEN_SHARDS = 16
_OPEN_FILES = 64
# Shards of another machine whose indices are kept, and what these take at most.
_FAR_SHARDS, _INDEX_BYTES = 1024, 8 * 2**20


class Recent(Generic[_K, _V]):
    """What was used last, up to a number; for threads.

    Args:
        most: how many are kept. What goes is closed when its last user lets go of it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[_K, _V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _K) -> _V | None:
        """What is kept under a key."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: _K, value: _V) -> None:
        """Keep it."""
        with self._lock:
            self._held[key] = value
            while len(self._held) > self._most:
                self._held.popitem(last=False)

    def pop(self, key: _K) -> None:
        """Keep it no longer."""
        with self._lock:
            self._held.pop(key, None)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._held.clear()


class ChunkPlaces:
    """Finds chunks by their position in the grid.

    Args:
        layout: of the array.
        objects: the store that it is in.
        sharding: how its shards are stored; None without shards.
        chunk_bytes: of a decoded chunk.
    """

    def __init__(
        self, layout: Layout, objects: Objects, sharding: Sharding | None, chunk_bytes: int
    ) -> None:
        self._layout, self._objects, self._sharding = layout, objects, sharding
        self._chunk_bytes = chunk_bytes
        self._counts: tuple[int, ...] = ()
        shards = _OPEN_SHARDS
        if sharding is not None:
            self._counts = tuple(
                shard // inner for shard, inner in zip(sharding.shard, layout.chunks, strict=True)
            )
            if objects.remote:  # two requests for an index, and no file that stays open
                shards = max(shards, min(_FAR_SHARDS, _INDEX_BYTES // (16 * prod(self._counts))))
        self._shards: Recent[str, OpenShard] = Recent(shards)
        # Indices that are on their way; they belong to the thread of zarr's event loop.
        self._coming: dict[str, asyncio.Future[OpenShard | None]] = {}
        self._files: Recent[tuple[int, ...], OpenFile] = Recent(_OPEN_FILES)

    def key(self, position: tuple[int, ...]) -> str:
        """Key of the object that holds a chunk: its own, or its shard's."""
        if self._sharding is not None:
            position = tuple(
                place * inner // shard
                for place, inner, shard in zip(
                    position, self._layout.chunks, self._sharding.shard, strict=True
                )
            )
        return self._layout.key(position)

    def inner(self, position: tuple[int, ...]) -> tuple[int, ...]:
        """The place of a chunk in its shard."""
        assert self._sharding is not None
        return tuple(
            place % (shard // inner)
            for place, shard, inner in zip(
                position, self._sharding.shard, self._layout.chunks, strict=True
            )
        )

    def shard(self, key: str) -> OpenShard | None:
        """An open shard; None when it is not there.

        Raises:
            DamageError: its index is broken.
        """
        assert self._sharding is not None
        found = self._shards.get(key)
        if found is not None:
            return found
        path = self._objects.root / key if isinstance(self._objects, FileObjects) else None
        found = open_shard(self._objects, key, path, self._counts, self._sharding)
        if found is not None:
            self._shards.put(key, found)
        return found

    @property
    def sharded(self) -> bool:
        """Whether objects hold more chunks than one."""
        return self._sharding is not None

    def spans(self, chunks: NDArray) -> tuple[NDArray, list[OpenShard]]:
        """Where in files chunks are that hold whole records.

        Args:
            chunks: int64 (n,), numbers along the records.

        Returns:
            int64 (n, 3), an open file, the first byte and the size; -1 where no chunk is found.
            And the shards, which are open for as long as they are held.
        """
        found = np.full((len(chunks), 3), -1, np.int64)
        numbers, inside = np.divmod(chunks, self._counts[0])
        zeros, shards = (0,) * (len(self._counts) - 1), []
        for number in np.unique(numbers).tolist():
            try:
                shard = self.shard(self._layout.key((number, *zeros)))
            except (DamageError, OSError):
                continue  # those who read the chunk by itself say what is wrong
            if shard is not None and shard.handle is not None:
                shards.append(shard)
                chosen = numbers == number
                found[chosen, 0] = shard.handle
                found[chosen, 1:] = shard.spans(inside[chosen])
        return found, shards

    async def shard_soon(self, key: str) -> OpenShard | None:
        """As `shard`, on zarr's event loop; who asks for what is on its way waits for it."""
        found = self._shards.get(key)
        if found is not None:
            return found
        coming = self._coming.get(key)
        if coming is None:
            # In a thread, which may wait for the loop.
            coming = asyncio.ensure_future(asyncio.to_thread(self.shard, key))
            self._coming[key] = coming
            coming.add_done_callback(lambda _: self._coming.pop(key, None))
        return await asyncio.shield(coming)

    def file(self, position: tuple[int, ...]) -> OpenFile | None:
        """The file of a chunk whose values stand in it as they are; None if it is not whole."""
        found = self._files.get(position)
        if found is not None:
            return found
        key = self.key(position)
        try:
            if self._sharding is None:
                assert isinstance(self._objects, FileObjects)
                found = OpenFile(self._objects.root / key, 0)
                whole = found.size == self._chunk_bytes
            else:
                shard = self.shard(key)
                span = None if shard is None else shard.span(self.inner(position))
                whole = span is not None and span[1] == self._chunk_bytes
                if shard is not None and span is not None:
                    found = OpenFile(shard, span[0])
        except (OSError, DamageError):
            return None
        if found is None or not whole:
            return None
        self._files.put(position, found)
        return found

    def forget(self, key: str) -> None:
        """Look afresh when an object is read next."""
        self._shards.pop(key)
        self._files.clear()
        self._objects.forget(key)
