"""Sums of floats about their mean, in float64: of blocks, by two passes, and of blocks joined.

The sum of squares about a number that is far from the mean loses as many digits as the square of
that distance has over the variance. About the mean of the values themselves none are lost, so
every block is centred on its own, and two are joined by what their means are apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...errors import RecordError
from ...typing import NDArray
from .._state import Statistic

# Float64 values that are worked on at once: few enough to stay in the cache of a core.
_TILE = 2**16
_LARGEST = {"float64": 1e150, "int64": 2**53}


class Sums(NamedTuple):
    """Sums of some values of each cell, float64, about a number near their mean.

    Args:
        counts: int64 (c,), how many values.
        centre: (c,), the number; 0 where there are no values.
        sum: (c,), of x - centre: what rounding has left of it.
        square: (c,), of (x - centre)^2.
    """

    counts: NDArray
    centre: NDArray
    sum: NDArray
    square: NDArray

    def mean(self) -> NDArray:
        """Mean of each cell; NaN where there are no values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray = self.centre + self.sum / self.counts
        return found

    def scatter(self) -> NDArray:
        """Sum of squares about the mean; 0 where there are no values."""
        found: NDArray = self.square - np.square(self.sum) / np.maximum(self.counts, 1)
        return np.maximum(found, 0)

    def about(self, centre: NDArray) -> tuple[NDArray, NDArray]:
        """``sum`` and ``square`` about another number."""
        apart = self.centre - centre
        more = self.counts * apart
        return self.sum + more, self.square + apart * (2 * self.sum + more)


def joined(a: Sums, b: Sums) -> Sums:
    """Sums of the values of both, about their common mean.

    References:
        T. Chan, G. Golub, R. LeVeque, Updating formulae and a pairwise algorithm for computing
        sample variances, 1979.
    """
    count = a.counts + b.counts
    share = b.counts / np.maximum(count, 1)
    centre = np.where(a.counts > 0, a.centre + share * (b.centre - a.centre), b.centre)
    one, two = a.about(centre), b.about(centre)
    return Sums(count, centre, one[0] + two[0], one[1] + two[1])


def folded(sums: Sums, channels: int) -> Sums:
    """Sums of each channel, of those of cells whose last axis is the channels."""
    count, mean, scatter = (
        array.reshape(-1, channels) for array in (sums.counts, sums.mean(), sums.scatter())
    )
    whole = count.sum(0)
    mean = np.where(count > 0, mean, 0.0)
    centre = (count * mean).sum(0) / np.maximum(whole, 1)
    apart = np.where(count > 0, mean - centre, 0.0)
    more = count * apart
    return Sums(whole, centre, more.sum(0), scatter.sum(0) + (more * apart).sum(0))


def sums_of(rows: NDArray, valid: NDArray | None = None) -> Sums:
    """Sums of each column of rows (m, c), m > 0, of any dtype.

    Args:
        rows: the values.
        valid: bool (m, c), those that count; None for all.
    """
    width = rows.shape[1]
    parts = [
        _sums_of_strip(rows[:, i : i + _TILE], None if valid is None else valid[:, i : i + _TILE])
        for i in range(0, width, _TILE)
    ]
    return parts[0] if len(parts) == 1 else Sums(*map(np.concatenate, zip(*parts, strict=True)))


def _sums_of_strip(rows: NDArray, valid: NDArray | None) -> Sums:
    height, width = rows.shape
    step = max(1, _TILE // width)
    tile: NDArray = np.empty((min(step, height), width))
    spans = [slice(i, min(i + step, height)) for i in range(0, height, step)]
    holes = None if valid is None else ~valid
    count = np.full(width, height) if valid is None else valid.sum(0)
    total = np.zeros(width)
    for span in spans:
        held = tile[: span.stop - span.start]
        np.copyto(held, rows[span])
        if holes is not None:
            held[holes[span]] = 0
        total += held.sum(0)
    centre = total / np.maximum(count, 1)
    total, square = np.zeros(width), np.zeros(width)
    for span in spans:
        held = tile[: span.stop - span.start]
        np.subtract(rows[span], centre, out=held)
        if holes is not None:
            held[holes[span]] = 0
        total += held.sum(0)
        square += np.square(held, out=held).sum(0)
    return Sums(count, centre, total, square)


def check_magnitude(statistic: Statistic, rows: NDArray) -> None:
    """Refuse values of which float64 cannot hold the squares, or not every whole number.

    Raises:
        RecordError: such a value, with its record.
    """
    largest = _LARGEST.get(rows.dtype.name)
    if largest is None or not rows.size:
        return
    # Compared by both ends: the absolute value of the least int64 is not one.
    ends = np.fmax.reduce(rows, axis=None), np.fmin.reduce(rows, axis=None)
    if not (ends[0] > largest or ends[1] < -largest):
        return
    beyond = (rows > largest) | (rows < -largest)
    at = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
    raise RecordError(
        f"{statistic.owner}: found {rows[at]} at record {at[0]}, expected {rows.dtype} values from "
        f"-{largest:.4g} to {largest:.4g}: sums are made in float64. Rescale the data, or subtract "
        "a number near their mean."
    )
