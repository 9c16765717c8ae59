"""Tables of a record, or of a batch, that have fewer rows than the capacity of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..sampling import library_of
from ..spec import DataSpec, absent_row, capacities, refuse_rows_apart


def filled_up(spec: DataSpec, record: Mapping[str, Any], *, batched: bool) -> Mapping[str, Any]:
    """A record whose tables have as many rows as the spec says; the same one where they have.

    Sources fill up what they read, so arrays that are handed to a pipeline are filled up alike.

    Args:
        spec: what the entries are.
        record: arrays by entry name.
        batched: with a leading axis of records.

    Raises:
        RecordError: scalars that have not one row for each row of their table.
    """
    short = {n: rows for n, rows in capacities(spec).items() if _lacks(record, n, rows, batched)}
    if not short:
        return record
    shapes = {n: np.shape(a) for n, a in record.items()}
    rows_of = {n: [range(shape[batched])] for n, shape in shapes.items() if len(shape) > batched}
    refuse_rows_apart(spec, rows_of)
    return {
        n: _with_rows(a, short[n], int(batched)) if n in short else a for n, a in record.items()
    }


def _lacks(record: Mapping[str, Any], name: str, rows: int, batched: bool) -> bool:
    array = record.get(name)
    shape = getattr(array, "shape", ())
    return hasattr(array, "dtype") and len(shape) > batched and shape[batched] < rows


def _with_rows(array: Any, rows: int, axis: int) -> Any:
    array = array if hasattr(array, "aval") else np.asarray(array)
    lib = library_of(array)
    shape = (*array.shape[:axis], rows - array.shape[axis], *array.shape[axis + 1 :])
    return lib.concatenate([array, lib.full(shape, absent_row(array.dtype), array.dtype)], axis)
