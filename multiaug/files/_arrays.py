"""How multiaug stores arrays in zarr: codec, checksum, byte order; the same for everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import zarr

ATTRIBUTE = "multiaug"
"""The attribute of a group in which multiaug says what it wrote, last of all."""


def create_array(
    group: zarr.Group,
    name: str,
    *,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    shards: Sequence[int] | None = None,
    level: int = 3,
    axes: Sequence[str] | None = None,
) -> zarr.Array[Any]:
    """Make an empty array in a group.

    Chunks are compressed with zstd and carry a checksum. Those of nothing but zeros are written
    too, so that a chunk that is not there can be known as damage.

    Args:
        group: of zarr, version 2 or 3.
        name: of the array, inside the group.
        shape: of the array.
        chunks: shape of a chunk; a side of 0 becomes 1, as a table may have no rows.
        dtype: of the values, stored in the byte order of this machine.
        shards: shape of a shard (version 3 only).
        level: of zstd.
        axes: their names (version 3 only).
    """
    import numcodecs
    from zarr.codecs import ZstdCodec

    settings: dict[str, Any]
    if group.metadata.zarr_format == 3:
        settings = {
            "compressors": ZstdCodec(level=level, checksum=True),
            "dimension_names": axes,
            "shards": None if shards is None else _sides(shards),
        }
    else:
        settings = {
            "compressors": numcodecs.Zstd(level=level, checksum=True),
            # Viewers of that version ask for slashes between the numbers of a chunk.
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        }
    return group.create_array(
        name,
        shape=tuple(shape),
        chunks=_sides(chunks),
        dtype=dtype.newbyteorder("="),
        config={"write_empty_chunks": True},
        **settings,
    )


def _sides(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(1, side) for side in shape)
