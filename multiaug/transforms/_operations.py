"""What photometric transforms are made of: a table of operations, one class for each.

A transform that says what it does in these words (`Photometric.operations`) needs no formulas of
its own. A row has the formula in JAX (`apply`), its inverse, its footprint, and how its elements
are packed for native code (`pack`), under the name by which the compiled library knows it. Native
code has the same table of names and lengths (``OPERATIONS`` of warp.h), and the two are compared
when a plan is made: a row that the library does not have, or has with other lengths, is run in JAX.
Classes of your own can be operations, too: they are not in native code, so XLA runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np

from ..sampling import materialize_on_gpu
from ..typing import Array
from ._random import keyed, normal_of, words_at

Mean = Callable[[Array], Array]
"""Values (h, w, c) -> the mean of those that are valid, of all channels."""

Footprint = Literal["point", "pixel", "place", "stencil", "statistic", "noise"]
"""What a new value depends on: the old one alone, all channels of its pixel, its place,
its neighbours, all values, or chance."""

Packed = tuple[str, list[Array]]
"""The name of an operation in native code, and its elements, (k,) each."""


class Operation(Protocol):
    """One step of what a photometric transform does.

    A class of your own has these two methods. If it also has ``footprint = "point"``, a new value
    depends on the old one alone, wherever that stands; then values may come as (h, w * c, 1),
    where loops are long enough to be vectorised, as long as its numbers are scalars.
    """

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) float32 -> new ones of that shape.

        Args:
            values: of one channel group of one record.
            mean: of values, over all pixels that are valid and all channels.
        """

    def inverse(self) -> Operation | None:
        """The operation that undoes it; None where values are lost."""


class ScaleShift(NamedTuple):
    """``(v - origin) scale + shift``.

    Numbers, scalar arrays, or arrays (1, 1, c) with one for every channel; arrays (h, w, c) are
    left to JAX.
    """

    scale: Any = 1.0
    shift: Any = 0.0
    origin: Any = 0.0

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        changed: Array = (values - self.origin) * self.scale + self.shift
        return changed

    def inverse(self) -> Operation:
        """The operation that undoes it."""
        return ScaleShift(1 / self.scale, self.origin, self.shift)

    def pack(self, channels: int) -> Packed | None:
        """Origin, scale and shift, once or of every channel."""
        own = [jnp.asarray(n) for n in (self.origin, self.scale, self.shift)]
        if all(n.size == 1 for n in own):
            return "scale_shift", [n.reshape(1) for n in own]
        if not all(n.size == 1 or n.shape == (1, 1, channels) for n in own):
            return None
        return "scale_shift_by_channel", [jnp.broadcast_to(n.ravel(), channels) for n in own]


class ScaleAboutMean(NamedTuple):
    """``m + factor (v - m)``, m the mean of all valid values of the channel group at that point."""

    factor: Any

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        # Once for the mean, once for what is done with it.
        values = materialize_on_gpu(values)
        middle = mean(values)
        changed: Array = middle + self.factor * (values - middle)
        return changed

    def inverse(self) -> Operation:
        """The operation that undoes it: the mean has not changed."""
        return ScaleAboutMean(1 / self.factor)

    def pack(self, channels: int) -> Packed | None:
        """The factor."""
        return _once("scale_about_mean", self.factor)


class PowerLaw(NamedTuple):
    """``low + extent u^exponent`` with ``u = (v - low) / extent``; below 0 the mirror image."""

    exponent: Any
    low: Any
    extent: Any

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        u = (values - self.low) / self.extent
        # 0 to a power below 1 has an infinite slope: keep it out of the gradient.
        safe = jnp.where(u == 0, 1, jnp.abs(u))
        # Not `**`: of the power, CPUs have no vectorised form.
        powered = jnp.where(u == 0, 0, jnp.sign(u) * jnp.exp(self.exponent * jnp.log(safe)))
        changed: Array = self.low + self.extent * powered
        return changed

    def inverse(self) -> Operation:
        """The operation that undoes it."""
        return self._replace(exponent=1 / self.exponent)

    def pack(self, channels: int) -> Packed | None:
        """The exponent, black, and the extent to white."""
        return _once("power_law", self.exponent, self.low, self.extent)


class Clip(NamedTuple):
    """Nothing below ``low``, nothing above ``high``."""

    low: Any
    high: Any

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        return jnp.clip(values, self.low, self.high)

    def inverse(self) -> None:
        """What was clipped is lost."""
        return

    def pack(self, channels: int) -> Packed | None:
        """Both ends."""
        return _once("clip", self.low, self.high)


class Noise(NamedTuple):
    """``v + scale n``, n independent numbers from N(0, 1) for all values.

    Args:
        seed: (2,) uint32.
        stream: tells fields of one record apart.
        scale: (), in units of the values.
        time: () uint32, which frame of several the values are of; None for an image. Each has
            noise of its own, and the first that of an image.
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
        noise: Array = normal_of(self.words(), values.shape) * self.scale
        return values + noise

    def inverse(self) -> Operation:
        """The same noise, taken away."""
        return self._replace(scale=-self.scale)

    def pack(self, channels: int) -> Packed | None:
        """The standard deviation; `words` go with it."""
        return _once("noise", self.scale)

    def words(self) -> Array:
        """(2,) uint32, of which the numbers are made."""
        return words_of(self.seed, self.stream, self.time)


def words_of(seed: Array, stream: int, time: Array | None) -> Array:
    """(2,) uint32, of which a field of noise is made; see `Noise`."""
    words = jnp.stack(keyed(seed, stream))
    return words if time is None else words_at(words, time)


def _once(name: str, *elements: Any) -> Packed | None:
    """Elements of a whole record; None where one has more."""
    arrays = [jnp.asarray(n) for n in elements]
    return (name, [n.reshape(1) for n in arrays]) if all(n.size == 1 for n in arrays) else None


def at_time(operation: Operation, time: Array | None) -> Operation:
    """The operation as it is for one frame of several: noise differs, all else does not."""
    if time is None or not makes_noise(operation):
        return operation
    return operation._replace(time=time)


def makes_noise(operation: Any) -> TypeGuard[Noise]:
    """It has ``words``, of which noise is made, and takes a ``time``, as `Noise`."""
    return hasattr(operation, "words") and hasattr(operation, "time")


def is_uniform(operation: Operation) -> bool:
    """It treats all values alike, whatever channel they are of: they may come as (h, w * c, 1)."""
    if isinstance(operation, Noise):
        return np.size(operation.scale) == 1
    known = isinstance(operation, ScaleShift | ScaleAboutMean | PowerLaw | Clip)
    if not known and getattr(operation, "footprint", "") != "point":
        return False
    numbers = jax.tree.leaves(operation)
    if numbers[:1] == [operation]:  # it is no pytree
        numbers = list(vars(operation).values())
    return all(np.size(number) == 1 for number in numbers)
