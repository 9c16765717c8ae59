"""The role `boxes`: axis-aligned boxes in a picture."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..sampling import library_of
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import PointContext
from ._keypoints import push_outlines


class Boxes:
    """The bounding box of the moved box, clipped to the picture.

    Of a box across the horizon of a perspective map, what is in front of it is moved. Of a box that
    had no width or no height nothing is in view, whatever a turn makes of it.

    Conventions: ``edges`` are x0 y0 x1 y1 on the pixel-area scale, where pixel 0 reaches from
    -0.5 to 0.5; ``coco`` is x y width height with x, y counted from the picture's corner;
    ``pascal`` is the first and the last pixel inside, counted from 0.
    """

    traits = register_role(
        RoleTraits(
            "boxes",
            kind="points",
            channels=4,
            dtype_kinds="f",
            settings=frozenset({"box_convention", "capacity"}),
        )
    )

    rowwise = True

    def move(self, values: Array, group: ChannelGroup, context: PointContext) -> dict[str, Array]:
        """The moved boxes (K, 4) and ``_visible`` (K,) float32: the share of area in view.

        A box that is wholly behind a horizon is nowhere: NaN, and none of it is in view.
        """
        x0, y0, x1, y1 = box_edges(values.astype(jnp.float32), group.convention)
        x, y = push_outlines(
            jnp.stack([x0, x1, x1, x0], axis=-1), jnp.stack([y0, y0, y1, y1], axis=-1), context
        )
        height, width = context.size_out
        left, right, share_x = _clipped(x, width)
        top, bottom, share_y = _clipped(y, height)
        moved = _convert((left, top, right, bottom), group.convention)
        visible = jnp.where((x1 > x0) & (y1 > y0), share_x * share_y, 0)
        return {"": moved.astype(values.dtype), "_visible": visible}

    def cut(self, values: Array, group: ChannelGroup, window: Array) -> tuple[Array, Array]:
        """Boxes (..., 4) as a window of their image shows them, and (...) the share of area in it.

        Boxes that lie inside keep their bits. Takes arrays of NumPy and of JAX.

        Args:
            values: the boxes.
            group: their spec.
            window: (..., 4) float32, the edges x0 y0 x1 y1 on the pixel-area scale.
        """
        lib = library_of(values)
        edges = box_edges(values.astype(np.float32), group.convention)
        x0, y0, x1, y1 = edges
        left, right = (lib.clip(x, window[..., 0], window[..., 2]) for x in (x0, x1))
        top, bottom = (lib.clip(y, window[..., 1], window[..., 3]) for y in (y0, y1))
        seen = (left, top, right, bottom)
        whole, part = (x1 - x0) * (y1 - y0), (right - left) * (bottom - top)
        there = (x1 > x0) & (y1 > y0)
        share = lib.where(there, part, np.float32(0)) / lib.where(there, whole, np.float32(1))
        inside = (left == x0) & (top == y0) & (right == x1) & (bottom == y1)
        moved = _convert(seen, group.convention).astype(values.dtype)
        return lib.where(inside[..., None], values, moved), share

    def centres(self, values: Array, group: ChannelGroup) -> tuple[Array, Array]:
        """X and y of the centres of the rows (..., 4), in pixels of their image."""
        x0, y0, x1, y1 = box_edges(values.astype(jnp.float32), group.convention)
        return (x0 + x1) / 2, (y0 + y1) / 2


def _clipped(corners: Array, size: int) -> tuple[Array, Array, Array]:
    """Along one axis: where boxes (K, P) begin and end in the picture, and their share in view."""
    # Not a number are corners behind a horizon, and all of a box that is not there.
    nothing = jnp.isnan(corners)
    first = jnp.where(nothing, jnp.inf, corners).min(-1)
    last = jnp.where(nothing, -jnp.inf, corners).max(-1)
    begin, end = (jnp.clip(v, -0.5, size - 0.5) for v in (first, last))
    there, long = first <= last, last > first
    share = jnp.where(long, (end - begin) / jnp.where(long, last - first, 1), 0)
    return jnp.where(there, begin, jnp.nan), jnp.where(there, end, jnp.nan), share


_Edges = tuple[Array, Array, Array, Array]


def box_edges(boxes: Array, convention: str) -> _Edges:
    """X0, y0, x1 and y1 of boxes (..., 4), on the scale where pixel 0 reaches from -0.5 to 0.5."""
    a, b, c, d = (boxes[..., i] for i in range(4))
    if convention == "coco":
        return a - 0.5, b - 0.5, a - 0.5 + c, b - 0.5 + d
    if convention == "pascal":
        return a - 0.5, b - 0.5, c + 0.5, d + 0.5
    return a, b, c, d


def _convert(edges: _Edges, convention: str) -> Array:
    x0, y0, x1, y1 = edges
    columns = edges
    if convention == "coco":
        columns = (x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0)
    if convention == "pascal":
        columns = (x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5)
    boxes: Array = library_of(x0).stack(columns, axis=-1)
    return boxes
