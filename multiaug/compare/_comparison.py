"""What a comparison found: a table, sentences, data, a plot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._arguments import PATH, checked
from .._tables import Report, Reported, Table
from ..errors import ParameterError
from ..files import replace_file
from ..typing import NDArray, SpatialShape
from ._interval import Difference, paired_difference, percent
from ._plot import draw

SCHEMA = "multiaug.comparison/1"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Reported):
    """Scores of pipelines, and what they say.

    Args:
        metric: what the scores are: ``mean IoU`` or ``accuracy``, from 0 to 1, more is better.
        names: of the pipelines, the baseline first.
        scores: float64 (pipelines, folds, seeds), one for each training.
        differences: name -> how far a pipeline is from the baseline.
        confidence: that all intervals together hold.
        chance: the score of always naming the most frequent class.
        target: the entry that was predicted.
        inputs: those that it was predicted from.
        records: how many were used.
        size: (height, width) that the network saw.
        steps: of each training.
        batch_size: records in a step.
        parameters: of the network.
        seed: of the comparison.
        notes: what should be known, a sentence each.
    """

    metric: str
    names: tuple[str, ...]
    scores: NDArray
    differences: Mapping[str, Difference]
    confidence: float
    chance: float
    target: str
    inputs: tuple[str, ...]
    records: int
    size: SpatialShape
    steps: int
    batch_size: int
    parameters: int
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def baseline(self) -> str:
        """The name of the pipeline that the others are compared with."""
        return self.names[0]

    def sentences(self) -> tuple[str, ...]:
        """What the differences say, one for each pipeline but the baseline."""
        return tuple(d.sentence(name, self.baseline) for name, d in self.differences.items())

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready data."""
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "baseline": self.baseline,
            "scores": {n: s.tolist() for n, s in zip(self.names, self.scores, strict=True)},
            "differences": {
                name: {
                    "mean": d.mean,
                    "low": d.low,
                    "high": d.high,
                    "confidence": d.confidence,
                    "trainings": d.trainings,
                    "needed": d.needed,
                    "is_noise": d.is_noise,
                    "sentence": d.sentence(name, self.baseline),
                }
                for name, d in self.differences.items()
            },
            "confidence": self.confidence,
            "chance": self.chance,
            "target": self.target,
            "inputs": list(self.inputs),
            "records": self.records,
            "size": list(self.size),
            "steps": self.steps,
            "batch_size": self.batch_size,
            "parameters": self.parameters,
            "seed": self.seed,
            "notes": list(self.notes),
        }

    @checked(path=PATH)
    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw every training as a dot, and the differences from the baseline with intervals.

        Args:
            path: the SVG file to write, which needs no other file; an older one is replaced.

        Raises:
            ParameterError: the file is to be of another kind.
        """
        if Path(path).suffix.lower() != ".svg":
            raise ParameterError(
                f"`Comparison.plot.path` must end with .svg, got {os.fspath(path)!r}. Browsers and "
                "office programs show SVG, and turn it into other kinds."
            )
        return replace_file(path, draw(self).encode())

    def _repr_html_(self) -> str:
        return f"{draw(self)}{self._report().html()}"

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.names)}: {self.metric} of {self.target!r})"

    def _report(self) -> Report:
        _, folds, seeds = self.scores.shape
        title = (
            f"{self.metric} of {self.target!r} from {', '.join(self.inputs)}: {self.records} "
            f"records, {folds} folds x {seeds} seeds, {self.steps} steps"
        )
        return Report(title, (self._table(), *self.sentences(), *self.notes))

    def _table(self) -> Table:
        rows = []
        for name, scores in zip(self.names, self.scores, strict=True):
            values = scores.ravel()
            row = (
                name,
                f"{values.mean():.3f}",
                f"{values.std(ddof=1):.3f}",
                f"{values.min():.3f} to {values.max():.3f}",
            )
            found = self.differences.get(name)
            if found is None:
                rows.append((*row, "", "", "baseline"))
                continue
            verdict = (
                "within the noise" if found.is_noise else "better" if found.mean > 0 else "worse"
            )
            interval = f"{found.low:+.3f} to {found.high:+.3f}"
            rows.append((*row, f"{found.mean:+.3f}", interval, verdict))
        wide = next(iter(self.differences.values())).confidence
        columns = ("pipeline", self.metric, "spread", "range", "difference")
        return Table((*columns, f"{percent(wide)} interval", ""), tuple(rows))


def differences_of(
    names: Sequence[str], scores: NDArray, confidence: float, *, one_division: bool
) -> tuple[dict[str, Difference], list[str]]:
    """How far each pipeline is from the first, and what was done to say so.

    Args:
        names: of the pipelines.
        scores: (pipelines, folds, seeds).
        confidence: of all intervals together.
        one_division: all seeds have the same folds, as would further ones.
    """
    folds = scores.shape[1]
    others = len(names) - 1
    # Bonferroni: intervals that each fail with one of `others` equal parts of what may fail.
    each = 1 - (1 - confidence) / others
    notes = []
    if others > 1:
        notes.append(
            f"{others} pipelines are compared with {names[0]}: each interval has a confidence of "
            f"{percent(each)}, so that all of them hold together with {percent(confidence)} "
            "(Bonferroni)."
        )
    pairs = scores[1:] - scores[:1]
    if one_division:
        # Trainings on the same records are not a second look at other records.
        pairs = pairs.mean(2, keepdims=True)
        notes.append(
            f"The groups leave only one division into {folds} folds, which every seed repeats: "
            f"seeds are averaged, and each interval is of {folds} pairs, which tell large "
            "differences alone. More groups would tell more."
        )
    found = {
        name: paired_difference(values.ravel(), 1 / (folds - 1), each, extendable=not one_division)
        for name, values in zip(names[1:], pairs, strict=True)
    }
    return found, notes
