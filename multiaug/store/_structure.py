"""Names, lengths, shapes and dtypes of a data set against its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import RecordError, StoreError
from ..spec import check_structure

if TYPE_CHECKING:
    from ..spec import DataSpec


class HasShape(Protocol):
    """Anything with a shape: a NumPy array, a zarr array, a `Structure`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""


def common_length(arrays: Mapping[str, HasShape], where: str) -> int:
    """Return the number of records, which every array must have as its first axis.

    Args:
        arrays: at least one array.
        where: the store, for the error's text.

    Raises:
        StoreError: an array has no axis, the lengths differ, or there is nothing in them.
    """
    if not arrays:
        raise StoreError(f"{where}: there is no array to read. Expected one array per entry.")
    for name, array in arrays.items():
        if not array.shape:
            raise StoreError(
                f"{where}: {name!r} has no axis. Expected the records on the first axis: (N, ...)."
            )
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise StoreError(
            f"{where}: the arrays differ in length: {found}. Expected the same number of records "
            "in every array."
        )
    length = next(iter(lengths.values()))
    if length == 0:
        raise StoreError(f"{where}: the arrays hold no records. Expected at least one.")
    return length


def check_entries(spec: DataSpec, arrays: Mapping[str, Any], where: str) -> None:
    """Check every array against the spec.

    Raises:
        RecordError: with ``where`` in front of what the spec finds wrong.
    """
    try:
        check_structure(spec, arrays, batch=True)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from error
