"""Records of any spec, with values that mean what their roles say."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from .._arguments import FLAG, SEED, Kind, checked, optional, whole
from ..spec import SPEC_KIND, ChannelGroup, DataSpec, EntrySpec
from ..typing import NDArray, Record, SpatialShape

Content = Literal["noise", "smooth"]
"""``noise`` differs from pixel to pixel; ``smooth`` survives interpolation."""

# Where a spec leaves them open.
_CHANNELS, _POINTS, _FRAMES = 3, 4, 2
_IDS = 4
_HOLES = 0.1


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(whole(1).accepts, value))


@checked(
    spec=SPEC_KIND,
    shape=Kind("(height, width) in whole pixels", _is_shape),
    seed=SEED,
    batch=optional(whole(1)),
    holes=FLAG,
)
def make_record(
    spec: DataSpec,
    shape: SpatialShape,
    seed: int,
    *,
    batch: int | None = None,
    content: Content = "noise",
    holes: bool = False,
    half: Collection[str] = (),
    without: Collection[str] = (),
) -> Record:
    """A record of NumPy arrays that agree with each other, as those of one camera do.

    Positions and depth lie on the rays of the camera that the intrinsics describe, directions
    have length 1, boxes lie in the picture. An entry more or less changes no other entry.

    Args:
        spec: what the record holds.
        shape: (height, width) of the reference picture.
        seed: fixes the values. Entries with any number of frames get two.
        batch: length of a leading axis; None for one record.
        content: noise or smooth pictures.
        holes: some pixels are invalid, where the spec has a value for that.
        half: names of pictures of half the resolution.
        without: names of entries to leave out.

    Example:
        >>> import multiaug as ma
        >>> record = make_record(ma.load_spec("rgb-segmentation"), (4, 6), seed=0)
        >>> record["image"].shape, record["mask"].dtype
        ((4, 6, 3), dtype('uint8'))
    """
    smaller = (shape[0] // 2, shape[1] // 2)
    sizes = {name: smaller if name in half else shape for name in spec.entries}
    record: Record = {}
    for name, entry in spec.entries.items():
        if name in without:
            continue
        size = sizes[name] if entry.kind == "spatial" else sizes.get(entry.of or "", shape)
        lead = () if batch is None else (batch,)
        times = () if entry.time is None else (_FRAMES if entry.time == "any" else entry.time,)
        scene = _Scene(spec, shape, size, seed, name, lead, times, content)
        record[name] = (
            _picture(scene, entry, holes) if entry.kind == "spatial" else (_table(scene, entry))
        )
    return record


@dataclass(frozen=True)
class _Scene:
    """What one entry shows: the same camera and the same things as the others of its record."""

    spec: DataSpec
    frame: SpatialShape
    size: SpatialShape
    seed: int
    name: str
    records: tuple[int, ...]
    times: tuple[int, ...]
    content: Content

    @property
    def lead(self) -> tuple[int, ...]:
        """Of the images: records, and the frames of each."""
        return self.records + self.times

    def random(self, *salt: int) -> np.random.Generator:
        """Numbers that depend on nothing but the seed and the salt."""
        return np.random.default_rng([self.seed, *salt])

    def own(self) -> np.random.Generator:
        """Numbers of this entry."""
        return self.random(*self.name.encode())

    def pixels(self) -> tuple[NDArray, NDArray]:
        """X and y of the entry's pixels, in pixels of the frame."""
        (height, width), (rows, columns) = self.frame, self.size
        y, x = np.mgrid[:rows, :columns].astype(np.float64)
        return (x + 0.5) * (width / columns) - 0.5, (y + 0.5) * (height / rows) - 0.5

    def plane(self, index: int) -> NDArray:
        """(*lead, h, w) in [0, 1]."""
        if self.content == "noise":
            return self.random(index, *self.size).random((*self.lead, *self.size))
        x, y = self.pixels()
        a, b, c, d = self.random(index).uniform(0.3, 1, (4, *self.lead, 1, 1))
        rising = np.sin(6 * (a * x / self.frame[1] + b * y / self.frame[0]))
        falling = np.cos(6 * (c * x / self.frame[1] - d * y / self.frame[0]))
        plane: NDArray = 0.5 + 0.25 * (rising + falling)
        return plane

    def planes(self, count: int) -> NDArray:
        """(*lead, h, w, count) in [0, 1], of this entry."""
        first = int.from_bytes(self.name.encode()[:4], "big")
        return np.stack([self.plane(first + i) for i in range(count)], axis=-1)

    def camera(self) -> NDArray:
        """Intrinsics in pixels of the frame."""
        height, width = self.frame
        focal = 1.1 * max(height, width)
        rows = [[focal, 0, width / 2 - 0.2], [0, focal, height / 2 - 0.7], [0, 0, 1]]
        return np.broadcast_to(np.array(rows), (*self.lead, 3, 3))

    def pose(self) -> NDArray:
        """Extrinsics: a turn about y, and a shift."""
        turn = self.random(2).uniform(-1, 1, self.records)
        pose = np.broadcast_to(np.eye(4), (*self.records, 4, 4)).copy()
        pose[..., 0, 0] = pose[..., 2, 2] = np.cos(turn)
        pose[..., 0, 2], pose[..., 2, 0] = np.sin(turn), -np.sin(turn)
        pose[..., :3, 3] = self.random(3).uniform(-1, 1, (*self.records, 3))
        # One camera for all frames.
        return np.broadcast_to(
            pose.reshape(*self.records, *[1] * len(self.times), 4, 4), (*self.lead, 4, 4)
        )

    def depth(self) -> NDArray:
        """(*lead, h, w): Z of what the pixels see, between 2 and 3."""
        return 2 + self.plane(1)

    def cloud(self) -> NDArray:
        """(*lead, h, w, 3): what the pixels see, in the frame that the spec says."""
        (x, y), k, z = self.pixels(), self.camera(), self.depth()
        u = (x - k[..., :1, 2:]) / k[..., :1, :1]
        v = (y - k[..., 1:2, 2:]) / k[..., 1:2, 1:2]
        points = np.stack([z * u, z * v, z], axis=-1)
        posed = any(entry.role == "extrinsics" for entry in self.spec.entries.values())
        if self.spec.camera.frame == "camera" or not posed:
            return points
        pose = self.pose()[..., None, None, :, :]
        shifted = points - pose[..., :3, 3]
        in_world: NDArray = np.einsum("...ji,...j->...i", pose[..., :3, :3], shifted)
        return in_world


def _dtype(entry: EntrySpec) -> Any:
    if "float32" in entry.dtypes:
        return np.dtype(np.float32)
    return jnp.dtype(entry.dtypes[0] if entry.dtype else "int32")


def _picture(scene: _Scene, entry: EntrySpec, holes: bool) -> NDArray:
    dtype = _dtype(entry)
    parts = []
    for group in (group.for_dtype(dtype.name) for group in entry.groups):
        values = _PICTURES.get(group.role, _anything)(scene, group, dtype).astype(dtype)
        if holes and group.invalid is not None:
            lost = scene.random(4, *scene.size).random((*scene.lead, *scene.size)) < _HOLES
            values[lost] = np.nan if group.invalid == "nan" else group.invalid
        parts.append(values)
    array = np.concatenate(parts, axis=-1)
    return array[..., 0] if entry.channels == 1 else array


def _count(group: ChannelGroup) -> int:
    return group.count or group.traits.channels or _CHANNELS


def _limits(group: ChannelGroup, dtype: Any) -> tuple[float, float]:
    if group.range is not None:
        return group.range
    if dtype.kind not in "ui":
        return 0.0, 1.0
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def _anything(scene: _Scene, group: ChannelGroup, dtype: Any) -> NDArray:
    lo, hi = _limits(group, dtype)
    return lo + (hi - lo) * scene.planes(_count(group))


def _label(scene: _Scene, group: ChannelGroup, dtype: Any) -> Any:
    return np.floor(scene.planes(1) * (2 if dtype.kind == "b" else _IDS))


def _depth(scene: _Scene, group: ChannelGroup, dtype: Any) -> NDArray:
    # Integers count thousandths, as depth cameras do.
    return scene.depth()[..., None] * (1 if dtype.kind not in "ui" else 1000)


def _position(scene: _Scene, group: ChannelGroup, dtype: Any) -> NDArray:
    return scene.cloud()


def _direction(scene: _Scene, group: ChannelGroup, dtype: Any) -> NDArray:
    vectors: NDArray = scene.planes(3) - np.array([0.5, 0.5, 2])
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors


def _flow(scene: _Scene, group: ChannelGroup, dtype: Any) -> NDArray:
    return 4 * scene.planes(2) - 2


def _orientation(scene: _Scene, group: ChannelGroup, dtype: Any) -> NDArray:
    # Not all the way round: smooth content must have no step from the last angle to the first.
    angle = group.period * (0.1 + 0.8 * scene.planes(1))
    return angle if group.unit == "degrees" else np.deg2rad(angle)


_PICTURES: dict[str, Callable[[_Scene, ChannelGroup, Any], NDArray]] = {
    "depth": _depth,
    "direction": _direction,
    "flow": _flow,
    "label": _label,
    "orientation": _orientation,
    "position": _position,
}


def _table(scene: _Scene, entry: EntrySpec) -> NDArray:
    make = _TABLES.get(entry.role)
    if make is not None:
        return make(scene, entry).astype(_dtype(entry))
    traits = entry.groups[0].traits
    shape = {
        "points": (_POINTS, entry.channels or _CHANNELS),
        "matrix": traits.shape or (),
        "value": (),
    }[entry.kind]
    return scene.own().integers(0, 100, (*scene.lead, *shape)).astype(_dtype(entry))


def _keypoints(scene: _Scene, entry: EntrySpec) -> NDArray:
    height, width = scene.size
    return scene.own().random((*scene.lead, _POINTS, 2)) * (width - 1, height - 1)


def _boxes(scene: _Scene, entry: EntrySpec) -> NDArray:
    height, width = scene.size
    corners = scene.own().random((*scene.lead, _POINTS, 2, 2)) * (width, height) - 0.5
    low, high = corners.min(-2), corners.max(-2)
    edges = np.concatenate([low, high], axis=-1)
    convention = entry.groups[0].convention
    if convention == "coco":
        return np.concatenate([low + 0.5, high - low], axis=-1)
    return edges + np.array([0.5, 0.5, -0.5, -0.5]) if convention == "pascal" else edges


def _points3d(scene: _Scene, entry: EntrySpec) -> Any:
    return scene.own().uniform(-1, 1, (*scene.lead, _POINTS, 3)) + np.array([0, 0, 3])


def _intrinsics(scene: _Scene, entry: EntrySpec) -> NDArray:
    k = scene.camera().copy()
    sy, sx = scene.size[0] / scene.frame[0], scene.size[1] / scene.frame[1]
    k[..., :2, 2] += 0.5  # sizes scale about the picture's corner, not about its first centre
    k[..., 0, :] *= sx
    k[..., 1, :] *= sy
    k[..., :2, 2] -= 0.5
    return k


def _extrinsics(scene: _Scene, entry: EntrySpec) -> NDArray:
    return scene.pose()


_TABLES: dict[str, Callable[[_Scene, EntrySpec], NDArray]] = {
    "boxes": _boxes,
    "extrinsics": _extrinsics,
    "intrinsics": _intrinsics,
    "keypoints": _keypoints,
    "points3d": _points3d,
}
