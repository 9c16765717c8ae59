"""Operations in which channels differ, or meet: grey, hue, and statistics of each channel.

Each says what it does in JAX (`apply`) and how native code is told (`pack`), as those of
`_operations`. ``valid`` is `Target.valid`: values without data do not count in statistics, and a
pixel that lacks one of the channels that are mixed stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from ..sampling import materialize_on_gpu
from ..typing import Array
from ._operations import Footprint, Mean, Packed
from ._statistics_of_values import measure, quantiles


def row(numbers: Any, channels: int) -> Array:
    """(1, 1, c) of a number, or of one per channel."""
    return jnp.broadcast_to(jnp.asarray(numbers, jnp.float32).reshape(1, 1, -1), (1, 1, channels))


def _packed(name: str, channels: int, once: Sequence[Any], *each: Any) -> Packed:
    """Elements of a whole record, then those of each channel."""
    scalars = [jnp.asarray(n, jnp.float32).reshape(1) for n in once]
    return name, [*scalars, *(row(n, channels).ravel() for n in each)]


class BlendWithGrey(NamedTuple):
    """``(1 - t_c) v_c + t_c g`` with the grey ``g = sum(w_c v_c)`` of the pixel.

    Args:
        weights: w, one per channel, of the sum.
        amounts: t, one per channel: 0 leaves a channel as it is, 1 makes it grey.
        valid: see above.
        lossy: it cannot be undone, as t may be 1, or weights do not add up to 1 over channels of
            one t.
    """

    weights: Any
    amounts: Any
    valid: Any = None
    lossy: bool = True

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "pixel"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        weights, amounts = (row(n, values.shape[-1]) for n in (self.weights, self.amounts))
        # One after the other, as native code does.
        grey = sum(
            values[..., k : k + 1] * weights[..., k : k + 1] for k in range(values.shape[-1])
        )
        changed = (1 - amounts) * values + amounts * grey
        return _where_known(self.valid, weights != 0, changed, values)

    def inverse(self) -> BlendWithGrey | None:
        """The operation that undoes it: the grey of a pixel stays."""
        return None if self.lossy else self._replace(amounts=1 - 1 / (1 - self.amounts))

    def pack(self, channels: int) -> Packed:
        """Weights and amounts of every channel."""
        return _packed("blend_with_grey", channels, (), self.weights, self.amounts)


class HueSaturationValue(NamedTuple):
    """Turn the hue, and change saturation and value, of the colours of pixels in the HSV cone.

    Value ``V`` is the largest of the three channels in units of the range, saturation
    ``S = (V - least) / V``. New ones are ``factor S + shift``, within [0, 1], or [0, S] where it
    was larger, and ``factor V + shift``. Grey pixels stay grey; pixels below black keep the
    distances between their channels.

    Args:
        at: the channels that are red, green and blue.
        turn: of the hue, as a share of the circle.
        saturation: (factor, shift).
        value: (factor, shift).
        low: black.
        extent: from black to white.
        top: V is clipped to [0, top]; infinity: it is not.
        valid: see above.
        lossy: it cannot be undone, as more than the hue may change.
    """

    at: tuple[int, int, int]
    turn: Any
    saturation: tuple[Any, Any]
    value: tuple[Any, Any]
    low: Any
    extent: Any
    top: float
    valid: Any = None
    lossy: bool = True

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "pixel"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        r, g, b = ((values[..., k] - self.low) / self.extent for k in self.at)
        most = jnp.maximum(jnp.maximum(r, g), b)
        chroma = most - jnp.minimum(jnp.minimum(r, g), b)
        coloured = chroma > 0
        safe = jnp.where(coloured, chroma, 1)
        hue = jnp.where(most == g, (b - r) / safe + 2, (r - g) / safe + 4)
        hue = _folded(jnp.where(most == r, (g - b) / safe, hue) + 6 * self.turn)
        value = most * self.value[0] + self.value[1]
        if self.top < float("inf"):
            value = jnp.clip(value, 0, self.top)
        bright = coloured & (most > 0)
        saturation = chroma / jnp.where(bright, most, 1)
        changed = saturation * self.saturation[0] + self.saturation[1]
        changed = jnp.clip(changed, 0, jnp.maximum(saturation, 1))
        chroma = jnp.where(bright, changed * value, chroma)
        for k, n in zip(self.at, (5, 3, 1), strict=True):
            place = _folded(hue + n)
            share = jnp.clip(jnp.minimum(place, 4 - place), 0, 1)
            new = (value - chroma * share) * self.extent + self.low
            values = values.at[..., k].set(self._kept(new, values, k))
        return values

    def _kept(self, new: Array, values: Array, k: int) -> Array:
        """Pixels that lack one of the three channels stay."""
        if self.valid is None:
            return new
        known = jnp.stack([self.valid[..., at] for at in self.at]).all(0)
        return jnp.where(known, new, values[..., k])

    def inverse(self) -> HueSaturationValue | None:
        """The hue is turned back."""
        return None if self.lossy else self._replace(turn=-self.turn)

    def pack(self, channels: int) -> Packed:
        """All of it, once."""
        changes = (self.turn, *self.saturation, *self.value, self.low, self.extent, self.top)
        return _packed("hue_saturation_value", channels, (*self.at, *changes))


def _folded(hue: Array) -> Array:
    """A hue, in sixths of the circle, from 0 on and below 6."""
    folded: Array = hue - 6 * jnp.floor(hue / 6)
    return folded


def _where_known(valid: Any, mixed: Array, changed: Array, values: Array) -> Array:
    if valid is None:
        return changed
    known = (valid | ~mixed).all(-1, keepdims=True)
    return jnp.where(known, changed, values)


class ScaleAboutMeans(NamedTuple):
    """``m + f_c (v - m)``, m the mean of each channel, or of all; a factor of 1 changes nothing.

    Args:
        factors: one, or one per channel.
        joined: one mean, and one range, of all channels.
        keep_range: then clip each channel to the range that it had.
        valid: see above.
    """

    factors: Any
    joined: bool = False
    keep_range: bool = False
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        values = materialize_on_gpu(values)
        found = measure(values, self.valid, joined=self.joined)
        factors = row(self.factors, values.shape[-1])
        changed = found.mean + factors * (values - found.mean)
        if self.keep_range:
            changed = jnp.clip(changed, found.low, found.high)
        return jnp.where(factors == 1, values, changed)

    def inverse(self) -> ScaleAboutMeans | None:
        """The operation that undoes it, where nothing is clipped: means have not changed.

        Of all channels as one, they have where factors differ.
        """
        if self.keep_range or (self.joined and jnp.size(self.factors) > 1):
            return None
        return self._replace(factors=1 / self.factors)

    def pack(self, channels: int) -> Packed:
        """Two flags, and the factors."""
        flags = (self.joined, self.keep_range)
        return _packed("scale_about_means", channels, flags, self.factors)


class ScaleAboutGreyMean(NamedTuple):
    """``m + f (v - m)``, m the mean of a weighted sum of channels.

    Args:
        factor: f.
        weights: of the sum, one per channel.
        on: per channel, 1 where it changes and 0 where not.
        valid: see above.
    """

    factor: Any
    weights: Any
    on: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        values = materialize_on_gpu(values)
        weights, on = (row(n, values.shape[-1]) for n in (self.weights, self.on))
        found = measure(values, self.valid, joined=False)
        middle = (weights * found.mean).sum()
        return jnp.where(on != 0, middle + self.factor * (values - middle), values)

    def inverse(self) -> ScaleAboutGreyMean:
        """The operation that undoes it: the weights of the sum add up to 1, so the mean stays."""
        return self._replace(factor=1 / self.factor)

    def pack(self, channels: int) -> Packed:
        """The factor; weights and flags of every channel."""
        return _packed("scale_about_grey_mean", channels, (self.factor,), self.weights, self.on)


class PowerLaws(NamedTuple):
    """``low + extent u^g`` with ``u = (v - low) / extent`` for each channel; 1 changes nothing.

    Args:
        exponents: g, one or one per channel.
        low: black, where ``of`` is "range".
        extent: from black to white.
        of: what low and extent are: "range", as given; the least and greatest value of each
            "channel"; or of the whole "group".
        invert: the power is taken of the distance from white, not from black.
        keep_statistics: then bring each channel back to the mean and deviation that it had.
        valid: see above.
    """

    exponents: Any
    low: Any
    extent: Any
    of: str = "range"
    invert: bool = False
    keep_statistics: bool = False
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "point" if self.of == "range" and not self.keep_statistics else "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        exponents = row(self.exponents, values.shape[-1])
        low, extent = (row(n, values.shape[-1]) for n in (self.low, self.extent))
        joined = self.of == "group"
        if self.footprint == "statistic":
            values = materialize_on_gpu(values)
            before = measure(values, self.valid, joined=joined)
        if self.of != "range":
            low, extent = before.low, before.high - before.low
        same = (exponents == 1) | (extent == 0)
        if self.invert:
            low, extent = low + extent, -extent
        u = (values - low) / jnp.where(same, 1, extent)
        # 0 to a power below 1 has an infinite slope: keep it out of the gradient.
        safe = jnp.where(u == 0, 1, jnp.abs(u))
        powered = jnp.where(u == 0, 0, jnp.sign(u) * jnp.exp(exponents * jnp.log(safe)))
        changed = jnp.where(same, values, low + extent * powered)
        if not self.keep_statistics:
            return changed
        after = measure(changed, self.valid, joined=joined)
        factor = before.deviation / jnp.maximum(after.deviation, 1e-7)
        return jnp.where(same, values, (changed - after.mean) * factor + before.mean)

    def inverse(self) -> PowerLaws | None:
        """The operation that undoes it, where nothing is measured: or else it is not known."""
        if self.footprint != "point":
            return None
        return self._replace(exponents=1 / self.exponents)

    def pack(self, channels: int) -> Packed:
        """What ``of`` is, two flags, black, extent; the exponents."""
        kind = ("range", "channel", "group").index(self.of)
        once = (kind, self.invert, self.keep_statistics, self.low, self.extent)
        return _packed("power_law_by_channel", channels, once, self.exponents)


class NormalizeBy(NamedTuple):
    """``(v - a) extent / (b - a) + low`` with a and b statistics of each channel, or of all.

    Args:
        by: "range": a and b are the least and greatest value; "mean": a is the mean, and b - a the
            standard deviation; "quantiles".
        joined: of all channels as one.
        quantiles: shares in [0, 1], where they are asked for.
        low: what a becomes.
        extent: how far b is from that.
        clip: then clip to what a and b have become.
        keep_constant: channels in which a is b stay as they are; otherwise they become ``low``.
        valid: see above.
    """

    by: str
    joined: bool
    quantiles: tuple[float, float]
    low: Any
    extent: Any
    clip: bool
    keep_constant: bool
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "statistic"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        values = materialize_on_gpu(values)
        if self.by == "quantiles":
            first, second = quantiles(values, self.valid, self.quantiles, joined=self.joined)
            spread = second - first
        else:
            found = measure(values, self.valid, joined=self.joined)
            by_mean = self.by == "mean"
            first = found.mean if by_mean else found.low
            spread = found.deviation if by_mean else found.high - found.low
        flat = spread <= 0
        factor = jnp.where(flat, 1, self.extent / jnp.where(flat, 1, spread))
        changed = (values - first) * factor + self.low
        if self.keep_constant:
            changed = jnp.where(flat, values, changed)
        return jnp.clip(changed, self.low, self.low + self.extent) if self.clip else changed

    def inverse(self) -> None:
        """The statistics are not kept."""
        return

    def pack(self, channels: int) -> Packed:
        """All of it, once."""
        by = ("range", "mean", "quantiles").index(self.by)
        changes = (self.low, self.extent, self.clip, self.keep_constant)
        return _packed("normalize_record", channels, (by, self.joined, *self.quantiles, *changes))
