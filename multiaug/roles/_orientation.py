"""The role `orientation`: an angle in the picture, counter-clockwise as seen."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from ..geometry import invert_jacobian
from ..sampling import Band, NativeRules, SampleContext, is_float
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of
from ._verbs import Verbs

# Bits of the exponent and of the significand.
_DIGITS = {"float16": (5, 10), "bfloat16": (8, 7)}


class Orientation(Verbs):
    """Blended on the circle, then turned by the map's Jacobian."""

    traits = register_role(
        RoleTraits(
            "orientation",
            kind="spatial",
            channels=1,
            dtype_kinds="uif",
            interpolations=("linear", "nearest"),
            borders=("constant", "edge"),
            default_fill="invalid",
            may_be_invalid=True,
            default_invalid="nan",
            settings=frozenset({"unit", "period"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Linear on (cos, sin) of the angle, of twice the angle when the period is 180."""
        full_turn = 360.0 if group.unit == "degrees" else 2 * jnp.pi
        to_radians = 2 * jnp.pi / full_turn
        fold = 360 // group.period

        def encode(angle: Array, context: SampleContext) -> Array:
            turned = angle * (fold * to_radians)
            return jnp.concatenate([jnp.cos(turned), jnp.sin(turned)], axis=-1)

        def decode(vector: Array, context: SampleContext) -> Array:
            x, y = vector[..., :1], vector[..., 1:]
            # The origin has no angle; its slopes would be NaN.
            angle = jnp.arctan2(y, jnp.where((x == 0) & (y == 0), 1, x))
            return angle / (fold * to_radians)

        def move(angle: Array, context: SampleContext) -> Array:
            phi = angle[..., 0].astype(jnp.float32) * to_radians
            dx, dy = jnp.cos(phi) / context.scale_in[0], -jnp.sin(phi) / context.scale_in[1]
            assert context.jacobian is not None
            a, b, c, d = invert_jacobian(context.jacobian)
            x = (a * dx + b * dy) * context.scale_out[0]
            y = (c * dx + d * dy) * context.scale_out[1]
            turned = jnp.arctan2(-y, x) / to_radians
            if not is_float(context.dtype):
                turned = jnp.floor(turned + 0.5)  # first: 359.7 is 0, and not 360
            wrapped = jnp.mod(turned, full_turn / fold)
            # A hair below 0 is rounded to the whole period, and so is what lies so close to it
            # that narrow floats have nothing in between.
            digits = _DIGITS.get(context.dtype.name)
            rounded = wrapped if digits is None else lax.reduce_precision(wrapped, *digits)
            return jnp.where(rounded < full_turn / fold, wrapped, 0)[..., None]

        native = NativeRules(
            "angle", "angle", "angle", turns=float(fold * to_radians), radians=float(to_radians),
            period=full_turn / fold,
        )  # fmt: skip
        return band_of(
            group, encode=encode, decode=decode, move=move, needs_jacobian=True, native=native
        )
