"""Count, mean, variance and extremes of every pixel and every channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..._arguments import check_argument, one_of
from ..._machine import bytes_text
from ...errors import NotFittedError, warn
from ...typing import NDArray
from .._needs import Needs, Subject
from .._state import Accumulator, State, Statistic, channel_count
from .._summary import moments_lines
from ..sums._centred import Sums, folded, joined
from ..sums._numbers import integer_shift, is_exact
from ._moment_blocks import (
    CentredMoments,
    ExactMoments,
    Invalid,
    add_carried,
    limits_of,
)
from ._moments_native import NativeMoments, native_is_available

if TYPE_CHECKING:
    from .._collection import GroupStatistics

# Records of more numbers are summed by channel: each pixel costs about a hundred bytes.
MOST_BY_PIXEL = 2**20


@dataclass(frozen=True, kw_only=True)
class Moments(Statistic):
    """Count, mean, variance, minimum and maximum, of every pixel and of every channel.

    Integers of up to 16 bits are summed exactly, in any order. Floats and wider integers are
    summed in float64, each block about its own mean: as two passes over all values would.

    Args:
        record_shape: shape of one record.
        dtype: of the records.
        entries: see `multiaug.fit`.
        per: ``pixel`` keeps sums of every pixel, from which those of the channels follow;
            ``channel`` only those of the channels, a few bytes whatever the size of the records.
            None takes ``pixel`` for records of up to 2^20 numbers.
        invalid: the value of pixels without data, left out of every sum: ``"nan"``, a number or
            None. `multiaug.fit` takes it from the spec.

    Raises:
        ParameterError: settings that contradict each other.
    """

    per: Literal["pixel", "channel"] | None = None
    invalid: Invalid = None

    name: ClassVar[str] = "moments"
    takes_holes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_argument("Moments.per", self.per, one_of("pixel", "channel", None))
        nan = isinstance(self.invalid, str) and self.invalid == "nan"
        if nan and self.dtype is not None and is_exact(self.dtype):
            object.__setattr__(self, "invalid", None)  # integers have no NaN
        if self.per is None and self.record_shape is not None:
            by_pixel = int(np.prod(self.record_shape, dtype=np.float64)) <= MOST_BY_PIXEL
            object.__setattr__(self, "per", "pixel" if by_pixel else "channel")

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Statistic:
        """The inverse of `to_dict`; what does not say otherwise was summed by pixel."""
        bound = document.get("record_shape") is not None
        return super().from_dict({"per": "pixel", **document} if bound else document)

    @property
    def by_channel(self) -> bool:
        """Only sums of the channels are kept."""
        return self.per == "channel"

    @property
    def cells(self) -> int:
        """How many means there are: of the pixels, or of the channels."""
        return channel_count(self.shape) if self.by_channel else self.size

    @property
    def sums_in_threads(self) -> bool:
        """Where native code adds up; what XLA adds up has threads of its own."""
        return self.exact and native_is_available()

    def suits(self, role: str, *, named: bool) -> bool:
        """All but labels, which are names, and their mean is none."""
        return role != "label"

    def of_frames(self) -> Moments | None:
        """Moments of channels; pixels are those of a frame."""
        return None if self.per == "pixel" else replace(self, per="channel")

    def needs(self, subject: Subject) -> Needs:
        """Sums of every pixel, or of the channels where those would be too many."""
        bound = replace(self.bound(subject), invalid=subject.invalid)
        if self.per is None and bound.by_channel:
            warn(
                f"fit: moments of {subject.label!r} are gathered by channel, because "
                f"{subject.size:,} numbers a record would need "
                f"{bytes_text(_bytes_of(subject.size))} by pixel. Say Moments(per='channel') if "
                "that is right, or Moments(per='pixel')."
            )
        return Needs(bound, bound.held_bytes())

    def held_bytes(self) -> int:
        """What is added to, what is added, and blocks of rows."""
        return _bytes_of(self.cells)

    def init(self) -> MomentsState:
        """The state of no records."""
        cells, number = self.cells, np.int64 if self.exact else np.float64
        low, high = limits_of(self.kind_name)
        return MomentsState(
            statistic=self,
            count=np.zeros(cells, np.int64),
            sum=np.zeros(cells, number),
            square=np.zeros((2, cells) if self.exact and self.by_channel else cells, number),
            low=np.full(cells, high),
            high=np.full(cells, low),
        )

    def accumulator(self, state: MomentsState) -> Accumulator:
        """Something that takes many batches, beginning from a state."""
        if not self.exact:
            return CentredMoments(state)
        return NativeMoments(state) if native_is_available() else ExactMoments(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class MomentsState(State):
    """Counts, sums, sums of squares and extremes of the records seen, of each pixel or channel.

    Args:
        statistic: the `Moments`.
        n: how many records.
        seen: the chunks they came in.
        shift: float64 (c,), what sums of floats are about: their mean, but for its last bits.
            None for integers, which have a fixed one, and before any record.
        count: int64 (c,), valid values of each of the c pixels or channels.
        sum: (c,), of x - shift; int64 where sums are exact, else float64.
        square: (c,), of (x - shift)^2, likewise. Of channels, exact ones need more than 64 bits:
            (2, c), of which the first row counts 2^32 each.
        low: (c,), smallest value; the largest of the dtype where there is none.
        high: (c,), largest value, likewise.
    """

    statistic: Moments
    count: NDArray
    sum: NDArray
    square: NDArray
    low: NDArray
    high: NDArray
    shift: NDArray | None = None

    def mean(self) -> NDArray:
        """Mean of each pixel, float64, of the record's shape; NaN where no record is valid.

        Raises:
            NotFittedError: no records, or ``per="channel"``.
        """
        return self._pixels(self._sums().mean())

    def variance(self) -> NDArray:
        """Variance of each pixel, divided by its count; as `mean`."""
        return self._pixels(_variance(self._sums()))

    def std(self) -> NDArray:
        """Standard deviation of each pixel; as `mean`."""
        found: NDArray = np.sqrt(self.variance())
        return found

    def minimum(self) -> NDArray:
        """Smallest value of each pixel, of the dtype; its largest where no record is valid."""
        return self._pixels(self.low)

    def maximum(self) -> NDArray:
        """Largest value of each pixel, of the dtype; its smallest where no record is valid."""
        return self._pixels(self.high)

    def channel_count(self) -> NDArray:
        """Valid values of each channel, int64 (C,)."""
        found: NDArray = self._by_channel(self.count).sum(0)
        return found

    def channel_mean(self) -> NDArray:
        """Mean of each channel over records and pixels, float64 (C,); NaN where there are none."""
        return self._channels().mean()

    def channel_variance(self) -> NDArray:
        """Variance of each channel over records and pixels, float64 (C,); as `channel_mean`."""
        return _variance(self._channels())

    def channel_std(self) -> NDArray:
        """Standard deviation of each channel, float64 (C,); as `channel_mean`."""
        found: NDArray = np.sqrt(self.channel_variance())
        return found

    def channel_minimum(self) -> NDArray:
        """Smallest value of each channel, (C,)."""
        self._require()
        found: NDArray = self._by_channel(self.low).min(0)
        return found

    def channel_maximum(self) -> NDArray:
        """Largest value of each channel, (C,)."""
        self._require()
        found: NDArray = self._by_channel(self.high).max(0)
        return found

    def finalize(self) -> dict[str, NDArray]:
        """Everything about the channels: count, mean, variance, std, minimum, maximum.

        Raises:
            NotFittedError: no records.
        """
        self._require()
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

    def summary(self, group: GroupStatistics) -> Iterable[str]:
        """A table of the channels."""
        return moments_lines(self, group)

    def centred(self) -> Sums:
        """The sums of floats, to be joined with others."""
        shift = np.zeros(self.statistic.cells) if self.shift is None else self.shift
        return Sums(self.count, shift, self.sum, self.square)

    def _merged(self, other: MomentsState) -> MomentsState:
        ends: dict[str, Any] = {
            "low": np.minimum(self.low, other.low),
            "high": np.maximum(self.high, other.high),
        }
        if not self.statistic.exact:
            count, shift, total, square = joined(self.centred(), other.centred())
            return replace(self, count=count, shift=shift, sum=total, square=square, **ends)
        square = self.square.copy()
        if self.statistic.by_channel:
            square[0] += other.square[0]
            add_carried(square, other.square[1])
        else:
            square += other.square
        count = self.count + other.count
        return replace(self, count=count, sum=self.sum + other.sum, square=square, **ends)

    def _require(self) -> None:
        if not self.n:
            raise NotFittedError("The moments of no records are not defined. Update the state.")

    def _sums(self) -> Sums:
        """In float64, about what is near the mean: where sums are exact, a whole number."""
        self._require()
        if not self.statistic.exact:
            return self.centred()
        shift = float(integer_shift(self.statistic.kind_name))
        near = np.rint(self.sum / np.maximum(self.count, 1)).astype(np.int64)
        if not self.statistic.by_channel:
            # What does not fit 64 bits on the way comes back into them: the result does.
            total = self.sum - self.count * near
            square = self.square - near * (self.sum + total)
            return Sums(self.count, near + shift, total.astype(float), square.astype(float))
        # Python's own integers have room for everything.
        exact = np.zeros((2, len(near)))
        columns = zip(near, self.count, self.sum, *self.square, strict=True)
        for i, (about, count, first, high, low) in enumerate(map(_as_ints, columns)):
            exact[0, i] = first - count * about
            exact[1, i] = (high << 32) + low - about * (2 * first - count * about)
        return Sums(self.count, near + shift, *exact)

    def _channels(self) -> Sums:
        sums = self._sums()
        return sums if self.statistic.by_channel else folded(sums, self._channel_count)

    @property
    def _channel_count(self) -> int:
        return channel_count(self.statistic.shape)

    def _pixels(self, flat: NDArray) -> NDArray:
        self._require()
        if self.statistic.by_channel:
            raise NotFittedError(
                "These moments are of channels, Moments(per='channel'), and no pixel has its own. "
                "Ask for channel_mean() and the like, or fit multiaug.Moments(per='pixel')."
            )
        return self._flat(flat)

    def _by_channel(self, flat: NDArray) -> NDArray:
        return flat.reshape(-1, self._channel_count)


def _bytes_of(cells: int) -> int:
    return 120 * cells + 2**25


def _variance(sums: Sums) -> NDArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray = np.where(sums.counts > 0, sums.scatter() / sums.counts, np.nan)
    return found


def _as_ints(values: Any) -> list[int]:
    return [int(value) for value in values]
