"""Noise that depends on the values: of photons, speckles, lost values, and of magnitudes.

As of `Noise`, the numbers are a function of the record's ``seed`` (2,) uint32, of a ``stream`` that
tells the fields of one record apart, of ``time``, and of where a value stands.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..typing import Array
from ._operations import Footprint, Mean, Packed, words_of
from ._random import field, normal_of


def _numbers(*numbers: Any) -> list[Array]:
    return [jnp.asarray(n, jnp.float32).reshape(1) for n in numbers]


class PhotonNoise(NamedTuple):
    """``v + sqrt(gain (v - low)) n``, n from N(0, 1); nothing at black and below.

    Args:
        seed: see above.
        stream: see above.
        gain: of the variance.
        low: black.
        time: see above.
    """

    seed: Array
    stream: int
    gain: Any
    low: Any
    time: Array | None = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "noise"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        variance = jnp.maximum(values - self.low, 0) * self.gain
        # The slope of a root is infinite at 0: keep that out of the gradient.
        none = variance == 0
        deviation = jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, variance)))
        changed: Array = values + deviation * normal_of(self.words(), values.shape)
        return changed

    def inverse(self) -> None:
        """The values that the noise depends on are lost."""
        return

    def pack(self, channels: int) -> Packed:
        """Gain and black; `words` go with them."""
        return "photon_noise", _numbers(self.gain, self.low)

    def words(self) -> Array:
        """(2,) uint32, of which the numbers are made."""
        return words_of(self.seed, self.stream, self.time)


class Speckle(NamedTuple):
    """``v (1 + scale n)``, n from N(0, 1).

    Args:
        seed: see above.
        stream: see above.
        scale: the standard deviation of the factor.
        time: see above.
    """

    seed: Array
    stream: int
    scale: Any
    time: Array | None = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "noise"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        changed: Array = values + values * self.scale * normal_of(self.words(), values.shape)
        return changed

    def inverse(self) -> None:
        """Some factor may be 0."""
        return

    def pack(self, channels: int) -> Packed:
        """The scale; `words` go with it."""
        return "speckle", _numbers(self.scale)

    def words(self) -> Array:
        """(2,) uint32, of which the numbers are made."""
        return words_of(self.seed, self.stream, self.time)


class Impulses(NamedTuple):
    """Some values become white, and some black.

    Args:
        seed: see above.
        stream: see above.
        white: the share that becomes white, of all.
        black: the share that becomes black.
        low: black.
        high: white.
        whole: all channels of a pixel together.
        time: see above.
    """

    seed: Array
    stream: int
    white: Any
    black: Any
    low: Any
    high: Any
    whole: bool = False
    time: Array | None = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "noise"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        shape = (*values.shape[:2], 1) if self.whole else values.shape
        words = self.words()
        # The upper 24 bits are all that float32 can tell apart.
        u = (field(words[0], words[1], shape) >> 8).astype(jnp.float32) * np.float32(2**-24)
        changed = jnp.where(u < self.white + self.black, self.low, values)
        return jnp.where(u < self.white, self.high, changed)

    def inverse(self) -> None:
        """What was there is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """Both shares, black, white, and a flag; `words` go with them."""
        return "impulses", _numbers(self.white, self.black, self.low, self.high, self.whole)

    def words(self) -> Array:
        """(2,) uint32, of which the numbers are made."""
        return words_of(self.seed, self.stream, self.time)


class MagnitudeNoise(NamedTuple):
    """``low + sqrt((v - low + scale n)^2 + (scale m)^2)``, n and m from N(0, 1).

    Args:
        seed: see above.
        stream: see above; of n, and that of m.
        scale: the standard deviation of both parts.
        low: no signal.
        time: see above.
    """

    seed: Array
    stream: tuple[int, int]
    scale: Any
    low: Any
    time: Array | None = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "noise"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        n, m = (normal_of(words, values.shape) * self.scale for words in self.words())
        square = (values - self.low + n) ** 2 + m**2
        # The slope of a root is infinite at 0: keep that out of the gradient.
        none = square == 0
        root = jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, square)))
        return jnp.where(self.scale == 0, values, self.low + root)

    def inverse(self) -> None:
        """The sign of the signal is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """The scale and no signal; `words` go with them."""
        return "magnitude_noise", _numbers(self.scale, self.low)

    def words(self) -> Array:
        """(2, 2) uint32, of which the numbers are made."""
        found = [words_of(self.seed, stream, self.time) for stream in self.stream]
        return jnp.stack(found)
