"""Usual compositions of colour transforms, as one: ColorJitter and PhotometricDistortion."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Array, Key
from ._affine import unit_uniform
from ._base import Container, Frame, Params, Transform, static, transform
from ._checked import flag, fractions, names, pair, plain, probability
from ._colour import HueSaturation, Saturation, turns
from ._containers import Expanded, drawn_order, in_drawn_order
from ._contrast import Contrast, Gain
from ._photometric import MOST, Brightness, levels
from ._settings import EntryNames, Range, Ranged, setting


def factors(value: Any, field_name: str) -> Range:
    """A range of factors; a number b means (1 - b, 1 + b), and not below 0."""
    given = plain(value)
    if isinstance(given, int | float) and not isinstance(given, bool):
        fractions(given, field_name, most=MOST, remedy="Write 0.3 for factors from 0.7 to 1.3.")
        if given < 0:
            raise ParameterError(f"`{field_name}` must be a number >= 0 or a pair, got {given!r}.")
        return max(0.0, 1.0 - given), 1.0 + given
    return pair(given, field_name, low=0, high=1 + MOST)


class _Composition(Container):
    """Transforms that are made from settings."""

    def check(self, frame: Frame) -> None:
        """They must fit the frame."""
        for child in self.children:
            child.check(frame)

    def _draw(self, key: Key, frame: Frame) -> tuple[Params, ...]:
        """The params of the transforms; number i draws from fold_in(key, i + 1)."""
        return tuple(
            child.sample(jax.random.fold_in(key, i), frame)
            for i, child in enumerate(self.children, start=1)
        )


@transform
class ColorJitter(_Composition):
    """Change brightness, contrast, saturation and hue, in random order; as torchvision's.

    Brightness is `Gain`, contrast is about the mean of the grey image, saturation is `Saturation`,
    hue is that of `HueSaturation`. torchvision clips after each: ``clip=True`` does that to floats
    and integers; without it floats are not clipped, and integers once, in the end.

    Args:
        brightness: range of the factor; a number b means (max(0, 1 - b), 1 + b).
        contrast: likewise.
        saturation: likewise.
        hue: range, as a share of the colour circle, of at most a half; a number h means (-h, h).
        clip: clip values to their range after each of the four.
        entries: entries to touch; None for all. Channel groups without r, g and b only get another
            brightness.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a range is not finite, lo > hi, negative, or above 5; more than half of the
            circle; no channels are named red, green and blue.

    Example:
        >>> ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8).brightness
        (0.6, 1.4)
    """

    brightness: Ranged = setting(factors, default=0.0)
    contrast: Ranged = setting(factors, default=0.0)
    saturation: Ranged = setting(factors, default=0.0)
    hue: Ranged = setting(turns, default=0.0, unit="turns")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def children(self) -> tuple[Transform, ...]:
        """Those of the four that change something."""
        return _jitter(
            self.brightness, self.contrast, self.saturation, self.hue, self.clip, self.entries
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``order``, (n,) int32: which runs first, second ..; and the ``children``."""
        order = drawn_order(key, len(self.children))
        return {"order": order, "children": self._draw(key, frame)}

    def expand(self, params: Params) -> Expanded:
        """Every child at every place, where the order has put it there."""
        return in_drawn_order(self.children, params)


@lru_cache(maxsize=64)
def _jitter(
    brightness: Range,
    contrast: Range,
    saturation: Range,
    hue: Range,
    clip: bool,
    entries: tuple[str, ...] | None,
) -> tuple[Transform, ...]:
    made: list[Transform] = []
    if brightness != (1, 1):
        made.append(Gain(_amounts(brightness), clip, entries))
    if contrast != (1, 1):
        made.append(Contrast(_amounts(contrast), clip, entries, mean="grey"))
    if saturation != (1, 1):
        made.append(Saturation(_amounts(saturation), clip, entries))
    if any(hue) or not made:
        made.append(HueSaturation(hue, 0.0, clip=clip, entries=entries))
    return tuple(made)


def _amounts(limits: Range) -> Range:
    """Factors as what they are above 1."""
    return limits[0] - 1, limits[1] - 1


@transform
class PhotometricDistortion(_Composition):
    """Brightness, contrast, saturation and hue, each by chance, in the order of SSD and mmseg.

    Brightness adds ``b (hi - lo)``; contrast multiplies, as there, before saturation and hue or
    behind them; saturation scales that of the HSV cone; then the hue turns. mmseg clips and rounds
    to bytes after each: ``clip=True`` clips. torchvision's RandomPhotometricDistort multiplies
    brightness, takes contrast about the mean of grey, and may shuffle the channels.

    Args:
        brightness: range of b, as a fraction of the value range; a number n means (-n, n).
        contrast: range of the factor; a number c means (1 - c, 1 + c).
        saturation: range of the factor, likewise.
        hue: range, as a share of the colour circle; a number h means (-h, h): mmseg's 18 of
            OpenCV's 180 is 0.1.
        p_each: the probability of each of the four.
        clip: clip values to their range after each of the four.
        entries: entries to touch; None for all. Channel groups without r, g and b only get another
            brightness and contrast.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a range is not finite or lo > hi; levels where fractions are meant; no
            channels are named red, green and blue.

    References:
        W. Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016; PhotoMetricDistortion of
        MMSegmentation 1.2.2.
    """

    brightness: Ranged = setting(levels, default=32 / 255, unit="ranges")
    contrast: Ranged = setting(factors, default=0.5)
    saturation: Ranged = setting(factors, default=0.5)
    hue: Ranged = setting(turns, default=0.1, unit="turns")
    p_each: float = setting(probability, default=0.5, low=0, high=1)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def children(self) -> tuple[Transform, ...]:
        """Brightness, contrast, saturation, hue, and contrast once more."""
        return _distortion(
            self.brightness, self.contrast, self.saturation, self.hue, self.clip, self.entries
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``on``, (4,) bool; ``first``, bool: contrast is; and the ``children``."""
        *coins, side = unit_uniform(jax.random.fold_in(key, 0), 5)
        on = jnp.stack(coins) < self.p_each
        children = self._draw(key, frame)
        # The same contrast, wherever it stands.
        return {"on": on, "first": side < 0.5, "children": (*children[:4], children[1])}

    def expand(self, params: Params) -> Expanded:
        """All five, of which contrast is on once at most."""
        bright, contrast, saturation, hue = (params["on"][..., k] for k in range(4))
        first = params["first"]
        conditions: tuple[Array, ...] = (
            bright, contrast & first, saturation, hue, contrast & ~first
        )  # fmt: skip
        return list(zip(self.children, params["children"], conditions, strict=True))


@lru_cache(maxsize=64)
def _distortion(
    brightness: Range,
    contrast: Range,
    saturation: Range,
    hue: Range,
    clip: bool,
    entries: tuple[str, ...] | None,
) -> tuple[Transform, ...]:
    gain = Gain(_amounts(contrast), clip, entries)
    return (
        Brightness(brightness, clip, entries),
        gain,
        HueSaturation(0.0, _amounts(saturation), clip=clip, entries=entries),
        HueSaturation(hue, 0.0, clip=clip, entries=entries),
        gain,
    )
