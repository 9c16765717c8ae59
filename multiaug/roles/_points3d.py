"""The role `points3d`: a table of points in space, without pixels of their own."""

from __future__ import annotations

import jax.numpy as jnp

from ..geometry import transform
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import PointContext


class Points3d:
    """Moved as positions are."""

    traits = register_role(
        RoleTraits(
            "points3d",
            kind="points",
            channels=3,
            dtype_kinds="f",
            needs_camera=True,
            settings=frozenset({"under_elastic", "capacity"}),
        )
    )

    rowwise = True

    def move(self, values: Array, group: ChannelGroup, context: PointContext) -> dict[str, Array]:
        """``M v`` (refit), ``H v`` (fixed) or as it is (none, world frame)."""
        matrix = context.view.linear_motion()
        if matrix is None:
            return {"": values}
        absent = jnp.isnan(values).any(-1, keepdims=True)
        # A NaN that is put back in the end still turns the gradient of the matrix into NaN.
        moved = transform(matrix, jnp.where(absent, 0, values).astype(jnp.float32))
        return {"": jnp.where(absent, jnp.nan, moved).astype(values.dtype)}
