"""What should be known before a comparison is believed, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..pipeline import Pipeline
from ..typing import NDArray, SpatialShape
from ._experiment import Experiment


def notes_of(
    experiment: Experiment,
    scores: NDArray,
    pipelines: Mapping[str, Pipeline],
    validation: Pipeline | None,
    frame: SpatialShape,
    *,
    available: int,
    grouped: bool,
) -> Iterator[str]:
    """The sentences that apply.

    Args:
        experiment: that was run.
        scores: (pipelines, folds, seeds).
        pipelines: name -> pipeline, as they were given.
        validation: as it was given.
        frame: (height, width) of a record.
        available: records of the source.
        grouped: the caller said which records belong together.
    """
    chance, best = experiment.chance, scores.mean((1, 2)).argmax()
    if scores[best].mean() - chance < scores[best].std(ddof=1):
        yield (
            f"No pipeline's networks are clearly better than always naming the most frequent class "
            f"({chance:.3f}): so short a training says nothing about pipelines. Raise steps."
        )
    means = scores.mean((1, 2))
    if (means[1:] < means[0]).any():
        yield (
            f"Trainings were short: {experiment.steps} steps, in which a record came "
            f"{experiment.passes:.0f} times. That favours weak pipelines; before one that is "
            "behind is given up, try more steps."
        )
    if not grouped:
        yield (
            "Records were taken for independent. Where several show the same scene, person or "
            "image, say so with groups=, or the scores are too high."
        )
    used = len(experiment.records)
    if used < available:
        yield f"{used} of the {available} records were drawn and used; records= takes more."
    if experiment.task.unused:
        yield f"The network did not see {', '.join(experiment.task.unused)}; inputs= names others."
    if experiment.not_trained:
        labels = ", ".join(map(str, experiment.not_trained))
        yield (
            f"The labels {labels} occur in a fold without occurring in the records trained on for "
            "it, where no pipeline can learn them."
        )
    seen = frame if validation is None else _out_shape(validation, frame)
    for name, pipeline in pipelines.items():
        shape = _out_shape(pipeline, frame)
        if shape != seen:
            yield (
                f"{name} makes {shape[0]} x {shape[1]} pixels, and validation has {seen[0]} x "
                f"{seen[1]}; both are brought to {experiment.size[0]} x {experiment.size[1]}. If "
                "it crops, things are larger in training than in validation: give "
                "validation=Pipeline([Crop(.., position='centre')], spec), of the same size."
            )


def _out_shape(pipeline: Pipeline, shape: SpatialShape) -> SpatialShape:
    for transform in pipeline.transforms:
        shape = transform.out_shape(shape)
    return shape
