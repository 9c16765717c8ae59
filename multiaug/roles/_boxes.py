"""The role `boxes`: axis-aligned boxes in a picture."""

from __future__ import annotations

import jax.numpy as jnp

from ..spec import ChannelGroup, RoleFacts, register_role
from ..typing import Array
from ._base import PointSite
from ._keypoints import push_points


class Boxes:
    """The bounding box of the moved corners, clipped to the picture.

    Conventions: ``edges`` are x0 y0 x1 y1 on the pixel-area scale, where pixel 0 reaches from
    -0.5 to 0.5; ``coco`` is x y width height with x, y counted from the picture's corner;
    ``pascal`` is the first and the last pixel inside, counted from 0.
    """

    facts = register_role(
        RoleFacts(
            "boxes",
            kind="points",
            channels=4,
            dtype_kinds="f",
            settings=frozenset({"box_convention", "capacity"}),
        )
    )

    def move(self, values: Array, group: ChannelGroup, site: PointSite) -> dict[str, Array]:
        """The moved boxes (K, 4) and ``_visible`` (K,) float32: the share of area in view."""
        x0, y0, x1, y1 = _edges(values.astype(jnp.float32), group.convention)
        x, y = push_points(
            jnp.stack([x0, x1, x1, x0], axis=-1), jnp.stack([y0, y0, y1, y1], axis=-1), site
        )
        height, width = site.size_out
        left, right = x.min(-1), x.max(-1)
        top, bottom = y.min(-1), y.max(-1)
        clip_left, clip_right = (jnp.clip(v, -0.5, width - 0.5) for v in (left, right))
        clip_top, clip_bottom = (jnp.clip(v, -0.5, height - 0.5) for v in (top, bottom))
        area = (right - left) * (bottom - top)
        seen = (clip_right - clip_left) * (clip_bottom - clip_top)
        visible = jnp.where(area > 0, seen / jnp.where(area > 0, area, 1), 0)
        moved = _convert((clip_left, clip_top, clip_right, clip_bottom), group.convention)
        return {"": moved.astype(values.dtype), "_visible": visible}


_Edges = tuple[Array, Array, Array, Array]


def _edges(boxes: Array, convention: str) -> _Edges:
    a, b, c, d = (boxes[:, i] for i in range(4))
    if convention == "coco":
        return a - 0.5, b - 0.5, a - 0.5 + c, b - 0.5 + d
    if convention == "pascal":
        return a - 0.5, b - 0.5, c + 0.5, d + 0.5
    return a, b, c, d


def _convert(edges: _Edges, convention: str) -> Array:
    x0, y0, x1, y1 = edges
    if convention == "coco":
        return jnp.stack([x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0], axis=-1)
    if convention == "pascal":
        return jnp.stack([x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5], axis=-1)
    return jnp.stack(edges, axis=-1)
