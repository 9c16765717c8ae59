"""Passes over a data set have blocks, and no batches whose records could be mixed."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..transforms import Container, Mixing, Transform


def refuse_mixing(pipeline: Pipeline | None, owner: str) -> None:
    """Refuse a pipeline that mixes records.

    Raises:
        ParameterError: naming the transform.
    """
    mixing = None if pipeline is None else _first_mixing(pipeline.transforms)
    if mixing is not None:
        raise ParameterError(
            f"`{owner}` cannot run `{mixing.owner}`, which blends records of a batch: it reads "
            "records in blocks whose size depends on memory, and goes on after a stop anywhere. "
            f"Leave {mixing.owner} to the `Loader` of the results."
        )


def _first_mixing(transforms: Iterable[Transform]) -> Mixing | None:
    for transform in transforms:
        if isinstance(transform, Mixing):
            return transform
        inside = _first_mixing(transform.children) if isinstance(transform, Container) else None
        if inside is not None:
            return inside
    return None
