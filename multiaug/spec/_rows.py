"""Rows of tables that are not there: what they hold, and whether tables have one count of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RecordError

if TYPE_CHECKING:
    from ._spec import DataSpec


def absent_row(dtype: Any) -> Any:
    """What a row that is not there holds: NaN; -1, or the largest unsigned integer; or False."""
    dtype = np.dtype(dtype)
    if dtype.kind == "u":
        return np.iinfo(dtype).max
    return {"i": -1, "b": False}.get(dtype.kind, np.nan)


# Every call of a pipeline asks.
@lru_cache(maxsize=64)
def capacities(spec: DataSpec) -> Mapping[str, int]:
    """Entry name -> rows that the table of every record is filled up to, where that is declared."""
    found = {name: entry.groups[0].capacity for name, entry in spec.entries.items()}
    return MappingProxyType({name: rows for name, rows in found.items() if rows is not None})


def refuse_rows_apart(spec: DataSpec, tables: Mapping[str, Any], first: int = 0) -> None:
    """Refuse records whose scalars have not one row for each row of the table that they describe.

    To be asked before tables are filled up: behind that all have as many rows.

    Args:
        spec: what the entries are.
        tables: entry name -> one array, or anything with a length, for each record.
        first: number of the first record, for errors.

    Raises:
        RecordError: naming the record and both tables.
    """
    for name, entry in spec.entries.items():
        of = entry.of
        if entry.kind != "value" or of is None or of not in tables or name not in tables:
            continue
        if all(isinstance(tables[n], np.ndarray) and tables[n].ndim > 1 for n in (name, of)):
            continue  # one count of rows for all records: `check_structure` compares them
        both = zip(tables[name], tables[of], strict=False)
        for number, (rows, others) in enumerate(both):
            found, expected = _count(rows), _count(others)
            if None not in (found, expected) and found != expected:
                raise RecordError(
                    f"{name}: record {first + number} has {found} rows, expected {expected}: one "
                    f"row each of {of}. Give both tables the same rows."
                )


def _count(rows: Any) -> int | None:
    return len(rows) if hasattr(rows, "__len__") and getattr(rows, "shape", (0,)) != () else None
