"""What sources share whose records are rows of arrays that a library reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._machine import native
from ..typing import NDArray
from ._block_source import BlockSource
from ._packing import Packing
from ._plausible import inspect_source
from ._source import Structure, check_indices, check_out
from ._structure import check_entries, common_length
from ._value_maps import ValueMaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec

_BLOCK = 64
_BLOCK_BYTES = 64 * 2**20


class RowSource(BlockSource):
    """Records that are rows of arrays, one array for each entry: a base for files of arrays.

    A class of your own has `rows` and `fingerprint`, and gets all of `ChunkedSource`. Labels are
    mapped as the spec's ``values`` say. Several threads read rows at a time.

    Args:
        spec: what the entries are.
        arrays: entry name -> shape (N, ...) and dtype of what `rows` gives.
        where: the data set, for errors.
        chunk: rows that are decoded together.
        packings: entry name -> what the numbers of `rows` stand for, where they are packed.

    Raises:
        RecordError: an array is not what the spec says.
        StoreError: the arrays differ in length, or are empty.
    """

    def __init__(
        self,
        spec: DataSpec,
        arrays: Mapping[str, Structure],
        where: str,
        *,
        chunk: int = 1,
        packings: Mapping[str, Packing] | None = None,
    ) -> None:
        self._spec = spec.as_read()
        self._maps = ValueMaps(spec)
        self._where = where
        self._packings = dict(packings or {})
        self._length = common_length(arrays, where)
        self.structure = {
            name: Structure(array.shape[1:], self._dtype(name, array))
            for name, array in arrays.items()
        }
        batch = {n: Structure((self._length, *s.shape), s.dtype) for n, s in self.structure.items()}
        check_entries(self._spec, batch, where)
        self.chunk = max(1, min(chunk, self._length))
        record = max(1, sum(s.nbytes for s in self.structure.values()))
        most = max(1, min(_BLOCK, _BLOCK_BYTES // record) // self.chunk)
        self._block = most * self.chunk

    @abstractmethod
    def rows(self, name: str, start: int, stop: int) -> NDArray:
        """Read neighbouring rows of an entry's array, as they are stored.

        Args:
            name: the entry.
            start: the first row.
            stop: the row after the last one.
        """

    @property
    def row_access(self) -> bool:
        """Whether single records are read without others."""
        return self.chunk == 1

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """Read neighbouring records into arrays that are there already."""
        for name, array in out.items():
            self._fill(name, start, stop, array[: stop - start])
        self._maps.apply(out, slice(stop - start))

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """Read records by position, in any order; neighbours in one go.

        Args:
            indices: integers (n,) in [0, N), repeats allowed.
            out: entry name -> contiguous (n, ...) arrays to read to; new ones by default.

        Raises:
            ParameterError: an index is negative or past the end, or ``out`` does not fit.
            StoreError: the file cannot be read.
        """
        asked = check_indices(indices, self._length)
        arrays = check_out(out, self.structure, len(asked))
        for name, array in arrays.items():
            if len(asked) and (np.diff(asked) == 1).all():
                self._fill(name, int(asked[0]), int(asked[-1]) + 1, array)
                continue
            wanted, places = np.unique(asked, return_inverse=True)
            ends = np.flatnonzero(np.diff(wanted // self.chunk)) + 1
            for part in np.split(np.arange(len(wanted)), ends) if len(wanted) else ():
                low, high = int(wanted[part[0]]), int(wanted[part[-1]]) + 1
                values = np.empty((high - low, *array.shape[1:]), array.dtype)
                self._fill(name, low, high, values)
                here = np.flatnonzero((places >= part[0]) & (places <= part[-1]))
                array[here] = values[asked[here] - low]
        self._maps.apply(arrays)
        return arrays

    def check(self, *, deep: bool = False) -> None:
        """Read every record when ``deep``; that all arrays are there was seen on opening.

        Args:
            deep: also look whether records, a few of them, are what the spec says.

        Raises:
            StoreError: the file cannot be read.
            RecordError: records are not what the spec says.
        """
        if deep:
            for _ in self.scan():
                pass
            inspect_source(self)

    def _fill(self, name: str, start: int, stop: int, out: NDArray) -> None:
        rows = native(np.asarray(self.rows(name, start, stop)))
        packing = self._packings.get(name)
        if packing is None:
            out[...] = rows
        else:
            packing.unpack(rows, out, np.arange(start, stop), self._where)

    def _dtype(self, name: str, array: Structure) -> np.dtype[np.generic]:
        packing = self._packings.get(name)
        return array.dtype.newbyteorder("=") if packing is None else packing.dtype

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._where!r}, records={self._length}, "
            f"entries={list(self.structure)})"
        )
