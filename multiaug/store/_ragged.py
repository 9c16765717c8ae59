"""Tables whose number of rows differs from record to record, as arrays of one capacity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RecordError
from ..spec import absent_row
from ..typing import NDArray

if TYPE_CHECKING:
    from ..spec import DataSpec


def as_records(name: str, values: Any, spec: DataSpec) -> NDArray:
    """One array (N, ...) of what holds the entry of every record.

    Args:
        name: the entry.
        values: an array (N, ...), or a sequence of one array for each record.
        spec: what the entries are.

    Raises:
        RecordError: records of different shapes in an entry without a capacity, or more rows than
            that.
    """
    capacity = _capacity(spec, name)
    if capacity is not None and not _is_full(values, capacity):
        return padded(name, _with_columns(values, spec, name), capacity)
    try:
        array: NDArray = np.asarray(values)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype == object and isinstance(values, Sequence | np.ndarray):
        raise RecordError(f"{name}: {_ragged_text(values)}")
    return array


def refuse_objects(spec: DataSpec, name: str) -> str:
    """What to do about an array of Python objects in a file."""
    remedy = f"declare a capacity for {name!r} and " if _may_have(spec, name) else ""
    return f"For tables of different lengths {remedy}load them as a list of arrays in memory."


def padded(name: str, tables: Sequence[Any] | NDArray, capacity: int, first: int = 0) -> NDArray:
    """Tables (K, ...) as one array (N, capacity, ...): rows that are not there come last.

    They are NaN; in integers -1, or the largest number of an unsigned dtype; in bools False.

    Args:
        name: of the entry, for errors.
        tables: one for each record; one array (N, K, ...) will do.
        capacity: rows of every record.
        first: number of the first record, for errors.

    Raises:
        RecordError: a table has more rows, or is not like the others.
    """
    arrays = [np.asarray(table) for table in tables]
    if not arrays:
        return np.zeros((0, capacity))
    # An empty list has neither columns nor the dtype of the others.
    like = next((array for array in arrays if array.ndim and len(array)), arrays[0])
    shape = (len(arrays), capacity, *like.shape[1:])
    out = np.full(shape, absent_row(like.dtype), like.dtype)
    for number, array in enumerate(arrays):
        if array.ndim and len(array) > capacity:
            raise RecordError(
                f"{name}: record {first + number} has {len(array)} rows, expected at most "
                f'{capacity}, its "capacity" in the spec. Raise it.'
            )
        if array.size and (array.dtype, array.shape[1:]) != (like.dtype, like.shape[1:]):
            raise RecordError(
                f"{name}: record {first + number} is {array.dtype} {array.shape}, expected rows "
                f"of {like.dtype} {like.shape[1:]} as in the others."
            )
        if array.size:
            out[number, : len(array)] = array
    return out


def _capacity(spec: DataSpec, name: str) -> int | None:
    entry = spec.entries.get(name)
    return None if entry is None else entry.groups[0].capacity


def _is_full(values: Any, capacity: int) -> bool:
    """An array, such as one mapped from a file, that needs no rows."""
    shape: tuple[int, ...] = values.shape if isinstance(values, np.ndarray) else ()
    return len(shape) > 1 and shape[1] == capacity


def _with_columns(values: Any, spec: DataSpec, name: str) -> list[NDArray]:
    """The tables as arrays; an empty list gets the columns that the spec names."""
    entry = spec.entries[name]
    tables = [np.asarray(table) for table in values]
    if entry.kind == "points" and entry.channels is not None:
        empty: NDArray = np.zeros((0, entry.channels), entry.dtypes[-1])
        tables = [empty if table.shape == (0,) else table for table in tables]
    return tables


def _may_have(spec: DataSpec, name: str) -> bool:
    entry = spec.entries.get(name)
    return entry is not None and entry.kind in ("points", "value")


def _ragged_text(values: Sequence[Any] | NDArray) -> str:
    shapes = list(dict.fromkeys(np.shape(value) for value in values))
    if len(shapes) < 2:
        return "found Python objects, expected an array of numbers"
    return (
        f"found records of different shapes, such as {shapes[0]} and {shapes[1]}, expected one "
        'array (N, ...). For tables of points and what belongs to their rows declare "capacity", '
        "the most rows that a record has; pictures must be brought to one size"
    )
