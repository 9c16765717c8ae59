"""The leading part of a covariance in one pass, where neither d^2 nor n^2 fits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import NotFittedError, ParameterError
from ..typing import Array, NDArray
from ._blocks import Buffered
from ._numbers import coarse_shift, is_exact, kind_of
from ._spectrum import Centre, Spectrum, check_centre, eigh, refuse_constant
from ._state import (
    Accumulator,
    State,
    Statistic,
    as_rows,
    centre_of,
    check_float_shift,
    check_shift,
    refuse_large,
    shift_vector,
)

BLOCK = 512
_FEATURES = 8192


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
        shift: floats are summed about this number; None takes one per pixel.

    Raises:
        ParameterError: no components.

    References:
        D. Ross, J. Lim, R.-S. Lin, M.-H. Yang, Incremental learning for robust visual tracking,
        IJCV, 2008: the row that stands for the drift of the mean.
        N. Halko, P.-G. Martinsson, J. Tropp, Finding structure with randomness, SIAM Review,
        2011: oversampling, and the Rayleigh-Ritz step.
    """

    components: int = field(default=256)
    shift: float | None = None

    name: ClassVar[str] = "lowrank"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_float_shift(self, self.shift)
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
        shift: float64 (d,), what float sums are about.
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
        rounding = 1e-6 if kind_of(self.statistic.kind_name) == "float" else 1e-13
        refuse_constant(total, rounding * float(np.square(self.sum / self.n).sum()))
        mean = self._centre(centre)
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
            bound=self.bound,
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
        check_shift(self, self.shift, other.shift)
        drift = _drift(self.sum, self.n, other.sum, other.n)
        sketch, cut = _compress([self.sketch, other.sketch, drift[None]], len(self.sketch))
        return replace(
            self,
            sketch=sketch,
            sum=self.sum + other.sum,
            square=self.square + other.square,
            lost=self.lost + other.lost + cut,
        )


class _Blocks(Buffered):
    """Blocks of 512 records, each stacked under the sketch."""

    def __init__(self, state: LowRankState) -> None:
        statistic = state.statistic
        self._exact = is_exact(statistic.kind_name)
        dtype = statistic.kind_name if self._exact else np.float32
        super().__init__(BLOCK, statistic.size, dtype, 0)
        self._state = state
        if state.shift is None and statistic.shift is not None:
            vector = np.full(statistic.size, float(np.float32(statistic.shift)))
            self._state = replace(state, shift=vector)

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        refuse_large(self._state.statistic, rows)
        if len(rows) and self._state.shift is None and not self._exact:
            self._state = replace(self._state, shift=coarse_shift(rows))
        self.take(rows)

    def step(self, rows: NDArray, count: int) -> None:
        """Stack a block under the sketch and cut."""
        state = self._state
        number = state.sum.dtype
        vector = shift_vector(state.statistic, state.shift)
        total, squares = np.zeros_like(state.sum), number.type(0)
        for i in range(0, count, 64):
            centred = rows[i : min(i + 64, count)].astype(number) - vector.astype(number)
            total += centred.sum(0)
            squares += np.square(centred).sum()
        mean = (total / count + vector).astype(np.float32)
        stack = [state.sketch, centred_rows(rows, np.int32(count), mean)]
        drift = _drift(state.sum, state.n, total, count)
        sketch, cut = _compress([*stack, drift[None]], len(state.sketch))
        self._state = replace(
            state,
            n=state.n + count,
            sketch=sketch,
            sum=state.sum + total,
            square=np.asarray(state.square + squares),
            lost=state.lost + cut,
        )

    def state(self) -> LowRankState:
        """Everything so far."""
        self.flush()
        return self._state


def _drift(a: NDArray, na: int, b: NDArray, nb: int) -> NDArray:
    """The row whose outer product joins two scatters: what their means are apart."""
    if not na or not nb:
        return np.zeros(len(a), np.float32)
    row: NDArray = np.sqrt(na * nb / (na + nb)) * (a / na - b / nb)
    return row.astype(np.float32)


@jax.jit
def centred_rows(rows: Array, count: Array, mean: Array) -> Array:
    real = (jnp.arange(rows.shape[0]) < count)[:, None]
    return jnp.where(real, rows.astype(jnp.float32) - mean[None], 0)


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
    """The ``count`` leading directions of stacked rows, and the first eigenvalue cut off."""
    stack = jnp.concatenate([jnp.asarray(part) for part in parts])
    gram = np.asarray(_gram_of(stack)).astype(np.float64).sum(0)
    values, weights = eigh((gram + gram.T) / 2)
    sketch = np.asarray(turn(weights.astype(np.float32), stack, count))
    return sketch, float(max(values[count], 0.0)) if count < len(values) else 0.0


def directions_of(sketch: NDArray) -> tuple[NDArray, NDArray]:
    """Squared lengths, descending, and orthonormal directions, float32, of a sketch."""
    stack = jnp.asarray(sketch)
    gram = np.asarray(_gram_of(stack)).astype(np.float64).sum(0)
    values, weights = eigh((gram + gram.T) / 2)
    good = values > 1e-12 * max(values[0], np.finfo(np.float64).tiny)
    values, weights = values[good], weights[good] / np.sqrt(values[good])[:, None]
    return values, np.asarray(turn(weights.astype(np.float32), stack, len(weights)))
