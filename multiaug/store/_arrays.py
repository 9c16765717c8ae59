"""Records that are already in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .._arguments import RECORD, checked, whole
from .._machine import native
from ..files import sha256_array, sha256_of
from ..spec import SPEC_KIND, refuse_rows_apart
from ..typing import NDArray
from ._candidate import Candidate
from ._kinds import SourceTraits, register_source
from ._mapped import MappedFiles
from ._plausible import inspect_source
from ._ragged import as_records
from ._report import ReportedSource
from ._source import Block, BlockId, Structure, check_blocks, check_indices, check_out
from ._structure import check_entries, common_length
from ._value_maps import ValueMaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec


@register_source
class ArraySource(ReportedSource):
    """Records in NumPy arrays (or memory maps), one array per entry with a leading N.

    Args:
        arrays: entry name -> (N, ...). They are not copied, except tables with a ``capacity`` in
            the spec, which may be sequences of (K, ...) with any K up to that.
        spec: what the entries are.
        block: records per block, at least 1.

    Raises:
        RecordError: an array is not what the spec says, or is not declared in it.
        StoreError: the arrays differ in length or are empty.
        ParameterError: ``block`` is less than 1.
    """

    traits = SourceTraits("arrays", "arrays in memory", last_resort=True)

    @checked(arrays=RECORD, spec=SPEC_KIND, block=whole(1))
    def __init__(self, arrays: Mapping[str, ArrayLike], spec: DataSpec, *, block: int = 64) -> None:
        self._mapped = MappedFiles(arrays)
        refuse_rows_apart(spec, arrays)
        records = {name: as_records(name, array, spec) for name, array in arrays.items()}
        self._arrays = {name: _read_only(array) for name, array in records.items()}
        self._length = common_length(self._arrays, "arrays in memory")
        check_entries(spec, self._arrays, "arrays in memory")
        self._spec = spec.as_read()
        self._maps = ValueMaps(spec)
        self._block = block

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """Any mapping that no other kind recognises."""
        return isinstance(candidate.data, Mapping)

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
        return sha256_of(*parts, *self._maps.identity)

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
            yield Block(number, index, {name: self._view(name, rows) for name in self._arrays})

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
        self._maps.apply(out, slice(stop - start))

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
            found = {name: native(array[rows]) for name, array in self._arrays.items()}
        else:
            found = check_out(out, self.structure, len(rows))
            for name, array in found.items():
                # The default mode, "raise", copies to a buffer first.
                np.take(self._arrays[name], rows, axis=0, out=array, mode="clip")
        self._maps.apply(found)
        return found

    def check(self, *, deep: bool = False) -> None:
        """Nothing can be missing from memory; memory maps are read once when ``deep``.

        Args:
            deep: also look whether records, a few of them, are what the spec says.

        Raises:
            RecordError: they are not.
        """
        self._mapped.check()
        if deep:
            for array in self._arrays.values():
                sha256_array(array)
            inspect_source(self)

    def _view(self, name: str, rows: slice) -> NDArray:
        view = self._arrays[name][rows]
        if name not in self._maps:
            return view
        mapped = view.copy()
        self._maps.apply({name: mapped})
        return mapped

    def __repr__(self) -> str:
        return f"{type(self).__name__}(records={self._length}, entries={list(self._arrays)})"


def _read_only(array: ArrayLike) -> NDArray:
    """Return a view that cannot be written through: blocks must not change the user's data."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _native(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(dtype).newbyteorder("=")
