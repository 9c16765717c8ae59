"""Records that a field displaces, for the compiled sampler: as a spline, or as positions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..geometry import Displacement, Map, Projective, centre, spline_weights
from ..typing import Array, NDArray, SpatialShape
from ._plan import coordinates, ratio

# As in warp.h.
_MOST_KNOTS = 64

Sizes = tuple[SpatialShape, SpatialShape]


def knots_of(warp: Map) -> tuple[int, int] | None:
    """(R, C) of a map that C adds up by itself; None of all others.

    That is one displacement, on the grid of the output, behind matrices.
    """
    last = warp.segments[-1] if warp.segments else None
    if not isinstance(last, Displacement) or last.undo or last.shape != warp.out_shape:
        return None
    rows, columns = last.control.shape[-3:-1]
    alone = all(isinstance(segment, Projective) for segment in warp.segments[:-1])
    return (rows, columns) if alone and max(rows, columns) <= _MOST_KNOTS else None


def weights_of(
    knots: tuple[int, int], frame: SpatialShape, size_out: SpatialShape
) -> tuple[NDArray, NDArray]:
    """What each control value adds along the output: (C, w) and (h, R).

    Args:
        knots: (R, C).
        frame: (height, width) of the output frame, which the control grid spans.
        size_out: (height, width) of the results.
    """
    rows, columns = knots
    (sx, sy), (cx, cy) = ratio(size_out, frame), centre(size_out)
    x = (np.arange(size_out[1], dtype=np.float32) - cx) / sx
    y = (np.arange(size_out[0], dtype=np.float32) - cy) / sy
    along_x = spline_weights(x, frame[1], columns)
    along_y = spline_weights(y, frame[0], rows)
    return np.array(along_x.T, order="C"), along_y


def controls_of(warp: Map, size_out: SpatialShape) -> Array:
    """(2, R, C) control values of a record, in pixels of the output."""
    spline = warp.segments[-1]
    assert isinstance(spline, Displacement)
    sx, sy = ratio(size_out, warp.out_shape)
    return jnp.stack([spline.control[..., 0] * sx, spline.control[..., 1] * sy])


def displaced(views: Any) -> Array:
    """(N,) int32: some displacement of a record is not 0 everywhere.

    Of dense segments of other kinds nothing is known: they displace every record.
    """
    segments = [segment for segment in views.warp.segments if segment.dense]
    if not all(isinstance(segment, Displacement) for segment in segments):
        return jnp.ones(views.matrix.forward.shape[:1], jnp.int32)
    controls = [(segment.control != 0).any(axis=(1, 2, 3)) for segment in segments]
    return jnp.stack(controls).any(0).astype(jnp.int32)


def filled(views: Any, sizes: Sizes, records: Array, field: Array) -> Array:
    """A field with the positions of the records that are displaced, computed in place.

    In blocks of rows as those of `materialize`: the same bits.
    """
    half = field.shape[2] // 2
    first = jnp.argsort(1 - records)  # their numbers, before all others

    def block(k: Array, field: Array) -> Array:
        record, lower = first[k // 2], k % 2
        view = jax.tree.map(
            lambda leaf: lax.dynamic_index_in_dim(leaf, record, keepdims=False), views
        )
        rows = (lower * half + jnp.arange(half)).astype(jnp.float32)
        x, y, _ = coordinates(view.warp, *sizes, rows)
        field = lax.dynamic_update_slice(field, x[None, None], (record, 0, lower * half, 0))
        return lax.dynamic_update_slice(field, y[None, None], (record, 1, lower * half, 0))

    return lax.fori_loop(0, 2 * records.sum(), block, field)  # type: ignore[no-any-return]
