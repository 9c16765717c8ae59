"""The trainings of a comparison, one after the other."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RecordError
from ..pipeline import Pipeline
from ..typing import NDArray, SpatialShape
from ._examples import IGNORED, Scaling, images_of, labels_of, shares_of
from ._progress import Progress
from ._records import Finished, Records
from ._scores import confusion, score_of
from ._training import Architecture, Trainer, compiled

if TYPE_CHECKING:
    from ._task import LearningTask


@dataclass(frozen=True)
class Candidate:
    """A pipeline in the comparison.

    Args:
        pipeline: that records of training go through, to the size of the network.
        finished: all records as they are validated.
    """

    pipeline: Pipeline
    finished: Finished


@dataclass(frozen=True)
class Experiment:
    """What all trainings have in common.

    Args:
        records: those that are used.
        task: what is learned.
        size: (height, width) of the images.
        ids: the labels of the classes.
        places: int64 (n, ...), the labels of all records as places in ``ids``.
        divisions: for each seed (n,), which fold each record is validated in.
        folds: how many.
        steps: of a training.
        batch_size: records in a step.
        width: of the network.
        learning_rate: at its highest.
        seed: of first weights, order and augmentation.
    """

    records: Records
    task: LearningTask
    size: SpatialShape
    ids: NDArray
    places: NDArray
    divisions: tuple[NDArray, ...]
    folds: int
    steps: int
    batch_size: int
    width: int
    learning_rate: float
    seed: int

    def check_folds(self) -> None:
        """Refuse folds without anything to learn from, or to be scored by.

        Raises:
            RecordError: all records of a fold, or all others, hold nothing but ignored labels.
        """
        for division in self.divisions:
            for fold in range(self.folds):
                for chosen, what in (
                    (division == fold, "left out"),
                    (division != fold, "trained on"),
                ):
                    if not self._counts(self.places[chosen]).any():
                        raise RecordError(
                            f"{self.task.target}: the {chosen.sum()} records that are {what} for a "
                            "fold hold no labels but the ignored one. Lower folds, make other "
                            "groups, or leave out records without labels."
                        )

    def run(self, candidates: Mapping[str, Candidate], progress: Progress) -> NDArray:
        """Train and validate: scores (pipelines, folds, seeds)."""
        shape = (len(candidates), self.folds, len(self.divisions))
        scores = np.full(shape, np.nan)
        trainers = {n: self.trainer(c.finished.channels) for n, c in candidates.items()}
        for trainer in trainers.values():
            compiled(trainer.architecture)  # or the first training would seem to last longer
        for seed in range(len(self.divisions)):
            for fold in range(self.folds):
                for place, (name, candidate) in enumerate(candidates.items()):
                    progress.begin(name)
                    scores[place, fold, seed] = self._score(candidate, trainers[name], fold, seed)
                    progress.end()
        return scores

    def trainer(self, channels: int) -> Trainer:
        """Of networks for images of so many channels."""
        architecture = Architecture(
            self.task.kind, self.size, channels, len(self.ids), self.batch_size, self.width
        )
        return Trainer(architecture, self.steps, self.learning_rate)

    @property
    def passes(self) -> float:
        """How often a training sees each of its records."""
        trained = len(self.records) * (self.folds - 1) / self.folds
        return self.steps * self.batch_size / trained

    @cached_property
    def chance(self) -> float:
        """The mean score of naming the most frequent class of the training records always."""
        found = []
        for division in self.divisions:
            for fold in range(self.folds):
                train, test = self.places[division != fold], self.places[division == fold]
                guess = np.full(test.shape, self._counts(train).argmax())
                found.append(score_of(confusion(test, guess, len(self.ids)), self.task.kind))
        return float(np.nanmean(found))

    @cached_property
    def not_trained(self) -> list[int]:
        """Labels that some fold holds, and the records trained on for it do not."""
        missing: set[int] = set()
        for division in self.divisions:
            for fold in range(self.folds):
                train, test = self.places[division != fold], self.places[division == fold]
                here = (self._counts(test) > 0) & (self._counts(train) == 0)
                missing |= set(self.ids[here].tolist())
        return sorted(missing)

    def _score(self, candidate: Candidate, trainer: Trainer, fold: int, seed: int) -> float:
        """Train once, and validate."""
        finished, division = candidate.finished, self.divisions[seed]
        train, test = np.flatnonzero(division != fold), np.flatnonzero(division == fold)
        # The same for all pipelines, and for no two trainings of one.
        draws = np.random.SeedSequence([self.seed, seed, fold]).generate_state(2)
        scaling = Scaling.of(finished.images[train])
        batches = self._batches(candidate, scaling, train, int(draws[0]))
        try:
            weights = trainer.train(int(draws[1]), batches, self._emphasis(train))
        finally:
            batches.close()  # and the threads of its loader end
        images = scaling.apply(finished.images[test], finished.marked)
        predicted = trainer.predict(weights, images)
        counts = confusion(self.places[test], predicted, len(self.ids))
        return score_of(counts, self.task.kind)

    def _batches(
        self, candidate: Candidate, scaling: Scaling, train: NDArray, seed: int
    ) -> Generator[tuple[NDArray, NDArray]]:
        """Images and shares of classes, as many as there are steps."""
        spec = candidate.pipeline.out_spec
        loader = self.records.loader(
            candidate.pipeline,
            check=False,  # all records have been looked at, and random ones may look odd
            indices=train,
            batch_size=self.batch_size,
            seed=seed,
            # Of blocks the window depends on the pipeline, and with it the order.
            shuffle="full",
            # One epoch that is long enough: short ones would end in batches that are not full.
            copies=-(-self.steps * self.batch_size // len(train)),
            drop_last=True,
        )
        with loader:
            for batch in loader:
                images = images_of(self.task, spec, batch, self.size)
                labels = labels_of(self.task, batch, self.size)
                shares = shares_of(self.task, batch, labels, self.ids)
                yield scaling.apply(images, candidate.finished.marked), shares

    def _emphasis(self, train: NDArray) -> NDArray:
        """How much each class counts: of label maps rare ones more, or they were never named."""
        if self.task.kind == "classification":
            return np.ones(len(self.ids), np.float32)
        counts = self._counts(self.places[train])
        weights = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)
        emphasis: NDArray = (weights / weights.max()).astype(np.float32)
        return emphasis

    def _counts(self, places: NDArray) -> NDArray:
        return np.bincount(places[places != IGNORED], minlength=len(self.ids))
