"""How far apart two pipelines are, and whether that is more than noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import FLAG, NUMBERS, Kind, checked, real

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_MOST_TRAININGS = 10_000  # pairs, of one comparison or of one that would tell


def _are_pairs(value: Any) -> bool:
    return NUMBERS.accepts(value) and np.ndim(value) == 1 and 1 < np.size(value) <= _MOST_TRAININGS


@dataclass(frozen=True)
class Difference:
    """The paired difference of two pipelines' scores.

    Args:
        mean: the mean over trainings.
        low: the lower end of the interval.
        high: the upper end of the interval.
        confidence: of the interval, such as 0.95.
        trainings: how many pairs of trainings.
        needed: at how many pairs a difference of this size and spread would stand out; None where
            more trainings on the same records would not tell.
    """

    mean: float
    low: float
    high: float
    confidence: float
    trainings: int
    needed: int | None

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high

    def sentence(self, name: str, baseline: str) -> str:
        """What the interval says, for people."""
        if self.low == self.mean == self.high == 0:
            return f"{name} and {baseline} gave the same scores in all {self.trainings} pairs."
        if not self.is_noise:
            better, worse, sign = (name, baseline, 1) if self.mean > 0 else (baseline, name, -1)
            low, high = sorted((sign * self.low, sign * self.high))
            return (
                f"{better} beats {worse} by {abs(self.mean):.3f} "
                f"({percent(self.confidence)} interval {low:.3f} to {high:.3f})."
            )
        more = (
            "more trainings on these records would not tell"
            if self.needed is None
            else f"about {max(self.needed - self.trainings, 1)} pairs more would tell, "
            "if mean and spread stay as they are"
        )
        return (
            f"{name} and {baseline}: the difference of {self.mean:+.3f} is within the noise of "
            f"these {self.trainings} pairs of trainings ({percent(self.confidence)} interval "
            f"{self.low:.3f} to {self.high:.3f}); {more}."
        )


@checked(
    differences=Kind("two numbers at least, in one row", _are_pairs),
    test_share=real(0, 1000),
    confidence=real(0.5, 0.9999),
    extendable=FLAG,
)
def paired_difference(
    differences: ArrayLike,
    test_share: float,
    confidence: float = 0.95,
    *,
    extendable: bool = True,
) -> Difference:
    """The corrected resampled t-interval of paired differences.

    Trainings of one cross validation share records, so their differences are not independent, and
    the usual variance of a mean, s^2 / n, is too small. Nadeau and Bengio, "Inference for the
    Generalization Error", Machine Learning 52, 2003, section 3.1, replace it by
    (1 / n + test / train) s^2, with Student's t of n - 1 degrees of freedom.

    Args:
        differences: (n,), one for each fold and seed; at least 2.
        test_share: records of validation for each record of training.
        confidence: of the interval.
        extendable: more pairs could be had from the same records.
    """
    values = np.asarray(differences, np.float64)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    half = float(_half(spread, np.array(values.size), test_share, confidence))
    numbers = np.arange(2, _MOST_TRAININGS + 1)
    enough = numbers[abs(mean) > _half(spread, numbers, test_share, confidence)]
    needed = int(enough[0]) if enough.size and extendable else None
    return Difference(mean, mean - half, mean + half, confidence, values.size, needed)


def _half(spread: float, numbers: np.ndarray, test_share: float, confidence: float) -> np.ndarray:
    quantiles = _quantiles(confidence)[numbers - 2]
    return np.asarray(quantiles * spread * np.sqrt(1 / numbers + test_share))


@lru_cache(maxsize=16)
def _quantiles(confidence: float) -> np.ndarray:
    """Of Student's t with 1, 2 .. degrees of freedom."""
    from scipy.special import stdtrit  # slow to import; scipy.stats would be slower

    return np.asarray(stdtrit(np.arange(1, _MOST_TRAININGS), 0.5 + confidence / 2))


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.95), percent(1 - 0.05 / 3)
    ('95%', '98.3%')
    """
    return f"{100 * share:.3g}%"
