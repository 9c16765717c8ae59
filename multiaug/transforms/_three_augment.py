"""ThreeAugment: grey, solarized or blurred, and other colours; the policy of DeiT III."""

from __future__ import annotations

import jax

from ..typing import Key
from ._base import Container, Frame, Params, Transform, static, transform
from ._blur import GaussianBlur
from ._checked import names
from ._colour import Grey
from ._containers import Expanded, OneOf
from ._jitter import ColorJitter, factors
from ._levels import Solarize, exactly
from ._settings import EntryNames, Ranged, setting


@transform
class ThreeAugment(Container):
    """Make images grey, solarize them or blur them, one of the three; then jitter colours.

    ``[OneOf([Grey(), Solarize(128 / 255), GaussianBlur()]), ColorJitter(c, c, c)]``.

    Args:
        sigma: (lo, hi) of the deviation of the Gaussian, in pixels.
        color_jitter: range of the factors of brightness, contrast and saturation; a number c means
            (1 - c, 1 + c).
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ranges that are not finite, lo > hi or below 0; no channels are named red,
            green and blue.

    References:
        H. Touvron et al., DeiT III: Revenge of the ViT, ECCV 2022.
    """

    sigma: Ranged = setting(exactly, default=(0.1, 2.0), low=0, high=50, unit="pixels")
    color_jitter: Ranged = setting(factors, default=0.3)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    in_order = True

    @property
    def children(self) -> tuple[Transform, ...]:
        """The choice, then the jitter."""
        entries, jitter = self.entries, self.color_jitter
        blur = GaussianBlur(self.sigma, entries=entries)
        three = OneOf([Grey(entries=entries), Solarize(128 / 255, entries), blur])
        return (three, ColorJitter(jitter, jitter, jitter, entries=entries))

    def check(self, frame: Frame) -> None:
        """They must fit the frame."""
        for child in self.children:
            child.check(frame)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``choice``, int32, of the three, with their ``children``; and the ``jitter``."""
        three, jitter = self.children
        return {
            **three.sample(jax.random.fold_in(key, 1), frame),
            "jitter": jitter.sample(jax.random.fold_in(key, 2), frame),
        }

    def expand(self, params: Params) -> Expanded:
        """Both."""
        three, jitter = self.children
        return [(three, params, None), (jitter, params["jitter"], None)]
