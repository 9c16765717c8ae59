"""The role `intensity`: how bright a pixel is; values do not change with the geometry."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sampling import Band
from ..spec import BORDERS, ChannelGroup, RoleTraits, register_role
from ..typing import NDArray
from ._base import RecordGeometry, band_of
from ._verbs import Mixable, Verbs


class Intensity(Mixable, Verbs):
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

    def refuses_occlusion(self, group: ChannelGroup) -> str | None:
        """They can be covered."""
        return None

    def covered_value(self, group: ChannelGroup, dtype: np.dtype[Any]) -> NDArray | None:
        """The fill: a value like others, and no pixel without data."""
        return None
