"""The role `extrinsics`: the 4x4 transform from the world to the camera."""

from __future__ import annotations

import jax.numpy as jnp

from ..geometry import product
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import PointContext


class Extrinsics:
    """Followed by the camera's motion; improper after a flip."""

    traits = register_role(RoleTraits("extrinsics", kind="matrix", shape=(4, 4), dtype_kinds="f"))

    def move(self, values: Array, group: ChannelGroup, context: PointContext) -> dict[str, Array]:
        """``[[M, 0], [0, 1]] @ T``."""
        motion = context.view.motion
        if context.view.policy != "refit" or motion is None:
            return {"": values}
        pose = values.astype(jnp.float32)
        top = jnp.concatenate(
            [product(motion, pose[:3, :3]), (motion * pose[:3, 3][None, :]).sum(1, keepdims=True)],
            axis=1,
        )
        return {"": jnp.concatenate([top, pose[3:]]).astype(values.dtype)}
