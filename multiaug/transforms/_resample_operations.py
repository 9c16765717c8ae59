"""Operations that read each channel at other places: low resolution, shifts, and lost lines.

Beyond the frame values are mirrored, as in `_stencil_operations`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ..typing import Array
from ._channel_operations import row
from ._operations import Footprint, Mean, Packed


def _taken(values: Array, index: Array, axis: int) -> Array:
    """Values (h, w, c) at other rows, or columns: index (n, c), of each channel its own."""
    along = index[:, None] if axis == 0 else index[None]
    return jnp.take_along_axis(values, along, axis)


def _mirror(index: Array, size: int) -> Array:
    """Indices within [0, size), of any ones."""
    period = max(2 * (size - 1), 1)
    folded = jnp.abs(index) % period
    return jnp.minimum(folded, period - folded) if size > 1 else jnp.zeros_like(index)


def _between(values: Array, first: Array, second: Array, share: Array, axis: int) -> Array:
    """``(1 - share)`` of what stands at ``first`` and ``share`` of what stands at ``second``."""
    share = share[:, None] if axis == 0 else share[None]
    a, b = _taken(values, first, axis), _taken(values, second, axis)
    mixed: Array = (1 - share) * a + share * b
    return mixed


class LowerResolution(NamedTuple):
    """Read at fewer rows and columns, and brought back to all of them along straight lines.

    Of n rows ``m = floor(scale n + 0.5)`` are left, at least one: row ``floor((i + 0.5) n / m)``,
    as torch's ``nearest-exact``. They are brought back as by its ``bilinear``, half a pixel apart
    from the edges.

    Args:
        scale: one, or one per channel; 1 changes nothing.
        valid: `Target.valid`: what is left has the weights of what is not valid besides its own,
            and a pixel for which nothing is left stays.
    """

    scale: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        scale = row(self.scale, values.shape[-1])
        if self.valid is None:
            changed = self._lowered(values)
        else:
            share = self._lowered(self.valid.astype(jnp.float32))
            total = self._lowered(jnp.where(self.valid, values, 0))
            known = self.valid & (share > 0)
            changed = jnp.where(known, total / jnp.where(known, share, 1), values)
        return jnp.where(scale == 1, values, changed)

    def _lowered(self, values: Array) -> Array:
        channels = values.shape[-1]
        scale = row(self.scale, channels).reshape(1, channels)
        for axis in (0, 1):
            size = values.shape[axis]
            left = jnp.clip(jnp.floor(scale * size + 0.5), 1, size)  # of the size, (1, c)
            place = (jnp.arange(size, dtype=jnp.float32)[:, None] + 0.5) * left / size - 0.5
            place = jnp.clip(place, 0, left - 1)
            first = jnp.minimum(jnp.floor(place), left - 1)
            second = jnp.minimum(first + 1, left - 1)
            one, other = (
                jnp.clip(jnp.floor((n + 0.5) * size / left), 0, size - 1).astype(jnp.int32)
                for n in (first, second)
            )
            values = _between(values, one, other, place - first, axis)
        return values

    def inverse(self) -> None:
        """What was left out is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """The scale of every channel."""
        return "lower_resolution", [row(self.scale, channels).ravel()]


class Shift(NamedTuple):
    """Each channel moved by a part of a pixel, or by some: linear between pixels.

    Pixels without data move with their channel: a pixel has data where the nearest one has, that
    it is read from; see `moved`.

    Args:
        x: pixels to the right, one or one per channel.
        y: pixels down.
        valid: `Target.valid`.
    """

    x: Any
    y: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        if self.valid is None:
            return self._shifted(values)
        share = self._shifted(self.valid.astype(jnp.float32))
        total = self._shifted(jnp.where(self.valid, values, 0))
        return jnp.where(share > 0, total / jnp.where(share > 0, share, 1), values)

    def moved(self, values: Array) -> Array:
        """Values of any dtype, from the nearest pixels."""
        for axis, place in self._places(values):
            index = _mirror(jnp.floor(place + 0.5).astype(jnp.int32), values.shape[axis])
            values = _taken(values, index, axis)
        return values

    def _shifted(self, values: Array) -> Array:
        for axis, place in self._places(values):
            first = jnp.floor(place)
            size, at = values.shape[axis], first.astype(jnp.int32)
            values = _between(values, _mirror(at, size), _mirror(at + 1, size), place - first, axis)
        return values

    def _places(self, values: Array) -> list[tuple[int, Array]]:
        """Of both axes: (n, c), where rows or columns are read."""
        channels, found = values.shape[-1], []
        for axis, amount in ((0, self.y), (1, self.x)):
            shift = row(amount, channels).reshape(1, channels)
            lines = jnp.arange(values.shape[axis], dtype=jnp.float32)[:, None]
            found.append((axis, lines - shift))
        return found

    def inverse(self) -> None:
        """Values were blended."""
        return


class SetLines(NamedTuple):
    """A number in the place of some rows, or columns, of each channel.

    Args:
        places: (k, c) or (k, 1), in sides of the frame; those below 0 are of no line.
        axis: 0 for rows, 1 for columns.
        value: what they become.
    """

    places: Array
    axis: int
    value: Any

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "place"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        return jnp.where(self.lines(values), self.value, values)

    def lines(self, values: Array) -> Array:
        """Bool, of the shape of values: where the lines are."""
        size = values.shape[self.axis]
        at = jnp.minimum(jnp.floor(self.places * size), size - 1).astype(jnp.int32)
        at = jnp.where(self.places < 0, -1, at)
        found = (jnp.arange(size)[:, None, None] == at[None]).any(1)
        found = found[:, None] if self.axis == 0 else found[None]
        return jnp.broadcast_to(found, values.shape)

    def inverse(self) -> None:
        """What was there is lost."""
        return
