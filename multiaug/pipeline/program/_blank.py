"""Records without content, for compiling ahead."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ...errors import ParameterError
from ...spec import DataSpec, EntrySpec
from ...typing import SpatialShape

_MATRICES = {"intrinsics": (3, 3), "extrinsics": (4, 4)}


def blank_record(spec: DataSpec, shape: SpatialShape) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of a record, as far as its spec declares them; optional entries left out.

    Raises:
        ParameterError: the spec leaves them open.
    """
    given = [e for e in spec.entries.values() if not e.optional and e.kind != "value"]
    return {entry.name: _blank(entry, shape) for entry in given}


def _blank(entry: EntrySpec, shape: SpatialShape) -> jax.ShapeDtypeStruct:
    missing = "dtype" if entry.dtype is None else None
    if entry.kind == "spatial" and entry.channels is None:
        missing = "number of channels"
    if entry.kind == "points" and entry.groups[0].capacity is None:
        missing = "number of rows"
    if entry.time == "any":
        missing = "number of frames"
    if missing:
        raise ParameterError(
            f"`warmup` must know the {missing} of the entry {entry.name!r}, got a spec that leaves "
            "it open. Pass a record as `like`."
        )
    size: tuple[int | None, ...]
    if entry.kind == "points":
        size = (entry.groups[0].capacity, entry.channels)
    else:
        size = (*shape, entry.channels) if entry.kind == "spatial" else _MATRICES[entry.role]
    if isinstance(entry.time, int):
        size = (entry.time, *size)
    return jax.ShapeDtypeStruct(size, jnp.dtype(entry.dtype))
