"""Rows that zarr-python reads: what is stored in a way that is not decoded here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CorruptChunkError, StoreError
from ...typing import NDArray
from ._layout import Layout
from ._objects import Objects, patiently

if TYPE_CHECKING:
    import zarr


class RowsByZarr:
    """Reads rows of an array through zarr-python.

    Args:
        array: an open zarr array.
        layout: which objects hold which of its rows.
        objects: the store that it is in.
        where: the store, for errors.
    """

    def __init__(
        self, array: zarr.Array[Any], layout: Layout, objects: Objects, where: str
    ) -> None:
        self._array, self._layout, self._objects, self._where = array, layout, objects, where

    def read(self, start: int, stop: int, out: NDArray) -> None:
        """Read rows that are there, in memory that is there already.

        Args:
            start: the first row.
            stop: the row after the last one.
            out: (stop - start, ...).

        Raises:
            CorruptChunkError: a chunk cannot be decoded.
            StoreError: it cannot be read.
        """
        from zarr.core.buffer import default_buffer_prototype

        rows = (slice(start, stop), Ellipsis)
        array = self._array
        try:
            if np.dtype(array.dtype).isnative and out.flags.c_contiguous and array.shape[1:]:
                buffer = default_buffer_prototype().nd_buffer.from_numpy_array(out)
                self._try(lambda: array.get_basic_selection(rows, out=buffer))
            else:
                out[:] = np.asarray(self._try(lambda: array.get_basic_selection(rows)))
        except MemoryError:
            raise
        except Exception as error:
            raise self._explain(start, stop, error) from error

    def _try(self, attempt: Callable[[], Any]) -> Any:
        return patiently(attempt, foreign=self._objects.remote)

    def _explain(self, start: int, stop: int, error: Exception) -> StoreError:
        """Find the object that fails; zarr's error of a whole slice does not name it."""
        for position in self._layout.objects(start, stop):
            key = self._layout.key(position)
            try:
                # By itself first: errors of a network are not those of codecs.
                self._objects.whole(key)
                self._try(partial(self._array.get_block_selection, position))
            except OSError as found:
                return unreadable(self._where, key, found)
            except Exception as found:
                return CorruptChunkError(
                    f"{self._where}: chunk {key} cannot be decoded: {type(found).__name__}: "
                    f"{found}. Restore it from a copy, or write the store again."
                )
        return StoreError(
            f"{self._where}: rows {start} to {stop - 1} of {self._array.path!r} cannot be read: "
            f"{error}."
        )


def unreadable(where: str, key: str, error: Exception) -> StoreError:
    """The error of an object that cannot be read."""
    return StoreError(f"{where}: chunk {key} cannot be read: {error}.")
