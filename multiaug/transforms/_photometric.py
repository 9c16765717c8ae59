"""A first set of intensity transforms. They touch intensity channels only.

All are computed in float32. Integer entries come back rounded half up and clipped to their
dtype, once, after the last one; float entries are clipped only by those with ``clip=True``.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Array, Key
from ._affine import log_uniform, uniform, unit_uniform
from ._base import (
    Frame,
    Params,
    Photometric,
    Range,
    Target,
    static,
    transform,
)
from ._checked import (
    flag,
    logarithmic,
    names,
    number,
    plain,
    settle,
    symmetric,
)


class Clipping(Photometric):
    """A transform that clips floats to the value range on request; then it has no inverse."""

    clip: bool

    @property
    def pointwise(self) -> bool:
        """See `Photometric.pointwise`."""
        return True

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Change the values, then clip them where asked."""
        changed = self._change(params, values, target)
        lo, hi = target.range
        return jnp.clip(changed, lo, hi) if self.clip else changed

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """Undo the change, unless values were clipped."""
        if self.clip:
            self.refuse_invert(target)
        return self._restore(params, values, target)

    @abstractmethod
    def _change(self, params: Params, values: Array, target: Target) -> Array:
        """The change itself."""

    @abstractmethod
    def _restore(self, params: Params, values: Array, target: Target) -> Array:
        """Its inverse."""


def extent(target: Target) -> float:
    """From black to white."""
    return target.range[1] - target.range[0]


@transform
class Brightness(Clipping):
    """Add one number to all channels: ``v + a (hi - lo)``, a from U(lo, hi).

    Args:
        amount: range of a, as a fraction of the value range; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.

    Raises:
        ParameterError: the range is not finite or lo > hi.
    """

    amount: Any = static(0.2)
    clip: bool = static(False)
    entries: Any = static()

    def __post_init__(self) -> None:
        settle(
            self,
            amount=symmetric(self.amount, "Brightness.amount"),
            clip=flag(self.clip, "Brightness.clip"),
            entries=names(self.entries, "Brightness.entries"),
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"amount": uniform(u, self.amount)}

    def _change(self, params: Params, values: Array, target: Target) -> Array:
        """``v + a (hi - lo)``."""
        shift: Array = params["amount"] * extent(target)
        return values + shift

    def _restore(self, params: Params, values: Array, target: Target) -> Array:
        """``v - a (hi - lo)``."""
        shift: Array = params["amount"] * extent(target)
        return values - shift


@transform
class Contrast(Clipping):
    """Spread values about the mean of the picture: ``m + (1 + a) (v - m)``, a from U(lo, hi).

    The mean is taken over all valid pixels and channels of a channel group.

    Args:
        amount: range of a, above -1; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.

    Raises:
        ParameterError: the range is not finite, lo > hi, or reaches below -0.99.
    """

    amount: Any = static(0.2)
    clip: bool = static(False)
    entries: Any = static()

    def __post_init__(self) -> None:
        settle(
            self,
            amount=symmetric(self.amount, "Contrast.amount", low=-0.99),
            clip=flag(self.clip, "Contrast.clip"),
            entries=names(self.entries, "Contrast.entries"),
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"amount": uniform(u, self.amount)}

    def _change(self, params: Params, values: Array, target: Target) -> Array:
        """``m + (1 + a) (v - m)``."""
        mean = target.mean(values)
        spread: Array = (1 + params["amount"]) * (values - mean)
        return mean + spread

    def _restore(self, params: Params, values: Array, target: Target) -> Array:
        """``m + (v - m) / (1 + a)``: the mean has not changed."""
        mean = target.mean(values)
        spread: Array = (values - mean) * (1 / (1 + params["amount"]))
        return mean + spread


@transform
class Gamma(Clipping):
    """Raise values, scaled to [0, 1], to a power drawn log-uniformly.

    Below black the curve continues as its mirror image, so that floats survive.

    Args:
        exponent: (lo, hi) > 0; a number v means (1/v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.

    Raises:
        ParameterError: not finite, not positive, or lo > hi.
    """

    exponent: Any = static(1.25)
    clip: bool = static(False)
    entries: Any = static()

    def __post_init__(self) -> None:
        settle(
            self,
            exponent=logarithmic(self.exponent, "Gamma.exponent", low=0.01, high=100),
            clip=flag(self.clip, "Gamma.clip"),
            entries=names(self.entries, "Gamma.entries"),
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``exponent``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"exponent": log_uniform(u, self.exponent)}

    def _change(self, params: Params, values: Array, target: Target) -> Array:
        """``lo + (hi - lo) u^g`` with ``u = (v - lo) / (hi - lo)``."""
        return _power(values, params["exponent"], target)

    def _restore(self, params: Params, values: Array, target: Target) -> Array:
        """The power ``1 / g``."""
        return _power(values, 1 / params["exponent"], target)


def _power(values: Array, exponent: Array, target: Target) -> Array:
    lo = target.range[0]
    u = (values - lo) / extent(target)
    # 0 to a power below 1 has an infinite slope: keep it out of the gradient.
    safe = jnp.where(u == 0, 1, jnp.abs(u))
    # Not `**`: of the power, CPUs have no vectorised form.
    powered = jnp.where(u == 0, 0, jnp.sign(u) * jnp.exp(exponent * jnp.log(safe)))
    return lo + extent(target) * powered


@transform
class ChannelShift(Clipping):
    """Add a number of its own to every channel: ``v_c + a_c (hi - lo)``.

    Args:
        amount: range of each a_c, as a fraction of the value range; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels. Their channel counts
            must be declared.

    Raises:
        ParameterError: the range is not finite or lo > hi; a channel count is not declared.
    """

    amount: Any = static(0.1)
    clip: bool = static(False)
    entries: Any = static()
    by_channel = True

    def __post_init__(self) -> None:
        settle(
            self,
            amount=symmetric(self.amount, "ChannelShift.amount"),
            clip=flag(self.clip, "ChannelShift.clip"),
            entries=names(self.entries, "ChannelShift.entries"),
        )

    def check(self, frame: Frame) -> None:
        """Every channel count must be known before drawing."""
        super().check(frame)
        for name, entry in frame.spec.entries.items():
            intensity = any(group.role == "intensity" for group in entry.groups)
            if intensity and self.touches(name) and entry.channels is None:
                raise ParameterError(
                    f"`ChannelShift` must know how many channels {name!r} has, "
                    "got a spec that leaves it open. Declare `channels` in the spec."
                )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (C,) float32; channels of other roles draw and are not used."""
        drawn = {}
        for name, entry in frame.spec.entries.items():
            intensity = any(group.role == "intensity" for group in entry.groups)
            if intensity and self.touches(name) and entry.channels is not None:
                k = jax.random.fold_in(key, zlib.crc32(name.encode()))
                u = jax.random.uniform(k, (entry.channels,), jnp.float32)
                drawn[name] = uniform(u, self.amount)
        return drawn

    def _change(self, params: Params, values: Array, target: Target) -> Array:
        """``v_c + a_c (hi - lo)``."""
        return values + self._shift(params, values, target)

    def _restore(self, params: Params, values: Array, target: Target) -> Array:
        """``v_c - a_c (hi - lo)``."""
        return values - self._shift(params, values, target)

    def _shift(self, params: Params, values: Array, target: Target) -> Array:
        amount: Array = params[target.name][target.start : target.start + values.shape[-1]]
        return (amount * extent(target)).reshape(1, 1, -1)


@transform
class Normalize(Photometric):
    """Scale values to [0, 1] by their range, then standardise: ``(u - mean) / std``; float32.

    Args:
        mean: one number, or one per channel of each group it touches.
        std: the same, positive.
        entries: entries to touch; None for all with intensity channels.

    Raises:
        ParameterError: not finite, or a std that is not positive.
    """

    mean: Any = static(0.0)
    std: Any = static(1.0)
    entries: Any = static()
    by_channel = True
    keeps_dtype = False

    def __post_init__(self) -> None:
        settle(
            self,
            mean=_numbers(self.mean, "Normalize.mean"),
            std=_numbers(self.std, "Normalize.std", low=1e-12),
            entries=names(self.entries, "Normalize.entries"),
        )

    def check(self, frame: Frame) -> None:
        """Lists must be as long as the groups they are for."""
        super().check(frame)
        for name, entry in frame.spec.entries.items():
            for group in entry.groups:
                if group.role != "intensity" or not self.touches(name):
                    continue
                for field_name, given in (("mean", self.mean), ("std", self.std)):
                    if len(given) not in {1, group.count or len(given)}:
                        raise ParameterError(
                            f"`Normalize.{field_name}` must have 1 or {group.count} numbers for "
                            f"entry {name!r}, got {len(given)}."
                        )

    @property
    def pointwise(self) -> bool:
        """See `Photometric.pointwise`."""
        return True

    def out_range(self, given: Range) -> Range:
        """Standardised values count in units of one: black and white are 0 and 1."""
        return 0.0, 1.0

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """``((v - lo) / (hi - lo) - mean) / std``."""
        scaled = (values - target.range[0]) / extent(target)
        return (scaled - _row(self.mean)) / _row(self.std)

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """``lo + (hi - lo) (v std + mean)``."""
        return target.range[0] + extent(target) * (values * _row(self.std) + _row(self.mean))


def _numbers(value: Any, field_name: str, **limits: float) -> tuple[float, ...]:
    value = plain(value)
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return tuple(number(v, field_name, **limits) for v in values)


def _row(values: tuple[float, ...]) -> Array:
    return jnp.array(values, jnp.float32).reshape(1, 1, -1)
