"""Tables of several records as one: the rows of every piece that a mix shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...roles import TABLE_ROLES
from ...sampling import library_of
from ...spec import DataSpec, EntrySpec, absent_row
from ...transforms import Mixing
from ...typing import SpatialShape

# No position of a pixel is as large.
_FAR = 1e9


def joins(mixing: Mixing, spec: DataSpec, name: str) -> bool:
    """Rows of partners are put into an entry: a table of places, or what describes its rows."""
    entry = spec.entries[name]
    if type(mixing).windows is Mixing.windows or name in mixing.keep:
        return False
    if entry.kind == "value":
        of = spec.entries.get(entry.of or "")
        return of is not None and of.kind == "points" and joins(mixing, spec, of.name)
    return why_not_joined(entry) is None


def why_not_joined(entry: EntrySpec) -> str | None:
    """Why rows of several records cannot be in one table, with the remedy; None where they can."""
    if entry.kind != "points" or not hasattr(TABLE_ROLES[entry.role], "cut"):
        return (
            f"{entry.role} of two records have no common meaning. Leave the entry out of the spec"
        )
    if entry.groups[0].capacity is None:
        return (
            "the rows of several records are put into one table, which needs room for them. "
            f'Declare "capacity" of {entry.name!r} in the spec, the most rows of a record'
        )
    return None


def rows_of(spec: DataSpec, name: str) -> list[str]:
    """The scalars that have one row for each row of a table."""
    return [n for n, e in spec.entries.items() if e.kind == "value" and e.of == name]


def joined(
    mixing: Mixing,
    spec: DataSpec,
    name: str,
    frame: SpatialShape,
    params: Any,
    partners: Any,
    on: Any,
    batch: Mapping[str, Any],
) -> tuple[dict[str, Any], Any]:
    """A table of places with the rows that the pieces of a record show, its own first.

    Takes arrays of NumPy and of JAX, and gives both the same.

    Args:
        mixing: the transform.
        spec: of the records where it stands.
        name: of the table.
        frame: (H, W) of the reference image.
        params: what the records drew, leading N.
        partners: (N, S).
        on: (N,) whether it runs.
        batch: the entries, leading N, with what was derived of them.

    Returns:
        The entries that change: the table, what is known of its rows, and what describes them; and
        (N,) int32, the rows that are to be in it, which may be more than there is room for.
    """
    entry, table = spec.entries[name], batch[name]
    lib = library_of(table)
    size, rows = table.shape[:2]
    records = lib.concatenate([lib.arange(size, dtype=np.int32)[:, None], partners], axis=1)
    windows = _in_pixels(mixing.windows(params, frame), spec, entry, frame, batch)
    role: Any = TABLE_ROLES[entry.role]
    cut, share = role.cut(table[records], entry.groups[0], windows[:, :, None, :])
    least = np.float32(getattr(mixing, "min_visible", 0.0))
    stays = ((share > 0) & (share >= least)).reshape(size, -1)
    # Rows that stay come first, in their order.
    place = lib.arange(stays.shape[1], dtype=np.int32)
    chosen = lib.argsort(lib.where(stays, place, place + stays.shape[1]), axis=1)[:, :rows]
    there = lib.take_along_axis(stays, chosen, axis=1)

    def pick(values: Any, absent: Any, old: Any) -> Any:
        """The chosen rows of (N, 1 + S, rows, ...); what is not there is ``absent``."""
        flat = values.reshape(size, -1, *values.shape[3:])
        more = (1,) * (flat.ndim - 2)
        found = lib.take_along_axis(flat, chosen.reshape(*chosen.shape, *more), axis=1)
        found = lib.where(there.reshape(*there.shape, *more), found, np.asarray(absent, old.dtype))
        return lib.where(on.reshape(size, 1, *more), found, old)

    done = {name: pick(cut, absent_row(table.dtype), table)}
    for other in rows_of(spec, name):
        if other in batch and joins(mixing, spec, other):
            old = batch[other]
            done[other] = pick(old[records], absent_row(old.dtype), old)
    visible, valid = f"{name}_visible", f"{name}_valid"
    if visible in batch:
        old = batch[visible]
        done[visible] = pick(old[records] * share.astype(old.dtype), 0, old)
    if valid in batch:
        done[valid] = lib.where(on[:, None], there, batch[valid])
    return done, lib.where(on, stays.sum(axis=1, dtype=np.int32), 0)


def _in_pixels(
    windows: Any, spec: DataSpec, entry: EntrySpec, frame: SpatialShape, batch: Mapping[str, Any]
) -> Any:
    """Edges in pixels of the frame as edges in pixels of the image that a table belongs to."""
    of = entry.of or spec.reference({n for n in batch if n in spec.entries})
    image = spec.entries.get(of or "")
    if image is None or image.name not in batch:
        return windows
    height, width = image.image_shape(batch[image.name].shape[1:])[:2]
    if (height, width) == tuple(frame):
        return windows
    lib = library_of(windows)
    scale = np.array([width / frame[1], height / frame[0]] * 2, np.float32)
    # Between the product and the difference stand limits: no compiler makes one operation of both.
    scaled = lib.clip((windows + np.float32(0.5)) * scale.reshape(1, 1, 4), -_FAR, _FAR)
    return scaled - np.float32(0.5)
