"""Records that are already in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ParameterError
from ..files import sha256_array, sha256_of
from ..typing import NDArray
from ._mapped import MappedFiles
from ._source import Block, BlockId, Structure, check_blocks, check_indices, check_out
from ._structure import check_entries, common_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec


class ArraySource:
    """Records in NumPy arrays (or memory maps), one array per entry with a leading N.

    Args:
        arrays: entry name -> (N, ...). They are not copied.
        spec: what the entries are.
        block: records per block, at least 1.

    Raises:
        RecordError: an array is not what the spec says, or is not declared in it.
        StoreError: the arrays differ in length or are empty.
        ParameterError: ``block`` is less than 1.
    """

    def __init__(self, arrays: Mapping[str, ArrayLike], spec: DataSpec, *, block: int = 64) -> None:
        if block < 1:
            raise ParameterError(f"ArraySource.block must be at least 1, got {block}.")
        self._mapped = MappedFiles(arrays)
        self._arrays = {name: _read_only(array) for name, array in arrays.items()}
        self._length = common_length(self._arrays, "arrays in memory")
        check_entries(spec, self._arrays, "arrays in memory")
        self._spec = spec
        self._block = block

    @property
    def spec(self) -> DataSpec:
        """What the entries of the records are."""
        return self._spec

    @property
    def blocks(self) -> range:
        """Block i holds the records from ``i * block``."""
        return range(-(-self._length // self._block))

    @property
    def chunk(self) -> int:
        """How many neighbouring records are best read together: one, as they are in memory."""
        return 1

    @property
    def remote(self) -> bool:
        """False."""
        return False

    @cached_property
    def structure(self) -> dict[str, Structure]:
        """Entry name -> shape of one record, and dtype."""
        return {n: Structure(a.shape[1:], _native(a.dtype)) for n, a in self._arrays.items()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, shapes, dtypes, block length and values (read once, when asked)."""
        self._mapped.check()
        parts: list[bytes | str] = [f"multiaug.arrays/1 {self._block}"]
        for name, array in sorted(self._arrays.items()):
            parts += [json.dumps([name, array.dtype.str, array.shape]), sha256_array(array)]
        return sha256_of(*parts)

    def __len__(self) -> int:
        return self._length

    def scan(self, blocks: Iterable[BlockId] | None = None) -> Iterator[Block]:
        """Yield blocks of read-only views, all blocks by default.

        Args:
            blocks: ids out of ``blocks``, in the order wanted.

        Raises:
            ParameterError: an id does not exist.
            StoreError: the file of a memory map has become shorter.
        """
        for number in check_blocks(blocks, len(self.blocks)):
            rows = slice(number * self._block, min((number + 1) * self._block, self._length))
            index = np.arange(rows.start, rows.stop, dtype=np.int64)
            self._mapped.check()
            yield Block(number, index, {name: a[rows] for name, a in self._arrays.items()})

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """Copy neighbouring records.

        Args:
            start: position of the first record.
            stop: the position after the last one.
            out: entry name -> (n, ...) with n at least ``stop - start``.

        Raises:
            StoreError: the file of a memory map has become shorter.
        """
        self._mapped.check()
        for name, array in out.items():
            array[: stop - start] = self._arrays[name][start:stop]

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """Copy out records by position.

        Args:
            indices: integers (n,) in [0, N), in any order, repeats allowed.
            out: entry name -> contiguous (n, ...) arrays to copy to; new ones by default.

        Raises:
            ParameterError: an index is negative or past the end, or ``out`` does not fit.
            StoreError: the file of a memory map has become shorter.
        """
        rows = check_indices(indices, self._length)
        self._mapped.check()
        if out is None:
            return {name: array[rows] for name, array in self._arrays.items()}
        for name, array in check_out(out, self.structure, len(rows)).items():
            # The default mode, "raise", copies to a buffer first.
            np.take(self._arrays[name], rows, axis=0, out=array, mode="clip")
        return dict(out)

    def check(self, *, deep: bool = False) -> None:
        """Nothing can be missing from memory; memory maps are read once when ``deep``."""
        self._mapped.check()
        if deep:
            for array in self._arrays.values():
                sha256_array(array)

    def __repr__(self) -> str:
        return f"ArraySource(records={self._length}, entries={list(self._arrays)})"


def _read_only(array: ArrayLike) -> NDArray:
    """Return a view that cannot be written through: blocks must not change the user's data."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _native(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(dtype).newbyteorder("=")
