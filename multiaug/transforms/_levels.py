"""Transforms of levels: AutoContrast, Equalize, Posterize, Solarize, Invert, HistogramShift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..typing import Key
from ._affine import uniform, uniform_index, unit_uniform
from ._base import Frame, Params, Photometric, Target, static, transform
from ._channel_operations import NormalizeBy
from ._checked import choice, fractions, names, number, pair, plain, whole
from ._operations import Operation, ScaleShift
from ._photometric import LEVELS as LEVELS_MEANT
from ._photometric import MOST
from ._settings import EntryNames, Range, Ranged, Setting, setting
from ._table_operations import Curve, MirrorAbove, Quantize
from ._table_operations import Equalize as Equalizing

_PER = ("channel", "group")


def _integer(value: Any, field_name: str, low: int, high: int) -> int:
    found = whole(value, field_name, low=low)
    if found > high:
        raise ParameterError(
            f"`{field_name}` must be an integer from {low} to {high}, got {value!r}."
        )
    return found


def _count(value: Any, field_name: str, *, low: int, high: int) -> int:
    return _integer(value, field_name, low, high)


def _bits(value: Any, field_name: str, *, low: int, high: int) -> tuple[int, int]:
    given = plain(value)
    both = given if isinstance(given, tuple | list) else (given, given)
    lo, hi = pair([_integer(bits, field_name, low, high) for bits in both], field_name)
    return int(lo), int(hi)


def exactly(value: Any, field_name: str, **limits: float) -> Range:
    """A range, or a number that stands for itself."""
    given = plain(value)
    both = given if isinstance(given, tuple | list) else (given, given)
    return pair(both, field_name, **limits)


def _cutoffs(value: Any, field_name: str, *, low: float, high: float) -> Range:
    given = plain(value)
    both = given if isinstance(given, tuple | list) else (given, given)
    if len(both) != 2:
        raise ParameterError(f"`{field_name}` must be a share or a pair of them, got {value!r}.")
    below, above = (number(share, field_name, low=low, high=high) for share in both)
    return below, above


def _thresholds(value: Any, field_name: str) -> Range:
    found = exactly(value, field_name)
    fractions(found, field_name, most=MOST, remedy=LEVELS_MEANT)
    return found


class OfLevels(Photometric):
    """A transform of levels between black and white."""

    @property
    def uses_range(self) -> bool:
        """True: black and white are what it is about."""
        return True


@transform
class AutoContrast(OfLevels):
    """Stretch values so that the least becomes black and the greatest white.

    ``lo + (hi - lo) (v - a) / (b - a)``, a and b the least and the greatest valid value, or
    quantiles; a constant channel stays. With a cutoff, what is beyond black and white is clipped,
    of floats as well: it is asked for.

    Args:
        cutoff: share of the values that become black, and of those that become white, in
            [0, 0.49]; a pair has them apart. Pillow counts in percent, torchvision has none.
        per: "channel", as Pillow and torchvision; or "group", all channels by one line, which keeps
            colours.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a cutoff out of its limits.

    References:
        Pillow's ImageOps.autocontrast, whose cutoff takes whole levels; here it is a quantile,
        linear between values. Pointcept's ChromaticAutoContrast blends with it.
    """

    cutoff: Setting[Range, float | Sequence[float]] = setting(
        _cutoffs, default=0.0, low=0, high=0.49
    )
    per: str = setting(choice, default="channel", options=_PER)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    footprint = "statistic"

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """One stretch."""
        low, high = self.cutoff
        cuts = self.cutoff != (0, 0)
        return [
            NormalizeBy(
                "quantiles" if cuts else "range",
                self.per == "group",
                (low, 1 - high),
                target.range[0],
                target.extent,
                clip=cuts,
                keep_constant=True,
                valid=target.valid,
            )
        ]


@transform
class Equalize(OfLevels):
    """Make 256 levels from black to white about equally frequent, in each channel.

    Bytes become what Pillow's ImageOps.equalize and torchvision make of them. Other dtypes are
    counted at the nearest of 256 levels, and values between levels go along straight lines; beyond
    black and white, where they keep their distance.

    Args:
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.
    """

    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    footprint = "statistic"

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """One curve for each channel."""
        return [Equalizing(target.range[0], target.extent, target.valid)]


@transform
class Posterize(OfLevels):
    """Keep the upper bits of the levels of values: ``lo + s floor((v - lo) / s)``.

    ``s = (hi - lo) 256 / 255 / 2^bits``: bytes lose their lower bits, and all other dtypes become
    what their bytes would.

    Args:
        bits: how many are kept, 1 to 8; a pair (lo, hi) draws the number.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: bits that are no integers from 1 to 8, or lo > hi.
    """

    bits: Setting[tuple[int, int], int | Sequence[int]] = setting(_bits, default=4, low=1, high=8)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``bits``, int32."""
        (u,) = unit_uniform(key, 1)
        lo, hi = self.bits
        return {"bits": lo + uniform_index(u, hi - lo + 1)}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """Down to the next level."""
        # Times 256, then by 255: of bytes that is 256 to the last digit.
        steps = jnp.left_shift(1, params["bits"]).astype(jnp.float32)
        return [Quantize(target.range[0], target.extent * 256 / 255 / steps)]


@transform
class Solarize(OfLevels):
    """Mirror values from a threshold on: ``lo + hi - v`` where v reaches it.

    Args:
        threshold: as a fraction of the value range; a number is that very threshold, a pair
            (lo, hi) draws one. torchvision's and Pillow's 128 is 0.5, or 128 / 255.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, lo > hi, or levels where a fraction is meant.
    """

    threshold: Ranged = setting(_thresholds, default=0.5, unit="ranges")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``threshold``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"threshold": uniform(u, self.threshold)}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """Mirrored."""
        # A little below, so that a level that was divided by 255 is reached by itself.
        threshold = target.range[0] + (params["threshold"] - 2**-20) * target.extent
        return [MirrorAbove(threshold, target.range[0] + target.range[1])]


@transform
class Invert(OfLevels):
    """Change black and white: ``lo + hi - v``.

    Args:
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.
    """

    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """The distance from white, above black."""
        return [ScaleShift(-1.0, target.range[0], target.range[1])]


@transform
class HistogramShift(OfLevels):
    """Bend values by a random rising curve through control points.

    Control points are evenly spaced from black to white. Each but the first and the last is moved,
    one after the other, to a place drawn evenly between its neighbours, the lower of which has
    moved already; the curve is straight between them, and keeps distances beyond black and white.

    Args:
        control_points: how many, 3 to 64.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: no integer from 3 to 64.

    References:
        MONAI's RandHistogramShift, where black and white are the least and the greatest value of
        the image, and the number of control points may be drawn.
    """

    control_points: int = setting(_count, default=10, low=3, high=64)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``knots``, (control_points,) float32: what the control points become."""
        even = np.linspace(0, 1, self.control_points, dtype=np.float32)
        knots = [jnp.float32(0)]
        for u, above in zip(unit_uniform(key, self.control_points - 2), even[2:], strict=True):
            knots.append(knots[-1] + u * (above - knots[-1]))
        return {"knots": jnp.stack([*knots, jnp.float32(1)])}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """Along the curve."""
        return [Curve(target.range[0], target.extent, params["knots"])]
