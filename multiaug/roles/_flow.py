"""The role `flow`: where a pixel's content goes in a second picture, as (u, v) in pixels."""

from __future__ import annotations

import jax.numpy as jnp

from ..geometry import LOST
from ..sampling import Band, NativeRules, SampleContext
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of, column
from ._verbs import Verbs


class Flow(Verbs):
    """Both pictures go through the same map F, so the vector becomes F(p + f) - F(p)."""

    traits = register_role(
        RoleTraits(
            "flow",
            kind="spatial",
            channels=2,
            dtype_kinds="f",
            interpolations=("linear", "nearest"),
            borders=("constant", "edge"),
            default_fill="invalid",
            may_be_invalid=True,
            default_invalid="nan",
            settings=frozenset({"max_jump"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Linear or nearest; then the difference of the moved ends."""
        if view.warp.affine:
            native = NativeRules(move="flow", matrix=_forward)
            return band_of(group, move=_move_affine, native=native)
        return band_of(group, move=_move, native=NativeRules(move="flow-ends", matrix=_forward))


def _forward(view: RecordGeometry) -> Array:
    return view.matrix.forward


def _scaled(values: Array, scale: tuple[float, float]) -> tuple[Array, Array]:
    values = values.astype(jnp.float32)
    return values[..., 0] * scale[0], values[..., 1] * scale[1]


def _move_affine(values: Array, context: SampleContext) -> Array:
    u, v = _scaled(values, (1 / context.scale_in[0], 1 / context.scale_in[1]))
    a = context.view.matrix.forward
    moved = jnp.stack([a[0, 0] * u + a[0, 1] * v, a[1, 0] * u + a[1, 1] * v], axis=-1)
    return jnp.stack(_scaled(moved, context.scale_out), axis=-1)


def _move(values: Array, context: SampleContext) -> Array:
    u, v = _scaled(values, (1 / context.scale_in[0], 1 / context.scale_in[1]))
    end_x, end_y, _ = context.view.warp.push(context.x + u, context.y + v)
    moved = jnp.stack([end_x - context.out_x, end_y - context.out_y], axis=-1)
    # Behind the horizon of the map no vector ends.
    moved = jnp.where(column(jnp.abs(end_x) < LOST), moved, jnp.nan)
    return jnp.stack(_scaled(moved, context.scale_out), axis=-1)
