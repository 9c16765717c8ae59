"""Normalisation of records by their own statistics, or from a range that is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError
from ..typing import Key
from ._base import Frame, Params, Photometric, Target, static, transform
from ._channel_operations import NormalizeBy
from ._checked import choice, flag, names, pair
from ._operations import Clip, Operation, ScaleShift
from ._settings import EntryNames, Range, Ranged, setting


class _ToFloats(Photometric):
    """Floats come out, whatever came in."""

    keeps_dtype = False

    def out_range(self, given: Range) -> Range:
        """What was black and white counts in units of one from here on."""
        return 0.0, 1.0

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}


def _shares(value: Any, field_name: str, **limits: float) -> Range:
    lo, hi = pair(value, field_name, **limits)
    if lo == hi:
        raise ParameterError(f"`{field_name}` must be a pair lo < hi, got {value!r}.")
    return lo, hi


@transform
class NormalizeRecord(_ToFloats):
    """Normalise each record by its own statistics, those of valid values; float32.

    "mean_std" is ``(v - mean) / std``; "min_max" is ``(v - min) / (max - min)``; "percentile" the
    same with percentiles in their place. Constant channels become 0. Pixels without data do not
    count, and stay.

    Args:
        method: "mean_std", "min_max" or "percentile".
        per: statistics are those of the channel "group", or of each "channel".
        percentiles: (lo, hi) in percent, for "percentile"; linear between values, as NumPy has it.
        clip: clip to [0, 1]; not with "mean_std".
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: another method; percentiles out of [0, 100] or not lo < hi; mean and
            standard deviation are to be clipped.

    References:
        MONAI's NormalizeIntensity and ScaleIntensityRangePercentiles, TorchIO's ZNormalization and
        RescaleIntensity, albumentations' Normalize(normalization="image_per_channel"). `Normalize`
        has given numbers, `Standardize` those of a data set.
    """

    method: str = setting(choice, default="mean_std", options=("mean_std", "min_max", "percentile"))
    per: str = setting(choice, default="group", options=("group", "channel"))
    percentiles: Ranged = setting(_shares, default=(0.5, 99.5), low=0, high=100, unit="percent")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    footprint = "statistic"

    def __post_init__(self) -> None:
        if self.clip and self.method == "mean_std":
            raise ParameterError(
                '`NormalizeRecord.clip` must be False with "mean_std", which has no ends, got '
                'True. Choose "min_max" or "percentile".'
            )

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """One line for each channel."""
        by = {"mean_std": "mean", "min_max": "range", "percentile": "quantiles"}[self.method]
        lo, hi = self.percentiles
        joined = self.per == "group"
        return [
            NormalizeBy(by, joined, (lo / 100, hi / 100), 0.0, 1.0, self.clip, False, target.valid)
        ]


def _ends(value: Any, field_name: str) -> Range:
    lo, hi = pair(value, field_name)
    if lo == hi:
        raise ParameterError(f"`{field_name}` must be a pair lo < hi, got {value!r}.")
    return lo, hi


@transform
class RescaleIntensity(_ToFloats):
    """Bring a range of stored values to [0, 1]: ``(v - a) / (b - a)``, clipped; float32.

    Such as -175 to 250 Hounsfield units of abdominal CT.

    Args:
        in_range: (a, b) in the units that the entry is stored in.
        clip: clip to [0, 1].
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, or not a < b; an entry whose declared range lies wholly outside,
            or one of integers, of which the range holds no three.

    References:
        MONAI's ScaleIntensityRange, with a_min and a_max, and b_min=0, b_max=1; scikit-image's
        rescale_intensity.
    """

    in_range: Ranged = setting(_ends, unit="of the entry")
    clip: bool = setting(flag, default=True)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def check(self, frame: Frame) -> None:
        """Refuse a range that no declared value of an entry is in."""
        super().check(frame)
        a, b = self.in_range
        for name, entry in frame.spec.entries.items():
            for group in entry.groups:
                if group.role != "intensity" or not self.touches(name):
                    continue
                if b - a <= 1 and entry.dtype is not None and "int" in entry.dtype:
                    raise ParameterError(
                        f"`RescaleIntensity.in_range` must be in the units of {name!r}, which is "
                        f"{entry.dtype}, got {self.in_range}: all values would become 0 or 1. Give "
                        "the values that are to become 0 and 1 as they are stored, such as 51 and "
                        "204, not as fractions."
                    )
                if group.range is None:
                    continue
                lo, hi = group.range
                if b <= lo or a >= hi:
                    raise ParameterError(
                        f"`RescaleIntensity.in_range` must be in the units of {name!r}, whose "
                        f"range is ({lo:g}, {hi:g}), got {self.in_range}: all values would "
                        "become one. Give the values that are to become 0 and 1 as they are stored."
                    )

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """A line, then a clip."""
        a, b = self.in_range
        line = ScaleShift(1 / (b - a), 0.0, a)
        return [line, Clip(0.0, 1.0)] if self.clip else [line]
