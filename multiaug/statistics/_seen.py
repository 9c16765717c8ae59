"""Which chunks a state has seen, so that none is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import ParameterError

ChunkId: TypeAlias = int | tuple[int, ...]
"""A block's id in its source; with copies by augmentation (copy, block)."""


@dataclass(frozen=True)
class Seen:
    """Ids of chunks, by the fingerprint of the source that they are of.

    Args:
        chunks: fingerprint -> ids; "" for chunks of no named source.
    """

    chunks: tuple[tuple[str, frozenset[ChunkId]], ...] = ()

    def add(self, ids: Iterable[ChunkId], source: str = "") -> Seen:
        """With more chunks.

        Raises:
            ParameterError: one of them is there already.
        """
        return self.union(Seen(((source, frozenset(ids)),)))

    def union(self, other: Seen) -> Seen:
        """The chunks of both.

        Raises:
            ParameterError: a chunk is in both.
        """
        found = dict(self.chunks)
        for source, ids in other.chunks:
            mine = found.get(source, frozenset())
            twice = sorted(mine & ids, key=_order)
            if twice:
                of = f" of the source {source[:12]}" if source else ""
                more = f" and {len(twice) - 1} others" if len(twice) > 1 else ""
                raise ParameterError(
                    f"The chunk {twice[0]}{more}{of} would be counted twice. Merge states of "
                    "different chunks, and update with each chunk once."
                )
            found[source] = mine | ids
        return Seen(tuple(sorted((source, ids) for source, ids in found.items() if ids)))

    def of(self, source: str) -> frozenset[ChunkId]:
        """The ids of one source."""
        return dict(self.chunks).get(source, frozenset())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: runs [start, stop) of ids by what precedes their last number."""
        return {source: _runs(ids) for source, ids in self.chunks}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Seen:
        """The inverse of `to_dict`."""
        chunks = [
            (source, frozenset(_join(prefix, i) for prefix, a, b in runs for i in range(a, b)))
            for source, runs in document.items()
        ]
        return cls(tuple(sorted(chunks)))


def _order(chunk: ChunkId) -> tuple[int, ...]:
    return (chunk,) if isinstance(chunk, int) else chunk


def _join(prefix: list[int] | None, last: int) -> ChunkId:
    return last if prefix is None else (*prefix, last)


def _runs(ids: frozenset[ChunkId]) -> list[list[Any]]:
    runs: list[list[Any]] = []
    for chunk in sorted(ids, key=lambda c: (not isinstance(c, int), _order(c))):
        prefix = None if isinstance(chunk, int) else list(chunk[:-1])
        last = chunk if isinstance(chunk, int) else chunk[-1]
        if runs and runs[-1][0] == prefix and runs[-1][2] == last:
            runs[-1][2] = last + 1
        else:
            runs.append([prefix, last, last + 1])
    return runs
