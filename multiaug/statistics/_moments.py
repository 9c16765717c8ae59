"""Count, mean, variance and extremes of every pixel and every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import NotFittedError, ParameterError
from ..typing import Array, NDArray
from ._blocks import Buffered
from ._numbers import (
    BLOCK_ROWS,
    coarse_shift,
    integer_shift,
    is_exact,
    kind_of,
    needs_float64,
    part_weights,
    parts_of,
    product_weights,
)
from ._seen import Seen
from ._state import (
    Accumulator,
    State,
    Statistic,
    as_rows,
    channel_count,
    check_shift,
    shift_vector,
)

_BUFFER_BYTES = 16 * 2**20

Invalid = float | Literal["nan"] | None


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
        if self.dtype is None:
            return
        if self.shift is not None and kind_of(self.dtype) != "float":
            raise ParameterError(
                f"`Moments.shift` is for floats; sums of {self.dtype} are about "
                f"{integer_shift(self.dtype)}. Leave it out."
            )
        if self.invalid == "nan" and is_exact(self.dtype):
            object.__setattr__(self, "invalid", None)  # integers have no NaN

    def init(self) -> MomentsState:
        """The state of no records."""
        d, number = self.size, np.int64 if self.exact else np.float64
        low, high = _limits(self.kind_name)
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
        return _Blocks(state)

    def restore(self, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> MomentsState:
        """A state from its attributes and arrays."""
        return MomentsState(
            statistic=self,
            n=int(attributes["n"]),
            seen=Seen.from_dict(attributes["seen"]),
            shift=arrays.get("shift"),
            **{name: arrays[name] for name in ("count", "sum", "square", "low", "high")},
        )


def _limits(dtype: str) -> tuple[Any, Any]:
    """The smallest and largest value, as NumPy scalars of a dtype that files can hold."""
    if dtype == "bool":
        return np.bool_(False), np.bool_(True)
    if kind_of(dtype) == "float":
        return np.float32(-np.inf), np.float32(np.inf)
    if dtype == "float64":
        return np.float64(-np.inf), np.float64(np.inf)
    info = np.iinfo(dtype)
    return np.dtype(dtype).type(info.min), np.dtype(dtype).type(info.max)


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


class _Blocks(Buffered):
    """Blocks of rows on the device, their sums on the host."""

    def __init__(self, state: MomentsState) -> None:
        statistic = state.statistic
        dtype, d = statistic.kind_name, statistic.size
        kind = kind_of(dtype)
        held = {"float": "float32", "wide": dtype}.get(kind, dtype)
        fitting = max(1, _BUFFER_BYTES // (d * np.dtype(held).itemsize))
        rows = min(BLOCK_ROWS, 1 << (fitting.bit_length() - 1))
        super().__init__(rows, d, held, 0)
        self._statistic, self._kind = statistic, kind
        self._shift = state.shift
        if self._shift is None and statistic.shift is not None:
            self._shift = np.full(d, float(np.float32(statistic.shift)))
        self._state, self._n = state, state.n
        self._sums = [a.copy() for a in (state.count, state.sum, state.square)]
        self._ends = [state.low.copy(), state.high.copy()]

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        if not len(rows):
            return
        if self._shift is None and not is_exact(self._statistic.kind_name):
            self._shift = coarse_shift(_without(rows, self._statistic.invalid))
        self.take(rows)
        self._n += len(rows)

    def step(self, rows: NDArray, count: int) -> None:
        """Sum one block."""
        invalid = self._statistic.invalid
        shift = shift_vector(self._statistic, self._shift)
        if self._kind == "wide" or (
            self._kind == "float" and needs_float64(_without(rows[:count], invalid), shift)
        ):
            self._step_wide(rows[:count], shift)
            return
        number = None if invalid is None or invalid == "nan" else float(invalid)
        found = _moments(
            rows,
            np.int32(count),
            shift.astype(np.float32),
            dtype=self._statistic.kind_name,
            number=number,
            nan=invalid == "nan",
        )
        sums, squares, valid, low, high = jax.tree.map(np.asarray, found)
        self._sums[0] += valid
        for part, weight in zip(sums, part_weights(self._statistic.kind_name), strict=True):
            self._sums[1] += part.astype(self._sums[1].dtype) * weight
        weights = product_weights(self._statistic.kind_name)
        for part, weight in zip(squares, weights, strict=True):
            self._sums[2] += part.astype(self._sums[2].dtype) * weight
        self._stretch(low, high)

    def _step_wide(self, rows: NDArray, shift: NDArray) -> None:
        """In float64, for values whose squares need it."""
        valid = _valid(rows, self._statistic.invalid)
        centred = np.where(valid, rows.astype(np.float64) - shift, 0)
        self._sums[0] += valid.sum(0)
        self._sums[1] += centred.sum(0)
        self._sums[2] += np.square(centred).sum(0)
        low, high = _limits(self._statistic.kind_name)
        self._stretch(np.where(valid, rows, high).min(0), np.where(valid, rows, low).max(0))

    def _stretch(self, low: NDArray, high: NDArray) -> None:
        np.minimum(self._ends[0], low, out=self._ends[0])
        np.maximum(self._ends[1], high, out=self._ends[1])

    def state(self) -> MomentsState:
        """Everything so far."""
        self.flush()
        (count, total, square), (low, high) = self._sums, self._ends
        return replace(
            self._state,
            n=self._n,
            count=count,
            sum=total,
            square=square,
            low=low,
            high=high,
            shift=self._shift,
        )


def _valid(rows: NDArray, invalid: Invalid) -> NDArray:
    if invalid is None:
        return np.ones(rows.shape, bool)
    found: NDArray = (
        ~np.isnan(rows) if invalid == "nan" else rows != np.asarray(invalid, rows.dtype)
    )
    return found


def _without(rows: NDArray, invalid: Invalid) -> NDArray:
    """Rows with pixels that have no data replaced by the mean of the others; for the shift."""
    if invalid is None:
        return rows
    valid = _valid(rows, invalid)
    count = valid.sum(0)
    mean = np.where(valid, rows, 0).astype(np.float64).sum(0) / np.maximum(count, 1)
    found: NDArray = np.where(valid, rows, mean.astype(np.float32))
    return found


@partial(jax.jit, static_argnames=("dtype", "number", "nan"))
def _moments(
    rows: Array, count: Array, shift: Array, *, dtype: str, number: float | None, nan: bool
) -> tuple[tuple[Array, ...], tuple[Array, ...], Array, Array, Array]:
    """Sums and products of the parts of each column, its valid count and its extremes.

    Args:
        rows: (m, d), of which the first ``count`` are real.
        count: how many.
        shift: (d,), what floats are about.
        dtype: of the records.
        number: the value of pixels without data, if it is a number.
        nan: pixels without data are NaN.
    """
    valid = jnp.broadcast_to((jnp.arange(rows.shape[0]) < count)[:, None], rows.shape)
    if number is not None:
        valid = valid & (rows != jnp.asarray(number, rows.dtype))
    if nan:
        valid = valid & ~jnp.isnan(rows)
    low, high = _limits(dtype)
    ends = jnp.where(valid, rows, high).min(0), jnp.where(valid, rows, low).max(0)
    if is_exact(dtype):
        held = [jnp.where(valid, p.astype(jnp.int32), 0) for p in parts_of(rows, dtype)]
    else:
        held = [jnp.where(valid, rows - shift[None], 0)]
    a, b = held[0], held[-1]
    products = (a * a,) if len(held) == 1 else (a * a, 2 * a * b, b * b)
    return (
        tuple(p.sum(0) for p in held),
        tuple(p.sum(0) for p in products),
        valid.sum(0, dtype=jnp.int32),
        *ends,
    )
