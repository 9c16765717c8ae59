"""CloudMotion: points move together, and no pixel does."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import cos_sin, product
from ..geometry import transform as multiply
from ..spec import DataSpec
from ..typing import Array, Key
from ._affine import MAX_SCALE, MIN_SCALE, angles, uniform
from ._base import Frame, Params, static, transform
from ._checked import choice, number, pair, symmetric
from ._point_values import groups_of_role, is_valid, mark_of, with_values
from ._random import bits, normal
from ._settings import Ranged, setting
from ._stage_bases import Altering

AXES = ("x", "y", "z", "-x", "-y", "-z")


@transform
class CloudMotion(Altering):
    """Turn, scale and shift a cloud, jitter and drop its points; every pixel stays where it is.

    A point X becomes ``s R X + t + n``: R turns by `rotate` about the axis that points up, after
    tilts about the two others, s is a scale, t a shift, and n noise of each point. Normals turn by
    R. Positions, directions and tables of points follow; images, labels, depths and intrinsics stay
    to the bit. Extrinsics follow, too: from the world to the moved points where these are in the
    camera's frame, from the moved world to the camera where they are in the world's. In the
    camera's frame moved points are no longer on the rays of their pixels, so no map may stand
    behind it. The way back undoes R, s and t; noise and holes stay.

    Args:
        rotate: (lo, hi) in degrees about the axis that points up, counter-clockwise as seen from
            above; a number d means (-d, d).
        tilt: likewise about the other two axes, each by an angle of its own.
        scale: (lo, hi) of s, drawn evenly, within [1/8, 8].
        shift: (lo, hi) of each coordinate of t, in the unit of the points; d means (-d, d).
        jitter: the standard deviation of n along each axis, in the unit of the points.
        clip: the largest size of n along each axis; None for no limit.
        drop: (lo, hi) of the share of points that become invalid; which ones they are is drawn.
            Entries of the same size lose the same pixels.
        up: the axis that points up: ``x``, ``-y`` ..; None for -y in the camera's frame (y points
            down) and z in the world's.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges; ``drop`` where an entry has no value for points without
            data; a spec without points.

    References:
        C. R. Qi et al., Deep Hough Voting for 3D Object Detection (VoteNet), ICCV 2019: rotate 30,
        scale (0.85, 1.15). mmdetection3d's ``GlobalRotScaleTrans`` and ``RandomJitterPoints``;
        Pointcept's ``RandomRotate``, ``RandomScale``, ``RandomJitter`` (0.005, clip 0.02) and
        ``RandomDropout``, for tables of points without images.
    """

    rotate: Ranged = setting(angles, default=30, low=-360, high=360, unit="degrees")
    tilt: Ranged = setting(angles, default=0, low=-90, high=90, unit="degrees")
    scale: Ranged = setting(pair, default=(1.0, 1.0), low=MIN_SCALE, high=MAX_SCALE)
    shift: Ranged = setting(symmetric, default=0.0, unit="units of the points")
    jitter: float = setting(number, default=0.0, low=0, unit="units of the points")
    clip: float | None = setting(number, default=None, low=0, unit="units of the points")
    drop: Ranged = setting(pair, default=(0.0, 0.0), low=0, high=1, unit="points")
    up: str | None = setting(choice, default=None, options=AXES)
    p: float = static(default=1.0, kw_only=True)
    leaves_camera = True

    def check(self, frame: Frame) -> None:
        """There must be points, and a value for those that are dropped."""
        groups = [(e.name, g) for e in frame.spec.entries.values() for g in e.groups]
        points = [(n, g) for n, g in groups if g.role in ("position", "points3d")]
        if not points:
            raise ParameterError(
                f"`CloudMotion` needs an entry with role position or points3d, and the spec "
                f"{frame.spec.name!r} has {sorted({g.role for _, g in groups})}."
            )
        for name, group in points:
            if self.drop[1] > 0 and mark_of(group) is None:
                raise ParameterError(
                    f"`CloudMotion.drop` must be 0 where an entry has no value for points without "
                    f'data, as {name!r} has none, got {self.drop}. Declare "invalid" in the spec.'
                )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``rotation``, (3, 3), ``scale``, ``shift``, (3,), ``drop`` and ``seed``, (2,)."""
        u = jax.random.uniform(key, (8,), jnp.float32)
        seed = jax.random.bits(jax.random.fold_in(key, 1), (2,), jnp.uint32)
        world = frame.spec.camera.frame == "world"
        up = self.up or ("z" if world else "-y")
        turns = [uniform(u[0], self.rotate), uniform(u[1], self.tilt), uniform(u[2], self.tilt)]
        return {
            "rotation": _rotation(up, turns),
            "scale": uniform(u[3], self.scale),
            "shift": uniform(u[4:7], self.shift),
            "drop": uniform(u[7], self.drop),
            "seed": seed,
        }

    def alter(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The moved points, normals and extrinsics."""
        linear = params["rotation"] * params["scale"]
        changed: dict[str, Array] = {}
        stream = 0
        for role in ("position", "points3d"):
            for entry, group, values in groups_of_role(spec, record, role):
                stream += 1
                moved = multiply(linear, values.astype(jnp.float32)) + _row(params["shift"], values)
                if self.jitter:
                    moved = moved + self._noise(params["seed"], stream, values.shape)
                new = jnp.where(is_valid(values, group), moved, values.astype(jnp.float32))
                if self.drop[1] > 0:
                    dropped = _dropped(params, values.shape[:-1])[..., None]
                    new = jnp.where(dropped, jnp.float32(mark_of(group)), new)
                changed[entry.name] = with_values({**record, **changed}, entry, group, new)
        return (
            changed
            | self._directions(params["rotation"], spec, record, changed)
            | (self._poses(linear, params["shift"], spec, record))
        )

    def restore(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The points, normals and extrinsics before they moved."""
        back = params["rotation"].T / params["scale"]
        shift = -multiply(back, params["shift"][None])[0]
        changed: dict[str, Array] = {}
        for role in ("position", "points3d"):
            for entry, group, values in groups_of_role(spec, record, role):
                moved = multiply(back, values.astype(jnp.float32)) + _row(shift, values)
                new = jnp.where(is_valid(values, group), moved, values.astype(jnp.float32))
                changed[entry.name] = with_values({**record, **changed}, entry, group, new)
        return (
            changed
            | self._directions(params["rotation"].T, spec, record, changed)
            | (self._poses(back, shift, spec, record))
        )

    def _noise(self, seed: Array, stream: int, shape: tuple[int, ...]) -> Array:
        noise = normal(seed, stream, shape) * self.jitter
        return noise if self.clip is None else jnp.clip(noise, -self.clip, self.clip)

    def _directions(
        self,
        rotation: Array,
        spec: DataSpec,
        record: Mapping[str, Array],
        changed: Mapping[str, Array],
    ) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for entry, group, values in groups_of_role(spec, record, "direction"):
            turned = multiply(rotation, values.astype(jnp.float32))
            new = jnp.where(is_valid(values, group), turned, values.astype(jnp.float32))
            found[entry.name] = with_values({**record, **changed, **found}, entry, group, new)
        return found

    def _poses(
        self, linear: Array, shift: Array, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Extrinsics that lead to the moved points, or from the moved world."""
        found = {}
        for name, entry in spec.entries.items():
            if entry.role != "extrinsics" or name not in record:
                continue
            pose = record[name].astype(jnp.float32)
            turn, offset = pose[:3, :3], pose[:3, 3]
            if spec.camera.frame == "world":
                square = (linear[0] * linear[0]).sum()  # of the scale: rows of s R are that long
                turn = product(turn, linear.T) / square
                offset = offset - multiply(turn, shift[None])[0]
            else:
                turn = product(linear, turn)
                offset = multiply(linear, offset[None])[0] + shift
            top = jnp.concatenate([turn, offset[:, None]], 1)
            found[name] = jnp.concatenate([top, pose[3:]]).astype(record[name].dtype)
        return found


def _row(vector: Array, values: Array) -> Array:
    return vector.reshape((1,) * (values.ndim - 1) + (3,))


def _dropped(params: Params, shape: tuple[int, ...]) -> Array:
    """Points whose word falls below the share that is dropped."""
    words = bits(params["seed"], 0, shape)
    dropped: Array = (words >> 8).astype(jnp.int32).astype(jnp.float32) * 2.0**-24 < params["drop"]
    return dropped


def _rotation(up: str, degrees: list[Array]) -> Array:
    """About the two axes that lie flat, then about the one that points up."""
    axis = "xyz".index(up[-1])
    flat = [(axis + 1) % 3, (axis + 2) % 3]
    about_up = -degrees[0] if up.startswith("-") else degrees[0]
    first, second = (_about(a, d) for a, d in zip(flat, degrees[1:], strict=True))
    return product(_about(axis, about_up), product(second, first))


def _about(axis: int, degrees: Array) -> Array:
    """The right-handed rotation about a coordinate axis."""
    c, s = cos_sin(degrees)
    zero, one = jnp.zeros_like(c), jnp.ones_like(c)
    rows = {
        0: [[one, zero, zero], [zero, c, -s], [zero, s, c]],
        1: [[c, zero, s], [zero, one, zero], [-s, zero, c]],
        2: [[c, -s, zero], [s, c, zero], [zero, zero, one]],
    }[axis]
    return jnp.stack([jnp.stack(row) for row in rows])
