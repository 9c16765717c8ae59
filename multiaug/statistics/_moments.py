"""Count, mean, variance and extremes of every pixel and every channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import NotFittedError
from ..typing import NDArray
from ._moment_blocks import Invalid, MomentBlocks, limits_of
from ._numbers import (
    is_exact,
)
from ._state import (
    Accumulator,
    State,
    Statistic,
    channel_count,
    check_float_shift,
    check_shift,
    shift_vector,
)


@dataclass(frozen=True, kw_only=True)
class Moments(Statistic):
    """Count, mean, variance, minimum and maximum, of every pixel and of every channel.

    Integers are summed exactly, as in `Covariance`; so are the rules for floats.

    Args:
        record_shape: shape of one record.
        dtype: of the records.
        entries: see `multiaug.fit`.
        shift: floats are summed about this number; None takes one per pixel, near the mean of
            the first records.
        invalid: the value of pixels without data, left out of every sum: ``"nan"``, a number or
            None. `multiaug.fit` takes it from the spec.

    Raises:
        ParameterError: settings that contradict each other.
    """

    shift: float | None = None
    invalid: Invalid = None

    name: ClassVar[str] = "moments"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_float_shift(self, self.shift)
        if (
            isinstance(self.invalid, str)
            and self.invalid == "nan"
            and self.dtype is not None
            and is_exact(self.dtype)
        ):
            object.__setattr__(self, "invalid", None)  # integers have no NaN

    def init(self) -> MomentsState:
        """The state of no records."""
        d, number = self.size, np.int64 if self.exact else np.float64
        low, high = limits_of(self.kind_name)
        return MomentsState(
            statistic=self,
            count=np.zeros(d, np.int64),
            sum=np.zeros(d, number),
            square=np.zeros(d, number),
            low=np.full(d, high),
            high=np.full(d, low),
        )

    def accumulator(self, state: MomentsState) -> Accumulator:
        """Something that takes many batches, beginning from a state."""
        return MomentBlocks(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class MomentsState(State):
    """Counts, sums, sums of squares and extremes of the records seen, per pixel.

    Args:
        statistic: the `Moments`.
        n: how many records.
        seen: the chunks they came in.
        shift: float64 (d,), what float sums are about; None for integers, and before any record.
        count: int64 (d,), valid values of each pixel.
        sum: (d,), of x - shift; int64 where sums are exact, else float64.
        square: (d,), of (x - shift)^2, likewise.
        low: (d,), smallest value; the largest of the dtype where there is none.
        high: (d,), largest value, likewise.
    """

    statistic: Moments
    count: NDArray
    sum: NDArray
    square: NDArray
    low: NDArray
    high: NDArray
    shift: NDArray | None = None

    def mean(self) -> NDArray:
        """Mean of each pixel, float64, of the record's shape; NaN where no record is valid."""
        return self._flat(self._mean())

    def variance(self) -> NDArray:
        """Variance of each pixel, divided by its count; as `mean`."""
        count = self._counted()
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self.square / count - np.square(self.sum / count)
        return self._flat(np.where(count > 0, np.maximum(found, 0), np.nan))

    def std(self) -> NDArray:
        """Standard deviation of each pixel; as `mean`."""
        found: NDArray = np.sqrt(self.variance())
        return found

    def minimum(self) -> NDArray:
        """Smallest value of each pixel, of the dtype."""
        self._counted()
        return self._flat(self.low)

    def maximum(self) -> NDArray:
        """Largest value of each pixel, of the dtype."""
        self._counted()
        return self._flat(self.high)

    def channel_count(self) -> NDArray:
        """Valid values of each channel, int64 (C,)."""
        found: NDArray = self._by_channel(self.count).sum(0)
        return found

    def channel_mean(self) -> NDArray:
        """Mean of each channel over records and pixels, float64 (C,)."""
        shift = shift_vector(self.statistic, self.shift)
        total = self._by_channel(self.sum + self.count * shift).sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray = total / self.channel_count()
        return found

    def channel_variance(self) -> NDArray:
        """Variance of each channel over records and pixels, float64 (C,)."""
        shift = self._by_channel(shift_vector(self.statistic, self.shift))
        drift = shift - self.channel_mean()
        count, total = self._by_channel(self.count), self._by_channel(self.sum)
        squares = self._by_channel(self.square) + 2 * drift * total + count * drift**2
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray = np.maximum(squares.sum(0) / count.sum(0), 0)
        return found

    def channel_std(self) -> NDArray:
        """Standard deviation of each channel, float64 (C,)."""
        found: NDArray = np.sqrt(self.channel_variance())
        return found

    def channel_minimum(self) -> NDArray:
        """Smallest value of each channel, (C,)."""
        self._counted()
        found: NDArray = self._by_channel(self.low).min(0)
        return found

    def channel_maximum(self) -> NDArray:
        """Largest value of each channel, (C,)."""
        self._counted()
        found: NDArray = self._by_channel(self.high).max(0)
        return found

    def finalize(self) -> dict[str, NDArray]:
        """Everything about the channels: count, mean, variance, std, minimum, maximum.

        Raises:
            NotFittedError: no records.
        """
        self._counted()
        return {
            "count": self.channel_count(),
            "mean": self.channel_mean(),
            "variance": self.channel_variance(),
            "std": self.channel_std(),
            "minimum": self.channel_minimum(),
            "maximum": self.channel_maximum(),
        }

    def arrays(self) -> dict[str, NDArray]:
        """``count``, ``sum``, ``square``, ``low``, ``high`` and, of floats, ``shift``."""
        names = ("count", "sum", "square", "low", "high")
        found = {name: getattr(self, name) for name in names}
        return found if self.shift is None else {**found, "shift": self.shift}

    def _merged(self, other: MomentsState) -> MomentsState:
        check_shift(self, self.shift, other.shift)
        return replace(
            self,
            count=self.count + other.count,
            sum=self.sum + other.sum,
            square=self.square + other.square,
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
        )

    def _counted(self) -> NDArray:
        if not self.n:
            raise NotFittedError("The moments of no records are not defined. Update the state.")
        return self.count

    def _mean(self) -> NDArray:
        count = self._counted()
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sum / count + shift_vector(self.statistic, self.shift)

    def _by_channel(self, flat: NDArray) -> NDArray:
        return flat.reshape(-1, channel_count(self.statistic.shape))
