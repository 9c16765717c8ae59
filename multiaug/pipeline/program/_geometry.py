"""Stage one, plan: from the params of one record to its map and its camera."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from ...errors import ParameterError, RecordError
from ...geometry import (
    Map,
    centre_intrinsics,
    deformation,
    identity,
    intrinsics_of_view,
    mirrors,
    product,
    rq,
)
from ...roles import RecordGeometry
from ...sampling import ratio
from ...spec import CameraSpec, DataSpec
from ...transforms import Container, ForEntries, Geometric, Step, Transform
from ...typing import Array, SpatialShape
from ._sizes import Sizes


def steps_of(transforms: Sequence[Transform], drawn: Sequence[Any]) -> list[Step]:
    """The leaf transforms as they run."""
    pairs = zip(transforms, drawn, strict=True)
    return [step for transform, params in pairs for step in _expand(transform, params, None)]


def _placed(
    transform: Transform, params: Any, frame: SpatialShape
) -> Iterator[tuple[Step, SpatialShape]]:
    """The leaf transforms as they run, each with the frame where it stands."""
    if not isinstance(transform, ForEntries):
        yield from ((step, frame) for step in _expand(transform, params, None))
        return
    for child, drawn in zip(transform.children, params["children"], strict=True):
        yield from _placed(child, drawn, frame)
        frame = child.out_shape(frame)  # these may change it, as no other container's may


def _expand(transform: Transform, params: Any, on: Array | None) -> list[Step]:
    if isinstance(transform, Container):
        inner = []
        for child, drawn, condition in transform.expand(params):
            both = condition if on is None or condition is None else on & condition
            inner += _expand(child, drawn, both)
        return inner
    return [Step(transform, params, on)]


def compose(
    transforms: Sequence[Transform], drawn: Sequence[Any], frames: Sequence[SpatialShape]
) -> Map:
    """The map of a run.

    A child of a container that is not chosen is the identity; on centred coordinates that is
    the identity matrix whatever the two frames are.

    Args:
        transforms: of the run.
        drawn: what they drew.
        frames: before each of them, and behind the last.
    """
    warp = identity(frames[0])
    for transform, params, before in zip(transforms, drawn, frames[:-1], strict=True):
        for step, frame in _placed(transform, params, before):
            if isinstance(step.transform, Geometric):
                one = step.transform.map(step.params, frame)
                _check_kind(step.transform, one)
                warp = warp.then(one if step.on is None else one.gated(step.on))
    return replace(warp, out_shape=frames[-1])


def _check_kind(transform: Geometric, warp: Map) -> None:
    """Refuse a map of a kind that its transform has not announced: cameras depend on it.

    Raises:
        ParameterError: naming the flag.
    """
    for flag, seen, what in (
        ("dense", warp.dense, "displaces pixels by a field"),
        ("projective", warp.projective, "may have perspective"),
    ):
        if seen and not getattr(transform, flag):
            raise ParameterError(
                f"`{transform.owner}.{flag}` must be True, got False: its map {what}, which "
                f"decides what cameras and clouds can follow. Set {flag} = True in the class."
            )


class Camera(NamedTuple):
    """The intrinsics of one record, on centred coordinates per reference pixel.

    Args:
        k: (3, 3), centred on the frame before the map.
        kept: (3, 3), the same numbers in pixels, centred on the frame after it.
    """

    k: Array
    kept: Array


def camera_of(
    spec: DataSpec, record: Mapping[str, Array], sizes: Sizes, source: SpatialShape
) -> Camera | None:
    """The camera of one record, its own or the spec's; None when unknown.

    Args:
        spec: the record's spec.
        record: its matrices.
        sizes: of its images, and of the frames before and after the map.
        source: the reference frame that the spec's camera is for; that after the map when
            inverting.
    """
    k, (size, out) = default_intrinsics(spec.camera, source), sizes.of(None)
    for name, entry in spec.entries.items():
        if entry.role == "intrinsics" and name in record:
            k, (size, out) = record[name].astype(jnp.float32), sizes.of(entry.of)
    if k is None:
        return None
    return Camera(
        centre_intrinsics(k, size, ratio(size, sizes.before)),
        centre_intrinsics(k, out, ratio(out, sizes.after)),
    )


def default_intrinsics(camera: CameraSpec, frame: SpatialShape) -> Array | None:
    """The spec's own camera, in pixels of the reference frame; None when it has none."""
    if camera.fov_degrees is not None:
        return intrinsics_of_view(camera.fov_degrees, frame)
    if camera.intrinsics is None:
        return None
    fx, fy, cx, cy = camera.intrinsics
    return jnp.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], jnp.float32)


def build_view(
    warp: Map, rules: CameraSpec, camera: Camera | None, extrinsics: Array | None
) -> RecordGeometry:
    """What the roles are told: the map, and how it moves the camera."""
    matrix = warp.matrix()
    k = k_out = motion = bent = None
    if camera is not None:
        k = camera.k
        k_out, motion = rq(product(matrix.forward, k))
        if rules.policy == "fixed":
            bent = deformation(matrix, k, camera.kept)
    elif matrix.affine:
        # With square pixels the motion of an affine map is the same for every camera.
        motion = rq(matrix.forward)[1]
    return RecordGeometry(
        warp=warp,
        matrix=matrix,
        mirrored=mirrors(matrix),
        motion=motion,
        k=k,
        k_out=k_out,
        deformation=bent,
        extrinsics=extrinsics,
        policy=rules.policy,
        frame=rules.frame,
        refit_intrinsics=rules.refit_intrinsics,
    )


def check_camera(spec: DataSpec, names: Collection[str], *, projective: bool) -> None:
    """Refuse a record without intrinsics where the geometry needs them.

    Args:
        spec: the record's spec.
        names: entries that the record holds.
        projective: the run has perspective.

    Raises:
        RecordError: naming the entry and the two remedies.
    """
    camera = spec.camera
    if camera.policy == "none" or not (projective or camera.policy == "fixed"):
        return
    if camera.has_default or any(spec.entries[n].role == "intrinsics" for n in names):
        return
    for name in names:
        entry = spec.entries[name]
        follows = any(group.traits.needs_camera for group in entry.groups)
        if entry.role == "extrinsics" or (follows and not _stays(spec, name)):
            reason = "Perspective" if projective else 'the camera policy "fixed"'
            raise RecordError(
                f"The entry {name!r} needs `intrinsics` under {reason}, but the record has none. "
                "Add intrinsics to the record, or a default camera to the spec "
                "(`camera.fov_degrees`, or fx, fy, cx and cy)."
            )


def _stays(spec: DataSpec, name: str) -> bool:
    """World coordinates keep their values; depth is along the camera's axis all the same."""
    roles = {group.role for group in spec.entries[name].groups}
    return spec.camera.frame == "world" and "depth" not in roles
