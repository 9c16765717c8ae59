"""DepthNoise and CanonicalDepth: depths and points change, and no pixel moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..sampling import is_float
from ..spec import DataSpec
from ..typing import Array, Key
from ._affine import uniform
from ._base import Frame, Params, static, transform
from ._checked import names, number, pair
from ._point_values import groups_of_role, is_valid, with_values
from ._random import normal
from ._record_camera import record_intrinsics
from ._settings import EntryNames, Ranged, setting
from ._stage_bases import Altering, check_names


def as_kept(values: Array, new: Array) -> Array:
    """New depths in the dtype of the old ones; integers are rounded, and the nearest is 1."""
    if is_float(values.dtype):
        return new
    return jnp.clip(jnp.floor(new + 0.5), 1, float(np.iinfo(values.dtype).max))


def _need_role(owner: str, spec: DataSpec, roles: tuple[str, ...]) -> None:
    held = {group.role for entry in spec.entries.values() for group in entry.groups}
    if not held.intersection(roles):
        raise ParameterError(
            f"`{owner}` needs an entry with role {' or '.join(roles)}, and the spec "
            f"{spec.name!r} has {sorted(held)}."
        )


@transform
class DepthNoise(Altering):
    """Add the noise of a depth sensor: Z becomes ``Z + n``, whose deviation grows with Z squared.

    ``sigma(Z) = c (base + growth (Z - start)^2)`` in metres, with n normal and independent in every
    pixel. Points of positions in the camera's frame move along the rays of their pixels, by the
    same n as the depth of an entry of that size. Pixels without data, and depths of 0 and less,
    stay as they are; integers are rounded, and are at least 1.

    Args:
        base: the deviation at ``start``, in metres.
        growth: how it grows with the squared distance, in 1 / metres.
        start: in metres.
        strength: (lo, hi) of the factor c, drawn evenly for a record.
        unit: metres that 1 stands for in the entries: 0.001 for millimetres.
        entries: entries to touch; None for all with depths or positions.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: negative numbers; no entry with depths or positions; positions in the
            world's frame, where Z is not the distance from the camera.

    References:
        C. V. Nguyen, S. Izadi, D. Lovell, Modeling Kinect Sensor Noise for Improved 3D
        Reconstruction and Tracking, 3DIMPVT 2012: the defaults, of structured light at 0.4 to 3 m.
    """

    base: float = setting(number, default=0.0012, low=0, unit="metres")
    growth: float = setting(number, default=0.0019, low=0, unit="1 / metres")
    start: float = setting(number, default=0.4, low=0, unit="metres")
    strength: Ranged = setting(pair, default=(1.0, 1.0), low=0, high=1000)
    unit: float = setting(number, default=1.0, low=1e-9, high=1e9, unit="metres")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def check(self, frame: Frame) -> None:
        """There must be depths, or positions in the camera's frame."""
        check_names(self.owner, "entries", self.entries, frame.spec)
        _need_role(self.owner, frame.spec, ("depth", "position"))
        for name, entry in frame.spec.entries.items():
            touched = self.entries is None or name in self.entries
            placed = any(group.role == "position" for group in entry.groups)
            if touched and placed and frame.spec.camera.frame == "world":
                raise ParameterError(
                    f"`DepthNoise` moves points along the axis of the camera, but {name!r} is in "
                    "the world's frame. Name the entries to touch: DepthNoise(entries=..)."
                )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``strength``, float32, and ``seed``, (2,) uint32."""
        u = jax.random.uniform(key, (), jnp.float32)
        seed = jax.random.bits(jax.random.fold_in(key, 1), (2,), jnp.uint32)
        return {"strength": uniform(u, self.strength), "seed": seed}

    def alter(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The noisy depths, and points on the same rays."""
        changed: dict[str, Array] = {}
        for role in ("depth", "position"):
            for entry, group, values in groups_of_role(spec, record, role, self.entries):
                z = values[..., -1:].astype(jnp.float32)
                good = is_valid(values, group) & (z > 0)
                safe = jnp.where(good, z, 1)
                metres = safe * self.unit - self.start
                sigma = params["strength"] * (self.base + self.growth * metres * metres) / self.unit
                noise = normal(params["seed"], 0, z.shape[:-1])[..., None] * sigma
                # No sensor reports what lies behind it.
                noisy = jnp.maximum(safe + noise, 0.01 * safe)
                new = values.astype(jnp.float32) * (noisy / safe)
                if role == "depth":
                    new = as_kept(values, noisy)
                new = jnp.where(good, new, values.astype(jnp.float32))
                changed[entry.name] = with_values({**record, **changed}, entry, group, new)
        return changed


@transform
class CanonicalDepth(Altering):
    """Multiply every depth by ``f_c / f``, as if all cameras had the focal length f_c.

    f is the mean of fx and fy. Depths and the Z of positions, points and extrinsics are multiplied,
    fx and fy likewise, so that every point stays on the ray of its pixel; normals are brought back
    to length 1. No pixel moves: `CanonicalCamera` resizes the image instead.

    Args:
        focal: f_c, in pixels of the image that the intrinsics are for.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a spec without intrinsics, or points in the world's frame.

    References:
        W. Yin et al., Metric3D, ICCV 2023, section 3.2 (CSTM_label).
    """

    focal: float = setting(number, default=1000.0, low=1, high=1e6, unit="pixels")
    p: float = static(default=1.0, kw_only=True)
    reads: ClassVar[frozenset[str]] = frozenset({"intrinsics"})

    def check(self, frame: Frame) -> None:
        """There must be intrinsics, which are changed, too."""
        spec = frame.spec
        if all(entry.role != "intrinsics" for entry in spec.entries.values()):
            raise ParameterError(
                f"`CanonicalDepth` changes the intrinsics of a record, and the spec {spec.name!r} "
                "has no entry of them. Declare one, or use CanonicalCamera."
            )
        if spec.camera.frame == "world":
            raise ParameterError(
                f"`CanonicalDepth` stretches points along the axis of the camera, but those of the "
                f"spec {spec.name!r} are in the world's frame. Use CanonicalCamera."
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """``factor``, float32: nothing is drawn."""
        for name, entry in frame.spec.entries.items():
            if entry.role == "intrinsics" and name in frame.record:
                k = jnp.asarray(frame.record[name], jnp.float32)
                return {"factor": self.focal * k[2, 2] / ((k[0, 0] + k[1, 1]) / 2)}
        k = record_intrinsics(frame)
        return {"factor": self.focal / ((k[0, 0] + k[1, 1]) / 2)}

    def alter(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Depths, points, normals and matrices of the canonical camera."""
        return _stretched(params["factor"], spec, record)

    def restore(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Those of the camera itself."""
        return _stretched(1 / params["factor"], spec, record)


def _stretched(factor: Array, spec: DataSpec, record: Mapping[str, Array]) -> dict[str, Array]:
    """Z times a factor, in everything that has one, and focal lengths to match."""
    changed: dict[str, Array] = {}
    row = jnp.stack([jnp.float32(1), jnp.float32(1), factor])
    for role in ("depth", "position", "points3d", "direction"):
        for entry, group, values in groups_of_role(spec, record, role):
            old = values.astype(jnp.float32)
            if role == "depth":
                new = jnp.where(old > 0, as_kept(values, old * factor), old)
            elif role == "direction":
                # By the inverse transpose, as normals of a stretched surface are.
                tilted = old / row.reshape((1,) * (old.ndim - 1) + (3,))
                square = (tilted * tilted).sum(-1, keepdims=True)
                new = tilted / jnp.sqrt(jnp.where(square > 0, square, 1))
            else:
                new = old * row.reshape((1,) * (old.ndim - 1) + (3,))
            new = jnp.where(is_valid(values, group), new, old)
            changed[entry.name] = with_values({**record, **changed}, entry, group, new)
    for name, entry in spec.entries.items():
        if name in record and entry.role in ("intrinsics", "extrinsics"):
            matrix = record[name].astype(jnp.float32)
            if entry.role == "intrinsics":
                # Rows of (x, y, 1): what multiplies X, Y and the skew, not the principal point.
                scale = jnp.ones((3, 3), jnp.float32).at[:2, :2].set(factor)
            else:
                scale = jnp.ones((4, 4), jnp.float32).at[2].set(factor)
            changed[name] = (matrix * scale).astype(record[name].dtype)
    return changed
