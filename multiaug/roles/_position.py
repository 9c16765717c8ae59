"""The role `position`: (X, Y, Z) of the point seen at a pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from ..geometry import inverse, rays, transform
from ..sampling import Band, NativeRules, SampleContext
from ..spec import ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of, column, reciprocal
from ._verbs import Verbs


class Position(Verbs):
    """Resampled on the rays of the camera where it is known, then moved with it.

    Blending X, Y and Z linearly puts points off the rays of their pixels, and depth is not
    linear in the picture even on a plane. 1/Z is: so 1/Z is blended, the point put on the ray
    of its source position, and what the cloud deviates from an exact pinhole (lens distortion)
    is blended and added.
    """

    traits = register_role(
        RoleTraits(
            "position",
            kind="spatial",
            channels=3,
            dtype_kinds="f",
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
        """On the ray, linear or nearest; then ``M v`` (refit), ``H v`` (fixed) or as it is."""
        move = None if view.linear_motion() is None else _move
        follows: dict[str, Any] = {} if move is None else {"move": "matrix", "matrix": _matrix}
        if group.interpolation == "ray" and view.on_rays:
            world = view.frame == "world"
            band = band_of(
                group,
                method="linear",
                encode=_encode_world if world else _encode,
                decode=_decode_world if world else _decode,
                move=move,
            )
            ray = "world-ray" if world else "ray"
            native = NativeRules(
                ray, ray, k=_camera, pose=_pose if world else None, jump=True, **follows
            )
            return replace(band, jump=_depth, native=native)
        method = "nearest" if group.interpolation == "nearest" else "linear"
        return band_of(group, method=method, move=move, native=NativeRules(**follows))


def _camera(view: RecordGeometry) -> Array:
    assert view.k is not None
    return view.k


def _pose(view: RecordGeometry) -> Array:
    assert view.extrinsics is not None
    return view.extrinsics


def _matrix(view: RecordGeometry) -> Array:
    matrix = view.linear_motion()
    assert matrix is not None
    return matrix.astype(jnp.float32)


def _move(xyz: Array, context: SampleContext) -> Array:
    return transform(_matrix(context.view), xyz.astype(jnp.float32))


def _depth(coded: Array) -> Array:
    return reciprocal(coded[..., :1])


def _encode(xyz: Array, context: SampleContext) -> Array:
    """(1/Z, X - Z u, Y - Z v) with (u, v) the pixel's ray; NaN behind the camera."""
    z = xyz[..., 2:]
    u, v = rays(context.view.k, context.x, context.y)
    ray = jnp.stack([u, v], axis=-1)
    coded = jnp.concatenate([reciprocal(z), xyz[..., :2] - z * ray], axis=-1)
    return jnp.where(z > 0, coded, jnp.nan)


def _decode(coded: Array, context: SampleContext) -> Array:
    z = reciprocal(coded[..., :1])
    u, v = rays(context.view.k, context.x, context.y)
    return jnp.concatenate([z * column(u), z * column(v), z], axis=-1) + jnp.concatenate(
        [coded[..., 1:], jnp.zeros_like(z)], axis=-1
    )


def _encode_world(xyz: Array, context: SampleContext) -> Array:
    pose = context.view.extrinsics
    return _encode(transform(pose[:3, :3], xyz) + pose[:3, 3].reshape(1, 1, 3), context)


def _decode_world(coded: Array, context: SampleContext) -> Array:
    pose = context.view.extrinsics
    camera = _decode(coded, context) - pose[:3, 3].reshape(1, 1, 3)
    # Not the transpose: the world may be in other units than the camera.
    return transform(inverse(pose[:3, :3]), camera)
