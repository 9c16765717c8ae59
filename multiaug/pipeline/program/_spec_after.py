"""What the entries of a record are behind a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...spec import CameraSpec, DataSpec, EntrySpec
from ...transforms import (
    Altering,
    Container,
    Deriving,
    Occluding,
    Photometric,
    Range,
    Transform,
)
from ...typing import SpatialShape
from ._geometry import default_intrinsics
from ._pointwise import keeps_dtype_of, value_range
from ._structure import gains_intrinsics, leaves

BEFORE = "_valid_before"
"""Behind the name of an entry: where earlier stages held data, resampled by later ones."""


def spec_after(
    transforms: Sequence[Transform],
    spec: DataSpec,
    dtypes: Mapping[str, np.dtype[Any]],
    *,
    source: SpatialShape | None,
) -> DataSpec:
    """The spec of records behind a stage.

    Args:
        transforms: of the stage.
        spec: of the records before it.
        dtypes: of the images before the pipeline, where the spec leaves them open.
        source: the frame before the pipeline, behind a run of warps; None behind other stages.

    Raises:
        ParameterError: what is derived does not fit.
    """
    spec = with_derived(transforms, spec)
    entries = [_values_after(transforms, entry, dtypes) for entry in spec.entries.values()]
    camera = spec.camera
    if source is not None:
        names = spec.entries.keys()
        for entry in list(entries):
            mask = f"{entry.name}{BEFORE}"
            if entry.validity and entry.kind == "spatial" and mask not in names:
                entries.append(mask_of(entry, mask))
        if gains_intrinsics(camera) and not any(e.role == "intrinsics" for e in entries):
            entries.append(
                EntrySpec.of_role("intrinsics", "intrinsics", dtype="float32", optional=True)
            )
        camera = _camera_after(camera, source)
    return DataSpec(spec.name, entries, camera, spec.description)


def with_derived(transforms: Sequence[Transform], spec: DataSpec) -> DataSpec:
    """The spec with the entries that transforms make, put new ones in the place of, or alter.

    Occlusions in one container may share a mask.

    Raises:
        ParameterError: what is derived does not fit.
    """
    masks: set[str] = set()
    for transform in transforms:
        if isinstance(transform, Deriving):
            spec = transform.out_spec(spec)
        for leaf in leaves([transform]):
            if isinstance(leaf, Occluding) and leaf.mask is not None and leaf.mask not in masks:
                spec = leaf.out_spec(spec)
                masks.add(leaf.mask)
            elif isinstance(leaf, Altering):
                spec = _altered(leaf, spec, always=leaf is transform)
    return spec


def _altered(altering: Altering, spec: DataSpec, *, always: bool) -> DataSpec:
    """The spec behind a transform that runs for every record, or keeps what entries are."""
    after = altering.out_spec(spec)
    if after != spec and not always:
        raise ParameterError(
            f"`{altering.owner}` changes what entries are in some records only, inside of a "
            "container. Move it out, and leave out its `p`."
        )
    return after


def mask_of(entry: EntrySpec, name: str) -> EntrySpec:
    """An entry that says, under this name, where there are data of another one."""
    return EntrySpec.of_role(
        name, "label", channels=1, dtype="bool", optional=True, time=entry.time
    )


def _camera_after(camera: CameraSpec, frame: SpatialShape) -> CameraSpec:
    """A default camera in pixels: a field of view is that of the frame before the pipeline."""
    k = default_intrinsics(camera, frame)
    if k is None:
        return camera
    fx, fy, cx, cy = (float(k[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return replace(camera, fov_degrees=None, intrinsics=(fx, fy, cx, cy))


def _values_after(
    transforms: Sequence[Transform], entry: EntrySpec, dtypes: Mapping[str, np.dtype[Any]]
) -> EntrySpec:
    """An entry with the dtype and the range that value transforms give it."""
    touching = [
        t for t in leaves(transforms) if isinstance(t, Photometric) and t.touches(entry.name)
    ]
    intensity = any(group.role == "intensity" for group in entry.groups)
    if entry.kind != "spatial" or not touching or not intensity:
        return entry
    if entry.dtype is not None:
        before = np.dtype(entry.dtype) if entry.dtype != "bfloat16" else np.dtype(np.float32)
    else:
        before = dtypes.get(entry.name, np.dtype(np.float32))
    groups = []
    for group in entry.groups:
        if group.role == "intensity":
            given = value_range(group, before)
            after = _range_after(transforms, entry.name, given)
            if after is not given:
                group = replace(group, range=(float(after[0]), float(after[1])))
        groups.append(group)
    dtype = entry.dtype if keeps_dtype_of(touching) else "float32"
    return replace(entry, groups=tuple(groups), dtype=dtype)


def _range_after(transforms: Sequence[Transform], name: str, limits: Range) -> Range:
    """The range of values behind transforms; those that run by chance must keep it."""
    for transform in transforms:
        for leaf in leaves([transform]):
            if not isinstance(leaf, Photometric) or not leaf.touches(name):
                continue
            after = leaf.out_range(limits)
            if after is not limits and isinstance(transform, Container):
                raise ParameterError(
                    f"`{leaf.owner}` changes the range of {name!r} in some records only, inside "
                    f"{transform.owner}, and another stage follows. Move it out, or to the end."
                )
            limits = after
    return limits
