"""Chunks of files decoded in C one after the other, while the interpreter does other things."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

import numpy as np

from ..._native import layout, library
from ...typing import NDArray
from ._objects import FileObjects

if TYPE_CHECKING:
    from ..codecs import Chain
    from ._layout import Layout
    from ._objects import Objects
    from ._seek import ChunkPlaces
    from ._shards import OpenShard


@layout("Chunks")
class _Chunks(ctypes.Structure):
    """See chunks.h."""

    _fields_ = (
        ("before", ctypes.c_char_p),
        ("after", ctypes.c_char_p),
        ("places", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("out", ctypes.c_void_p),
        ("functions", ctypes.c_void_p),
        ("codec", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    )


class ManyChunks:
    """Decodes chunks that hold whole records, for as long as all is well.

    Args:
        chain: how they are stored; it must have a codec of C.
        places: where the chunks are.
        around: what stands in their paths before and after their numbers; None for shards.
        size: of a decoded chunk, in bytes.
    """

    def __init__(
        self,
        chain: Chain,
        places: ChunkPlaces,
        around: tuple[bytes, bytes] | None,
        size: int,
    ) -> None:
        assert chain.native is not None
        self._chain = chain  # it holds the functions
        self._codec, self._functions = chain.native
        self._places, self._around, self._size = places, around, size

    @classmethod
    def of(
        cls, objects: Objects, rows: Layout, chain: Chain, places: ChunkPlaces, size: int
    ) -> ManyChunks | None:
        """For chunks of whole records; None where C has no part in reading them.

        Args:
            objects: the store.
            rows: which objects hold which records.
            chain: how chunks are stored.
            places: where they are.
            size: of a decoded one, in bytes.
        """
        if library() is None or chain.native is None or not isinstance(objects, FileObjects):
            return None
        if places.sharded:
            return cls(chain, places, None, size)
        if rows.around is None:
            return None
        before, after = rows.around
        around = os.fsencode(f"{objects.root}/{before}"), os.fsencode(after)
        return cls(chain, places, around, size)

    def decode(self, chunks: NDArray, out: NDArray) -> int:
        """Decode chunks up to the first that is missing, damaged or unusual in any way.

        Args:
            chunks: int64 (n,), numbers along the records.
            out: contiguous, the places of their values.

        Returns:
            How many have been decoded.
        """
        found = library()
        assert found is not None
        opened: list[OpenShard] = []  # they stay open for as long as this holds them
        if self._around is None:
            table, opened = self._places.spans(chunks)
        else:
            table = np.zeros((len(chunks), 3), np.int64)
            table[:, 0] = chunks
        before, after = self._around or (None, None)
        task = _Chunks(
            before=before,
            after=after,
            places=table.ctypes.data,
            count=len(chunks),
            size=self._size,
            out=out.ctypes.data,
            functions=self._functions,
            codec=self._codec,
        )
        done: int = found.multiaug_chunks(ctypes.addressof(task))
        del opened
        return done
