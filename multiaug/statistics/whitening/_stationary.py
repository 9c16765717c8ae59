"""Cross spectra of channels: whitening for pictures that look alike wherever one looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import NotFittedError, ParameterError
from ...typing import Array, NDArray
from .._state import Accumulator, State, Statistic, as_rows, check_shift, refuse_large
from ..covariance._blocks import Buffered
from ..sums._numbers import integer_shift, is_exact

# Of a block, as float32. Its temporaries in XLA are some ten times as large, and the C library has
# the system clear memory for each of those that are larger than 32 MB. With blocks of 16 MB a fit
# took 1.6 to 2 times the processor time, by machine and load; 1.1 to 1.2 after `tune_malloc`.
_BUFFER_BYTES = 2 * 2**20
# Sums of a block are added up in float64, which takes as long as a few large images.
_LEAST_ROWS = 4


@dataclass(frozen=True, kw_only=True)
class Stationary(Statistic):
    """The covariance of channels at each spatial frequency, (H, W, C) pictures, one pass.

    Exact for textures whose statistics do not depend on the place, with a border that repeats.
    It is another model than ZCA's: it never takes its place unasked.

    Args:
        record_shape: (H, W, C) or (H, W).
        dtype: of the records.
        entries: see `multiaug.fit`.
        shift: values are summed about this number; None takes 0 for floats, the middle of
            the range for integers.

    Raises:
        ParameterError: records that are not pictures.
    """

    shift: float | None = None

    name: ClassVar[str] = "stationary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.record_shape is not None and len(self.record_shape) not in (2, 3):
            raise ParameterError(
                f"`Stationary.record_shape` must be (H, W, C) or (H, W), got {self.record_shape}."
            )

    @property
    def picture(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        height, width, *rest = self.shape
        return height, width, rest[0] if rest else 1

    def suits(self, role: str, *, named: bool) -> bool:
        """Only intensities are whitened."""
        return role == "intensity"

    def held_bytes(self) -> int:
        """Cross spectra, and fields of a block of pictures."""
        return 40 * self.size * self.picture[2] + 2**27

    @property
    def order_free(self) -> bool:
        """Never: the last bits depend on the order."""
        return False

    def init(self) -> StationaryState:
        """The state of no records."""
        height, width, channels = self.picture
        shape = (height, width // 2 + 1, channels, channels)
        return StationaryState(
            statistic=self, sum=np.zeros(channels), cross=np.zeros(shape, np.complex128)
        )

    def accumulator(self, state: StationaryState) -> Accumulator:
        """Something that takes many batches, beginning from a state."""
        return _Blocks(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class StationaryState(State):
    """Sums over the records seen.

    Args:
        statistic: the `Stationary`.
        n: how many records.
        seen: the chunks they came in.
        sum: float64 (C,), of x - shift over records and pixels.
        cross: complex128 (H, W // 2 + 1, C, C), of F F^H, where F is the orthonormal real FFT
            of x - shift.
    """

    statistic: Stationary
    sum: NDArray
    cross: NDArray

    def channel_mean(self) -> NDArray:
        """Mean of each channel, float64 (C,).

        Raises:
            NotFittedError: no records.
        """
        if not self.n:
            raise NotFittedError("The mean of no records is not defined. Update the state first.")
        height, width, _ = self.statistic.picture
        return self.sum / (self.n * height * width) + _shift_of(self.statistic)

    def cross_spectrum(self) -> NDArray:
        """Covariance of channels at each frequency, about the channel means; as ``cross``."""
        height, width, _ = self.statistic.picture
        found = self.cross / max(self.n, 1)
        offset = (self.channel_mean() - _shift_of(self.statistic)) * np.sqrt(height * width)
        found[0, 0] -= np.outer(offset, offset)
        return found

    def finalize(self) -> tuple[NDArray, NDArray]:
        """Eigenvalues (H, W // 2 + 1, C), ascending, and eigenvectors of each frequency.

        Raises:
            NotFittedError: fewer than two records, or all are alike.
        """
        if self.n < 2:
            raise NotFittedError(
                f"Whitening must know at least 2 records, got {self.n}. Fit it on more."
            )
        values, vectors = np.linalg.eigh(self.cross_spectrum())
        if (
            not values.max()
            > 1e-6 * np.square(self.sum / self.n).sum() / self.cross[..., 0, 0].size
        ):
            raise NotFittedError(
                "Whitening must know how records differ, got pictures of one colour (rank 0)."
            )
        return np.maximum(values, 0), vectors

    def arrays(self) -> dict[str, NDArray]:
        """``sum`` and ``cross``."""
        return {"sum": self.sum, "cross": self.cross}

    def _merged(self, other: StationaryState) -> StationaryState:
        check_shift(self, None, None)
        return replace(self, sum=self.sum + other.sum, cross=self.cross + other.cross)


def _shift_of(statistic: Stationary) -> float:
    if statistic.shift is not None:
        return float(np.float32(statistic.shift))
    return float(integer_shift(statistic.kind_name))


class _Blocks(Buffered):
    """Blocks of pictures, transformed together."""

    def __init__(self, state: StationaryState) -> None:
        statistic = state.statistic
        dtype = statistic.kind_name if is_exact(statistic.kind_name) else "float32"
        d = statistic.size
        rows = max(_LEAST_ROWS, min(256, _BUFFER_BYTES // (4 * d)))
        super().__init__(rows, d, dtype, 0)
        self._state, self._n = state, state.n
        self._sum, self._cross = state.sum.copy(), state.cross.copy()

    def add(self, batch: NDArray) -> None:
        """Take records."""
        rows = as_rows(batch)
        refuse_large(self._state.statistic, rows)
        self.take(rows)
        self._n += len(batch)

    def step(self, rows: NDArray, count: int) -> None:
        """Transform a block and add its products."""
        shape = self._state.statistic.picture
        shift = np.float32(_shift_of(self._state.statistic))
        pictures = rows.reshape(-1, *shape)
        total, cross = _cross(pictures, np.int32(count), shift)
        self._sum += np.asarray(total, np.float64).sum(0)
        self._cross += np.asarray(cross)

    def state(self) -> StationaryState:
        """Everything so far."""
        self.flush()
        return replace(self._state, n=self._n, sum=self._sum, cross=self._cross)


@jax.jit
def _cross(pictures: Array, count: Array, shift: Array) -> tuple[Array, Array]:
    real = (jnp.arange(pictures.shape[0]) < count)[:, None, None, None]
    centred = jnp.where(real, pictures.astype(jnp.float32) - shift, 0)
    field = jnp.fft.rfft2(centred, axes=(1, 2), norm="ortho")
    channels = field.shape[-1]
    # Channel by channel: products of 3 x 3 are too short to be vectorised.
    rows = [
        jnp.stack([(field[..., i] * field[..., j].conj()).sum(0) for j in range(channels)], -1)
        for i in range(channels)
    ]
    return centred.sum((1, 2)), jnp.stack(rows, -2)
