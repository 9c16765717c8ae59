"""The role `intrinsics`: the 3x3 camera matrix, in pixels."""

from __future__ import annotations

from ..geometry import uncentre_intrinsics
from ..sampling import ratio
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import PointContext


class Intrinsics:
    """Refitted to the moved picture, unless the policy keeps them."""

    traits = register_role(RoleTraits("intrinsics", kind="matrix", shape=(3, 3), dtype_kinds="f"))

    def move(self, values: Array, group: ChannelGroup, context: PointContext) -> dict[str, Array]:
        """K' of the RQ decomposition, in pixels of the output."""
        view = context.view
        refit = view.policy == "refit" or (view.policy == "none" and view.refit_intrinsics)
        if not refit or view.k_out is None:
            return {"": values}
        scale = ratio(context.size_out, view.warp.out_shape)
        k = uncentre_intrinsics(view.k_out, context.size_out, scale)
        return {"": k.astype(values.dtype)}
