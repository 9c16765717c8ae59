"""What sources share whose records are files of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RecordError, StoreError
from ..typing import NDArray
from ._block_source import BlockSource
from ._plausible import inspect_source
from ._source import Structure, check_indices, check_out
from ._structure import check_entries
from ._value_maps import ValueMaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec

_BLOCK = 16


class RecordSource(BlockSource):
    """Records that are read one by one, all of one shape: a base for sources of files.

    A class of your own has `read_record` and `fingerprint`, and gets all of `ChunkedSource`. What
    `read_record` needs is set before ``super().__init__``, which reads the first record: all
    others must be like it. Labels are mapped as the spec's ``values`` say. Several threads read
    records at a time.

    Args:
        spec: what the entries are.
        names: of the records, for errors.
        where: the data set, for errors.

    Raises:
        RecordError: the first record is not what the spec says.
        StoreError: there are no records.
    """

    chunk = 1
    _block = _BLOCK

    def __init__(self, spec: DataSpec, names: list[str], where: str) -> None:
        self._spec = spec.as_read()
        self._maps = ValueMaps(spec)
        self._names, self._length = names, len(names)
        self._where = where
        if not names:
            raise StoreError(f"{where}: there are no records in it. Expected at least one.")
        first = self.read_record(0)
        self.structure = {n: Structure(a.shape, a.dtype) for n, a in first.items()}
        batch = {n: Structure((len(names), *a.shape), a.dtype) for n, a in first.items()}
        check_entries(spec, batch, where)

    @abstractmethod
    def read_record(self, number: int) -> dict[str, NDArray]:
        """Read one record: entry name -> array that nobody else writes to.

        Args:
            number: its position.
        """

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """Read neighbouring records into arrays that are there already."""
        self._read_to(range(start, stop), out)

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """Read records by position, in any order, repeats allowed.

        Args:
            indices: integers (n,) in [0, N).
            out: entry name -> contiguous (n, ...) arrays to read to; new ones by default.

        Raises:
            ParameterError: an index is negative or past the end, or ``out`` does not fit.
            StoreError: a file cannot be read.
            RecordError: a record is not like the first one.
        """
        rows = check_indices(indices, len(self))
        arrays = check_out(out, self.structure, len(rows))
        self._read_to(rows.tolist(), arrays)
        return arrays

    def read_records(self, indices: ArrayLike) -> list[dict[str, NDArray]]:
        """Read records by position, each with images of its own size.

        Args:
            indices: integers (n,) in [0, N).

        Raises:
            ParameterError: an index is negative or past the end.
            StoreError: a file cannot be read.
            RecordError: a record has other entries, channels or dtypes than the first one.
        """
        records = []
        for row in check_indices(indices, len(self)).tolist():
            found = self.read_record(row)
            record = {
                name: self._like_first(name, found.get(name), row, of_one_size=False)
                for name in self.structure
            }
            # Decoders may hand out what cannot be written to.
            record = {n: a if a.flags.writeable else a.copy() for n, a in record.items()}
            self._maps.apply({name: array[np.newaxis] for name, array in record.items()})
            records.append(record)
        return records

    def check(self, *, deep: bool = False) -> None:
        """Read every record when ``deep``; that all files are there was seen on opening.

        Args:
            deep: also look whether records, a few of them, are what the spec says.

        Raises:
            StoreError: a file cannot be read.
            RecordError: a record is not like the first one, or not what the spec says.
        """
        if deep:
            out = {n: np.empty((1, *s.shape), s.dtype) for n, s in self.structure.items()}
            for number in range(len(self)):
                self.read_range(number, number + 1, out)
            inspect_source(self)

    def _read_to(self, rows: Iterable[int], out: Mapping[str, NDArray]) -> None:
        for place, row in enumerate(rows):
            record = self.read_record(row)
            for name, array in out.items():
                array[place] = self._like_first(name, record.get(name), row)
            self._maps.apply(out, slice(place, place + 1))

    def _like_first(
        self, name: str, found: NDArray | None, row: int, *, of_one_size: bool = True
    ) -> NDArray:
        expected = self.structure[name]
        free = 2 if not of_one_size and self._spec.entries[name].kind == "spatial" else 0
        if (
            found is None
            or found.ndim != len(expected.shape)
            or (found.shape[free:], found.dtype) != (expected.shape[free:], expected.dtype)
        ):
            text = "nothing" if found is None else f"{found.dtype} {found.shape}"
            raise RecordError(
                f"{self._where}: {self._names[row]}: {name!r} is {text}, expected "
                f"{expected.dtype} {expected.shape} as in {self._names[0]}. Give a size to bring "
                "images to, as in open_source(..., size=(480, 640)); or read them by a Loader "
                "whose pipeline brings them to one, such as RandomResizedCrop does."
            )
        return found

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._where!r}, records={len(self)}, "
            f"entries={list(self.structure)})"
        )
