"""Smooth changes over the frame: bias fields, gradients of brightness, local gamma, and shadows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Array, Key
from ._affine import log_uniform, uniform
from ._base import Frame, Params, Target, static, transform
from ._by_channel import number_from
from ._checked import choice, flag, logarithmic, names, pair, probability
from ._field_operations import TERMS, Bell, BlendLocally
from ._field_operations import BiasField as Bias
from ._levels import exactly
from ._operations import Operation
from ._photometric import Clipping, levels
from ._settings import EntryNames, Ranged, setting


@transform
class BiasField(Clipping):
    """Multiply values by a smooth field, ``exp`` of a polynomial of degree 3 over the frame.

    As the uneven sensitivity of receiver coils in MR: the frame reaches from -1 to 1, and every
    coefficient of 1, x, y, x2 .. y3 is drawn from U(lo, hi). About zero, whatever the range.

    Args:
        coefficients: range of each; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels, which share one field.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite, lo > hi, or beyond 4.

    References:
        K. Van Leemput et al., Automated model-based bias field correction of MR images of the
        brain, IEEE TMI 1999; TorchIO's RandomBiasField. MONAI's has Legendre polynomials.
    """

    coefficients: Ranged = setting(levels, default=0.5)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    footprint = "place"

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``coefficients``, (10,) float32."""
        u = jax.random.uniform(key, (len(TERMS),), jnp.float32)
        return {"coefficients": uniform(u, self.coefficients)}

    def _change(self, params: Params, target: Target) -> Operation:
        """Times the field."""
        return Bias(params["coefficients"])


class Local(Clipping):
    """What happens about a place that is drawn, by a bell over the frame."""

    scale: Any
    place: Any
    per: str
    p_per_channel: float
    footprint = "place"

    def check(self, frame: Frame) -> None:
        """Channel counts must be known before drawing, where channels draw by themselves."""
        super().check(frame)
        for name, channels in self._counts(frame):
            if channels is None and self.per == "channel":
                raise ParameterError(
                    f"`{self.owner}` must know how many channels {name!r} has, to draw for each, "
                    "got a spec that leaves it open. Declare `channels` in the spec, or leave "
                    '`per="record"`.'
                )

    def _counts(self, frame: Frame) -> Iterator[tuple[str, int | None]]:
        for name, entry in frame.spec.entries.items():
            if self.touches(name) and any(group.role == "intensity" for group in entry.groups):
                yield name, entry.channels

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw (6, C) float32 for every entry, or (6, 1) for all, as ``all``.

        Rows are x and y of the centre, the deviations along x and y, the amount, and whether a
        channel changes.
        """
        if self.per == "record":
            return {"all": self._numbers(jax.random.uniform(key, (6, 1), jnp.float32))}
        drawn = {}
        for name, channels in self._counts(frame):
            k = jax.random.fold_in(key, zlib.crc32(name.encode()))
            drawn[name] = self._numbers(jax.random.uniform(k, (6, channels or 1), jnp.float32))
        return drawn

    def _numbers(self, u: Array) -> Array:
        x, y = (uniform(n, self.place) for n in u[:2])
        width, height = (log_uniform(n, self.scale) for n in u[2:4])
        on = (u[5] < self.p_per_channel).astype(jnp.float32)
        return jnp.stack([x, y, width, height, self._amount(u[4]), on])

    def _amount(self, u: Array) -> Array:
        """What is drawn of how much happens."""
        raise NotImplementedError

    def _drawn(self, params: Params, target: Target) -> tuple[Bell, Array, Array]:
        """The bell, how much happens, and whether it does, of the channels of a group."""
        numbers = params["all"] if self.per == "record" else params[target.name]
        if numbers.shape[1] > 1:
            end = None if target.channels is None else target.start + target.channels
            numbers = numbers[:, target.start : end]
        x, y, width, height, amount, on = numbers
        return Bell(x, y, width, height), amount, on


_PER = ("record", "channel")


@transform
class BrightnessGradient(Local):
    """Add a bell of brightness: ``v + a (hi - lo) k``, k from 0 to 1 over the frame.

    Args:
        amount: range of a, as a fraction of the value range; a number v means (-v, v).
        scale: (lo, hi) of the standard deviations of the bell along x and y, each drawn
            log-uniformly, in sides of the frame.
        place: (lo, hi) of its centre along x and y, in sides of the frame: 0 and 1 are its edges.
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        per: all share one bell ("record"), or each "channel" has its own.
        p_per_channel: the probability that a channel changes; 1 but for bells of channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges, levels where fractions are meant, or an open channel
            count where channels draw.

    References:
        F. Isensee et al., nnU-Net, DA5: BrightnessGradientAdditiveTransform of batchgenerators,
        whose bell is 1 at its highest pixel and not 0 at its lowest.
    """

    amount: Ranged = setting(levels, default=0.3, unit="ranges")
    scale: Ranged = setting(pair, default=(1 / 6, 1.0), low=0.02, high=10, unit="sides")
    place: Ranged = setting(pair, default=(-0.5, 1.5), low=-5, high=5, unit="sides")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=_PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    p: float = static(default=1.0, kw_only=True)

    def _amount(self, u: Array) -> Array:
        return uniform(u, self.amount)

    def _change(self, params: Params, target: Target) -> Operation:
        """Towards what is brighter by the amount."""
        bell, amount, on = self._drawn(params, target)
        return BlendLocally(bell, 1.0, amount, 1.0, on, *_range(target))

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """The bell is taken away."""
        if self.clip:
            self.refuse_invert(target)
        bell, amount, on = self._drawn(params, target)
        back = BlendLocally(bell, 1.0, -amount, 1.0, on, *_range(target))
        return back.apply(values, target.mean)


@transform
class LocalGamma(Local):
    """Blend values with their power, by a bell over the frame: ``v + k (lo + (hi - lo) u^g - v)``.

    ``u = (v - lo) / (hi - lo)``, and below black its mirror image.

    Args:
        exponent: (lo, hi) > 0 of g; a number v means (1/v, v).
        scale: (lo, hi) of the standard deviations of the bell along x and y, each drawn
            log-uniformly, in sides of the frame.
        place: (lo, hi) of its centre along x and y, in sides of the frame: 0 and 1 are its edges.
        range: what is scaled to [0, 1]: the "declared" value range, or from the least to the
            greatest valid value of each "channel".
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        per: all share one bell and exponent ("record"), or each "channel" has its own.
        p_per_channel: the probability that a channel changes; 1 but for bells of channels.
        distribution: "log-uniform", "uniform", or "balanced": below and above 1 equally often.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges, or an open channel count where channels draw.

    References:
        F. Isensee et al., nnU-Net, DA5: LocalGammaTransform of batchgenerators.
    """

    exponent: Ranged = setting(logarithmic, default=2.0, low=0.01, high=100)
    scale: Ranged = setting(pair, default=(1 / 6, 1.0), low=0.02, high=10, unit="sides")
    place: Ranged = setting(pair, default=(-0.5, 1.5), low=-5, high=5, unit="sides")
    range: str = setting(choice, default="declared", options=("declared", "channel"))
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=_PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    distribution: str = setting(
        choice, default="log-uniform", options=("log-uniform", "uniform", "balanced")
    )
    p: float = static(default=1.0, kw_only=True)

    @property
    def uses_range(self) -> bool:
        """True but where the range is the record's."""
        return self.clip or self.range == "declared"

    def _amount(self, u: Array) -> Array:
        return number_from(u, self.exponent, self.distribution, 1)

    def _change(self, params: Params, target: Target) -> Operation:
        """Towards the power."""
        bell, exponent, on = self._drawn(params, target)
        own = self.range == "channel"
        return BlendLocally(bell, 1.0, 0.0, exponent, on, *_range(target), own, target.valid)


@transform
class RandomShadow(Local):
    """Darken a patch with soft edges: ``lo + (v - lo) (1 - a k)``, k a bell from 0 to 1.

    Args:
        amount: range of a, in [0, 1]; a number is that very one.
        scale: (lo, hi) of the standard deviations of the patch along x and y, each drawn
            log-uniformly, in sides of the frame.
        place: (lo, hi) of its centre along x and y, in sides of the frame: 0 and 1 are its edges.
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels. Channels share the patch.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges; amounts out of [0, 1].

    References:
        albumentations' RandomShadow, and that of LeRobot, darken polygons with hard edges.
    """

    amount: Ranged = setting(exactly, default=(0.2, 0.6), low=0, high=1)
    scale: Ranged = setting(pair, default=(0.1, 0.4), low=0.02, high=10, unit="sides")
    place: Ranged = setting(pair, default=(0.0, 1.0), low=-5, high=5, unit="sides")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    per = "record"
    p_per_channel = 1.0

    def _amount(self, u: Array) -> Array:
        return uniform(u, self.amount)

    def _change(self, params: Params, target: Target) -> Operation:
        """Towards what is darker by the amount."""
        bell, amount, on = self._drawn(params, target)
        return BlendLocally(bell, 1 - amount, 0.0, 1.0, on, *_range(target))


def _range(target: Target) -> tuple[Any, Any]:
    return target.range[0], target.extent
