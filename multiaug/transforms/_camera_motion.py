"""CameraMotion: what a camera a little beside the real one would have seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import centre
from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..typing import Array, Key
from ._affine import uniform
from ._base import Frame, Params, static, transform
from ._checked import number, symmetric
from ._depth_values import as_kept
from ._entry_names import entry_name
from ._point_values import groups_of_role, is_valid, mark_of
from ._record_camera import check_intrinsics, record_intrinsics
from ._settings import Ranged, setting
from ._stage_bases import Altering

_RENDERED = ("intensity", "label", "position", "depth", "direction")
_FOLLOWING = ("intrinsics", "extrinsics", "points3d", "scalar")


@transform
class CameraMotion(Altering):
    """Move the camera a little, and render the record anew from its organised cloud.

    Every point X becomes X - t and is drawn into the pixel that it falls on; of several in one
    pixel the nearest is seen. A point is hidden, too, where one of the eight pixels around shows
    something nearer by more than ``tolerance``: what lies behind a surface does not shine through
    the gaps between its points. Every pixel that is left holds the colour, label and normal of one
    source pixel, to the bit, and its point and depth from the new place; all others are holes:
    points, depths and normals are invalid, labels are to be ignored, intensity is invalid or 0.
    Points may lie up to half a pixel off the rays of their new pixels. Extrinsics and tables of
    points follow; the intrinsics stay. It cannot be undone.

    Args:
        shift: (lo, hi) of the camera's motion to the right and down, in the unit of the points,
            each drawn evenly; a number d means (-d, d).
        forward: (lo, hi) of its motion along its axis.
        tolerance: how much deeper than its surroundings a point of the same surface may be, as a
            fraction of its depth.
        entry: the organised cloud; None where the spec has only one.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: no cloud or several; points in the world's frame; no camera; images of
            another size than the cloud; entries that have no value for holes, or that cannot be
            rendered (flow, orientation, keypoints, boxes).

    References:
        W. R. Mark, L. McMillan, G. Bishop, Post-Rendering 3D Warping, Symposium on Interactive 3D
        Graphics, 1997.
    """

    shift: Ranged = setting(symmetric, default=0.05, unit="units of the points")
    forward: Ranged = setting(symmetric, default=0.0, unit="units of the points")
    tolerance: float = setting(number, default=0.05, low=0, high=1, unit="depths")
    entry: str | None = setting(entry_name, default=None)
    p: float = static(default=1.0, kw_only=True)
    reads: ClassVar[frozenset[str]] = frozenset({"intrinsics"})

    def _cloud(self, spec: DataSpec) -> EntrySpec:
        clouds = {
            name: entry
            for name, entry in spec.entries.items()
            if any(group.role == "position" for group in entry.groups)
        }
        if self.entry is None and len(clouds) == 1:
            return next(iter(clouds.values()))
        if self.entry not in clouds:
            raise ParameterError(
                f"`CameraMotion.entry` must name one of the clouds {sorted(clouds)} of the spec "
                f"{spec.name!r}, got {self.entry!r}."
            )
        return clouds[self.entry]

    def check(self, frame: Frame) -> None:
        """There must be one cloud with its camera, and a value for holes everywhere."""
        spec = frame.spec
        timed = self._cloud(spec).time is not None
        check_intrinsics(self.owner, frame)
        if spec.camera.frame == "world":
            raise ParameterError(
                f"`CameraMotion` renders points in the camera's frame, but those of the spec "
                f"{spec.name!r} are in the world's. Move them into the camera's frame."
            )
        for entry in spec.entries.values():
            if timed and entry.kind == "spatial" and entry.time is None:
                raise ParameterError(
                    f"`CameraMotion` renders one image from one cloud, and for {entry.name!r}, "
                    "which has no time, the cloud has several frames. Give both the same "
                    '"time" in the spec.'
                )
            for group in entry.groups:
                self._check_group(entry, group)

    def _check_group(self, entry: EntrySpec, group: ChannelGroup) -> None:
        known = _RENDERED if entry.kind == "spatial" else _FOLLOWING
        if group.role not in known:
            raise ParameterError(
                f"`CameraMotion` cannot render the entry {entry.name!r} with role {group.role}. "
                "Leave the entry out."
            )
        if entry.kind == "spatial" and _hole(group) is None:
            what = "ignore" if group.role == "label" else "invalid"
            raise ParameterError(
                f"`CameraMotion` leaves holes, and the entry {entry.name!r} has no value for them. "
                f'Declare "{what}" in the spec.'
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``motion``, (3,) float32; ``intrinsics``, (3, 3), are from the frame's centre."""
        u = jax.random.uniform(key, (3,), jnp.float32)
        ranges = (self.shift, self.shift, self.forward)
        motion = jnp.stack([uniform(n, limits) for n, limits in zip(u, ranges, strict=True)])
        return {"motion": motion, "intrinsics": record_intrinsics(frame)}

    def alter(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The rendered images, and the extrinsics and points of the new place."""
        cloud, motion = self._cloud(spec), params["motion"]
        if cloud.name not in record:
            images = [n for n, e in spec.entries.items() if n in record and e.kind == "spatial"]
            raise ParameterError(
                f"`CameraMotion` renders every frame from that of the cloud {cloud.name!r}, and "
                f"there is none for {images}. Give it as many frames as the images have, or none."
            )
        _, group, old = next(groups_of_role(spec, record, "position", (cloud.name,)))
        size = (old.shape[0], old.shape[1])
        moved = old.astype(jnp.float32) - motion.reshape(1, 1, 3)
        there = is_valid(old, group) & (old[..., 2:] > 0) & (moved[..., 2:] > 0)
        points = jnp.where(there, moved, 1)
        source, hole = self._rendered(points, there[..., 0], params["intrinsics"])
        found = {}
        for name, entry in spec.entries.items():
            if name not in record:
                continue
            if entry.kind == "spatial":
                found[name] = self._image(entry, record[name], size, (motion, source, hole), old)
                if f"{name}_valid" in record:
                    seen = record[f"{name}_valid"].reshape(-1)[source].reshape(size)
                    found[f"{name}_valid"] = seen & ~hole
            elif entry.role == "extrinsics":
                found[name] = record[name].at[:3, 3].add(-motion.astype(record[name].dtype))
            elif entry.role == "points3d":
                found[name] = record[name] - motion.astype(record[name].dtype)[None]
        return found

    def _rendered(self, points: Array, there: Array, k: Array) -> tuple[Array, Array]:
        """(h w,) the source pixel that each pixel shows, and (h, w) bool where there is none."""
        height, width = there.shape
        full, (cx, cy) = height * width, centre((height, width))
        x, y, z = (points[..., i] for i in range(3))
        u = (k[0, 0] * x + k[0, 1] * y) / z + k[0, 2] + cx
        v = k[1, 1] * y / z + k[1, 2] + cy
        column, row = jnp.floor(u + 0.5), jnp.floor(v + 0.5)
        inside = there & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        place = jnp.where(inside, row * width + column, full).astype(jnp.int32).reshape(-1)
        z = z.reshape(-1)
        nearest = jnp.full(full + 1, jnp.inf, jnp.float32).at[place].min(z)
        around = _least_around(nearest[:full].reshape(height, width)).reshape(-1)
        around = jnp.concatenate([around, jnp.zeros(1, jnp.float32)])
        # Written so that a depth beside itself is never hidden by rounding.
        seen = (z == nearest[place]) & (z - around[place] <= self.tolerance * z)
        number_of = jnp.arange(full, dtype=jnp.int32)
        first = jnp.full(full + 1, full, jnp.int32)
        first = first.at[jnp.where(seen, place, full)].min(number_of)[:full]
        hole = (first == full).reshape(height, width)
        return jnp.minimum(first, full - 1), hole

    def _image(
        self,
        entry: EntrySpec,
        array: Array,
        size: tuple[int, int],
        rendered: tuple[Array, Array, Array],
        cloud: Array,
    ) -> Array:
        motion, source, hole = rendered
        if array.shape[:2] != size:
            raise ParameterError(
                f"`CameraMotion` renders a cloud of {size[0]} x {size[1]} pixels, and the entry "
                f"{entry.name!r} has {array.shape[0]} x {array.shape[1]}. Resize it first."
            )
        parts = []
        for group in entry.groups:
            group = group.for_dtype(str(array.dtype))
            values = array[..., group.channel_slice()]
            if group.role == "position":
                new = values - motion.astype(values.dtype).reshape(1, 1, 3)
                values = jnp.where(is_valid(values, group), new, values)
            elif group.role == "depth":
                # By the cloud's own share: depths may be in other units.
                z = cloud[..., 2:].astype(jnp.float32)
                share = (z - motion[2]) / jnp.where(z > 0, z, 1)
                new = as_kept(values, values.astype(jnp.float32) * share).astype(values.dtype)
                values = jnp.where(is_valid(values, group), new, values)
            values = values.reshape(-1, values.shape[-1])[source].reshape(values.shape)
            empty = jnp.asarray(_hole(group)).astype(values.dtype)
            parts.append(jnp.where(hole[..., None], empty, values))
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, -1)


def _hole(group: ChannelGroup) -> float | None:
    """What a pixel becomes that shows nothing."""
    if group.role == "label":
        return None if group.ignore is None else float(group.ignore)
    mark: Any = mark_of(group)
    return 0.0 if mark is None and group.role == "intensity" else mark


def _least_around(depths: Array) -> Array:
    """Of each pixel, the least depth in it and in the eight pixels around."""
    height, width = depths.shape
    padded = jnp.pad(depths, 1, constant_values=jnp.inf)
    least = depths
    for dy in range(3):
        for dx in range(3):
            least = jnp.minimum(least, padded[dy : dy + height, dx : dx + width])
    return least
