"""What records of validation go through: what a pipeline does to all alike, and nothing drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import Container, Finishing, Frame, Geometric, Mixing, Resize, Transform
from ..typing import SpatialShape

_KEYS = 8  # of draws that are compared


def frame_of(spec: DataSpec, record: Mapping[str, Any]) -> SpatialShape:
    """(height, width) of a record."""
    name = spec.reference(record)
    if name is None:
        raise ParameterError(
            f"`compare.source` must hold images, found {sorted(record)}. compare trains on images."
        )
    height, width = spec.entries[name].image_shape(np.shape(record[name]))[:2]
    return height, width


def with_size(pipeline: Pipeline, size: SpatialShape) -> Pipeline:
    """The pipeline, and behind it a resize to the size of the network."""
    first, last = _split(pipeline.transforms)
    return Pipeline([*first, Resize(size), *last], pipeline.spec)


def for_validation(
    pipeline: Pipeline, frame: Pipeline | None, size: SpatialShape, record: Mapping[str, Any]
) -> Pipeline:
    """What makes the records of validation those that a network expects.

    It holds what the pipeline does to the values of every record alike, such as `Normalize`. It
    holds no geometry but that of ``frame``, so that all pipelines are validated on the same pixels.

    Args:
        pipeline: that records of training go through.
        frame: what records of validation go through for all pipelines.
        size: of the network.
        record: one of the source.
    """
    shape = frame_of(pipeline.spec, record)
    first, last = _split([t for t in pipeline.transforms if _is_alike(t, pipeline, shape)])
    before = () if frame is None else frame.transforms
    return Pipeline([*before, *first, Resize(size), *last], pipeline.spec)


def check_frame(frame: Pipeline, record: Mapping[str, Any]) -> None:
    """Refuse what would make the records of validation random.

    Raises:
        ParameterError: a transform that draws.
    """
    shape = frame_of(frame.spec, record)
    for transform in frame.transforms:
        if not _draws_the_same(transform, frame, shape):
            raise ParameterError(
                f"`compare.validation` must not draw anything, and {transform!r} does. Take what "
                'is the same for every record, such as Crop(256, position="centre").'
            )
        shape = transform.out_shape(shape)


def _split(transforms: Sequence[Transform]) -> tuple[list[Transform], list[Transform]]:
    """Those that work on finished batches stand last, behind the resize."""
    last: list[Transform] = [t for t in transforms if isinstance(t, Finishing)]
    return [t for t in transforms if not isinstance(t, Finishing)], last


def _is_alike(transform: Transform, pipeline: Pipeline, shape: SpatialShape) -> bool:
    """It changes values, not places, and every record in the same way."""
    if isinstance(transform, Geometric | Mixing | Container) or transform.chance < 1:
        return False
    return isinstance(transform, Finishing) or _draws_nothing(transform, pipeline, shape)


def _draws_nothing(transform: Transform, pipeline: Pipeline, shape: SpatialShape) -> bool:
    """Whether it has no params at all."""
    if transform.reads or transform.chance < 1:
        return False
    frame = Frame(shape, pipeline.spec)
    drawn = jax.eval_shape(lambda key: dict(transform.sample(key, frame)), jax.random.key(0))
    return not jax.tree.leaves(drawn)


def _draws_the_same(transform: Transform, pipeline: Pipeline, shape: SpatialShape) -> bool:
    """Whether it draws nothing, or, as a central crop does, for all keys the same."""
    if isinstance(transform, Mixing | Container) or transform.reads or transform.chance < 1:
        return False
    if _draws_nothing(transform, pipeline, shape):
        return True
    frame = Frame(shape, pipeline.spec)
    keys = jax.random.split(jax.random.key(0), _KEYS)
    drawn = jax.vmap(lambda key: dict(transform.sample(key, frame)))(keys)
    return all((np.asarray(leaf) == np.asarray(leaf)[:1]).all() for leaf in jax.tree.leaves(drawn))
