"""Sharpness: away from a smoothed image, or towards it, as Pillow's ImageEnhance.Sharpness."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ..typing import Array, Key
from ._affine import uniform, unit_uniform
from ._base import Frame, Params, Target, static, transform
from ._by_channel import about_zero
from ._checked import flag, names
from ._operations import Footprint, Mean, Operation, Packed
from ._photometric import Clipping
from ._settings import EntryNames, Ranged, setting


class AwayFromSmooth(NamedTuple):
    """``v + a (v - s)``, s the mean of 3 x 3 pixels of which the middle one counts five times.

    Pixels on the border of the image stay as they are, and so do those without data; neighbours
    without data have no weight.

    Args:
        amount: a.
        valid: bool, of the shape of the values; None where all are.
    """

    amount: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        if self.valid is None:
            smooth = _around(values) / 13
        else:
            valid = jnp.broadcast_to(self.valid, values.shape)
            weights = _around(valid.astype(jnp.float32))
            total = _around(jnp.where(valid, values, 0))
            smooth = jnp.where(valid, total / jnp.maximum(weights, 1), values)
        height, width, _ = values.shape
        rows, columns = jnp.arange(height), jnp.arange(width)
        inside = ((rows > 0) & (rows < height - 1))[:, None] & (
            (columns > 0) & (columns < width - 1)
        )[None, :]
        changed = values + self.amount * (values - smooth)
        return jnp.where(inside[..., None], changed, values)

    def inverse(self) -> None:
        """What was smoothed is lost."""
        return

    def pack(self, channels: int) -> Packed:
        """The amount."""
        return "away_from_smooth", [jnp.reshape(self.amount, 1)]


def _around(values: Array) -> Array:
    """Sums of 3 x 3 values, the middle one five times; beyond the image are zeros."""
    wide = jnp.pad(values, ((1, 1), (1, 1), (0, 0)))
    height, width, _ = values.shape
    total = 4 * values
    for y in range(3):
        for x in range(3):
            total = total + wide[y : y + height, x : x + width]
    return total


@transform
class Sharpness(Clipping):
    """Move values away from their smoothed image: ``v + a (v - s)``, a from U(lo, hi).

    s is the mean of 3 x 3 pixels of which the middle one counts five times; the pixels on the
    border stay. As Pillow's ImageEnhance.Sharpness and torchvision's adjust_sharpness, whose
    factors are 1 + a. Pixels without data neither change nor count.

    Args:
        amount: range of a, from -1, which is smooth, on; a number v means (-v, v).
        clip: clip floats to the value range, as torchvision does.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite, lo > hi, or reaches below -1 or above 4.
    """

    amount: Ranged = setting(about_zero, default=0.5, low=-1)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    footprint = "stencil"

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"amount": uniform(u, self.amount)}

    def _change(self, params: Params, target: Target) -> Operation:
        """``v + a (v - s)``."""
        return AwayFromSmooth(params["amount"], target.valid)
