"""Gain, contrast and gamma: shared, or of each channel; with a range or statistics kept."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from ..typing import Array, Key
from ._base import Frame, Params, Target, static, transform
from ._by_channel import PER, ByChannel, about_zero, number_from
from ._channel_operations import PowerLaws, ScaleAboutGreyMean, ScaleAboutMeans
from ._checked import choice, flag, logarithmic, names, probability, symmetric
from ._operations import Footprint, Operation, PowerLaw, ScaleAboutMean, ScaleShift
from ._rgb import LUMA, check_rgb, flags_of, rgb_of, spread
from ._settings import EntryNames, Ranged, setting


@transform
class Gain(ByChannel):
    """Multiply values: ``v (1 + a)``, a from U(lo, hi); brightness as photographers mean it.

    About zero, whatever the range: black at 100 becomes 120 with a = 0.2. Floats are not clipped
    unless asked.

    Args:
        amount: range of a, above -1; a number v means (-v, v). torchvision, batchgeneratorsv2 and
            MONAI's names for ``1 + a`` are brightness, multiplier and factor.
        clip: clip floats to the value range, as torchvision does.
        entries: entries to touch; None for all with intensity channels.
        per: what draws an amount: "record", all of it; each channel "group"; each "channel".
        p_per_channel: the probability that a channel changes.
        distribution: "uniform"; or "balanced", darker and brighter equally often, as nnU-Net.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite, lo > hi, reaches below -1 or above 4; a channel
            count is not declared where channels draw.

    References:
        F. Isensee et al., nnU-Net, Nature Methods 2021: MultiplicativeBrightnessTransform of
        batchgeneratorsv2 is ``Gain(0.25, per="channel")``.
    """

    amount: Ranged = setting(about_zero, default=0.2, low=-1)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    distribution: str = setting(choice, default="uniform", options=("uniform", "balanced"))
    p: float = static(default=1.0, kw_only=True)

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32; or entry name -> (C,), 0 for channels that stay."""
        return self.draw(
            key, frame, "amount", lambda u: number_from(u, self.amount, self.distribution, 0), 0
        )

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """Divide, where no gain may be 0."""
        if self.amount[0] < -0.99:
            self.refuse_invert(target)
        return super().invert(params, values, target)

    def _change(self, params: Params, target: Target) -> Operation:
        """``v (1 + a)``."""
        return ScaleShift(1 + self.drawn(params, target, "amount"))


@transform
class Contrast(ByChannel):
    """Spread values about a mean: ``m + (1 + a) (v - m)``, a from U(lo, hi).

    The mean is that of valid values. torchvision's and Pillow's is that of the grey image,
    nnU-Net's of each channel, kornia multiplies about 0, which is `Gain`.

    Args:
        amount: range of a, above -1; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        per: what draws an amount: "record", all of it; each channel "group"; each "channel".
        p_per_channel: the probability that a channel changes.
        mean: of what m is: the channel "group"; each "channel"; "grey", 0.299 r + 0.587 g +
            0.114 b, of the channels that the spec names so, and others stay; or "auto", grey where
            a group has such channels, and that of the group elsewhere.
        keep_range: then clip to the least and greatest value that there were, of what has the mean.
        distribution: "uniform"; or "balanced", less and more contrast equally often, as nnU-Net.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite, lo > hi, or reaches below -0.99; a channel count is
            not declared where channels draw; the grey mean is asked for with a range to be kept,
            or where no channels are named red, green and blue.

    References:
        F. Isensee et al., nnU-Net, Nature Methods 2021: ContrastTransform of batchgeneratorsv2 is
        ``Contrast(0.25, per="channel", mean="channel", keep_range=True)``.
    """

    amount: Ranged = setting(symmetric, default=0.2, low=-0.99)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    mean: str = setting(choice, default="group", options=("group", "channel", "grey", "auto"))
    keep_range: bool = setting(flag, default=False)
    distribution: str = setting(choice, default="uniform", options=("uniform", "balanced"))
    p: float = static(default=1.0, kw_only=True)
    footprint = "statistic"

    def __post_init__(self) -> None:
        if self.mean in ("grey", "auto") and (self.keep_range or not self.shares_amounts):
            raise ParameterError(
                '`Contrast.mean` must be "group" or "channel" where amounts differ or a range is '
                f'kept, got "{self.mean}". Leave `per`, `p_per_channel` and `keep_range` out.'
            )

    @property
    def uses_range(self) -> bool:
        """True where it clips: the spread is about the mean of the values themselves."""
        return self.clip

    def check(self, frame: Frame) -> None:
        """The grey mean is one of red, green and blue."""
        super().check(frame)
        if self.mean == "grey":
            check_rgb(self, frame)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32; or entry name -> (C,), 0 for channels that stay."""
        return self.draw(
            key, frame, "amount", lambda u: number_from(u, self.amount, self.distribution, 0), 0
        )

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """Nothing to channels without colours, where the mean is one of colours."""
        if self.mean == "grey" and rgb_of(target) is None:
            return []
        return super().operations(params, target)

    def _change(self, params: Params, target: Target) -> Operation:
        """``m + (1 + a) (v - m)``."""
        factor = 1 + self.drawn(params, target, "amount")
        if self.mean == "grey" or (self.mean == "auto" and rgb_of(target) is not None):
            weights = spread(target, LUMA)
            return ScaleAboutGreyMean(factor, weights, flags_of(target), target.valid)
        of_group = self.mean != "channel"
        if of_group and self.shares_amounts and not self.keep_range:
            return ScaleAboutMean(factor)
        return ScaleAboutMeans(factor, of_group, self.keep_range, target.valid)


@transform
class Gamma(ByChannel):
    """Raise values, scaled to [0, 1], to a power drawn log-uniformly.

    ``lo + (hi - lo) u^g`` with ``u = (v - lo) / (hi - lo)``. Below black the curve continues as its
    mirror image, so that floats survive.

    Args:
        exponent: (lo, hi) > 0; a number v means (1/v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        per: what draws an exponent: "record", all of it; each channel "group"; each "channel".
        p_per_channel: the probability that a channel changes.
        range: what is scaled to [0, 1]: the "declared" value range; or from the least to the
            greatest valid value, of each "channel" or of the channel "group".
        inverted: take the power of the distance from white: ``hi - (hi - lo) (1 - u)^g``.
        keep_statistics: then bring each channel back to the mean and the standard deviation that
            it had; with the range of the group, the group.
        distribution: "log-uniform"; "uniform"; or "balanced", exponents below and above 1 equally
            often and uniform on either side, as nnU-Net.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, not positive, or lo > hi; a channel count is not declared where
            channels draw.

    References:
        F. Isensee et al., nnU-Net, Nature Methods 2021: GammaTransform of batchgeneratorsv2 is
        ``Gamma((0.7, 1.5), per="channel", range="channel", keep_statistics=True,
        distribution="balanced")``.
    """

    exponent: Ranged = setting(logarithmic, default=1.25, low=0.01, high=100)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    range: str = setting(choice, default="declared", options=("declared", "channel", "group"))
    inverted: bool = setting(flag, default=False)
    keep_statistics: bool = setting(flag, default=False)
    distribution: str = setting(
        choice, default="log-uniform", options=("log-uniform", "uniform", "balanced")
    )
    p: float = static(default=1.0, kw_only=True)

    @property
    def footprint(self) -> Footprint:  # type: ignore[override]
        """Pixel by pixel where nothing of the record is measured."""
        measured = self.range != "declared" or self.keep_statistics
        return "statistic" if measured else "point"

    @property
    def uses_range(self) -> bool:
        """True but where the range is the record's."""
        return self.clip or self.range == "declared"

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``exponent``, float32; or entry name -> (C,), 1 for channels that stay."""
        return self.draw(
            key, frame, "exponent", lambda u: number_from(u, self.exponent, self.distribution, 1), 1
        )

    def _change(self, params: Params, target: Target) -> Operation:
        """``lo + (hi - lo) u^g`` with ``u = (v - lo) / (hi - lo)``."""
        exponent = self.drawn(params, target, "exponent")
        low, extent = target.range[0], target.extent
        if self.footprint == "point" and self.shares_amounts and not self.inverted:
            return PowerLaw(exponent, low, extent)
        of = "range" if self.range == "declared" else self.range
        return PowerLaws(
            exponent, low, extent, of, self.inverted, self.keep_statistics, target.valid
        )
