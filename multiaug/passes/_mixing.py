"""Passes over a data set have blocks, and no batches whose records could be mixed."""

from __future__ import annotations

from ..errors import ParameterError
from ..pipeline import Pipeline, first_mixing


def refuse_mixing(pipeline: Pipeline | None, owner: str) -> None:
    """Refuse a pipeline that mixes records.

    Raises:
        ParameterError: naming the transform.
    """
    mixing = None if pipeline is None else first_mixing(pipeline.transforms)
    if mixing is not None:
        raise ParameterError(
            f"`{owner}` cannot run `{mixing.owner}`, which blends records of a batch: it reads "
            "records in blocks whose size depends on memory, and goes on after a stop anywhere. "
            f"Leave {mixing.owner} to the `Loader` of the results."
        )
