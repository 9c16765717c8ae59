"""Operations that look at neighbours: blurs, unsharp masks, and medians.

Beyond the frame stand the values within it, mirrored about the middle of the last pixel, which is
not repeated: OpenCV's ``BORDER_REFLECT_101``, SciPy's ``mirror``. ``valid`` is `Target.valid`:
values without data have no weight, and what is left of the weights is scaled up to 1, so that they
neither bleed into their neighbours nor are filled by them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ..typing import Array
from ._channel_operations import row
from ._operations import Footprint, Mean, Packed

# Sums of more taps are loops: unrolled, they would be compiled for seconds.
_MOST_UNROLLED = 33


def mirrored(values: Array, margin: int, axis: int) -> Array:
    """Values with a margin along an axis; see above."""
    margins = [(0, 0)] * values.ndim
    margins[axis] = (margin, margin)
    return jnp.pad(values, margins, mode="reflect")


def weighted(smooth: Callable[[Array], Array], values: Array, valid: Any) -> Array:
    """A weighted mean of neighbours, of those that are valid; what is not valid stays.

    Args:
        smooth: (h, w, c) -> the mean with weights that add up to 1, of which that of a pixel for
            itself is not 0.
        values: (h, w, c).
        valid: bool, of that shape; None where all are.
    """
    if valid is None:
        return smooth(values)
    share = smooth(valid.astype(jnp.float32))
    total = smooth(jnp.where(valid, values, 0))
    return jnp.where(valid, total / jnp.where(valid, share, 1), values)


def bell(sigma: Any, radius: int, kernel: int, channels: int) -> Array:
    """(2 radius + 1, c) weights of a Gaussian, or (.., 1) where channels share it.

    Args:
        sigma: standard deviations, one or one per channel; of 0 all weight is in the middle.
        radius: taps on each side that there is room for.
        kernel: taps on each side that are used; 0: as many as lie within 4 deviations.
        channels: of the values.
    """
    one = jnp.size(sigma) == 1
    sigma = jnp.reshape(sigma, (1, 1)) if one else row(sigma, channels).reshape(1, channels)
    k = jnp.arange(-radius, radius + 1, dtype=jnp.float32)[:, None]
    reach = jnp.asarray(kernel, jnp.float32) if kernel else jnp.floor(4 * sigma + 0.5)
    weights = jnp.exp(-0.5 * (k / jnp.maximum(sigma, 1e-6)) ** 2)
    weights = jnp.where(jnp.abs(k) <= reach, weights, 0)
    shares: Array = weights / weights.sum(0, keepdims=True)
    return shares


def _along(values: Array, weights: Array, axis: int) -> Array:
    """Weighted sums of neighbours along an axis: (h, w, c) with weights (2 r + 1, c or 1)."""
    taps, size = weights.shape[0], values.shape[axis]
    wide = mirrored(values, taps // 2, axis)

    def tap(k: Any) -> Array:
        part = lax.dynamic_slice_in_dim(wide, k, size, axis)
        weight = lax.dynamic_slice_in_dim(weights, k, 1, 0)
        weighed: Array = part * weight[None]
        return weighed

    if taps > _MOST_UNROLLED:
        zeros = jnp.zeros_like(values)
        total: Array = lax.fori_loop(0, taps, lambda k, total: total + tap(k), zeros)
        return total
    total = tap(0)
    for k in range(1, taps):
        total = total + tap(k)
    return total


def _written(values: Array) -> Array:
    """The same values, which are made once, whatever reads them."""
    return lax.optimization_barrier(values)  # type: ignore[no-any-return]


def _blurred(values: Array, weights: Array) -> Array:
    # Joined to the other pass, each sum would be made again for all taps of that.
    return _written(_along(_written(_along(values, weights, 0)), weights, 1))


class GaussianMean(NamedTuple):
    """Means of neighbours with the weights of a Gaussian, along columns and then along rows.

    Args:
        sigma: standard deviation in pixels, one or one per channel; 0 changes nothing.
        radius: taps on each side that there is room for.
        kernel: taps on each side that are used; 0: as many as lie within 4 deviations.
        valid: see above.
    """

    sigma: Any
    radius: int
    kernel: int = 0
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        channels = values.shape[-1]
        weights = bell(self.sigma, self.radius, self.kernel, channels)
        changed = weighted(lambda v: _blurred(v, weights), values, self.valid)
        return jnp.where(row(self.sigma, channels) > 0, changed, values)

    def inverse(self) -> None:
        """What was averaged is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """Taps on each side that are used, or 0; the deviation of every channel."""
        kernel = jnp.full(1, self.kernel, jnp.float32)
        return "gaussian_mean", [kernel, row(self.sigma, channels).ravel()]


class UnsharpMask(NamedTuple):
    """``v + a (v - mean)``, the mean that of `GaussianMean`.

    Args:
        amount: a, one or one per channel; 0 changes nothing.
        sigma: standard deviation in pixels, one or one per channel.
        radius: taps on each side that there is room for.
        valid: see above.
    """

    amount: Any
    sigma: Any
    radius: int
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        smooth = GaussianMean(self.sigma, self.radius, 0, self.valid).apply(values, mean)
        amount = row(self.amount, values.shape[-1])
        return jnp.where(amount == 0, values, values + amount * (values - smooth))

    def inverse(self) -> None:
        """What was cut off by rounding weights cannot be brought back."""
        return

    def pack(self, channels: int) -> Packed:
        """Deviation and amount of every channel."""
        return "unsharp_mask", [row(n, channels).ravel() for n in (self.sigma, self.amount)]


class SegmentMean(NamedTuple):
    """The mean along a segment through every pixel, of samples that are linear between pixels.

    Args:
        length: of the segment, in pixels.
        degrees: of its direction, counter-clockwise from that of rows.
        samples: how many; odd, so that one is the pixel itself.
        margin: pixels that the segment may reach beyond the frame.
        valid: see above.
    """

    length: Any
    degrees: Any
    samples: int
    margin: int
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        return weighted(self._mean, values, self.valid)

    def _mean(self, values: Array) -> Array:
        height, width, channels = values.shape
        wide = mirrored(mirrored(values, self.margin, 0), self.margin, 1)
        angle = jnp.deg2rad(jnp.asarray(self.degrees, jnp.float32))
        x, y = self.length * jnp.cos(angle), -self.length * jnp.sin(angle)

        def sample(k: Any, total: Array) -> Array:
            share = (k.astype(jnp.float32) + 0.5) / self.samples - 0.5
            left, above = jnp.floor(share * x), jnp.floor(share * y)
            right, below = share * x - left, share * y - above
            first = [self.margin + n.astype(jnp.int32) for n in (above, left)]
            part = lax.dynamic_slice(
                wide, (*first, jnp.int32(0)), (height + 1, width + 1, channels)
            )
            part = part[:-1] * (1 - below) + part[1:] * below
            added: Array = total + part[:, :-1] * (1 - right) + part[:, 1:] * right
            return added

        total = lax.fori_loop(0, self.samples, sample, jnp.zeros_like(values))
        mean: Array = total / self.samples
        return mean

    def inverse(self) -> None:
        """What was averaged is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """How many samples, the length, cosine and sine."""
        angle = jnp.deg2rad(jnp.asarray(self.degrees, jnp.float32))
        numbers = (self.samples, self.length, jnp.cos(angle), jnp.sin(angle))
        return "segment_mean", [jnp.asarray(n, jnp.float32).reshape(1) for n in numbers]


class Median(NamedTuple):
    """The median of a square of neighbours; of an even number, the mean of the two in the middle.

    Args:
        size: of a side, odd.
        valid: see above.
    """

    size: int
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        around = _squares(values, self.size)
        if self.valid is None:
            return _written(_middle(around))
        there = _squares(self.valid, self.size)
        # Those without data are sorted to both ends in turn, so that the rest has its middle there.
        low, high = (_written(_middle(_with_ends(around, there, sign))) for sign in (1, -1))
        return jnp.where(self.valid, (low + high) / 2, values)

    def inverse(self) -> None:
        """Values are lost."""
        return

    def pack(self, channels: int) -> Packed | None:
        """The side."""
        return ("median", [jnp.full(1, self.size, jnp.float32)]) if self.size <= 7 else None


def _squares(values: Array, size: int) -> list[Array]:
    """What stands at every place of a square about the pixels; (h, w, c) each."""
    height, width = values.shape[:2]
    wide = mirrored(mirrored(values, size // 2, 0), size // 2, 1)
    return [wide[i : i + height, j : j + width] for i in range(size) for j in range(size)]


def _with_ends(around: list[Array], there: list[Array], sign: int) -> list[Array]:
    found = []
    end = jnp.full(around[0].shape, sign * jnp.inf, jnp.float32)
    for values, valid in zip(around, there, strict=True):
        found.append(jnp.where(valid, values, end))
        end = jnp.where(valid, end, -end)
    return found


def _middle(values: list[Array]) -> Array:
    """The median of an odd number of arrays, value by value.

    Of more than half of them neither the least nor the greatest can be it: both are dropped, and
    one of the others comes in.
    """
    more = len(values) // 2 + 2
    some, others = list(values[:more]), list(values[more:])
    while len(some) > 1:
        last = len(some) - 1
        for k in range(len(some) // 2):
            some[k], some[last - k] = _in_order(some[k], some[last - k])
        for k in range(1, last // 2 + 1):
            some[0], some[k] = _in_order(some[0], some[k])
            some[last - k], some[last] = _in_order(some[last - k], some[last])
        some = some[1:-1]
        if others:
            some.append(others.pop())
    return some[0]


def _in_order(a: Array, b: Array) -> tuple[Array, Array]:
    return jnp.minimum(a, b), jnp.maximum(a, b)
