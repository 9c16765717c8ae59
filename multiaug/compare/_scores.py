"""Scores of predictions: mean intersection over union, and accuracy."""

from __future__ import annotations

import numpy as np

from ..typing import NDArray
from ._examples import IGNORED
from ._network import Kind


def confusion(truth: NDArray, predicted: NDArray, classes: int) -> NDArray:
    """(classes, classes) counts, the true class first; what is ignored counts nowhere.

    Args:
        truth: places of classes, of any shape; `IGNORED` counts nowhere.
        predicted: of the same shape.
        classes: how many there are.
    """
    counted = truth != IGNORED
    pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def score_of(counts: NDArray, kind: Kind) -> float:
    """The score of a table of `confusion`; NaN where nothing was counted.

    Of a segmentation the mean over classes that truly occur of intersection over union, of all
    records together. Of a classification the share that is right.
    """
    right = np.diagonal(counts).astype(np.float64)
    true, predicted = counts.sum(1), counts.sum(0)
    if not true.sum():
        return float("nan")
    if kind == "classification":
        return float(right.sum() / true.sum())
    occurs = true > 0
    union = (true + predicted - right)[occurs]
    return float((right[occurs] / union).mean())
