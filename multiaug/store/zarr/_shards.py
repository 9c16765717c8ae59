"""Shards: one object with many chunks, and an index that says where each of them is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import StoreError
from ...typing import NDArray
from ..codecs import DamageError, Sharding, strip_crc32c
from ._objects import Objects

if TYPE_CHECKING:
    import zarr

_ABSENT = 2**64 - 1
_CRC_BYTES = 4
_INDEX_CODECS = ["bytes", "crc32c"]


class OpenShard:
    """A shard whose index has been read; its file stays open for as long as it is held.

    Args:
        table: uint64 (..., 2), offset and length of every inner chunk.
        size: of the object, in bytes.
        path: the file, where there is one.
    """

    def __init__(self, table: NDArray, size: int, path: Path | None) -> None:
        self._table = table
        self._size = size
        self.handle = None if path is None else os.open(path, os.O_RDONLY)

    def span(self, inner: tuple[int, ...]) -> tuple[int, int] | None:
        """Offset and length of a chunk; None when it is absent.

        Raises:
            DamageError: the chunk lies outside the shard.
        """
        start, length = (int(value) for value in self._table[inner])
        if start == length == _ABSENT:
            return None
        if start + length > self._size:
            raise DamageError(
                f"lies at {start} to {start + length} of a shard of {self._size} bytes"
            )
        return start, length

    def spans(self, numbers: NDArray) -> NDArray:
        """Offsets and lengths of chunks that are the first along all axes but that of the records.

        Args:
            numbers: int64 (n,), their places along the records.

        Returns:
            int64 (n, 2); -1 for those that are absent. They may lie outside the shard.
        """
        first: NDArray = self._table.reshape(len(self._table), -1, 2)[:, 0]
        return first[numbers].view(np.int64)

    def __del__(self) -> None:
        if getattr(self, "handle", None) is not None:
            os.close(self.handle)  # type: ignore[arg-type]


class OpenFile:
    """Where in a file a chunk begins; the file stays open for as long as this is held.

    Args:
        file: a path, or the shard that is open already.
        start: of the chunk, in bytes.
    """

    def __init__(self, file: Path | OpenShard, start: int) -> None:
        self.start = start
        self._shard = file if isinstance(file, OpenShard) else None
        self._own = None if isinstance(file, OpenShard) else os.open(file, os.O_RDONLY)
        handle = self._own if self._shard is None else self._shard.handle
        assert handle is not None
        self.handle: int = handle
        self.size = os.fstat(self.handle).st_size

    def __del__(self) -> None:
        if getattr(self, "_own", None) is not None:
            os.close(self._own)  # type: ignore[arg-type]


def open_shard(
    objects: Objects, key: str, path: Path | None, counts: tuple[int, ...], rule: Sharding
) -> OpenShard | None:
    """Read the index of a shard; None when the shard is not there.

    Args:
        objects: the store.
        key: of the shard.
        path: its file, where there is one.
        counts: chunks along each axis of the shard.
        rule: how the shard is stored.

    Raises:
        DamageError: the index is cut off, or its checksum is wrong.
    """
    length = 16 * int(np.prod(counts)) + (_CRC_BYTES if rule.checked else 0)
    size = objects.size(key)
    stored = None if size is None else objects.part(key, -length if rule.at_end else 0, length)
    if size is None or stored is None:
        return None
    if stored.size < length:
        raise DamageError(f"the shard holds {size} bytes, too few for its index")
    try:
        content = strip_crc32c(stored) if rule.checked else stored
    except DamageError as damage:
        raise DamageError(f"the shard's index {damage}") from damage
    # The bytes are in memory that the next read uses again.
    return OpenShard(content.copy().view("<u8").reshape(*counts, 2), size, path)


@dataclass(frozen=True)
class ShardIndex:
    """How to look for missing chunks in the shards of one array.

    The index is a table of (offset, length) of every inner chunk, uint64 little-endian, in C
    order, then a crc32c; it stands at the end of the shard, or at its start.

    Args:
        shard: shape of a shard.
        inner: shape of an inner chunk.
        at_end: where the index stands.

    References:
        Zarr v3 codec ``sharding_indexed``, version 1.0.
    """

    shard: tuple[int, ...]
    inner: tuple[int, ...]
    at_end: bool

    @classmethod
    def of(cls, array: zarr.Array[Any], where: str) -> ShardIndex | None:
        """Return the rule of an array's shards; None without shards.

        Raises:
            StoreError: the shards are of a kind whose index is not read here.
        """
        codecs = _codecs(array.metadata.to_dict())
        if not any(_is_sharding(codec) for codec in codecs):
            return None
        settings = codecs[0].get("configuration", {})
        plain = (
            array.shards is not None
            and [codec["name"] for codec in settings.get("index_codecs", ())] == _INDEX_CODECS
            and not any(_is_sharding(codec) for codec in settings.get("codecs", ()))
        )
        if not plain:
            raise StoreError(
                f"{where}: the shards are nested, transposed or indexed in an unusual way, so "
                "missing chunks cannot be told from zeros. Pass on_missing='fill' to read them "
                "as zarr does, or rewrite the array with plain shards."
            )
        return cls(
            shard=tuple(array.shards or ()),
            inner=tuple(array.chunks),
            at_end=settings.get("index_location", "end") == "end",
        )

    def missing(
        self, objects: Objects, key: str, position: tuple[int, ...], shape: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Positions inside the shard of the chunks that are absent and not outside the array.

        Args:
            objects: the store.
            key: of the shard.
            position: the shard's place in the grid of shards.
            shape: the array's shape.
        """
        table = self._read(objects, key)
        if table is None:  # too short for an index: decoding will say so, with the key
            return
        # Chunks of an edge shard that lie past the array's end are never written.
        used = tuple(
            -(-min(side - place * shard, shard) // inner)
            for side, place, shard, inner in zip(
                shape, position, self.shard, self.inner, strict=True
            )
        )
        inside = table[tuple(slice(count) for count in used)]
        absent = (inside == np.uint64(_ABSENT)).all(axis=-1)
        for place in np.argwhere(absent):
            yield tuple(int(step) for step in place)

    def _read(self, objects: Objects, key: str) -> NDArray | None:
        counts = [shard // inner for shard, inner in zip(self.shard, self.inner, strict=True)]
        size = 16 * int(np.prod(counts))
        length = size + _CRC_BYTES
        stored = objects.part(key, -length if self.at_end else 0, length)
        if stored is None or stored.size < length:
            return None
        return stored[:size].copy().view("<u8").reshape(*counts, 2)


def _codecs(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Codecs of a version 3 array; version 2 has none of this kind, and no shards."""
    return list(metadata.get("codecs", ()))


def _is_sharding(codec: dict[str, Any]) -> bool:
    return bool(codec["name"] == "sharding_indexed")
