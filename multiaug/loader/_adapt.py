"""Sources of other people: any `Source` read as if it could read into given memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .._machine import native
from ..store import ChunkedSource, Source, Structure
from ..typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def chunked(source: Source) -> ChunkedSource:
    """The source itself, or an adapter around it."""
    return source if isinstance(source, ChunkedSource) else _Adapter(source)  # type: ignore[return-value]


class _Adapter:
    """A `ChunkedSource` of a plain one; each record is a chunk.

    Args:
        source: with no more than the members of `Source`.
    """

    chunk = 1
    remote = False

    def __init__(self, source: Source) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    @cached_property
    def structure(self) -> Mapping[str, Structure]:
        """Of the first record."""
        first = self._source.read([0])
        return {n: Structure(a.shape[1:], native(a).dtype) for n, a in first.items()}

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """See `ChunkedSource`."""
        found = self._source.read(np.arange(start, stop))
        for name, array in out.items():
            array[: stop - start] = found[name]

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """See `ChunkedSource`."""
        found = {n: native(array) for n, array in self._source.read(indices).items()}
        for name, array in (out or {}).items():
            array[...] = found[name]
        return found if out is None else dict(out)
