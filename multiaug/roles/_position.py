"""The role `position`: (X, Y, Z) of the point seen at a pixel."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp

from ..geometry import inverse, rays, transform
from ..sampling import Band, Coded, Site
from ..spec import ChannelGroup, RoleFacts, register_role
from ..typing import Array
from ._base import View, band_of, column, reciprocal


class Position:
    """Resampled on the rays of the camera where it is known, then moved with it.

    Blending X, Y and Z linearly puts points off the rays of their pixels, and depth is not
    linear in the picture even on a plane. 1/Z is: so 1/Z is blended, the point put on the ray
    of its source position, and what the cloud deviates from an exact pinhole (lens distortion)
    is blended and added.
    """

    facts = register_role(
        RoleFacts(
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

    def band(self, group: ChannelGroup, view: View) -> Band:
        """On the ray, linear or nearest; then ``M v`` (refit), ``H v`` (fixed) or as it is."""
        move = None if view.linear_motion() is None else _move
        matrix = None if move is None else _matrix
        if group.interpolation == "ray" and view.on_rays:
            world = view.frame == "world"
            band = band_of(
                group,
                method="linear",
                encode=_encode_world if world else _encode,
                decode=_decode_world if world else _decode,
                move=move,
            )
            coded = None if world else Coded(rays=_camera, matrix=matrix)
            return replace(band, jump=_depth, coded=coded)
        method = "nearest" if group.interpolation == "nearest" else "linear"
        return replace(band_of(group, method=method, move=move), coded=Coded(matrix=matrix))


def _camera(view: View) -> Array:
    assert view.k is not None
    return view.k


def _matrix(view: View) -> Array:
    matrix = view.linear_motion()
    assert matrix is not None
    return matrix.astype(jnp.float32)


def _move(xyz: Array, site: Site) -> Array:
    return transform(_matrix(site.view), xyz.astype(jnp.float32))


def _depth(coded: Array) -> Array:
    return reciprocal(coded[..., :1])


def _encode(xyz: Array, site: Site) -> Array:
    """(1/Z, X - Z u, Y - Z v) with (u, v) the pixel's ray; NaN behind the camera."""
    z = xyz[..., 2:]
    u, v = rays(site.view.k, site.x, site.y)
    ray = jnp.stack([u, v], axis=-1)
    coded = jnp.concatenate([reciprocal(z), xyz[..., :2] - z * ray], axis=-1)
    return jnp.where(z > 0, coded, jnp.nan)


def _decode(coded: Array, site: Site) -> Array:
    z = reciprocal(coded[..., :1])
    u, v = rays(site.view.k, site.x, site.y)
    return jnp.concatenate([z * column(u), z * column(v), z], axis=-1) + jnp.concatenate(
        [coded[..., 1:], jnp.zeros_like(z)], axis=-1
    )


def _encode_world(xyz: Array, site: Site) -> Array:
    pose = site.view.extrinsics
    return _encode(transform(pose[:3, :3], xyz) + pose[:3, 3].reshape(1, 1, 3), site)


def _decode_world(coded: Array, site: Site) -> Array:
    pose = site.view.extrinsics
    camera = _decode(coded, site) - pose[:3, 3].reshape(1, 1, 3)
    # Not the transpose: the world may be in other units than the camera.
    return transform(inverse(pose[:3, :3]), camera)
