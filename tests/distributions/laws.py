"""Tests of hypotheses about draws, each of which yields the probability of what was found.

Keys are fixed, so that a true hypothesis passes always or never; with 10^5 draws and some thousand
tests, a probability of one in a million is no chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

COUNT = 100_000
ALARM = 1e-6
# Of numbers that are to be independent, each is cut into so many equal parts.
PARTS = 6


class Laws:
    """What was tested of one transform: ``found`` are pairs of words and probabilities."""

    def __init__(self) -> None:
        self.found: list[tuple[str, float]] = []

    def _add(self, words: str, probability: float) -> None:
        self.found.append((words, float(probability)))

    def within(self, values: Any, lo: float, hi: float) -> None:
        """No value is outside, but for rounding."""
        rim = 2e-6 * max(abs(lo), abs(hi), hi - lo)
        inside = values.min() >= lo - rim and values.max() <= hi + rim
        self._add(f"within [{lo:g}, {hi:g}]", float(inside))

    def like(self, values: Any, distribution: Any) -> None:
        """A continuous distribution of SciPy, by Kolmogorov and Smirnov."""
        found = np.ravel(values).astype(np.float64)
        self._add(f"like {distribution.dist.name}", stats.kstest(found, distribution.cdf).pvalue)

    def uniform(self, values: Any, lo: float, hi: float) -> None:
        """Of arrays (n, k) every column by itself, and all pairs of them independent."""
        columns = np.reshape(values, (len(values), -1)).astype(np.float64)
        for column in columns.T:
            self.within(column, lo, hi)
            self.like(column, stats.uniform(lo, hi - lo))
        if columns.shape[1] > 1:
            self.independent(*columns.T[:8])

    def log_uniform(self, values: Any, lo: float, hi: float) -> None:
        self.uniform(np.log(np.float64(values)), np.log(lo), np.log(hi))

    def balanced(self, values: Any, lo: float, middle: float, hi: float) -> None:
        """Below and above the middle equally often, and even on either side."""
        self.share(values < middle, 0.5)
        self.uniform(values[values < middle], lo, middle)
        self.uniform(values[values > middle], middle, hi)

    def share(self, hits: Any, p: float) -> None:
        self._add(f"a share of {p:g}", stats.binomtest(int(np.sum(hits)), np.size(hits), p).pvalue)

    def even(self, values: Any, options: Sequence[Any], weights: Any = None) -> None:
        """Each of the options, and nothing else, evenly or by weights."""
        values = np.ravel(values)
        counts = np.array([(np.abs(values - option) < 1e-4).sum() for option in options])
        self._add("only what is listed", float(counts.sum() == values.size))
        share = np.ones(len(options)) if weights is None else np.asarray(weights, np.float64)
        expected = share / share.sum() * counts.sum()
        self._add(f"one of {len(options)}", stats.chisquare(counts, expected).pvalue)

    def independent(self, *columns: Any) -> None:
        """Pairs of columns: neither correlated, nor otherwise one known from the other."""
        for i, first in enumerate(columns):
            for second in columns[:i]:
                self._add("uncorrelated", correlation(first, second))
                self._add("independent", contingency(first, second))


def correlation(first: Any, second: Any) -> float:
    """The probability of so large a correlation of independent numbers."""
    r = np.corrcoef(np.float64(first), np.float64(second))[0, 1]
    return float(2 * stats.norm.sf(abs(r) * np.sqrt(len(first))))


def in_parts(values: Any) -> np.ndarray:
    """Which of some parts of equal size each value is in; few different values stay apart."""
    values = np.asarray(values)
    options, places = np.unique(values, return_inverse=True)
    if len(options) <= PARTS:
        return places.ravel()
    cuts = np.quantile(values.astype(np.float64), np.arange(1, PARTS) / PARTS)
    return np.searchsorted(np.unique(cuts), values.astype(np.float64), side="right")


def contingency(first: Any, second: Any) -> float:
    """The probability of so uneven a table of the parts that two numbers are in."""
    a, b = in_parts(first), in_parts(second)
    width = b.max() + 1
    table = np.bincount(a * width + b, minlength=(a.max() + 1) * width).reshape(-1, width)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    return float(stats.chi2_contingency(table, correction=False).pvalue)
