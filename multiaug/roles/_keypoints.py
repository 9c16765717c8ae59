"""The role `keypoints`: (x, y) positions in a picture, pixel centres at integers."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from ..errors import RecordError
from ..geometry import LOST, centre
from ..sampling import ratio
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array, NDArray
from ._base import PointContext


class Keypoints:
    """Moved by the forward map; left and right ones change places under a mirror."""

    traits = register_role(
        RoleTraits(
            "keypoints",
            kind="points",
            channels=2,
            dtype_kinds="f",
            settings=frozenset({"mirror_pairs", "capacity"}),
        )
    )

    rowwise = True

    def move(self, values: Array, group: ChannelGroup, context: PointContext) -> dict[str, Array]:
        """The moved points (K, 2) and ``_visible`` (K,) bool: inside the picture's area.

        A point behind the horizon of a perspective map is nowhere: NaN.
        """
        x, y = push_points(values[:, 0], values[:, 1], context)
        moved = jnp.stack([x, y], axis=-1)
        if group.mirror_pairs and len(values):  # an empty table has nothing to swap
            order = mirrored_order(len(values), group.mirror_pairs)
            moved = jnp.where(context.view.mirrored, moved[order], moved)
        height, width = context.size_out
        inside = (moved >= -0.5) & (moved <= jnp.array([[width - 0.5, height - 0.5]]))
        return {"": moved.astype(values.dtype), "_visible": inside.all(-1)}

    def centres(self, values: Array, group: ChannelGroup) -> tuple[Array, Array]:
        """X and y of the rows (..., 2), in pixels of their image."""
        return values[..., 0], values[..., 1]


def mirrored_order(count: int, pairs: tuple[tuple[int, int], ...]) -> NDArray:
    """Where each of so many keypoints comes from under a mirror."""
    order = np.arange(count)
    for left, right in pairs:
        if max(left, right) >= count:
            raise RecordError(
                f"Keypoints with `mirror_pairs` must hold every index of a pair, got {count} "
                f"points and the pair [{left}, {right}]. Mark absent points by NaN."
            )
        order[left], order[right] = right, left
    return order


def push_points(x: Array, y: Array, context: PointContext) -> tuple[Array, Array]:
    """Forward map of positions in pixels of an entry; NaN stays NaN, and is behind a horizon."""
    absent = jnp.isnan(x) | jnp.isnan(y)
    return _pushed(x, y, absent, context, lambda x, y: context.view.warp.push(x, y)[:2])


def push_outlines(x: Array, y: Array, context: PointContext) -> tuple[Array, Array]:
    """`push_points` of the corners (K, P) of polygons, and of where horizons cut their sides."""
    absent = (jnp.isnan(x) | jnp.isnan(y)).any(-1, keepdims=True)
    return _pushed(x, y, absent, context, context.view.warp.push_outline)


def _pushed(
    x: Array,
    y: Array,
    absent: Array,
    context: PointContext,
    push: Callable[[Array, Array], tuple[Array, Array]],
) -> tuple[Array, Array]:
    warp = context.view.warp
    (sx, sy), (cx, cy) = ratio(context.size_in, warp.in_shape), centre(context.size_in)
    (ox, oy), (dx, dy) = ratio(context.size_out, warp.out_shape), centre(context.size_out)
    x = (x.astype(jnp.float32) - cx) / sx
    y = (y.astype(jnp.float32) - cy) / sy
    # A NaN that is put back in the end still turns the gradient of the map into NaN.
    x, y = push(jnp.where(absent, 0, x), jnp.where(absent, 0, y))
    nowhere = absent | jnp.isnan(x) | jnp.isnan(y) | (jnp.abs(x) > LOST) | (jnp.abs(y) > LOST)
    return jnp.where(nowhere, jnp.nan, x * ox + dx), jnp.where(nowhere, jnp.nan, y * oy + dy)
