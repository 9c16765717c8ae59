"""The index of a shard: which of its inner chunks are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from ..typing import NDArray

if TYPE_CHECKING:
    import zarr

_ABSENT = np.uint64(2**64 - 1)
_CRC_BYTES = 4
_INDEX_CODECS = ["bytes", "crc32c"]


@dataclass(frozen=True)
class ShardIndex:
    """How to read the index of the shards of one array.

    The index is a table of (offset, length) of every inner chunk, uint64 little-endian, in C
    order, then a crc32c; it stands at the end of the shard, or at its start. The checksum is
    left to zarr, which reads the same index right afterwards.

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
        self, path: Path, position: tuple[int, ...], shape: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Positions inside the shard of the chunks that are absent and not outside the array.

        Args:
            path: the shard's file.
            position: the shard's place in the grid of shards.
            shape: the array's shape.
        """
        table = self._read(path)
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
        absent = (inside == _ABSENT).all(axis=-1)
        for place in np.argwhere(absent):
            yield tuple(int(step) for step in place)

    def _read(self, path: Path) -> NDArray | None:
        counts = [shard // inner for shard, inner in zip(self.shard, self.inner, strict=True)]
        size = 16 * int(np.prod(counts))
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < size + _CRC_BYTES:
                return None
            if self.at_end:
                file.seek(-size - _CRC_BYTES, os.SEEK_END)
            return np.frombuffer(file.read(size), "<u8").reshape(*counts, 2)


def _codecs(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Codecs of a version 3 array; version 2 has none of this kind, and no shards."""
    return list(metadata.get("codecs", ()))


def _is_sharding(codec: dict[str, Any]) -> bool:
    return bool(codec["name"] == "sharding_indexed")
