"""What draws look at in a label map: pixels of given classes, and how mixed a window is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ..typing import Array, SpatialShape
from ._base import Frame
from ._checked import whole

# Of wider windows every k-th pixel of every k-th row is counted.
_MOST_SAMPLES = 64
# Behind the names of masks that the pipeline itself hands from stage to stage.
_INTERNAL = "_valid_before"


MOST_TRIES = 100
"""Windows of one record: all of them are looked at."""


def tries(value: Any, field_name: str, *, low: int, high: int) -> int:
    """How often a window may be placed anew."""
    found = whole(value, field_name, low=low)
    if found > high:
        raise ParameterError(f"`{field_name}` must be at most {high}, got {found}.")
    return found


def label_entry(owner: str, spec: DataSpec, entry: str | None) -> EntrySpec:
    """The label map of a spec that is looked at.

    Args:
        owner: the transform, for errors.
        spec: of the records.
        entry: its name; None where there is only one.

    Raises:
        ParameterError: it is no label map, there are several, or it has several frames.
    """
    maps = {
        name: one
        for name, one in spec.entries.items()
        if one.kind == "spatial"
        and any(group.role == "label" for group in one.groups)
        and not name.endswith(_INTERNAL)
    }
    if entry is None and len(maps) == 1:
        entry = next(iter(maps))
    if entry is None or entry not in maps:
        raise ParameterError(
            f"`{owner}.entry` must name one of the label maps {sorted(maps)} of the spec "
            f"{spec.name!r}, got {entry!r}."
        )
    found = maps[entry]
    if found.time is not None:
        raise ParameterError(
            f"`{owner}` places one window by one label map, and {found.name!r} has several frames "
            '("time" in the spec). Give it as an entry without time.'
        )
    return found


def labels_of(frame: Frame, entry: EntrySpec) -> Array:
    """(h, w), the labels of a record."""
    array: Array = frame.record[entry.name]
    if array.ndim == 2:
        return array
    group = next(group for group in entry.groups if group.role == "label")
    return array[..., group.start]


def ignore_of(entry: EntrySpec) -> int | None:
    """The label that losses skip."""
    return next(group.ignore for group in entry.groups if group.role == "label")


def rows_of_labels(labels: Array, wanted: Sequence[int]) -> Array:
    """(n, h) int32: how many pixels of every wanted label each row has."""
    each = jnp.array(wanted, jnp.int32)
    values = labels.astype(jnp.int32)
    counts: Array = lax.map(lambda one: (values == one).sum(1, dtype=jnp.int32), each)
    return counts


def pixel_of(u: Array, rows: Array, is_in_row: Array, row: Array) -> Array:
    """The column of a pixel, evenly among those of a row; see `row_of`."""
    before = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(rows)])
    rest = _index(u, before[-1]) - before[row]
    ends = jnp.cumsum(is_in_row.astype(jnp.int32))
    column: Array = jnp.searchsorted(ends, rest, side="right")
    return column


def row_of(u: Array, rows: Array) -> Array:
    """The row of a pixel that is drawn evenly among some.

    Args:
        u: from U[0, 1).
        rows: (h,) int32, how many of the pixels each row has.
    """
    ends = jnp.cumsum(rows)
    return jnp.minimum(jnp.searchsorted(ends, _index(u, ends[-1]), side="right"), len(rows) - 1)


def _index(u: Array, count: Array) -> Array:
    """0 .. count - 1, int32, from U[0, 1); 0 where there is nothing to choose from."""
    found = (u * count.astype(jnp.float32)).astype(jnp.int32)
    return jnp.clip(found, 0, jnp.maximum(count - 1, 0))


def largest_share(
    labels: Array,
    ignore: int | None,
    frame: SpatialShape,
    window: tuple[Array, Array, Array, Array],
    samples: SpatialShape,
) -> Array:
    """The share of the class that has more than half of a window; 0.5 where none has, 1 of nothing.

    A label that more than half of the pixels have is made of the bits that more than half of them
    have: no class has to be counted but that one.

    Args:
        labels: (h, w), integers or bool, over the field of view of the frame.
        ignore: a label whose pixels are not counted; what lies outside is not counted, either.
        frame: (height, width) that the window's numbers refer to.
        window: left, top, width and height, each a scalar, in pixels of area.
        samples: (rows, columns) of pixels of the window; see `_MOST_SAMPLES`.
    """
    left, top, width, height = window
    rows, row_inside = _sampled(top, height, samples[0], frame[0], labels.shape[0])
    columns, column_inside = _sampled(left, width, samples[1], frame[1], labels.shape[1])
    values = labels[rows[:, None], columns[None, :]]
    counted = row_inside[:, None] & column_inside[None, :]
    if ignore is not None:
        counted &= values.astype(jnp.int32) != ignore
    # Otherwise XLA gathers the samples anew for each of the sums below.
    values, counted = lax.optimization_barrier((values, counted))
    total = counted.sum(dtype=jnp.int32)
    bits = jnp.arange(1 if values.dtype == bool else 8 * values.dtype.itemsize, dtype=jnp.uint32)
    words = values.astype(jnp.uint32)
    is_set = ((words[None] >> bits[:, None, None]) & 1).astype(bool) & counted[None]
    majority = 2 * is_set.sum((1, 2), dtype=jnp.int32) > total
    candidate = (majority.astype(jnp.uint32) << bits).sum(dtype=jnp.uint32)
    mask = jnp.uint32(2 ** len(bits) - 1)
    hits = (counted & ((words & mask) == candidate)).sum(dtype=jnp.int32)
    share = hits.astype(jnp.float32) / jnp.maximum(total, 1).astype(jnp.float32)
    return jnp.where(total > 0, jnp.maximum(share, 0.5), 1.0)


def _sampled(start: Array, length: Array, count: int, side: int, size: int) -> tuple[Array, Array]:
    """(count,) indices of pixels along an axis, and whether they lie in the frame."""
    steps = (jnp.arange(count, dtype=jnp.float32) + 0.5) / count
    at, whole = start + steps * length, jnp.asarray(side, jnp.float32)
    index = jnp.floor(at * (size / whole)).astype(jnp.int32)
    return jnp.clip(index, 0, size - 1), (at >= 0) & (at < whole)


def samples_of(size: SpatialShape) -> SpatialShape:
    """How many pixels of a window are counted along each axis."""
    return min(size[0], _MOST_SAMPLES), min(size[1], _MOST_SAMPLES)


def first_below(share: Callable[[Array], Array], offsets: Array, most: float) -> Array:
    """The index of the first of several windows whose share is at most that, or of the last one.

    Args:
        share: of the window at an offset.
        offsets: (n, 2) of the windows; those behind the one that is found are not looked at.
        most: the share.
    """
    last = len(offsets) - 1

    def goes_on(state: tuple[Array, Array]) -> Array:
        return ~state[1]

    def next_one(state: tuple[Array, Array]) -> tuple[Array, Array]:
        at = state[0] + 1
        return at, (at >= last) | (share(offsets[at]) <= most)

    found: tuple[Array, Array] = lax.while_loop(
        goes_on, next_one, (jnp.int32(-1), jnp.array(False))
    )
    return found[0]
