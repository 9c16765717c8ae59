"""The static side of a run: what the transforms are, whether they fit the frame and the spec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...roles import SPATIAL_ROLES, TABLE_ROLES
from ...sampling import Job, LowPass, ratio
from ...spec import CameraSpec, ChannelGroup, DataSpec, EntrySpec, role_generation
from ...transforms import Container, ForEntries, Frame, Geometric, Transform
from ...typing import SpatialShape


@dataclass(frozen=True)
class Run:
    """The static description of one pass over a batch; hashable, part of the jit key.

    Args:
        spec: what the entries are.
        frame: (H, W) of the reference picture before the transforms.
        inverse: run the pipeline backwards.
        resample_only: entries whose role was overridden: photometry leaves them alone.
        given_scale: see `given_scale`.
        first: the position of the first transform in the pipeline, for its draws.
        roles: see `multiaug.spec.role_generation`: a role that is defined anew compiles anew.
    """

    spec: DataSpec
    frame: SpatialShape
    inverse: bool = False
    resample_only: tuple[str, ...] = ()
    given_scale: float = 1.0
    first: int = 0
    roles: int = field(default_factory=role_generation)


def groups_of(entry: EntrySpec, dtype: np.dtype[Any]) -> list[ChannelGroup]:
    """The channel groups of an entry that arrives in this dtype."""
    return [group.for_dtype(np.dtype(dtype).name) for group in entry.groups]


def leaves(transforms: Sequence[Transform]) -> Iterator[Transform]:
    """All transforms that are not containers, in order."""
    for transform in transforms:
        if isinstance(transform, Container):
            yield from leaves(transform.children)
        else:
            yield transform


def out_shape(transforms: Sequence[Transform], shape: SpatialShape) -> SpatialShape:
    """The frame after a run of transforms."""
    for transform in transforms:
        shape = transform.out_shape(shape)
    return shape


def check_frames(transforms: Sequence[Transform], spec: DataSpec, shape: SpatialShape) -> None:
    """Refuse transforms that cannot work on the frames where they stand."""
    for transform in transforms:
        transform.check(Frame(shape, spec))
        shape = transform.out_shape(shape)


def is_dense(transforms: Sequence[Transform]) -> bool:
    """Some transform displaces pixels by a field."""
    return any(isinstance(t, Geometric) and t.dense for t in leaves(transforms))


def is_projective(transforms: Sequence[Transform]) -> bool:
    """Some transform may have perspective."""
    return any(isinstance(t, Geometric) and t.projective for t in leaves(transforms))


def check_spec(transforms: Sequence[Transform], spec: DataSpec) -> None:
    """Refuse, when the pipeline is built, what no record can make right.

    Raises:
        ParameterError: a camera entry under a dense displacement, a mirroring transform on a
            camera that refuses mirrors, or a role that only specs know.
    """
    for name, entry in spec.entries.items():
        _refuse_role_without_verbs(entry)
        if not entry.optional:
            refuse_dense(transforms, name, entry)
    if spec.camera.mirror == "refuse":
        for transform in leaves(transforms):
            if isinstance(transform, Geometric) and transform.mirrors:
                raise ParameterError(
                    f"`{transform.owner}` can mirror the picture, but the spec {spec.name!r} says "
                    '"mirror": "refuse" for its camera. Leave the transform out, or allow mirrors.'
                )


def _refuse_role_without_verbs(entry: EntrySpec) -> None:
    """Specs may know a role by its traits alone; a map has to be told what to do with it."""
    for group in entry.groups:
        table = SPATIAL_ROLES if entry.kind == "spatial" else TABLE_ROLES
        if entry.kind != "value" and group.role not in table:
            raise ParameterError(
                f"The role {group.role!r} of entry {entry.name!r} is known to specs only. Register "
                "the class that says what a map does to it, with multiaug.roles.register_role."
            )


def refuse_dense(transforms: Sequence[Transform], name: str, entry: EntrySpec) -> None:
    """Coordinates follow a camera, and no camera explains a dense displacement."""
    # Of a table without an image only the spec could say which one it belongs to.
    image = name if entry.kind == "spatial" else entry.of
    transforms = [
        t for t in transforms if not isinstance(t, ForEntries) or image in {*t.entries, None}
    ]
    held = [g for g in entry.groups if g.traits.needs_camera and g.under_elastic == "refuse"]
    if not held or not is_dense(transforms):
        return
    owner = next(t.owner for t in leaves(transforms) if isinstance(t, Geometric) and t.dense)
    raise ParameterError(
        f"`{owner}` cannot move the entry {name!r}: no camera explains its displacement of a "
        f'{held[0].role}. Say "under_elastic": "resample" in the spec to resample the values and '
        f"move them by the rest of the geometry only, or leave {owner} out."
    )


def antialiasing(transforms: Sequence[Transform], scale: float) -> LowPass | None:
    """Taps for the smallest scale that a run can draw; None when no transform asks or shrinks."""
    if not any(isinstance(t, Geometric) and t.lowpass for t in leaves(transforms)):
        return None
    radius = _radius(scale)
    return LowPass((radius, radius)) if radius else None


def least_scale(transforms: Sequence[Transform], run: Run) -> float:
    """The least magnification that the run can draw, on either axis; at most 1."""
    if run.inverse:
        # What enlarges shrinks on the way back. Windows are rarely zoomed by more than 4.
        after = out_shape(transforms, run.frame)
        return min(1.0, run.frame[0] / after[0], run.frame[1] / after[1]) / 4
    # A turn may put the axis that shrinks most along the other one.
    return min(1.0, *_least_scale(transforms, run.frame)) * run.given_scale


def given_scale(transforms: Sequence[Transform], shape: SpatialShape) -> float:
    """The least magnification of the matrices that were given, as a power of two.

    Their values are not part of what is compiled; how far a low-pass reaches is.
    """
    total = 1.0
    for transform in transforms:
        for leaf in leaves([transform]):
            scale = leaf.given_scale(shape) if isinstance(leaf, Geometric) else 1.0
            total *= 2.0 ** math.floor(math.log2(min(1.0, scale)) + 1e-6)
        shape = transform.out_shape(shape)
    return total


def longest_step(
    job: Job, before: SpatialShape, after: SpatialShape, scale: float
) -> tuple[float, float]:
    """(x, y), over how many pixels of an entry an output pixel reaches under a least scale.

    Args:
        job: of the entry.
        before: the frame before the run.
        after: the frame behind it.
        scale: the least.
    """
    (sx_in, sy_in), (sx, sy) = ratio(job.size_in, before), ratio(job.size_out, after)
    return sx_in / (sx * scale), sy_in / (sy * scale)


def _radius(scale: float) -> int:
    deviation = max(0.0, (1 / scale - 1) / 2)
    return math.ceil(4 * deviation) if deviation > 0 else 0


def _least_scale(transforms: Sequence[Transform], shape: SpatialShape) -> tuple[float, float]:
    x = y = 1.0
    for transform in transforms:
        sx, sy = _least_of(transform, shape)
        x, y, shape = x * sx, y * sy, transform.out_shape(shape)
    return x, y


def _least_of(transform: Transform, shape: SpatialShape) -> tuple[float, float]:
    if isinstance(transform, Geometric):
        return transform.min_scale(shape)
    if isinstance(transform, ForEntries):
        return _least_scale(transform.children, shape)
    if not isinstance(transform, Container):
        return 1.0, 1.0
    scales = [_least_of(child, shape) for child in transform.children]
    if transform.exclusive and scales:
        return min(x for x, _ in scales), min(y for _, y in scales)
    # Any subset may run: only those that shrink count.
    return math.prod(min(x, 1) for x, _ in scales), math.prod(min(y, 1) for _, y in scales)


def entry_out_size(size: SpatialShape, frame: SpatialShape, out: SpatialShape) -> SpatialShape:
    """Size of an entry after the run: it keeps its share of the frame's resolution."""
    height = max(1, round(size[0] * out[0] / frame[0]))
    return height, max(1, round(size[1] * out[1] / frame[1]))


def gains_intrinsics(camera: CameraSpec) -> bool:
    """A default camera that is refitted must be returned: nobody else knows what it became."""
    return camera.has_default and camera.policy == "refit"
