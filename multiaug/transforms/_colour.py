"""Transforms of colours: they need the channels that the spec names red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Key
from ._affine import uniform, unit_uniform
from ._base import Frame, Params, Target, static, transform
from ._by_channel import about_zero
from ._channel_operations import BlendWithGrey, HueSaturationValue
from ._checked import choice, flag, names, number, pair, symmetric
from ._operations import Operation, ScaleShift
from ._photometric import Clipping
from ._rgb import LUMA, check_rgb, flags_of, rgb_of, spread
from ._settings import EntryNames, Range, Ranged, Setting, setting
from ._temperature import gains


class OfColours(Clipping):
    """A transform of red, green and blue; channel groups without them stay as they are."""

    def check(self, frame: Frame) -> None:
        """Some channels must be named so."""
        super().check(frame)
        check_rgb(self, frame)

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """The change, then a clip where asked."""
        return [] if rgb_of(target) is None else super().operations(params, target)


def turns(value: Any, field_name: str) -> Range:
    """A range of shares of the colour circle."""
    try:
        return symmetric(value, field_name, low=-0.5, high=0.5)
    except ParameterError as error:
        raise ParameterError(
            f"{error} 0.5 is half of the colour circle: write 18 degrees as 18 / 360, and 18 of "
            "OpenCV's 180 as 18 / 180."
        ) from None


@transform
class HueSaturation(OfColours):
    """Turn the hue and scale saturation and value of the colours of pixels, in the HSV cone.

    ``V = max(r, g, b)`` in units of the range, ``S = (V - min) / V``, H the place on the colour
    circle. ``H + h``, ``S (1 + s)`` within [0, 1], ``V (1 + v)``; with ``mode="shift"``, ``S + s``
    and ``V + v``. Grey pixels stay grey. Floats beyond white keep their distances.

    Args:
        hue: range of h, as a share of the colour circle; a number n means (-n, n).
        saturation: range of s; a number n means (-n, n).
        value: range of v; a number n means (-n, n).
        mode: "scale" or "shift".
        clip: clip V, and floats, to the value range. Integers are clipped in the end, each channel
            by itself, so that too bright a colour loses saturation; peers clip V.
        entries: entries to touch; None for all. Channel groups without r, g and b are left alone.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a range is not finite or lo > hi; more than half of the circle; s or v below
            -1 or above 4; no channels are named red, green and blue.

    References:
        A. R. Smith, Color Gamut Transform Pairs, SIGGRAPH 1978. Ultralytics' hsv_h, hsv_s, hsv_v
        are ``HueSaturation(0.015, 0.7, 0.4)``; albumentations' HueSaturationValue adds:
        ``HueSaturation(20 / 360, 30 / 255, 20 / 255, mode="shift")`` (its hue counts 180 or 360 to
        a circle, as the dtype has it); torchvision's saturation is a blend with grey: `Saturation`.
    """

    hue: Ranged = setting(turns, default=0.05, unit="turns")
    saturation: Ranged = setting(about_zero, default=0.3, low=-1)
    value: Ranged = setting(about_zero, default=0.0, low=-1)
    mode: str = setting(choice, default="scale", options=("scale", "shift"))
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``hue``, ``saturation`` and ``value``, float32."""
        h, s, v = unit_uniform(key, 3)
        return {
            "hue": uniform(h, self.hue),
            "saturation": uniform(s, self.saturation),
            "value": uniform(v, self.value),
        }

    def _change(self, params: Params, target: Target) -> Operation:
        """New colours."""
        at = rgb_of(target)
        assert at is not None
        s, v = params["saturation"], params["value"]
        scales = self.mode == "scale"
        return HueSaturationValue(
            at,
            params["hue"],
            (1 + s, 0.0) if scales else (1.0, s),
            (1 + v, 0.0) if scales else (1.0, v),
            target.range[0],
            target.extent,
            1.0 if self.clip else float("inf"),
            target.valid,
            lossy=self.clip or not (_is_nothing(self.saturation) and _is_nothing(self.value)),
        )


@transform
class Saturation(OfColours):
    """Move colours away from their grey, or towards it: ``g + (1 + a) (v - g)``, a from U(lo, hi).

    ``g = 0.299 r + 0.587 g + 0.114 b`` of the pixel. As torchvision's saturation, and Pillow's
    ImageEnhance.Color; `HueSaturation` scales the saturation of the HSV cone.

    Args:
        amount: range of a, from -1, which is grey, on; a number v means (-v, v).
        clip: clip floats to the value range, as torchvision does.
        entries: entries to touch; None for all. Channel groups without r, g and b are left alone.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite, lo > hi, or reaches below -1 or above 4; no
            channels are named red, green and blue.
    """

    amount: Ranged = setting(about_zero, default=0.3, low=-1)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"amount": uniform(u, self.amount)}

    def _change(self, params: Params, target: Target) -> Operation:
        """``g + (1 + a) (v - g)``."""
        amounts = -params["amount"] * flags_of(target)
        weights = spread(target, LUMA)
        return BlendWithGrey(weights, amounts, target.valid, lossy=self.amount[0] < -0.99)


@transform
class ColorTemperature(OfColours):
    """Show a scene under a light of another colour temperature: gains of red and blue.

    ``r (R / G)(T) / (R / G)(6500 K)`` and the same for blue, with R, G and B the linear sRGB of a
    black body of T kelvin; green stays. 1 / T is uniform: equal steps look about equal.

    Args:
        kelvin: (lo, hi) in kelvin, in [2000, 25000]: below 6500 is redder, above it bluer.
        clip: clip floats to the value range.
        entries: entries to touch; None for all. Channel groups without r, g and b are left alone.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, lo > hi, or out of the limits; no channels are named red, green
            and blue.

    References:
        S. Zini et al., Planckian Jitter, ICLR 2023, whose gains are a table of kelvins, drawn
        evenly. Y. Kim et al., Color temperature conversion system, US patent 7024034, 2006: the
        place of a black body among the CIE 1931 chromaticities.
    """

    kelvin: Ranged = setting(pair, default=(3500, 12000), low=2000, high=25000, unit="kelvin")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``kelvin``, float32."""
        (u,) = unit_uniform(key, 1)
        lo, hi = self.kelvin
        return {"kelvin": 1e6 / uniform(u, (1e6 / hi, 1e6 / lo))}

    def _change(self, params: Params, target: Target) -> Operation:
        """Gains of the channels."""
        changes = spread(target, gains(params["kelvin"]) - 1)
        return ScaleShift(1 + changes)


Weights = Setting[str | tuple[float, ...], str | Sequence[float]]


def _weights(value: Any, field_name: str) -> str | tuple[float, ...]:
    if isinstance(value, str):
        return choice(value, field_name, ("luma", "mean"))
    if not isinstance(value, Sequence) or not value:
        raise ParameterError(
            f'`{field_name}` must be "luma", "mean" or one number per channel, got {value!r}.'
        )
    found = tuple(number(v, field_name, low=0) for v in value)
    if abs(sum(found) - 1) > 1e-3:
        raise ParameterError(
            f"`{field_name}` must add up to 1, got {value!r}, which add up to {sum(found):g}. "
            "Divide each by the sum."
        )
    return found


@transform
class Grey(Clipping):
    """Make all channels the same: a weighted sum of them.

    Args:
        weights: "luma", 0.299 r + 0.587 g + 0.114 b, of channels that the spec names so, and
            others stay; "mean" of all channels of a group, however many; or one number per channel.
        entries: entries to touch; None for all. With "luma", channel groups without r, g and b are
            left alone.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: weights that do not add up to 1, are negative, or not as many as channels;
            no channels are named red, green and blue.

    References:
        torchvision's RandomGrayscale(0.2) is ``Grey(p=0.2)``, and albumentations' ToGray;
        torchgeo's RandomGrayscale is ``Grey("mean")``.
    """

    weights: Weights = setting(_weights, default="luma")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    clip = False

    @property
    def uses_range(self) -> bool:
        """False: grey is a sum of what is there."""
        return False

    def check(self, frame: Frame) -> None:
        """Some channels must be named r, g and b; or there must be as many as weights."""
        super().check(frame)
        if self.weights == "luma":
            check_rgb(self, frame)
        if isinstance(self.weights, str):
            return
        for name, entry in frame.spec.entries.items():
            for group in entry.groups:
                fits = group.count in {None, len(self.weights)}
                if group.role == "intensity" and self.touches(name) and not fits:
                    raise ParameterError(
                        f"`Grey.weights` must have {group.count} numbers for entry {name!r}, got "
                        f"{len(self.weights)}."
                    )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """Nothing to channels without colours, where it is of colours."""
        if self.weights == "luma" and rgb_of(target) is None:
            return []
        return super().operations(params, target)

    def _change(self, params: Params, target: Target) -> Operation:
        """The weighted sum."""
        if self.weights == "luma":
            return BlendWithGrey(spread(target, LUMA), flags_of(target), target.valid)
        assert target.channels is not None
        weights = 1 / target.channels if self.weights == "mean" else jnp.array(self.weights)
        return BlendWithGrey(weights, 1.0, target.valid)


def _is_nothing(limits: Any) -> bool:
    """Always 0; False where nobody knows, as they are arguments of a compiled function."""
    return not isinstance(limits[0], jax.Array) and limits == (0, 0)
