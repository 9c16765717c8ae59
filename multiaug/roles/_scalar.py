"""The role `scalar`: a class, a weight, a name: anything the geometry does not touch."""

from __future__ import annotations

from ..spec import ChannelGroup, RoleFacts, register_role
from ..typing import Array
from ._base import PointSite


class Scalar:
    """Handed through."""

    facts = register_role(RoleFacts("scalar", kind="value"))

    def move(self, values: Array, group: ChannelGroup, site: PointSite) -> dict[str, Array]:
        """The value as it is."""
        return {"": values}
