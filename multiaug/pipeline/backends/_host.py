"""Occlusions, mixes and derivations of eager batches on CPUs: in NumPy and C, in place.

Nothing is compiled for a size of batch or image. The results have the bits of the forms in JAX that
traced code and accelerators run (`program/_occlude.py`, `program/_mix.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ...roles import SPATIAL_ROLES, Verbs, has_data
from ...sampling import cast, constant
from ...spec import ChannelGroup, DataSpec, EntrySpec
from ...transforms import Deriving, Mixing, Occluding, Step, Transform
from ...typing import NDArray, SpatialShape
from ..buffers._working import WorkingBatch
from ..program._fills import fill_number
from ..program._occlude import centres_of_rows, dropped_channels, is_covered, pixel_centres
from ..program._stages import Stage
from ..program._steps import steps_of_batch, unknown_container
from ..program._structure import groups_of, leaves
from ._fill import fill_boxes, fill_noise, means_of


def host_refuses(stage: Stage, names: Sequence[str]) -> str | None:
    """Why a stage that is no run of warps is left to XLA on a CPU; None where it is not.

    Args:
        stage: the stage.
        names: of the entries that are there.
    """
    if stage.kind == "alter":
        return "alterations are written in JAX"
    container = unknown_container(stage.transforms)
    if container is not None:
        return f"`{container}` is a container of its own kind, which may know single records only"
    for leaf in leaves(stage.transforms):
        reason = _method_missing(leaf)
        if reason is not None:
            return f"`{leaf.owner}` has no `{reason}`, which says in NumPy what it does"
    for name in names:
        entry = stage.spec.entries.get(name)
        if entry is not None and entry.time is not None:
            return f"{name!r} has an axis of time, which XLA goes along"
    verb = stage.kind if stage.kind in ("occlude", "mix") else ""
    if verb == "mix" and all(leaf.pastes for leaf in leaves(stage.transforms)):  # type: ignore[attr-defined]
        verb = ""  # values are copied, whatever their roles
    for name in names if verb else ():
        entry = stage.spec.entries.get(name)
        for group in entry.groups if entry is not None and entry.kind == "spatial" else ():
            role = SPATIAL_ROLES[group.role]
            ours = getattr(type(role), verb, None) is getattr(Verbs, verb)
            if not ours:
                return f"the role {group.role} has its own `{verb}`, which is written in JAX"
    return None


def _method_missing(leaf: Transform) -> str | None:
    """The method that a transform would need to be run on the host."""
    if isinstance(leaf, Occluding) and type(leaf).boxes is Occluding.boxes:
        return "boxes"
    if isinstance(leaf, Deriving) and type(leaf).derive_into is Deriving.derive_into:
        return "derive_into"
    if isinstance(leaf, Mixing) and leaf.pastes:
        named = type(leaf)
        if named.boxes is Mixing.boxes and named.pieces is Mixing.pieces:
            return "boxes"
    return None


# ---- occlusions --------------------------------------------------------------------------------


def occlude_on_host(stage: Stage, drawn: Any, batch: WorkingBatch) -> None:
    """Cover the entries of a batch, in place.

    Args:
        stage: the occlusions.
        drawn: what the batch drew, leading N.
        batch: the entries.
    """
    sizes = sizes_in(stage.spec, batch.arrays)
    all_sizes = {stage.frame, *sizes.values()}
    places = {size: pixel_centres(size, stage.frame) for size in all_sizes}
    for step in steps_of_batch(stage.transforms, drawn):
        assert isinstance(step.transform, Occluding)
        covered = {size: covered_boxes(step, *xy, stage.frame) for size, xy in places.items()}
        if step.transform.mask is not None:
            _note_covered(step.transform.mask, stage.frame, batch, covered[stage.frame])
        for name, entry in stage.spec.entries.items():
            if name not in batch.arrays or not is_covered(step, stage.spec, name):
                continue
            if entry.kind == "spatial" and len(covered[sizes[name]]):
                _cover_image(entry, step, batch, covered[sizes[name]])
            elif entry.kind == "points":
                _cover_rows(stage, entry, step, batch, sizes)


def _note_covered(mask: str, frame: SpatialShape, batch: WorkingBatch, boxes: NDArray) -> None:
    """Write what was covered to a mask, which is made where there is none yet."""
    if mask not in batch.arrays:
        size = len(next(iter(batch.arrays.values())))
        batch.new(mask, (size, *frame), bool)[...] = False
    fill_boxes(batch.writable(mask)[..., None], boxes, slice(None), np.ones((), bool))


def covered_boxes(step: Step, x: NDArray, y: NDArray, frame: SpatialShape) -> NDArray:
    """(n, 5): the boxes of pixels that a step covers, of the records that it runs on."""
    assert isinstance(step.transform, Occluding)
    boxes = step.transform.boxes(step.params, x, y, frame)
    assert boxes is not None
    there: Any = (boxes[:, 1] < boxes[:, 2]) & (boxes[:, 3] < boxes[:, 4])
    if step.on is not None:
        on: Any = np.asarray(step.on)
        there = there & on[boxes[:, 0]]
    kept: NDArray = boxes[there]
    return kept


def sizes_in(spec: DataSpec, arrays: Mapping[str, Any]) -> dict[str, SpatialShape]:
    """(h, w) of the images of a batch."""
    return {
        name: (array.shape[1], array.shape[2])
        for name, array in arrays.items()
        if name in spec.entries and spec.entries[name].kind == "spatial"
    }


def _cover_image(entry: EntrySpec, step: Step, batch: WorkingBatch, boxes: NDArray) -> None:
    images = with_channels(batch.writable(entry.name))
    for group in groups_of(entry, images.dtype):
        channels = range(images.shape[3])[group.channel_slice()]
        dropped = dropped_channels(step, entry.name, channels.start, len(channels))
        for part, own in _parts_of(channels, dropped, boxes):
            _fill_part(entry, step, group, part, images, own)
    valid = f"{entry.name}_valid"
    if valid in batch.arrays:
        gone = wholly(step, entry.name, boxes)
        fill_boxes(batch.writable(valid)[..., None], gone, slice(None), np.zeros((), bool))


def _parts_of(
    channels: range, dropped: NDArray | None, boxes: NDArray
) -> Iterator[tuple[range, NDArray]]:
    """Channels that are covered together, each with the boxes of its records."""
    if dropped is None:
        yield channels, boxes
        return
    every: Any = dropped.all(-1)
    all_of = every[boxes[:, 0]]
    yield channels, boxes[all_of]
    for k in range(dropped.shape[-1]):
        some = dropped[boxes[:, 0], k] & ~all_of
        yield channels[k : k + 1], boxes[some]


def wholly(step: Step, name: str, boxes: NDArray) -> NDArray:
    """The boxes of records of which all channels of an entry are covered."""
    dropped = dropped_channels(step, name, 0, None)
    if dropped is None:
        return boxes
    every: Any = dropped.all(-1)
    kept: NDArray = boxes[every[boxes[:, 0]]]
    return kept


def _fill_part(
    entry: EntrySpec,
    step: Step,
    group: ChannelGroup,
    part: range,
    images: NDArray,
    boxes: NDArray,
) -> None:
    """Cover some channels of a group."""
    if not len(boxes) or not len(part):
        return
    role, channels = SPATIAL_ROLES[group.role], slice(part.start, part.stop)
    assert isinstance(role, Verbs)
    value = role.covered_value(group, images.dtype)
    absent = _absent(group, images, channels, boxes, value)
    if value is not None:
        fill_boxes(images, boxes, channels, value)
    elif step.transform.fill == "noise":  # type: ignore[attr-defined]
        seeds = np.asarray(step.params["seed"])
        fill_noise(images, boxes, part, group, entry.name, seeds)
    elif step.transform.fill == "mean":  # type: ignore[attr-defined]
        means = means_of(images, np.unique(boxes[:, 0]), part, group)
        fill_boxes(images, boxes, channels, means)
    else:
        fill: Any = np.asarray(fill_number(step, group, images.dtype), np.float32)
        fill_boxes(images, boxes, channels, np.asarray(cast(fill, images.dtype)))
    for record, where in absent.items():
        mark: Any = np.nan if group.invalid == "nan" else group.invalid
        np.copyto(images[record, ..., channels], constant(mark, images.dtype), where=where)


def _absent(
    group: ChannelGroup, images: NDArray, channels: slice, boxes: NDArray, value: NDArray | None
) -> dict[int, NDArray]:
    """Of records that are covered: where channels have no data, unless that is what comes there."""
    mark = group.invalid
    same = value is not None and (np.isnan(value) if mark == "nan" else value == mark)
    if mark is None or same:
        return {}
    found = {}
    for record in np.unique(boxes[:, 0]).tolist():
        where = ~has_data(images[record, ..., channels], group)
        if where.any():
            found[record] = where
    return found


def _cover_rows(
    stage: Stage,
    entry: EntrySpec,
    step: Step,
    batch: WorkingBatch,
    sizes: Mapping[str, SpatialShape],
) -> None:
    name = f"{entry.name}_visible"
    if name not in batch.arrays:
        return
    table = batch.read(entry.name)
    places = centres_of_rows(stage.spec, entry, {**sizes, "": stage.frame}, table)
    if places is None:
        return
    visible = batch.writable(name)
    for i in range(len(table)):
        if step.on is None or step.on[i]:
            params = jax.tree.map(lambda leaf, i=i: leaf[i], step.params)
            assert isinstance(step.transform, Occluding)
            covered = step.transform.covers(params, places[0][i], places[1][i], stage.frame)
            dropped = step.transform.dropped(params, entry.name, 0, None)
            if dropped is None or np.asarray(dropped).all():
                visible[i][np.asarray(covered)] = 0


# ---- derivations -------------------------------------------------------------------------------


def derive_on_host(stage: Stage, batch: WorkingBatch) -> None:
    """Make new entries of a batch."""
    for transform in stage.transforms:
        assert isinstance(transform, Deriving)
        used = {n: batch.read(n) for n in batch.arrays if n in transform.sources}
        transform.derive_into(stage.spec, used, batch.new)


def with_channels(images: NDArray) -> NDArray:
    """A view with an axis of channels."""
    return images[..., None] if images.ndim == 3 else images
