"""ThreeAugment: grey, solarized or blurred, and other colours; the policy of DeiT III."""

from __future__ import annotations

from typing import Any

import jax

from ..errors import ParameterError
from ..typing import Key
from ._base import Container, Frame, Params, Transform, static, transform
from ._checked import names
from ._colour import Grey
from ._containers import Expanded, OneOf, as_transforms
from ._jitter import ColorJitter, factors
from ._levels import Solarize
from ._settings import EntryNames, Ranged, setting


def _blur(value: Any, field_name: str) -> Transform:
    as_transforms([value], field_name)
    if value.chance < 1:
        raise ParameterError(f"`{field_name}` must always run, got {value!r}. Leave out its `p`.")
    found: Transform = value
    return found


@transform
class ThreeAugment(Container):
    """Make images grey, solarize them or blur them, one of the three; then jitter colours.

    ``[OneOf([Grey(), Solarize(128 / 255), blur]), ColorJitter(c, c, c)]``.

    Args:
        blur: the third of them; DeiT's is a Gaussian of a deviation from 0.1 to 2 pixels.
        color_jitter: range of the factors of brightness, contrast and saturation; a number c means
            (1 - c, 1 + c).
        entries: entries that turn grey, are solarized and jittered; None for all. Those that are
            blurred the blur says.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: no transform, or one with a `p`; no channels are named red, green and blue.

    References:
        H. Touvron et al., DeiT III: Revenge of the ViT, ECCV 2022.
    """

    blur: Transform = setting(_blur, static=False)
    color_jitter: Ranged = setting(factors, default=0.3)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    in_order = True

    @property
    def children(self) -> tuple[Transform, ...]:
        """The choice, then the jitter."""
        entries, jitter = self.entries, self.color_jitter
        three = OneOf([Grey(entries=entries), Solarize(128 / 255, entries), self.blur])
        return (three, ColorJitter(jitter, jitter, jitter, entries=entries))

    def check(self, frame: Frame) -> None:
        """They must fit the frame."""
        for child in self.children:
            child.check(frame)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw the params of the ``children``; number i draws from fold_in(key, i + 1)."""
        drawn = [
            child.sample(jax.random.fold_in(key, i), frame)
            for i, child in enumerate(self.children, start=1)
        ]
        return {"children": tuple(drawn)}

    def expand(self, params: Params) -> Expanded:
        """Both."""
        return [
            (child, drawn, None)
            for child, drawn in zip(self.children, params["children"], strict=True)
        ]
