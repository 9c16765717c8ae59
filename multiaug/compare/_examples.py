"""From batches of records to what a network takes: images about 0, and shares of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError, RecordError
from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..typing import NDArray
from ._task import LearningTask

_MOST_CLASSES = 64
IGNORED = -1


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of the channels, of training records alone.

    Args:
        mean: float32 (C,).
        deviation: float32 (C,).
    """

    mean: NDArray
    deviation: NDArray

    @classmethod
    def of(cls, images: NDArray) -> Scaling:
        """The scaling that brings images (n, H, W, C), NaN where there are no data, to 0 and 1."""
        channels = images.shape[-1]
        mean, deviation = np.zeros(channels), np.ones(channels)
        for channel in range(channels):
            values = images[..., channel].astype(np.float64)
            values = values[np.isfinite(values)]
            if values.size:
                mean[channel] = values.mean()
                deviation[channel] = values.std() or 1.0
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def apply(self, images: NDArray, marked: NDArray) -> NDArray:
        """Scaled images, 0 where there are no data, followed by a channel that says where.

        Args:
            images: float32 (n, H, W, C).
            marked: the first channel of each channel group that may lack data.
        """
        scaled = (images - self.mean) / self.deviation
        known = np.isfinite(scaled)
        masks = known[..., marked].astype(np.float32)
        return np.concatenate([np.where(known, scaled, np.float32(0)), masks], axis=-1)


def images_of(
    task: LearningTask, spec: DataSpec, batch: Mapping[str, Any], size: tuple[int, int]
) -> NDArray:
    """The inputs side by side, float32 (n, H, W, C), with NaN where there are no data.

    Args:
        task: names the inputs.
        spec: of the batch.
        batch: entry name -> array (n, ...).
        size: that the images must have.

    Raises:
        ParameterError: an input is gone, or of another size.
    """
    found = []
    for name in task.inputs:
        if name not in batch or name not in spec.entries:
            raise ParameterError(
                f"`compare.inputs`: {name!r} is not among the entries that come out of the "
                f"pipeline, {sorted(batch)}. Leave it out of inputs=."
            )
        found += _channels(spec.entries[name], np.asarray(batch[name]), size)
    return np.concatenate(found, axis=-1)


def marked_channels(task: LearningTask, spec: DataSpec, batch: Mapping[str, Any]) -> NDArray:
    """The first channel of each group of the inputs that declares what stands for no data."""
    marked, place = [], 0
    for name in task.inputs:
        entry = spec.entries[name]
        frames = np.shape(batch[name])[1] if entry.time is not None else 1
        array = np.asarray(batch[name])
        last = array.shape[-1] if array.ndim == (4 if entry.time is None else 5) else 1
        for _ in range(frames):
            for group in entry.groups:
                if group.invalid is not None:
                    marked.append(place)
                place += group.count or last
    return np.array(marked, np.int64)


def _channels(entry: EntrySpec, array: NDArray, size: tuple[int, int]) -> list[NDArray]:
    """The channel groups of an entry, those of each frame behind the other."""
    if entry.time is not None:
        frames = [_channels(_without_time(entry), array[:, i], size) for i in range(array.shape[1])]
        return [channels for one in frames for channels in one]
    if array.shape[1:3] != size:
        raise ParameterError(
            f"`compare.inputs`: {entry.name!r} comes out as {array.shape[1]} x {array.shape[2]} "
            f"pixels where the others have {size[0]} x {size[1]}. Name the inputs of one "
            "resolution with inputs=."
        )
    array = array[..., None] if array.ndim == 3 else array
    return [_values(group, array[..., group.channel_slice()]) for group in entry.groups]


def _without_time(entry: EntrySpec) -> EntrySpec:
    return EntrySpec(entry.name, entry.groups, entry.dtype, entry.optional, entry.of)


def _values(group: ChannelGroup, array: NDArray) -> NDArray:
    return np.where(group.has_data(array)[..., None], array.astype(np.float32), np.float32(np.nan))


def labels_of(task: LearningTask, batch: Mapping[str, Any], size: tuple[int, int]) -> NDArray:
    """The labels, int64 (n, H, W) or (n,), with `IGNORED` where they count nowhere.

    Raises:
        ParameterError: the label map is of another size than the images.
        RecordError: a label is negative.
    """
    labels = np.asarray(batch[task.target])
    if labels.dtype.kind not in "biu":
        raise ParameterError(
            f"`compare.pipelines`: {task.target!r} comes out as {labels.dtype}, which are no class "
            "ids. Leave out transforms that replace it."
        )
    labels = labels.astype(np.int64)
    if task.kind == "classification":
        labels = labels.reshape(len(labels))
    elif labels.ndim == 4:
        labels = labels[..., 0]
    if task.kind == "segmentation" and labels.shape[1:] != size:
        raise ParameterError(
            f"`compare.target`: {task.target!r} comes out as {labels.shape[1]} x {labels.shape[2]} "
            f"pixels, and the images as {size[0]} x {size[1]}. Bring the label map to the "
            "resolution of the images first."
        )
    counted = np.ones(labels.shape, bool) if task.ignore is None else labels != task.ignore
    valid = batch.get(f"{task.target}_valid")
    if valid is not None and task.kind == "segmentation":
        counted &= np.asarray(valid).reshape(labels.shape).astype(bool)
    if (labels[counted] < 0).any():
        raise RecordError(
            f"{task.target}: found the label {labels[counted].min()}, expected class ids of at "
            "least 0. Declare it as `ignore` in the spec if it is no class."
        )
    return np.where(counted, labels, IGNORED)


def class_ids(task: LearningTask, labels: NDArray) -> NDArray:
    """The labels that occur, ascending.

    Raises:
        RecordError: fewer than two, or more than classes usually are.
    """
    ids: NDArray = np.unique(labels)
    ids = ids[ids != IGNORED]
    if not 2 <= len(ids) <= _MOST_CLASSES:
        raise RecordError(
            f"{task.target}: found {len(ids)} different labels, expected 2 to {_MOST_CLASSES} "
            "classes. Ids of instances are no classes, and with a single one nothing can be told "
            "apart; name another entry with target=."
        )
    return ids


def as_places(labels: NDArray, ids: NDArray) -> NDArray:
    """Labels as places in ``ids``; `IGNORED` for all others."""
    places = np.searchsorted(ids, labels).clip(0, len(ids) - 1)
    return np.where(ids[places] == labels, places, IGNORED)


def shares_of(
    task: LearningTask, batch: Mapping[str, Any], labels: NDArray, ids: NDArray
) -> NDArray:
    """float32 (..., classes): 1 at the class of each label; or what a mix of records left of each.

    Args:
        task: names the target.
        batch: whose ``<target>_onehot`` has the shares where records are mixed.
        labels: of `labels_of`.
        ids: of `class_ids`.
    """
    mixed = batch.get(f"{task.target}_onehot")
    if mixed is None:
        chosen: NDArray = as_places(labels, ids)[..., None] == np.arange(len(ids))
        return chosen.astype(np.float32)
    array = np.asarray(mixed).astype(np.float32)
    if ids.max() >= array.shape[-1]:
        raise ParameterError(
            f"`compare.pipelines`: OneHot makes {array.shape[-1]} classes of {task.target!r}, in "
            f"which the label {ids.max()} occurs. Give it {ids.max() + 1} classes."
        )
    shares: NDArray = array[..., ids].reshape(*labels.shape, len(ids))
    return shares
