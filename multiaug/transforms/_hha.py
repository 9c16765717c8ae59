"""HHA: points and normals as disparity, height and angle with gravity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ..typing import Array
from ._base import Frame, transform
from ._checked import choice, number
from ._cloud_motion import AXES
from ._entry_names import entry_name, refuse_taken
from ._point_values import groups_of_role, is_valid
from ._settings import setting
from ._stage_bases import Deriving

# Normals this near to a floor or a wall, in degrees, and how often both are looked for anew.
_ROUNDS = (45.0,) * 5 + (15.0,) * 5
_PRIOR = 1e-3  # of the number of normals


@transform
class HHA(Deriving):
    """Make an entry ``<points>_hha`` (H, W, 3): disparity, height above ground, angle with gravity.

    Intensity, float32 in [0, 1]: ``near / Z``; how far a point is above the lowest one of the
    image, as a share of ``max_height``; and the angle of its normal with what points up, as a share
    of 180 degrees. Pixels that lack a point or a normal are NaN. What points up is found from the
    normals of each image: beginning with ``up``, that direction to which normals are as parallel or
    perpendicular as can be, among those that are so within 45, later 15 degrees.

    Put it behind the geometry: channels of an image that is turned later would keep their values.

    Args:
        points: an entry with positions, in the frame of its camera.
        normals: an entry with directions, of the same size.
        up: the axis of the camera that points up, roughly: ``-y`` where y points down.
        gravity: ``normals`` looks for what points up; ``camera`` takes ``up`` as it is.
        near: the depth of which the disparity is 1, in units of the points.
        max_height: the height that becomes 1, in units of the points.

    Raises:
        ParameterError: the spec has no such entries, or its positions are in the world's frame,
            where Z is no depth.

    References:
        S. Gupta et al., Learning Rich Features from RGB-D Images, ECCV 2014; gravity as in Gupta et
        al., CVPR 2013, section 3. Theirs are bytes, of disparity, centimetres and degrees.
    """

    points: str = setting(entry_name, default="xyz")
    normals: str = setting(entry_name, default="normals")
    up: str = setting(choice, default="-y", options=AXES)
    gravity: str = setting(choice, default="normals", options=("normals", "camera"))
    near: float = setting(number, default=0.5, low=1e-9, unit="units of the points")
    max_height: float = setting(number, default=3.0, low=1e-9, unit="units of the points")

    @property
    def result(self) -> str:
        """The name of the new entry."""
        return f"{self.points}_hha"

    @property
    def sources(self) -> frozenset[str]:
        """The points and the normals."""
        return frozenset({self.points, self.normals})

    def check(self, frame: Frame) -> None:
        """Both must be there."""
        self.out_spec(frame.spec)

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """The spec with the new entry, behind the points."""
        source = self._entry(spec, "points", "position")
        other = self._entry(spec, "normals", "direction")
        if spec.camera.frame != "camera":
            raise ParameterError(
                f"`HHA.points` must be in the frame of their camera, where Z is the depth, got "
                f'{self.points!r} in the frame "{spec.camera.frame}". Bring them there first.'
            )
        if source.time != other.time:
            raise ParameterError(
                f"`HHA.normals` must have the frames of {self.points!r}, got {self.normals!r}."
            )
        refuse_taken("HHA", self.result, spec)
        made = EntrySpec.of_role(
            self.result,
            "intensity",
            channels=("disparity", "height", "angle"),
            dtype="float32",
            optional=source.optional or other.optional,
            time=source.time,
            invalid="nan",
            fill="invalid",
            range=[0, 1],
        )
        entries: list[EntrySpec] = []
        for entry in spec.entries.values():
            entries += [entry, made] if entry is source else [entry]
        return DataSpec(spec.name, entries, spec.camera, spec.description)

    def _entry(self, spec: DataSpec, field: str, role: str) -> EntrySpec:
        name = getattr(self, field)
        entry = spec.entries.get(name)
        if entry is None or all(group.role != role for group in entry.groups):
            found = "no such entry" if entry is None else f"one with role {entry.role}"
            raise ParameterError(
                f"`HHA.{field}` must name an entry with {role}, got {name!r}, {found}. The spec "
                f"has {sorted(spec.entries)}."
            )
        return entry

    def derive(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Array]:
        """The new entry, where the batch holds both."""
        if not self.sources <= batch.keys():
            return {}
        given = {name: jnp.asarray(batch[name]) for name in self.sources}
        found = {}
        for role, name in (("position", self.points), ("direction", self.normals)):
            _, group, values = next(iter(groups_of_role(spec, given, role, (name,))))
            found[role] = values.astype(jnp.float32), is_valid(values, group)
        (points, there), (normals, known) = found["position"], found["direction"]
        if points.shape[-3:-1] != normals.shape[-3:-1]:
            raise ParameterError(
                f"`HHA.normals` must be of the size of {self.points!r}, {points.shape[-3:-1]}, got "
                f"{self.normals!r} of {normals.shape[-3:-1]}."
            )
        good = there & known & (points[..., 2:] > 0)
        normals = jnp.where(good, normals, 0)
        up = (
            jnp.zeros(3, jnp.float32)
            .at["xyz".index(self.up[-1])]
            .set(-1 if self.up.startswith("-") else 1)
        )
        up = jnp.broadcast_to(up, (*points.shape[:-3], 3))
        if self.gravity == "normals":
            up = _upwards(normals.reshape(*normals.shape[:-3], -1, 3), up)
        up = up[..., None, None, :]
        points = jnp.where(good, points, 1)
        height = (points * up).sum(-1, keepdims=True)
        ground = jnp.where(good, height, jnp.inf).min((-3, -2), keepdims=True)
        along = jnp.clip((normals * up).sum(-1, keepdims=True), -1, 1)
        channels = [
            self.near / points[..., 2:],
            (height - ground) / self.max_height,
            jnp.degrees(jnp.arccos(along)) / 180,
        ]
        coded = jnp.clip(jnp.concatenate(channels, -1), 0, 1)
        return {self.result: jnp.where(good, coded, jnp.float32(jnp.nan))}


def _upwards(normals: Array, up: Array) -> Array:
    """(..., 3) directions to which many of the normals (..., n, 3) are parallel or perpendicular.

    Args:
        normals: of length 1, or 0 where there is none.
        up: (..., 3), where to begin, of length 1.
    """

    def look(up: Array, degrees: Array) -> tuple[Array, None]:
        along = jnp.abs((normals * up[..., None, :]).sum(-1, keepdims=True))
        there = (normals**2).sum(-1, keepdims=True) > 0.25
        angle = jnp.deg2rad(degrees)
        floor = jnp.where(there & (along > jnp.cos(angle)), normals, 0)
        wall = jnp.where(there & (along < jnp.sin(angle)), normals, 0)
        # Walls alone leave a plane of directions: the one that is nearest to the last then.
        prior = _PRIOR * there.sum((-2, -1), dtype=jnp.float32)[..., None, None]
        scatter = _outer(wall) - _outer(floor) - prior * _outer(up[..., None, :])
        _, vectors = jnp.linalg.eigh(scatter)
        found = vectors[..., 0]  # of the least eigenvalue
        turned = jnp.where((found * up).sum(-1, keepdims=True) < 0, -found, found)
        any_there = (floor != 0).any((-2, -1)) | (wall != 0).any((-2, -1))
        return jnp.where(any_there[..., None], turned, up), None

    found, _ = jax.lax.scan(look, up, jnp.array(_ROUNDS, jnp.float32))
    return found


def _outer(vectors: Array) -> Array:
    """(..., 3, 3), the sum of the products of vectors (..., n, 3) with themselves."""
    return jnp.einsum("...ni,...nj->...ij", vectors, vectors, precision="highest")
