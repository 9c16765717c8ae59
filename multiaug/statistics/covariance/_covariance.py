"""Sums and products of records: mean and covariance, mergeable, exact for integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..._arguments import FLAG, check_argument
from ...errors import NotFittedError, ParameterError
from ...typing import NDArray
from .._state import (
    State,
    Statistic,
    centre_of,
    channel_count,
    shift_vector,
)
from ..sums._host import HostBlocks, on_host
from ..sums._numbers import kind_of
from ..sums._products import packed_size, tile_layout
from ..whitening._spectrum import Centre, Spectrum, check_centre, decompose, refuse_constant
from ._blocks import ExactBlocks, FixedPointBlocks, FloatBlocks, check_range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._collection import GroupStatistics
    from .._state import Accumulator
    from ..sums._products import Layout

# A share of the squared mean: what rounding leaves of the variance of floats that are all alike.
_LEAST = 1e-30


@dataclass(frozen=True, kw_only=True)
class Covariance(Statistic):
    """Mean and covariance of records, flattened in C order: the primal form, memory d^2.

    Integers (bool, int8, uint8, int16, uint16) are summed exactly, so a state has the same bits
    for any order, any cutting into batches and any number of merged parts. Floats and wider
    integers are summed in float64, each block about its own mean, as two passes would.

    Args:
        record_shape: shape of one record; d is the product.
        dtype: of the records.
        entries: see `multiaug.fit`.
        deterministic: round floats to a grid of 2^20 steps over ``range`` and sum those exactly:
            the same bits in any order, an error of 5e-8 of the range, about twice the time.
        range: (lo, hi) of the values, for ``deterministic``.

    Raises:
        ParameterError: settings that contradict each other.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 3), dtype=np.uint8)
        >>> statistic = Covariance((4, 4, 3), "uint8")
        >>> whole = statistic.init().update(rows)
        >>> parts = statistic.init().update(rows[60:]) + statistic.init().update(rows[:60])
        >>> all(
        ...     np.array_equal(a, b)
        ...     for a, b in zip(whole.arrays().values(), parts.arrays().values(), strict=True)
        ... )
        True
        >>> whole.covariance().shape
        (48, 48)
    """

    deterministic: bool = False
    range: tuple[float, float] | None = None

    name: ClassVar[str] = "covariance"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_argument(f"{self.owner}.deterministic", self.deterministic, FLAG)
        if self.deterministic and (self.dtype is None or kind_of(self.dtype) == "float"):
            check_range(self.owner, self.range)
        elif self.range is not None:
            raise ParameterError(
                f"`{self.owner}.range` is for deterministic=True on floats, got {self.range!r} "
                f"with {self.dtype}. Leave it out."
            )

    @property
    def exact(self) -> bool:
        """Its states have the same bits in any order."""
        return super().exact or self.deterministic

    @staticmethod
    def bytes_of(d: int) -> int:
        """What sums and products of d numbers, and eigenvalues of those, take."""
        return 40 * d * d

    def held_bytes(self) -> int:
        """See `bytes_of`."""
        return self.bytes_of(self.size)

    def init(self) -> CovarianceState:
        """The state of no records."""
        number = np.int64 if self.exact else np.float64
        packed = packed_size(tile_layout(self.size))
        return CovarianceState(
            statistic=self, sum=np.zeros(self.size, number), gram=np.zeros(packed, number)
        )

    def accumulator(self, state: CovarianceState) -> Accumulator:
        """Something that takes many batches, beginning from a state."""
        if super().exact:
            return HostBlocks(state) if on_host() else ExactBlocks(state)
        return FixedPointBlocks(state) if self.deterministic else FloatBlocks(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class CovarianceState(State):
    """Count, sums and products of the records seen.

    Args:
        statistic: the `Covariance`.
        n: how many records.
        seen: the chunks they came in.
        shift: float64 (d,), what sums of floats are about: their mean. None for integers, which
            have a fixed one, and before any record.
        sum: (d,), of x - shift; int64 where sums are exact, else float64, and 0.
        gram: the upper triangle of the sum of (x - shift)(x - shift)^T, in rectangles, of the
            same dtype.
    """

    statistic: Covariance
    sum: NDArray
    gram: NDArray
    shift: NDArray | None = None

    def mean(self) -> NDArray:
        """Mean record, float64, of the record's shape.

        Raises:
            NotFittedError: no records.
        """
        return self._flat(self._mean())

    def channel_mean(self) -> NDArray:
        """Mean of each channel over records and pixels, float64 (C,)."""
        channels = channel_count(self.statistic.shape)
        found: NDArray = self._mean().reshape(-1, channels).mean(0)
        return found

    def covariance(self, centre: Centre = "pixel") -> NDArray:
        """Covariance, divided by n.

        Args:
            centre: ``pixel`` is the covariance; ``channel`` the second moment about the mean of
                each channel, which Keras calls by the same name.

        Returns:
            float64 (d, d), records flattened in C order.

        Raises:
            NotFittedError: no records.
        """
        check_centre(centre)
        scale = self._step()
        offset = self._sums_mean()
        moment = self._second_moment()
        moment *= scale**2
        moment -= np.outer(offset, offset)
        if centre == "channel":
            drift = self._mean() - self._centre(centre)
            moment += np.outer(drift, drift)
        return moment

    def spectrum(self, centre: Centre = "pixel") -> Spectrum:
        """Eigenvalues and eigenvectors of the covariance, in float64; see `covariance`.

        Raises:
            NotFittedError: fewer than two records.
        """
        if self.n < 2:
            raise NotFittedError(
                f"Whitening must know at least 2 records, got {self.n}. Fit it on more."
            )
        moment, mean = self.covariance(centre), self._centre(centre)
        drift = float(np.square(self._mean() - mean).sum())
        refuse_constant(
            float(np.trace(moment)) - drift,
            1e-13 * (float(np.square(self._sums_mean()).sum()) + drift)
            + _LEAST * float(np.square(mean).sum()),
        )
        return decompose(moment, mean, n=self.n, centre=centre, record_shape=self.statistic.shape)

    def finalize(self) -> Spectrum:
        """The `spectrum` about the mean of each pixel."""
        return self.spectrum()

    def arrays(self) -> dict[str, NDArray]:
        """``sum``, ``gram`` and, of floats, ``shift``; see the class."""
        found = {"sum": self.sum, "gram": self.gram}
        return found if self.shift is None else {**found, "shift": self.shift}

    def summary(self, group: GroupStatistics) -> Iterable[str]:
        """How many records, and how they were summed."""
        return [f"covariance: {self.n} records, {'exact' if self.statistic.exact else 'float64'}"]

    def centred(self) -> CovarianceState:
        """Of floats: the same about the mean, which older files have at some distance."""
        if not self.n or not self.sum.any():
            return self
        offset = self.sum / self.n
        gram = self.gram - self.n * _packed_outer(offset, tile_layout(self.statistic.size))
        shift = offset + shift_vector(self.statistic, self.shift)
        return replace(self, shift=shift, sum=np.zeros_like(offset), gram=gram)

    def _merged(self, other: CovarianceState) -> CovarianceState:
        if self.statistic.exact:
            return replace(self, sum=self.sum + other.sum, gram=self.gram + other.gram)
        one, two = self.centred(), other.centred()
        assert one.shift is not None
        assert two.shift is not None
        apart, share = two.shift - one.shift, two.n / (one.n + two.n)
        drift = _packed_outer(np.sqrt(one.n * share) * apart, tile_layout(self.statistic.size))
        return replace(one, shift=one.shift + share * apart, gram=one.gram + two.gram + drift)

    def _step(self) -> float:
        """What one unit of the sums is worth."""
        if not self.statistic.deterministic or self.statistic.range is None:
            return 1.0
        return FixedPointBlocks.step_of(self.statistic.range)

    def _sums_mean(self) -> NDArray:
        if not self.n:
            raise NotFittedError("The mean of no records is not defined. Update the state first.")
        mean: NDArray = self.sum / self.n * self._step()
        return mean

    def _mean(self) -> NDArray:
        if self.statistic.deterministic and self.statistic.range is not None:
            return self._sums_mean() + sum(self.statistic.range) / 2
        return self._sums_mean() + shift_vector(self.statistic, self.shift)

    def _centre(self, centre: Centre) -> NDArray:
        return centre_of(self._mean(), self.statistic, centre)

    def _second_moment(self) -> NDArray:
        """Products over n, both triangles, about the shift."""
        d = self.statistic.size
        moment, begin = np.empty((d, d)), 0
        for top, bottom, left, right in tile_layout(d):
            end = begin + (bottom - top) * (right - left)
            tile = self.gram[begin:end].reshape(bottom - top, right - left) / self.n
            if top == left:
                # Floats: the two halves of a tile on the diagonal may differ in their last bits.
                tile = np.triu(tile) + np.triu(tile, 1).T
            moment[top:bottom, left:right] = tile
            moment[left:right, top:bottom] = tile.T
            begin = end
        return moment


def _packed_outer(row: NDArray, layout: Layout) -> NDArray:
    """row^T row, in rectangles."""
    return np.concatenate([np.outer(row[t:u], row[v:w]).reshape(-1) for t, u, v, w in layout])
