"""The role `density`: counts per pixel, whose sum over a region is a number of things."""

from __future__ import annotations

import jax.numpy as jnp

from ..sampling import Band, NativeRules, SampleContext
from ..spec import BORDERS, ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of
from ._verbs import CoveredByZero, Mixable, Verbs


class Density(Mixable, CoveredByZero, Verbs):
    """Divided by the area that a pixel grows to, so that the integral is kept."""

    traits = register_role(
        RoleTraits(
            "density",
            kind="spatial",
            dtype_kinds="f",
            interpolations=("linear",),
            borders=BORDERS,
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Means over the area that a pixel covers, times ``|det J|^-1`` of the forward map."""
        native = NativeRules(move="area")
        return band_of(group, method="area", move=_spread, needs_jacobian=True, native=native)


def _spread(values: Array, context: SampleContext) -> Array:
    assert context.jacobian is not None
    a, b, c, d = context.jacobian
    (sx_in, sy_in), (sx, sy) = context.scale_in, context.scale_out
    area = jnp.abs(a * d - b * c) * (sx_in * sy_in / (sx * sy))
    return values * area[..., None]
