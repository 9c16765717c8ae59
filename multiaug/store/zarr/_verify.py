"""Digests of whole arrays, read block by block."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...files import array_bytes, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...typing import NDArray
    from .._source import Structure


class _Readable(Protocol):
    @property
    def chunk(self) -> int: ...
    @property
    def structure(self) -> Mapping[str, Structure]: ...
    def __len__(self) -> int: ...
    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None: ...


def digest_of(source: _Readable, name: str, rows: int | None = None) -> str:
    """SHA-256 of an entry's values in C order.

    Args:
        source: what to read.
        name: the entry.
        rows: None digests the values as one; a number digests blocks of as many records each,
            then their digests, so that blocks can be written, and verified, in any order.
    """
    structure, count = source.structure[name], len(source)
    step = rows or source.chunk
    buffer = np.empty((-(-step // source.chunk) * source.chunk, *structure.shape), structure.dtype)
    whole, parts = hashlib.sha256(), []
    for start in range(0, count, step):
        stop = min(start + step, count)
        source.read_range(start, stop, {name: buffer})
        values = array_bytes(buffer[: stop - start])
        if rows is None:
            whole.update(values)
        else:
            parts.append(hashlib.sha256(values).hexdigest())
    return whole.hexdigest() if rows is None else sha256_of(*parts)
