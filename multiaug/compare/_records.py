"""The records that are used, and how they look to a network that is not trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RecordError
from ..loader import Loader
from ..pipeline import Pipeline, inspect_first
from ..store import ArraySource, ChunkedSource
from ..typing import NDArray, SpatialShape
from ._examples import images_of, labels_of, marked_channels
from ._task import LearningTask

_KEPT_BYTES = 2**30
_BATCH = 16


@dataclass(frozen=True)
class Records:
    """Records of a source that are read again and again.

    Args:
        source: that holds them.
        positions: (n,) their positions in it.
        original: (n,) their positions in the source of the caller.
    """

    source: ChunkedSource
    positions: NDArray
    original: NDArray

    @classmethod
    def choose(cls, source: ChunkedSource, most: int, seed: int) -> Records:
        """At most so many records, in memory where that is not much."""
        count = len(source)
        if count <= most:
            positions = np.arange(count)
        else:
            positions = np.sort(np.random.default_rng(seed).permutation(count)[:most])
        size = sum(one.nbytes for one in source.structure.values())
        if size * len(positions) <= _KEPT_BYTES:
            try:
                arrays = source.read(positions)
            except RecordError:  # images of several sizes cannot be one array
                return cls(source, positions, positions)
            return cls(ArraySource(arrays, source.spec), np.arange(len(positions)), positions)
        return cls(source, positions, positions)

    def __len__(self) -> int:
        return len(self.positions)

    def inspect(self, pipeline: Pipeline) -> None:
        """Look whether the first records are what the spec says, as far as the pipeline minds.

        Raises:
            RecordError: with every finding that is wrong.
        """
        some = self.positions[:_BATCH]
        try:
            batch = self.source.read(some)
        except RecordError:  # images of several sizes
            batch = self.source.read(some[:1])
        inspect_first(pipeline, self.source.spec, batch, origin=repr(self.source))

    def loader(self, pipeline: Pipeline, *, check: bool, **settings: Any) -> Loader:
        """A loader of these records; ``indices`` are places among them."""
        chosen = self.positions[settings.pop("indices", slice(None))]
        return Loader(self.source, pipeline, indices=chosen, shard=(0, 1), check=check, **settings)


@dataclass(frozen=True)
class Finished:
    """All records as they are validated.

    Args:
        images: float32 (n, H, W, C), NaN where there are no data.
        labels: int64 (n, H, W) or (n,).
        marked: see `marked_channels`.
        scalars: entry name -> (n,), of the scalars.
    """

    images: NDArray
    labels: NDArray
    marked: NDArray
    scalars: Mapping[str, NDArray]

    @property
    def channels(self) -> int:
        """That a network sees."""
        return int(self.images.shape[-1]) + len(self.marked)


def finish(
    records: Records, pipeline: Pipeline, task: LearningTask, size: SpatialShape, *, check: bool
) -> Finished:
    """Read all records through a pipeline that draws nothing."""
    images, labels, scalars, marked = [], [], [], np.zeros(0, np.int64)
    spec = pipeline.out_spec
    names = [entry.name for entry in spec.entries.values() if entry.role == "scalar"]
    batch_size = min(_BATCH, len(records))
    with records.loader(pipeline, check=check, batch_size=batch_size, shuffle=None) as loader:
        for batch in loader:
            images.append(images_of(task, spec, batch, size))
            labels.append(labels_of(task, batch, size))
            marked = marked_channels(task, spec, batch)
            scalars.append({n: np.asarray(batch[n]) for n in names if n in batch})
    joined = {
        name: np.concatenate([one[name] for one in scalars]).reshape(len(records), -1)[:, 0]
        for name in scalars[0]
        if np.size(scalars[0][name]) == len(scalars[0][name])
    }
    return Finished(np.concatenate(images), np.concatenate(labels), marked, joined)
