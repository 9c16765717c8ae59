"""Some records of an array, by their numbers, as a batch that need not be gathered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..._machine import native
from ...errors import RecordError
from ...typing import NDArray


class IndexedBatch:
    """Records of an array (M, ...) by their numbers, in the place of an entry of a batch.

    Where a batch is sampled in C they are read where they are; elsewhere they are gathered.

    Args:
        array: all records.
        index: (N,) which of them, 0 .. M - 1.

    Raises:
        RecordError: a number out of range.
    """

    def __init__(self, array: NDArray, index: NDArray) -> None:
        index = np.ascontiguousarray(index, np.int64)
        if index.size and not 0 <= index.min() <= index.max() < len(array):
            raise RecordError(
                f"`index` must name records 0 to {len(array) - 1}, got {index.min()} to "
                f"{index.max()}."
            )
        self.array, self.index = array, index

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return len(self.index), *self.array.shape[1:]

    @property
    def ndim(self) -> int:
        """Of the batch."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """Of the batch, were it gathered."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            return IndexedBatch(self.array, self.index[item])
        if item == (..., None):
            return IndexedBatch(self.array[..., None], self.index)
        return self.gathered()[item]

    def __iter__(self) -> Iterator[NDArray]:
        return iter(self.gathered())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return self.gathered().astype(dtype or self.dtype, copy=False)  # new in any case

    def gathered(self) -> NDArray:
        """A new array (N, ...)."""
        found: NDArray = self.array[self.index]
        return found

    @property
    def in_place(self) -> bool:
        """They can be read in C where they are."""
        flags = self.array.flags
        numbers = self.dtype == np.float32 or np.issubdtype(self.dtype, np.integer)
        return bool(flags.c_contiguous and flags.aligned and numbers)


def in_native_order(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """A batch whose arrays are in this machine's byte order: the same one where all are."""
    swapped = [n for n, a in batch.items() if _is_swapped(a)]
    if not swapped:
        return batch
    return {n: native(np.asarray(a)) if n in swapped else a for n, a in batch.items()}


def _is_swapped(array: Any) -> bool:
    return isinstance(array, np.ndarray | IndexedBatch) and not array.dtype.isnative


def gathered(batch: Mapping[str, Any]) -> dict[str, Any]:
    """A batch of arrays alone."""
    return {n: a.gathered() if isinstance(a, IndexedBatch) else a for n, a in batch.items()}
