"""Which arrays a store has, and what of a block of records goes into each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import RecordError, StoreError
from ...files import create_array
from ...typing import NDArray
from .._source import Structure
from ._contents import Contents

if TYPE_CHECKING:
    import zarr

    from ...spec import DataSpec

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_AXES = ("y", "x", "channel")


Part = tuple[str, NDArray]
"""Path of an array inside the group, and rows of it."""


class Format(Protocol):
    """How records become arrays of a group. Goes through pickle: workers write blocks."""

    @property
    def zarr_version(self) -> int:
        """Of the group: 2 or 3."""

    def create(self, group: zarr.Group, contents: Contents) -> None:
        """Make all arrays, empty, and their metadata.

        Raises:
            ParameterError: the format has no place for an entry.
        """

    def parts(self, name: str, values: NDArray, contents: Contents) -> Iterable[Part]:
        """What of some records of an entry goes where."""


class Plain:
    """One array per entry, the records as they are, in shards. What `open_source` reads fastest."""

    zarr_version = 3

    def create(self, group: zarr.Group, contents: Contents) -> None:
        """See `Format`."""
        for name, entry in contents.structure.items():
            create_array(
                group,
                name,
                shape=(contents.records, *entry.shape),
                chunks=(contents.chunk, *entry.shape),
                shards=(contents.block, *entry.shape),
                dtype=entry.dtype,
                axes=axis_names(name, entry, contents.spec),
            )

    def parts(self, name: str, values: NDArray, contents: Contents) -> Iterable[Part]:
        """See `Format`."""
        yield name, values


def axis_names(name: str, entry: Structure, spec: DataSpec) -> tuple[str, ...]:
    """Names by which xarray tells axes apart; those of different sizes differ."""
    timed = {n for n, e in spec.entries.items() if e.time is not None}
    axes = ("time", *_AXES) if {name, name.removesuffix("_valid")} & timed else _AXES
    named = [f"{name}_{axis}" for axis in axes]
    known = entry.ndim <= len(axes)
    return ("record", *(named[: entry.ndim] if known else map(str, range(entry.ndim))))


def check_name(name: str, rows: Any, where: str) -> None:
    """Refuse what cannot be an array of a store.

    Args:
        name: of the array.
        rows: with the shape and dtype of a batch or a record.
        where: for errors.

    Raises:
        RecordError: the name is no name of an array.
        StoreError: zarr cannot hold the dtype.
    """
    if not _NAME.fullmatch(name):
        raise RecordError(
            f"{where}: {name!r} cannot be the name of an array. Use letters, digits, '_', '-' "
            "and '.', beginning with a letter."
        )
    if rows.dtype.kind not in "biuf":  # ml_dtypes' bfloat16 is of kind V
        raise StoreError(
            f"{where}: {name!r} is {rows.dtype.name}, which zarr cannot hold. Convert it first: "
            "bfloat16 becomes float32 without loss."
        )
