"""What a store will hold, and how many records go into a chunk and a shard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..._machine import parse_memory
from .._source import Structure

if TYPE_CHECKING:
    from ...spec import DataSpec

# A chunk is what a shuffled reader fetches: below this one record is enough for the disk.
_CHUNK_BYTES = 256 * 1024
_LARGE_RECORD = 100_000


def chunk_records(structure: Mapping[str, Structure]) -> int:
    """Records per chunk where nobody says: one if it has 100 kB or more, else 256 kB of them.

    Args:
        structure: array name -> shape and dtype of one record.
    """
    record = max(1, sum(entry.nbytes for entry in structure.values()))
    return 1 if record >= _LARGE_RECORD else max(1, _CHUNK_BYTES // record)


@dataclass(frozen=True)
class Contents:
    """What a store will hold.

    Args:
        spec: what the entries are.
        structure: array name -> shape and dtype of one record.
        records: how many.
        chunk: records per chunk.
        block: records that are written at once, a multiple of ``chunk``: a shard, where the format
            has shards.
        provenance: what the records are made from, and how, JSON-ready; the same on resuming.
    """

    spec: DataSpec
    structure: Mapping[str, Structure]
    records: int
    chunk: int
    block: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", json.loads(json.dumps(dict(self.provenance))))

    @classmethod
    def of(
        cls,
        spec: DataSpec,
        structure: Mapping[str, Structure],
        records: int,
        provenance: Mapping[str, Any],
        *,
        chunk: int | None = None,
        shard_bytes: int | str = "64MB",
    ) -> Contents:
        """Decide chunks and shards.

        Args:
            spec: of the contents.
            structure: of the contents.
            records: of the contents.
            provenance: of the contents.
            chunk: records per chunk; None as `chunk_records` has it.
            shard_bytes: of a shard before compression, such as "64MB".
        """
        record = max(1, sum(entry.nbytes for entry in structure.values()))
        chunk = min(chunk_records(structure) if chunk is None else chunk, records)
        block = max(1, parse_memory(shard_bytes, "shard_bytes") // (record * chunk)) * chunk
        block = min(block, -(-records // chunk) * chunk)
        return cls(spec, dict(structure), records, chunk, block, provenance)
