"""What sources say of themselves, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._machine import bytes_text
from .._tables import Report, Reported, Table, shape_text

if TYPE_CHECKING:
    from ..spec import DataSpec
    from ._source import Structure

_COLUMNS = ("entry", "role", "shape", "dtype", "bytes of a record")


class ReportedSource(Reported):
    """What all sources of this package inherit: ``print`` and notebooks show a table of entries."""

    _spec: DataSpec

    @property
    def spec(self) -> DataSpec:
        """What the entries of the records are."""
        return self._spec

    def _report(self) -> Report:
        source: Any = self
        structure: Mapping[str, Structure] = getattr(self, "structure", {})
        records = f"{len(source)} records" if hasattr(self, "__len__") else "a stream of records"
        where = getattr(self, "_where", "")
        title = f"{type(self).__name__}: {records}" + (f" at {where}" if where else "")
        rows = tuple(_row(name, source.spec, structure.get(name)) for name in source.spec.entries)
        each = sum(s.nbytes for s in structure.values())
        said = []
        if each:
            said.append(f"{bytes_text(each)} a record, {bytes_text(each * len(source))} in all.")
        missing = [name for name in source.spec.entries if structure and name not in structure]
        if missing:
            said.append(f"Declared, and not there: {', '.join(missing)}.")
        # Asking another machine takes a request, which nobody expects of a line of print.
        if not getattr(self, "remote", False) and (ignored := getattr(self, "ignored", ())):
            said.append(f"There, and not declared: {', '.join(ignored)}.")
        return Report(title, (Table(_COLUMNS, rows), *said), "", (source.spec._report(),))


def _row(name: str, spec: DataSpec, structure: Structure | None) -> tuple[str, ...]:
    entry = spec.entries[name]
    if structure is None:
        return name, entry.role, "", entry.dtype or "", ""
    shape = shape_text(structure.shape) if structure.shape else "one value"
    return name, entry.role, shape, str(structure.dtype), bytes_text(structure.nbytes)
