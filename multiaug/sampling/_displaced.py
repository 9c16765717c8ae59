"""Records that a field displaces, for the compiled sampler: as a spline, or as positions."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .._native import layout
from ..geometry import KNOT_MARGIN, Displacement, Map, Projective, centre, spline_weights
from ..typing import Array, NDArray, SpatialShape
from ._plan import coordinates, ratio

# As in warp.h.
_MOST_KNOTS, _KNOTS_AROUND = 64, 4

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
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """What each control value adds along the output, (C, w) and (h, R), and the slopes of that.

    Slopes are those of a pixel of the output.

    Args:
        knots: (R, C).
        frame: (height, width) of the output frame, which the control grid spans.
        size_out: (height, width) of the results.
    """
    rows, columns = knots
    (sx, sy), (cx, cy) = ratio(size_out, frame), centre(size_out)
    x = (np.arange(size_out[1], dtype=np.float32) - cx) / sx
    y = (np.arange(size_out[0], dtype=np.float32) - cy) / sy
    along_x, slope_x = spline_weights(x, frame[1], columns)
    along_y, slope_y = spline_weights(y, frame[0], rows)
    across = [np.array(found.T, order="C") for found in (along_x, slope_x / np.float32(sx))]
    return across[0], along_y, across[1], slope_y / np.float32(sy)


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

    In blocks of rows as those of `materialize`: the same bits. A field of six planes also gets the
    Jacobian of the backward map between pixels.
    """
    half, (size_in, size_out) = field.shape[2] // 2, sizes
    in_shape, out_shape = views.warp.in_shape, views.warp.out_shape
    scales = np.divide.outer(ratio(size_in, in_shape), ratio(size_out, out_shape)).ravel().tolist()
    first = jnp.argsort(1 - records)  # their numbers, before all others

    def block(k: Array, field: Array) -> Array:
        record, lower = first[k // 2], k % 2
        view = jax.tree.map(
            lambda leaf: lax.dynamic_index_in_dim(leaf, record, keepdims=False), views
        )
        rows = (lower * half + jnp.arange(half)).astype(jnp.float32)
        x, y, slopes = coordinates(view.warp, *sizes, rows)
        planes = [x, y, *(slope * scale for slope, scale in zip(slopes, scales, strict=True))]
        for i, plane in enumerate(planes[: field.shape[1]]):
            field = lax.dynamic_update_slice(field, plane[None, None], (record, i, lower * half, 0))
        return field

    return lax.fori_loop(0, 2 * records.sum(), block, field)  # type: ignore[no-any-return]


@layout("Segment")
class SegmentStruct(ctypes.Structure):
    """`Segment` of warp.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("matrix", "control", "frame")),
        *((name, ctypes.c_int32) for name in ("knots_x", "knots_y", "added")),
    ]


def is_pushed_natively(warp: Map) -> bool:
    """Native code knows every segment, and so where any position of the source goes."""
    return all(isinstance(segment, Projective | Displacement) for segment in warp.segments)


def segment_structs(warp: Map) -> Sequence[SegmentStruct]:
    """A map's segments, of which only static parts are read; `segment_arrays` are still missing."""
    found = []
    for segment in warp.segments:
        struct = SegmentStruct()
        if isinstance(segment, Displacement):
            rows, columns = segment.control.shape[-3:-1]
            struct.knots_x, struct.knots_y = (n + 2 * _KNOTS_AROUND for n in (columns, rows))
            struct.added = segment.undo
        found.append(struct)
    return found


class SegmentArrays(NamedTuple):
    """What a segment of a batch is made of: the matrix, or the other two.

    Args:
        matrix: (N, 3, 3) forward.
        control: (N, R, C, 2) control values, and zeros around them.
        frame: (N, 4) half of the sides of the frame that they span, and knots per pixel; x first.
    """

    matrix: Array | None = None
    control: Array | None = None
    frame: Array | None = None


def segment_arrays(views: Any) -> list[SegmentArrays]:
    """The segments of the maps of a batch."""

    def of_one(view: Any) -> list[SegmentArrays]:
        return [_arrays_of(segment) for segment in view.warp.segments]

    return jax.vmap(of_one)(views)


def _arrays_of(segment: Any) -> SegmentArrays:
    if isinstance(segment, Projective):
        return SegmentArrays(matrix=segment.forward)
    around, (height, width) = (_KNOTS_AROUND, _KNOTS_AROUND), segment.shape
    rows, columns = (n - KNOT_MARGIN for n in segment.control.shape[:2])
    numbers = width / 2, height / 2, columns / width, rows / height
    frame = jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])
    return SegmentArrays(None, jnp.pad(segment.control, (around, around, (0, 0))), frame)
