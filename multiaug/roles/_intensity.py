"""The role `intensity`: how bright a pixel is; values do not change with the geometry."""

from __future__ import annotations

from ..sampling import Band
from ..spec import BORDERS, ChannelGroup, RoleTraits, register_role
from ._base import RecordGeometry, band_of


class Intensity:
    """Colours, grey levels, spectral bands, reflectance, logits."""

    traits = register_role(
        RoleTraits(
            "intensity",
            kind="spatial",
            interpolations=("linear", "nearest", "cubic", "spline3"),
            borders=BORDERS,
            default_fill="invalid",
            may_be_invalid=True,
            settings=frozenset({"range", "max_jump"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Blend; every channel is valid or not by itself, as dead pixels of one band are."""
        return band_of(group, joint=False, lowpass=True)
