"""One door to every kind of source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ..errors import ParameterError
from ._arrays import ArraySource
from ._source import Source
from ._zarr import ZarrSource

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec


def open_source(
    path_or_arrays: str | os.PathLike[str] | Mapping[str, ArrayLike],
    spec: DataSpec | None = None,
    *,
    on_missing: Literal["raise", "fill"] = "raise",
) -> Source:
    """Open a data set for reading.

    Names, shapes and dtypes of all arrays are checked against the spec; values are not read.

    Args:
        path_or_arrays: the folder of a zarr group (version 2 or 3) with one array per entry,
            or a mapping from entry name to array in memory. The first axis is the records.
        spec: what the entries are. A store written by `write_zarr` carries its spec, which is
            used when none is given.
        on_missing: a chunk that is not in the store is an error by default. ``fill`` reads it
            as the array's fill value, for stores whose writer left out chunks of nothing but
            zeros, as zarr does by default. Stores that carry our completion marker are never
            filled.

    Raises:
        StoreError: there is no zarr group at the path, a required array is not in it, the
            arrays differ in length or are empty, or the store is not complete.
        RecordError: an array is not what the spec says.
        ParameterError: arrays in memory without a spec, or a bad ``on_missing``.

    Example:
        >>> import numpy as np
        >>> from multiaug.spec import DataSpec
        >>> spec = DataSpec.from_dict(
        ...     {"name": "gray", "entries": {"image": {"role": "intensity", "channels": 1}}}
        ... )
        >>> source = open_source({"image": np.zeros((100, 8, 8, 1), np.uint8)}, spec)
        >>> len(source), source.read([99, 3])["image"].shape
        (100, (2, 8, 8, 1))
        >>> [len(block.index) for block in source.scan()]
        [64, 36]
    """
    if not isinstance(path_or_arrays, Mapping):
        return ZarrSource(path_or_arrays, spec, on_missing=on_missing)
    if spec is None:
        raise ParameterError(
            "open_source: arrays in memory carry no spec. Pass one: "
            "open_source(arrays, multiaug.load_spec('name'))."
        )
    return ArraySource(path_or_arrays, spec)
