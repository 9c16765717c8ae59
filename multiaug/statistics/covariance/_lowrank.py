"""The leading part of a covariance in one pass, where neither d^2 nor n^2 fits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...errors import NotFittedError, ParameterError
from ...typing import Array, NDArray
from .._state import (
    Accumulator,
    State,
    Statistic,
    as_rows,
    centre_of,
    refuse_large,
    shift_vector,
)
from ..sums._centred import check_magnitude, sums_of
from ..sums._numbers import held_dtype, integer_shift
from ..whitening._spectrum import Centre, Spectrum, check_centre, eigh, refuse_constant
from ._blocks import Buffered

BLOCK = 512
_FEATURES = 8192
_PART_ROWS = 64
# Of the largest eigenvalue: what products and directions in float32 may be wrong by.
_ROUNDING = 2.0**-22


@dataclass(frozen=True, kw_only=True)
class LowRank(Statistic):
    """The ``components`` leading directions of variance, in memory of a few times their size.

    Every 512 records are stacked under a sketch of twice as many directions as wanted, and the
    stack is cut down to its leading ones: an incremental SVD, through the Gram matrix of the
    stack. What is cut off is bounded and reported. A second look at the records
    (`RayleighRitz`) makes the eigenvalues those of the records on the directions found.

    Sums are exact for integers; the sketch is not: its last bits depend on the order, which
    `multiaug.fit` fixes.

    Args:
        record_shape: shape of one record.
        dtype: of the records.
        entries: see `multiaug.fit`.
        components: how many directions, k; the sketch holds 2 k.

    Raises:
        ParameterError: no components.

    References:
        D. Ross, J. Lim, R.-S. Lin, M.-H. Yang, Incremental learning for robust visual tracking,
        IJCV, 2008: the row that stands for the drift of the mean.
        N. Halko, P.-G. Martinsson, J. Tropp, Finding structure with randomness, SIAM Review,
        2011: oversampling, and the Rayleigh-Ritz step.
    """

    components: int = field(default=256)

    name: ClassVar[str] = "lowrank"
    merges_slowly: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.components, int | np.integer) or self.components < 1:
            raise ParameterError(f"`LowRank.components` must be >= 1, got {self.components!r}.")

    @property
    def rows(self) -> int:
        """Directions in the sketch: twice as many as wanted, at most all."""
        return min(2 * self.components, self.size)

    @property
    def order_free(self) -> bool:
        """Never: the last bits depend on the order."""
        return False

    @staticmethod
    def bytes_of(d: int, components: int) -> int:
        """Two sketches, both stacked with a block of records, and the sketch of that."""
        return 4 * d * (10 * components + 2 * BLOCK)

    def held_bytes(self) -> int:
        """See `bytes_of`."""
        return self.bytes_of(self.size, self.components)

    def init(self) -> LowRankState:
        """The state of no records."""
        number = np.int64 if self.exact else np.float64
        return LowRankState(
            statistic=self,
            sketch=np.zeros((self.rows, self.size), np.float32),
            sum=np.zeros(self.size, number),
            square=np.zeros((), number),
        )

    def accumulator(self, state: LowRankState) -> Accumulator:
        """Something that takes many batches, beginning from a state."""
        return _Blocks(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class LowRankState(State):
    """A sketch of the scatter of the records seen.

    Args:
        statistic: the `LowRank`.
        n: how many records.
        seen: the chunks they came in.
        sketch: float32 (2 k, d), rows of falling length; sketch^T sketch is close to the
            scatter about the mean, and never above it.
        sum: (d,), of x - shift; int64 where sums are exact, else float64.
        square: (), sum of (x - shift)^2 over pixels and records, likewise.
        shift: float64 (d,), what sums of floats are about: their mean, but for its last bits.
        lost: the scatter less sketch^T sketch has no eigenvalue above this.
    """

    statistic: LowRank
    sketch: NDArray
    sum: NDArray
    square: NDArray
    shift: NDArray | None = None
    lost: float = 0.0

    def mean(self) -> NDArray:
        """Mean record, float64, of the record's shape.

        Raises:
            NotFittedError: no records.
        """
        if not self.n:
            raise NotFittedError("The mean of no records is not defined. Update the state first.")
        mean: NDArray = self.sum / self.n
        mean = mean + shift_vector(self.statistic, self.shift)
        return self._flat(mean)

    @property
    def total(self) -> float:
        """Variance summed over all pixels; exact for integers."""
        offset = self.sum / self.n
        return float(self.square / self.n - np.square(offset).sum())

    @property
    def bound(self) -> float:
        """The covariance less that of the sketch has no eigenvalue above this."""
        return self.lost / self.n if self.n else 0.0

    def rows_about(self, centre: Centre) -> NDArray:
        """Rows whose products are those of the sketch about a mean, float32 (2 k or more, d).

        About the channel means the scatter is larger by n drift drift^T, one row more; the drift
        is what the means of the pixels are from those of their channels.
        """
        if centre == "pixel":
            return self.sketch
        drift = self.mean().reshape(-1) - self._centre(centre)
        return np.concatenate([self.sketch, np.sqrt(self.n) * drift[None].astype(np.float32)])

    def _centre(self, centre: Centre) -> NDArray:
        return centre_of(self.mean(), self.statistic, centre)

    def finalize(self) -> Spectrum:
        """The `spectrum` about the mean of each pixel."""
        return self.spectrum()

    def spectrum(self, centre: Centre = "pixel") -> Spectrum:
        """The spectrum of the sketch; `RayleighRitz` makes a better one of it.

        Args:
            centre: subtract the mean of each ``pixel`` or of each ``channel``.

        Raises:
            NotFittedError: fewer than two records, or all are alike.
        """
        check_centre(centre)
        if self.n < 2:
            raise NotFittedError(
                f"Whitening must know at least 2 records, got {self.n}. Fit it on more."
            )
        total = self.total
        mean = self._centre(centre)
        refuse_constant(
            total, 1e-13 * float(np.square(self.sum / self.n).sum()) + 1e-30 * float(mean @ mean)
        )
        total += float(np.square(self.mean().reshape(-1) - mean).sum())
        values, vectors = directions_of(self.rows_about(centre))
        k = self.statistic.components
        values = values / self.n
        return Spectrum(
            n=self.n,
            record_shape=self.statistic.shape,
            centre=centre,
            mean=mean,
            eigenvalues=values[:k],
            vectors=vectors[:k],
            total=total,
            method="lowrank",
            # Of the sketch, what lies behind the components is not held either.
            bound=self.bound + float(values[k] if len(values) > k else 0),
            # What was lost adds at most its own k largest eigenvalues, or all of its trace.
            optimum=float(values[:k].sum())
            + min(k * self.bound, max(total - float(values.sum()), 0.0)),
        )

    def arrays(self) -> dict[str, NDArray]:
        """``sketch``, ``sum``, ``square`` and, of floats, ``shift``."""
        found = {"sketch": self.sketch, "sum": self.sum, "square": np.asarray(self.square)}
        return found if self.shift is None else {**found, "shift": self.shift}

    def attributes(self) -> dict[str, Any]:
        """What was cut off."""
        return {"lost": self.lost}

    def _merged(self, other: LowRankState) -> LowRankState:
        stack = [self.sketch, other.sketch, _drift(self, other)]
        sketch, cut = _compress(stack, len(self.sketch))
        lost = self.lost + other.lost + cut
        return replace(_joined(self, other), sketch=sketch, lost=lost)


class _Blocks(Buffered):
    """Blocks of 512 records, each stacked under the sketch."""

    def __init__(self, state: LowRankState) -> None:
        statistic = state.statistic
        super().__init__(BLOCK, statistic.size, held_dtype(statistic.kind_name), 0)
        self._state = state

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        refuse_large(self._state.statistic, rows)
        check_magnitude(self._state.statistic, rows)
        self.take(rows)

    def step(self, rows: NDArray, count: int) -> None:
        """Stack a block under the sketch and cut."""
        state, rows = self._state, rows[:count]
        block = _sums(state, rows)
        centred = centred_rows(rows, block.mean().reshape(-1), BLOCK)
        sketch, cut = _compress([state.sketch, centred, _drift(state, block)], len(state.sketch))
        self._state = replace(_joined(state, block), sketch=sketch, lost=state.lost + cut)

    def state(self) -> LowRankState:
        """Everything so far."""
        self.flush()
        return self._state


def _sums(state: LowRankState, rows: NDArray) -> LowRankState:
    """Rows alone, without a sketch."""
    statistic = state.statistic
    if not statistic.exact:
        found = sums_of(rows)
        return replace(
            state,
            n=len(rows),
            sum=found.sum,
            square=np.asarray(found.square.sum()),
            shift=found.centre,
        )
    shift = integer_shift(statistic.kind_name)
    total, square = np.zeros_like(state.sum), np.int64(0)
    for i in range(0, len(rows), _PART_ROWS):
        centred = rows[i : i + _PART_ROWS].astype(np.int64) - shift
        total += centred.sum(0)
        square += np.square(centred).sum()
    return replace(state, n=len(rows), sum=total, square=np.asarray(square))


def _joined(one: LowRankState, two: LowRankState) -> LowRankState:
    """Count and sums of both; those of floats about their common mean."""
    n = one.n + two.n
    total, square, shift = one.sum + two.sum, one.square + two.square, two.shift
    if one.shift is not None and two.shift is not None:
        shift = one.shift + two.n / n * (two.shift - one.shift)
        for held in (one, two):
            assert held.shift is not None
            apart = held.shift - shift
            square = square + apart @ (2 * held.sum + held.n * apart)
            total = total + held.n * apart
    return replace(one, n=n, sum=total, square=np.asarray(square), shift=shift)


def _drift(one: LowRankState, two: LowRankState) -> NDArray:
    """The row whose outer product joins two scatters: what their means are apart."""
    if not one.n:
        return np.zeros((1, one.statistic.size), np.float32)
    row: NDArray = np.sqrt(one.n * two.n / (one.n + two.n)) * (one.mean() - two.mean())
    return row.reshape(1, -1).astype(np.float32)


def centred_rows(rows: NDArray, mean: NDArray, count: int) -> NDArray:
    """Rows (m, d) less a mean in float64, then in float32; zeros make them ``count``."""
    found = np.zeros((count, rows.shape[1]), np.float32)
    for i in range(0, len(rows), _PART_ROWS):
        np.subtract(
            rows[i : i + _PART_ROWS],
            mean,
            out=found[i : i + _PART_ROWS][: len(rows) - i],
            casting="unsafe",
            dtype=np.float64,
        )
    return found


@jax.jit
def _gram_of(stack: Array) -> Array:
    """Products of the rows of (m, d), by runs of features: (runs, m, m) float32."""
    runs = -(-stack.shape[1] // _FEATURES)
    padded = jnp.pad(stack, ((0, 0), (0, runs * _FEATURES - stack.shape[1])))

    def one(i: Array) -> Array:
        part = lax.dynamic_slice_in_dim(padded, i * _FEATURES, _FEATURES, 1)
        return jnp.dot(part, part.T, precision=lax.Precision.HIGHEST)

    found: Array = lax.map(one, jnp.arange(runs))
    return found


@partial(jax.jit, static_argnames="count")
def turn(weights: Array, stack: Array, count: int) -> Array:
    return jnp.dot(weights[:count], stack, precision=lax.Precision.HIGHEST)


def _compress(parts: list[Any], count: int) -> tuple[NDArray, float]:
    """The ``count`` leading directions of stacked rows, and the most that any other one loses."""
    stack = jnp.concatenate([jnp.asarray(part) for part in parts])
    gram = np.asarray(_gram_of(stack)).astype(np.float64).sum(0)
    values, weights = eigh((gram + gram.T) / 2)
    sketch = np.asarray(turn(weights.astype(np.float32), stack, count))
    cut = float(max(values[count], 0.0)) if count < len(values) else 0.0
    return sketch, cut + _ROUNDING * float(values[0])


def directions_of(sketch: NDArray, least: float = 1e-12) -> tuple[NDArray, NDArray]:
    """Squared lengths, descending, and orthonormal directions, float32, of a sketch.

    Those below a share of the largest, ``least``, are left out.
    """
    stack = jnp.asarray(sketch)
    gram = np.asarray(_gram_of(stack)).astype(np.float64).sum(0)
    values, weights = eigh((gram + gram.T) / 2)
    good = values > least * max(values[0], np.finfo(np.float64).tiny)
    values, weights = values[good], weights[good] / np.sqrt(values[good])[:, None]
    return values, np.asarray(turn(weights.astype(np.float32), stack, len(weights)))
