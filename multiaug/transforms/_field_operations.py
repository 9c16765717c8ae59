"""Operations that depend on where a pixel is: bias fields, what happens about a place, and CLAHE.

Places are those of pixel centres, in units of the frame: it reaches from 0 to 1 along x and y.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ..sampling import materialize_on_gpu
from ..typing import Array
from ._channel_operations import row
from ._operations import Footprint, Mean, Packed
from ._statistics_of_values import measure
from ._table_operations import LEVELS

TERMS = tuple((total - j, j) for total in range(4) for j in range(total + 1))
"""Exponents of x and y in a polynomial of degree 3: 1, x, y, x2, xy, y2, x3, x2y, xy2, y3."""


def places(values: Array) -> tuple[Array, Array]:
    """X (1, w, 1) and y (h, 1, 1) of the pixels of values (h, w, c)."""
    height, width = values.shape[:2]
    x = (jnp.arange(width, dtype=jnp.float32) + 0.5) / width
    y = (jnp.arange(height, dtype=jnp.float32) + 0.5) / height
    return x.reshape(1, -1, 1), y.reshape(-1, 1, 1)


class BiasField(NamedTuple):
    """``v exp(polynomial of the place)``, where the frame reaches from -1 to 1.

    Args:
        coefficients: (10,) of `TERMS`.
    """

    coefficients: Array

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "place"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        x, y = (2 * at - 1 for at in places(values))
        c = [self.coefficients[i] for i in range(len(TERMS))]
        cubic = x * (x * (c[6] * x + c[7] * y) + c[8] * y * y) + c[9] * y * y * y
        square = x * (c[3] * x + c[4] * y) + c[5] * y * y
        return values * jnp.exp(c[0] + c[1] * x + c[2] * y + square + cubic)

    def inverse(self) -> BiasField:
        """The operation that undoes it."""
        return BiasField(-self.coefficients)

    def pack(self, channels: int) -> Packed:
        """The coefficients."""
        return "bias_field", [jnp.asarray(self.coefficients, jnp.float32)]


class Bell(NamedTuple):
    """A bell about a place, scaled so that it reaches from 0 to 1 over the frame; (c,) each.

    Args:
        x: of the centre, which may lie outside of the frame.
        y: likewise.
        width: standard deviation along x, in units of the frame.
        height: along y.
    """

    x: Array
    y: Array
    width: Array
    height: Array

    def ends(self) -> tuple[Array, Array]:
        """The logarithm of the highest of the frame, and the share that the lowest has of it."""
        near_x, near_y = (jnp.clip(n, 0, 1) - n for n in (self.x, self.y))
        far_x, far_y = (jnp.maximum(n, 1 - n) for n in (self.x, self.y))
        top = -0.5 * ((near_x / self.width) ** 2 + (near_y / self.height) ** 2)
        low = -0.5 * ((far_x / self.width) ** 2 + (far_y / self.height) ** 2)
        return top, jnp.exp(low - top)


class BlendLocally(NamedTuple):
    """``v + a k (f(v) - v)``: k a bell over the frame, f a power, a gain and a shift.

    ``f(v) = low + extent (gain u^exponent + shift)`` with ``u = (v - low) / extent``, and its
    mirror image below black.

    Args:
        bell: k, of every channel.
        gain: of f; one, or one per channel, as all that follows.
        shift: in units of the extent.
        exponent: of the power.
        amount: a, of which 0 leaves a channel as it is.
        low: black.
        extent: from black to white.
        of_record: black and white are the least and the greatest valid value of each channel.
        valid: see `_channel_operations`.
    """

    bell: Bell
    gain: Any
    shift: Any
    exponent: Any
    amount: Any
    low: Any
    extent: Any
    of_record: bool = False
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic" if self.of_record else "place"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        channels = values.shape[-1]
        low, extent = self.low, self.extent
        if self.of_record:
            values = materialize_on_gpu(values)
            found = measure(values, self.valid, joined=False)
            low, extent = found.low, found.high - found.low
        numbers = (self.gain, self.shift, self.exponent, self.amount, low, extent)
        gain, shift, exponent, amount, low, extent = (row(n, channels) for n in numbers)
        centre_x, centre_y, width, height = (row(n, channels) for n in self.bell)
        top, least = (row(n, channels) for n in self.bell.ends())
        x, y = places(values)
        far = ((x - centre_x) / width) ** 2 + ((y - centre_y) / height) ** 2
        share = (jnp.exp(-0.5 * far - top) - least) / (1 - least) * amount
        u = (values - low) / jnp.where(extent == 0, 1, extent)
        # 0 to a power below 1 has an infinite slope: keep it out of the gradient.
        safe = jnp.where(u == 0, 1, jnp.abs(u))
        powered = jnp.where(u == 0, 0, jnp.sign(u) * jnp.exp(exponent * jnp.log(safe)))
        u = jnp.where(exponent == 1, u, powered)
        other = low + extent * (gain * u + shift)
        return jnp.where((amount == 0) | (extent == 0), values, values + share * (other - values))

    def inverse(self) -> None:
        """A blend of a power with what it is of has no formula."""
        return

    def pack(self, channels: int) -> Packed:
        """Black, extent and a flag; the bell, and what happens there, of every channel."""
        once = [jnp.asarray(n, jnp.float32).reshape(1) for n in (self.low, self.extent)]
        x, y, width, height = self.bell
        change = (self.gain, self.shift, self.exponent, self.amount)
        each = (x, y, 1 / width, 1 / height, *self.bell.ends(), *change)
        flag = jnp.full(1, self.of_record, jnp.float32)
        return "local", [*once, flag, *(row(n, channels).ravel() for n in each)]


class EqualizeTiles(NamedTuple):
    """Each value along the curves of the four tiles around it, whose contrast is limited (CLAHE).

    Args:
        low: black.
        extent: from black to white.
        tiles: (rows, columns).
        limit: how many times the mean of its counts a level of a tile may have; what is above is
            spread over all levels.
        valid: see `_channel_operations`.
    """

    low: Any
    extent: Any
    tiles: tuple[int, int]
    limit: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        values = materialize_on_gpu(values)
        height, width, channels = values.shape
        rows, columns = self.tiles
        level = jnp.clip(jnp.floor((values - self.low) / self.extent * 255 + 0.5), 0, 255)
        row_of = (jnp.arange(height) * rows // height).reshape(-1, 1, 1)
        column_of = (jnp.arange(width) * columns // width).reshape(1, -1, 1)
        tile = jnp.broadcast_to(row_of * columns + column_of, values.shape)
        channel = jnp.broadcast_to(jnp.arange(channels), values.shape)
        there = jnp.ones(values.shape, jnp.int32)
        there = there if self.valid is None else jnp.where(self.valid, there, 0)
        counts = jnp.zeros((rows * columns, channels, LEVELS), jnp.int32)
        curves = _limited(counts.at[tile, channel, level.astype(jnp.int32)].add(there), self.limit)
        return self._between(values, curves.reshape(rows, columns, channels, LEVELS))

    def _between(self, values: Array, curves: Array) -> Array:
        rows, columns = self.tiles
        x, y = (at * n - 0.5 for at, n in zip(places(values), (columns, rows), strict=True))
        left, above = (jnp.floor(n).astype(jnp.int32) for n in (x, y))
        right_share, below_share = x - jnp.floor(x), y - jnp.floor(y)
        sides = jnp.maximum(left, 0), jnp.minimum(left + 1, columns - 1)
        ends = jnp.maximum(above, 0), jnp.minimum(above + 1, rows - 1)
        upper, lower = (
            _blend([self._along(values, curves, end, side) for side in sides], right_share)
            for end in ends
        )
        return _blend([upper, lower], below_share)

    def _along(self, values: Array, curves: Array, rows: Array, columns: Array) -> Array:
        """Values by the curves of tiles (rows, columns, c, 256)."""
        last = LEVELS - 1
        u = (values - self.low) / self.extent * last
        inside = jnp.clip(u, 0, last)
        first = jnp.minimum(inside.astype(jnp.int32), last - 1)
        channel = jnp.arange(values.shape[-1]).reshape(1, 1, -1)
        begin, end = (curves[rows, columns, channel, level] for level in (first, first + 1))
        bent = begin + (inside - first.astype(jnp.float32)) * (end - begin) + (u - inside) / last
        found: Array = self.low + self.extent * bent
        return found

    def inverse(self) -> None:
        """Levels were joined."""
        return

    def pack(self, channels: int) -> Packed:
        """All of it, once."""
        numbers = (self.low, self.extent, *self.tiles, self.limit)
        return "clahe", [jnp.asarray(n, jnp.float32).reshape(1) for n in numbers]


def _blend(ends: list[Array], share: Array) -> Array:
    return ends[0] + share * (ends[1] - ends[0])


def _limited(counts: Array, limit: Any) -> Array:
    """(..., 256) counts of tiles -> knots of their curves, as OpenCV has it."""
    total = counts.sum(-1, keepdims=True)
    most = jnp.floor(limit * total.astype(jnp.float32) / LEVELS).astype(jnp.int32)
    most = jnp.clip(most, 1, jnp.maximum(total, 1))
    excess = jnp.maximum(counts - most, 0).sum(-1, keepdims=True)
    rest = excess % LEVELS
    apart = jnp.maximum(LEVELS // jnp.maximum(rest, 1), 1)
    level = jnp.broadcast_to(jnp.arange(LEVELS), counts.shape)
    more = (rest > 0) & (level % apart == 0) & (level // apart < rest)
    counts = jnp.minimum(counts, most) + excess // LEVELS + more.astype(jnp.int32)
    scale = 255.0 / jnp.maximum(total, 1).astype(jnp.float32)
    levels = jnp.floor(jnp.cumsum(counts, -1).astype(jnp.float32) * scale + 0.5)
    knots: Array = jnp.where(total > 0, jnp.minimum(levels, 255), level.astype(jnp.float32)) / 255
    return knots
