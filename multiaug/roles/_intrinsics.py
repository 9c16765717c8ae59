"""The role `intrinsics`: the 3x3 camera matrix, in pixels."""

from __future__ import annotations

from ..geometry import uncentre_intrinsics
from ..sampling import ratio
from ..spec import ChannelGroup, RoleFacts, register_role
from ..typing import Array
from ._base import PointSite


class Intrinsics:
    """Refitted to the moved picture, unless the policy keeps them."""

    facts = register_role(RoleFacts("intrinsics", kind="matrix", shape=(3, 3), dtype_kinds="f"))

    def move(self, values: Array, group: ChannelGroup, site: PointSite) -> dict[str, Array]:
        """K' of the RQ decomposition, in pixels of the output."""
        view = site.view
        refit = view.policy == "refit" or (view.policy == "none" and view.refit_intrinsics)
        if not refit or view.k_out is None:
            return {"": values}
        scale = ratio(site.size_out, view.chart.out_shape)
        k = uncentre_intrinsics(view.k_out, site.size_out, scale)
        return {"": k.astype(values.dtype)}
