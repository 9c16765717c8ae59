"""Records without content, for compiling ahead."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ...errors import ParameterError
from ...spec import DataSpec, EntrySpec
from ...typing import SpatialShape

_MATRICES = {"intrinsics": (3, 3), "extrinsics": (4, 4)}


def blank_record(
    owner: str, spec: DataSpec, shape: SpatialShape
) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of a record, as far as its spec declares them; optional entries left out.

    A scalar is one number, or one for each row of the table that it describes: what else it may be
    changes nothing of how images are made.

    Args:
        owner: the method that asks, for errors.
        spec: of the record.
        shape: (H, W) of its images.

    Raises:
        ParameterError: the spec leaves them open.
    """
    given = [entry for entry in spec.entries.values() if not entry.optional]
    return {
        e.name: _scalar(spec, e) if e.kind == "value" else _blank(owner, e, shape) for e in given
    }


def _scalar(spec: DataSpec, entry: EntrySpec) -> jax.ShapeDtypeStruct:
    of = spec.entries.get(entry.of or "")
    rows = entry.groups[0].capacity
    if rows is None and of is not None and of.kind == "points":
        rows = of.groups[0].capacity
    return jax.ShapeDtypeStruct(
        () if rows is None else (rows,), jnp.dtype(entry.dtype or "float32")
    )


def _blank(owner: str, entry: EntrySpec, shape: SpatialShape) -> jax.ShapeDtypeStruct:
    missing = "dtype" if entry.dtype is None else None
    if entry.kind == "spatial" and entry.channels is None:
        missing = "number of channels"
    if entry.kind == "points" and entry.groups[0].capacity is None:
        missing = "number of rows"
    if entry.time == "any":
        missing = "number of frames"
    if missing:
        raise ParameterError(
            f"`{owner}` must know the {missing} of the entry {entry.name!r}, got a spec that "
            "leaves it open. Pass a record as `like`."
        )
    size: tuple[int | None, ...]
    if entry.kind == "points":
        size = (entry.groups[0].capacity, entry.channels)
    else:
        size = (*shape, entry.channels) if entry.kind == "spatial" else _MATRICES[entry.role]
    if isinstance(entry.time, int):
        size = (entry.time, *size)
    return jax.ShapeDtypeStruct(size, jnp.dtype(entry.dtype))
