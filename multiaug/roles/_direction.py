"""The role `direction`: a unit vector per pixel, such as a surface normal."""

from __future__ import annotations

import jax.numpy as jnp

from ..geometry import inverse, transform
from ..sampling import Band, NativeRules, SampleContext
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of, unit
from ._verbs import Verbs


class Direction(Verbs):
    """Blended and brought back to length 1, then turned with the camera."""

    traits = register_role(
        RoleTraits(
            "direction",
            kind="spatial",
            channels=3,
            dtype_kinds="f",
            interpolations=("linear", "nearest"),
            borders=("constant", "edge"),
            default_fill="invalid",
            may_be_invalid=True,
            default_invalid="nan",
            needs_camera=True,
            settings=frozenset({"max_jump", "under_elastic"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Linear or nearest; then ``M n`` (refit) or ``unit(H^-T n)`` (fixed).

        M keeps lengths, so a copied normal is only turned and stays what it was to the bit.
        """
        if view.linear_motion() is None:
            return band_of(group, decode=_normalise, native=NativeRules(decode="unit"))
        if view.policy == "fixed":
            native = NativeRules(decode="unit", move="unit-matrix", matrix=_deformed)
            return band_of(group, decode=_normalise, move=_deform, native=native)
        native = NativeRules(decode="unit", move="matrix", matrix=_motion)
        return band_of(group, decode=_normalise, move=_turn, native=native)


def _normalise(values: Array, context: SampleContext) -> Array:
    return unit(values)


def _turn(values: Array, context: SampleContext) -> Array:
    return transform(context.view.motion, values.astype(jnp.float32))


def _motion(view: RecordGeometry) -> Array:
    assert view.motion is not None
    return view.motion


def _deformed(view: RecordGeometry) -> Array:
    assert view.deformation is not None
    return inverse(view.deformation).T


def _deform(values: Array, context: SampleContext) -> Array:
    return unit(transform(_deformed(context.view), values.astype(jnp.float32)))
