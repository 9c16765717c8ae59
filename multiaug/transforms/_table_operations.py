"""Operations that a table of levels can stand for: posterized, solarized, and bent by a curve."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ..sampling import materialize_on_gpu
from ..typing import Array
from ._operations import Footprint, Mean, Packed

LEVELS = 256


class Quantize(NamedTuple):
    """``low + step floor((v - low) / step)``.

    Args:
        low: a value that stays.
        step: from level to level.
    """

    low: Any
    step: Any

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        changed: Array = jnp.floor((values - self.low) / self.step) * self.step + self.low
        return changed

    def inverse(self) -> None:
        """What was rounded is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """Both."""
        return "quantize", [_one(self.low), _one(self.step)]


class MirrorAbove(NamedTuple):
    """``total - v`` where ``v >= threshold``, and v elsewhere.

    Args:
        threshold: where it begins.
        total: the sum of black and white.
    """

    threshold: Any
    total: Any

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        return jnp.where(values >= self.threshold, self.total - values, values)

    def inverse(self) -> None:
        """Two values have become one."""
        return

    def pack(self, channels: int) -> Packed:
        """Both."""
        return "solarize", [_one(self.threshold), _one(self.total)]


class Curve(NamedTuple):
    """Values through a curve of evenly spaced knots, straight between them.

    Beyond the last knots it goes on with the slope of 1, so that floats out of the range survive.

    Args:
        low: the value of the first knot.
        extent: from there to the last one.
        knots: (n,), what these values become, n from 2 to 256: in units of the extent above low.
    """

    low: Any
    extent: Any
    knots: Array

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        return along(values, self.low, self.extent, self.knots[:, None])

    def inverse(self) -> None:
        """A curve may be flat somewhere."""
        return

    def pack(self, channels: int) -> Packed:
        """Low, extent, how many knots there are; the knots, and zeros up to 256."""
        count = self.knots.shape[0]
        knots = jnp.pad(jnp.asarray(self.knots, jnp.float32), (0, LEVELS - count))
        return "curve", [_one(self.low), _one(self.extent), _one(count), knots]


class Equalize(NamedTuple):
    """The curve of each channel that makes 256 levels about equally frequent.

    With ``n(k)`` valid values at level k, and s their number, less those of the highest level that
    is there, divided by 255 and rounded down, level k becomes ``(s / 2 + sum of n below k) / s``,
    both rounded down: as Pillow's ImageOps.equalize. Levels are 255ths of the range; between them
    the curve is straight, beyond them it goes on with the slope of 1.

    Args:
        low: black.
        extent: from black to white.
        valid: see `_channel_operations`.
    """

    low: Any
    extent: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        values = materialize_on_gpu(values)
        counts = counted(values, self.valid, self.low, self.extent)
        return along(values, self.low, self.extent, equalizing(counts))

    def inverse(self) -> None:
        """Levels were joined."""
        return

    def pack(self, channels: int) -> Packed:
        """Black and extent."""
        return "equalize", [_one(self.low), _one(self.extent)]


def along(values: Array, low: Any, extent: Any, knots: Array) -> Array:
    """Values (h, w, c) by curves (n, c) or (n, 1); see `Curve`."""
    last = knots.shape[0] - 1
    u = (values - low) / extent * last
    inside = jnp.clip(u, 0, last)
    first = jnp.minimum(inside.astype(jnp.int32), last - 1)
    channel = jnp.broadcast_to(jnp.arange(knots.shape[1]), values.shape)
    begin, end = knots[first, channel], knots[first + 1, channel]
    y = begin + (inside - first.astype(jnp.float32)) * (end - begin)
    bent: Array = low + extent * (y + (u - inside) / last)
    return bent


def counted(values: Array, valid: Any, low: Any, extent: Any) -> Array:
    """(256, c) int32: how many valid values are at each level from black to white."""
    bins = jnp.clip(jnp.floor((values - low) / extent * 255 + 0.5), 0, 255).astype(jnp.int32)
    there = jnp.ones(values.shape, jnp.int32) if valid is None else valid.astype(jnp.int32)
    channel = jnp.broadcast_to(jnp.arange(values.shape[-1]), values.shape)
    empty = jnp.zeros((LEVELS, values.shape[-1]), jnp.int32)
    return empty.at[bins, channel].add(jnp.broadcast_to(there, values.shape))


def equalizing(counts: Array) -> Array:
    """(256, c) knots of the curves that equalize counts (256, c)."""
    there = counts > 0
    highest = (LEVELS - 1) - jnp.argmax(there[::-1], axis=0, keepdims=True)
    step = (counts.sum(0, keepdims=True) - jnp.take_along_axis(counts, highest, axis=0)) // 255
    below = jnp.cumsum(counts, axis=0) - counts
    levels = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), LEVELS - 1)
    same = jnp.arange(LEVELS, dtype=levels.dtype)[:, None]
    levels = jnp.where((there.sum(0, keepdims=True) < 2) | (step == 0), same, levels)
    knots: Array = levels.astype(jnp.float32) / 255
    return knots


def _one(number: Any) -> Array:
    return jnp.asarray(number, jnp.float32).reshape(1)
