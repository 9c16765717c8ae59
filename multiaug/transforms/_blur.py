"""Blurs and their opposite: GaussianBlur, MotionBlur, MedianBlur, Sharpen.

Beyond the frame values are mirrored, and pixels without data have no weight: no border is dark, no
hole bleeds. Pixels are those of the entry itself, whatever the size of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Key
from ._affine import angles, uniform, unit_uniform
from ._base import Frame, Params, Photometric, Target, static, transform
from ._by_channel import PER, ByChannel
from ._checked import choice, flag, names, pair, plain, probability
from ._levels import exactly
from ._operations import Operation
from ._settings import EntryNames, Range, Ranged, Setting, setting
from ._stencil_operations import GaussianMean, Median, SegmentMean, UnsharpMask


def _odd(value: Any, field_name: str, *, low: int, high: int) -> int:
    given = plain(value)
    good = isinstance(given, int) and not isinstance(given, bool) and low <= given <= high
    if not good or given % 2 == 0:
        remedy = f" Take {given - 1} or {given + 1}." if good else ""
        raise ParameterError(
            f"`{field_name}` must be an odd integer from {low} to {high}: a kernel has a pixel in "
            f"its middle. Got {value!r}.{remedy}"
        )
    return int(given)


def _strengths(value: Any, field_name: str, **limits: float) -> Range:
    """A range; one number is the greatest."""
    given = plain(value)
    return pair(given if isinstance(given, tuple | list) else (0.0, given), field_name, **limits)


def _reach(sigma: float) -> int:
    """Taps on each side within four deviations."""
    return int(4 * sigma + 0.5)


@transform
class GaussianBlur(ByChannel):
    """Replace values by means of their neighbours, with the weights of a Gaussian.

    Args:
        sigma: (lo, hi) of the standard deviation; a number is that very one. 0 changes nothing.
        kernel_size: pixels along a side of the kernel, odd, as torchvision and OpenCV are told;
            None: all within four deviations, as SciPy.
        entries: entries to touch; None for all with intensity channels.
        per: what draws a deviation: "record", all of it; each channel "group"; each "channel".
        p_per_channel: the probability that a channel changes.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: deviations below 0 or above 50, not finite, or lo > hi; an even kernel; a
            channel count is not declared where channels draw.

    References:
        scipy.ndimage.gaussian_filter with ``mode="mirror"``. nnU-Net's default is
        ``GaussianBlur((0.5, 1), per="channel", p_per_channel=0.5, p=0.2)``; SimCLR's and DINO's
        ``GaussianBlur((0.1, 2.0), p=0.5)``. kornia has zeros beyond the frame on request, and
        Pillow's is of three boxes.
    """

    sigma: Ranged = setting(exactly, default=(0.1, 2.0), low=0, high=50, unit="pixels")
    kernel_size: Setting[int | None, int | None] = setting(
        _odd, default=None, low=3, high=401, unit="pixels"
    )
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    p: float = static(default=1.0, kw_only=True)
    clip = False
    by_channel = True
    footprint = "stencil"

    @property
    def uses_range(self) -> bool:
        """False: means are of what is there."""
        return False

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``sigma``, float32; or entry name -> (C,), 0 for channels that stay."""
        return self.draw(key, frame, "sigma", lambda u: uniform(u, self.sigma), 0)

    def _change(self, params: Params, target: Target) -> Operation:
        size = self.kernel_size
        kernel = 0 if size is None else size // 2
        sigma = self.drawn(params, target, "sigma")
        return GaussianMean(sigma, kernel or _reach(self.sigma[1]), kernel, target.valid)


@transform
class MotionBlur(Photometric):
    """Replace values by the mean along a segment through their pixel: a camera that moves.

    Args:
        length: (lo, hi) of the segment, as long as the way of a point; a number is that very one.
        degrees: (lo, hi) of its direction, counter-clockwise from that of rows; a number d means
            (-d, d). The default is all directions.
        entries: entries to touch; None for all with intensity channels. Channels share a segment.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: lengths below 0 or above 200, not finite, or lo > hi.

    References:
        albumentations draws a line of whole pixels, of which as many are counted as the kernel has;
        kornia, imgaug and Keras CV turn a kernel by a direction, and may weigh one end more.
    """

    length: Ranged = setting(exactly, default=(3.0, 9.0), low=0, high=200, unit="pixels")
    degrees: Ranged = setting(angles, default=90.0, low=-360, high=360, unit="degrees")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    footprint = "stencil"

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``length`` and ``degrees``, float32."""
        first, second = unit_uniform(key, 2)
        return {"length": uniform(first, self.length), "degrees": uniform(second, self.degrees)}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """The mean of samples that are at most half a pixel apart."""
        longest = math.ceil(self.length[1])
        segment = SegmentMean(
            params["length"],
            params["degrees"],
            samples=2 * longest + 1,
            margin=longest // 2 + 2,
            valid=target.valid,
        )
        return [segment]


@transform
class MedianBlur(Photometric):
    """Replace values by the median of a square of neighbours, of each channel.

    Args:
        kernel_size: pixels along a side of the square, odd. Of several sizes one is drawn by
            ``OneOf([MedianBlur(3), MedianBlur(5), MedianBlur(7)])``.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: an even size, or one that is below 3 or above 11.

    References:
        scipy.ndimage.median_filter with ``mode="mirror"``; OpenCV's medianBlur repeats the pixels
        of the edge. Among neighbours without data, the median is that of the others, and of two in
        the middle their mean, as NumPy's nanmedian.
    """

    kernel_size: Setting[int, int] = setting(_odd, default=3, low=3, high=11, unit="pixels")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    footprint = "stencil"

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """One median."""
        return [Median(self.kernel_size, target.valid)]


@transform
class Sharpen(ByChannel):
    """Add what a blur takes away: ``v + a (v - blurred)``, an unsharp mask.

    Args:
        amount: range of a; a number v means (0, v).
        sigma: (lo, hi) of the standard deviation of the blur; a number is that very one.
        clip: clip floats to the value range. On both sides of an edge values go beyond what they
            were.
        entries: entries to touch; None for all with intensity channels.
        per: what draws an amount and a deviation: "record", all of it; each channel "group"; each
            "channel".
        p_per_channel: the probability that a channel changes.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ranges below 0, not finite, or lo > hi; amounts above 20; a channel
            count is not declared where channels draw.

    References:
        skimage.filters.unsharp_mask, which clips to [0, 1] or [-1, 1], and repeats the pixels of
        the edge. torchvision's and Pillow's sharpness blends with a mean of 3 x 3 pixels; nnU-Net
        DA5 subtracts a Laplacian.
    """

    amount: Ranged = setting(_strengths, default=1.0, low=0, high=20)
    sigma: Ranged = setting(exactly, default=(0.5, 1.5), low=0.1, high=50, unit="pixels")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    footprint = "stencil"

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (3, C) float32, or ``all`` -> (3, 1): amounts, deviations, flags."""
        return self.draw_rows(
            key,
            frame,
            2,
            lambda u: jnp.stack([uniform(u[0], self.amount), uniform(u[1], self.sigma)]),
        )

    def _change(self, params: Params, target: Target) -> Operation:
        amount, sigma, on = self.drawn_rows(params, target)
        return UnsharpMask(amount * on, sigma, _reach(self.sigma[1]), target.valid)
