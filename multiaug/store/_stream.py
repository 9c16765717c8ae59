"""What sources share that are read from front to end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from .._machine import native
from ..errors import StoreError
from ..typing import NDArray
from ._ragged import as_records
from ._report import ReportedSource
from ._structure import check_entries
from ._value_maps import ValueMaps

if TYPE_CHECKING:
    from ..spec import DataSpec

_BY_POSITION = ("read", "scan", "blocks", "read_range", "structure", "chunk")


class RecordStream(ReportedSource, ABC):
    """Records in the order of an archive or a table: a base for sequential sources.

    A class of your own has `records` and `fingerprint`, and is a `SequentialSource`. Labels are
    mapped as the spec's ``values`` say, tables with a ``capacity`` are filled up to it, and every
    record is compared with the spec.

    Args:
        spec: what the entries are.
        where: the data set, for errors.
    """

    def __init__(self, spec: DataSpec, where: str) -> None:
        self._spec = spec.as_read()
        self._maps = ValueMaps(spec)
        self._where = where

    @abstractmethod
    def records(self) -> Iterator[tuple[str, dict[str, NDArray]]]:
        """Give every record, from the first one on, with its full name for errors.

        Arrays are not written to afterwards.
        """

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Differs when the data set differs."""

    def __iter__(self) -> Iterator[Mapping[str, NDArray]]:
        count = 0
        for name, found in self.records():
            rows = {n: native(as_records(n, [a], self._spec)) for n, a in found.items()}
            rows = {n: a if a.flags.owndata else a.copy() for n, a in rows.items()}
            self._maps.apply(rows)
            check_entries(self._spec, rows, name)
            yield {n: a[0] for n, a in rows.items()}
            count += 1
        if not count:
            raise StoreError(f"{self._where}: there are no records in it. Expected at least one.")

    def check(self, *, deep: bool = False) -> None:
        """Read every record when ``deep``; that all files are there was seen on opening.

        Args:
            deep: read all.

        Raises:
            StoreError: a file cannot be read.
            RecordError: a record is not what the spec says.
        """
        if deep:
            for _ in self:
                pass

    def __getattr__(self, name: str) -> NoReturn:
        text = f"{type(self).__name__!r} object has no attribute {name!r}"
        if name in _BY_POSITION:
            text += (
                ": its records come in an order of their own. Write them once with "
                "multiaug.convert(source, 'train.zarr'), and open that"
            )
        raise AttributeError(text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._where!r}, entries={list(self._spec.entries)})"
