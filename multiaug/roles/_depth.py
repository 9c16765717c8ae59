"""The role `depth`: Z of the point seen at a pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..geometry import rays
from ..sampling import Band, NativeRules, SampleContext, is_float
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of, column, reciprocal
from ._verbs import Verbs


class Depth(Verbs):
    """Blended as 1/Z, which is affine in pixel coordinates on every plane."""

    traits = register_role(
        RoleTraits(
            "depth",
            kind="spatial",
            channels=1,
            dtype_kinds="uif",
            interpolations=("ray", "linear", "nearest"),
            borders=("constant", "edge"),
            default_fill="invalid",
            may_be_invalid=True,
            default_invalid="nan",
            needs_camera=True,
            settings=frozenset({"max_jump", "under_elastic"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Inverse depth, linear or nearest; then the Z of the moved point.

        Depth is along the camera's axis whatever frame positions are in, so it moves in the
        world frame too.
        """
        follows = view.policy != "none" and view.k is not None
        # Under refit the last row of an affine map's M is (0, 0, 1).
        stays = view.policy == "refit" and view.matrix.affine
        move = _move if follows and not stays else None
        moved: dict[str, Any] = {}
        if move is not None:
            moved = {"move": "depth", "matrix": _motion, "k": _camera}
        if group.interpolation == "ray" and follows and not view.warp.dense:
            band = band_of(group, method="linear", encode=_invert, decode=_invert_back, move=move)
            native = NativeRules("reciprocal", "reciprocal", jump=True, **moved)
            return replace(band, jump=reciprocal, native=native)
        method = "nearest" if group.interpolation == "nearest" else "linear"
        return band_of(group, method=method, move=move, native=NativeRules(**moved))


def _camera(view: RecordGeometry) -> Array:
    assert view.k is not None
    return view.k


def _motion(view: RecordGeometry) -> Array:
    """(3, 3), of which the last row says what becomes of Z."""
    matrix = view.deformation if view.policy == "fixed" else view.motion
    assert matrix is not None
    return matrix


def _invert(z: Array, context: SampleContext) -> Array:
    return jnp.where(z > 0, reciprocal(z), jnp.nan)


def _invert_back(coded: Array, context: SampleContext) -> Array:
    return reciprocal(coded)


def _move(z: Array, context: SampleContext) -> Array:
    """Z (M K^-1 p)_z, or H in the place of M when the intrinsics are fixed.

    NaN where a depth has become larger than its integers are.
    """
    view = context.view
    row = _motion(view)[2]
    u, v = rays(view.k, context.x, context.y)
    moved = z.astype(jnp.float32) * column(row[0] * u + row[1] * v + row[2])
    if is_float(context.dtype):
        return moved
    # Of integers the nearest is 1, and further than the last one is no depth that can be told.
    last = np.iinfo(context.dtype).max
    moved = jnp.where(z > 0, jnp.maximum(moved, 1), moved)
    return jnp.where(moved < last + 0.5, moved, jnp.nan)
