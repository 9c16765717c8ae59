"""What sensors and files do: LowResolution, JPEG, BandMisregistration, DeadLines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..sampling import constant
from ..typing import Array, Key
from ._affine import uniform, uniform_index, unit_uniform
from ._base import Frame, Params, Photometric, Target, static, transform
from ._by_channel import PER, ByChannel
from ._checked import choice, flag, fractions, names, number, plain, probability, symmetric
from ._covering import counts
from ._jpeg_operations import Compress
from ._levels import exactly
from ._operations import Clip, Operation
from ._photometric import LEVELS, MOST
from ._resample_operations import LowerResolution, SetLines, Shift
from ._rgb import rgb_of
from ._settings import EntryNames, Ranged, Setting, setting

Whole = Setting[tuple[int, int], int | Sequence[int]]

_MOST_LINES = 64


def _fill(value: Any, field_name: str) -> float | str:
    if isinstance(value, str):
        return choice(value, field_name, ("invalid",))
    found = number(plain(value), field_name)
    fractions(found, field_name, most=MOST, remedy=LEVELS)
    return found


@transform
class LowResolution(ByChannel):
    """Leave out rows and columns, and bring the image back to its size along straight lines.

    Of n rows ``floor(s n + 0.5)`` are left, each the nearest one, without a low-pass, as nnU-Net
    simulates low resolution: fine detail is aliased, as by thick slices. Among pixels without data
    the others are read with larger weights.

    Args:
        scale: (lo, hi) of s, in (0, 1]; a number is that very one. 1 changes nothing.
        entries: entries to touch; None for all with intensity channels.
        per: what draws a scale: "record", all of it; each channel "group"; each "channel".
        p_per_channel: the probability that a channel changes.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: scales out of [0.01, 1], or lo > hi; a channel count is not declared where
            channels draw.

    References:
        F. Isensee et al., nnU-Net, Nature Methods 2021: SimulateLowResolutionTransform of
        batchgeneratorsv2 is ``LowResolution((0.5, 1), per="channel", p_per_channel=0.5)``; MONAI's
        RandSimulateLowResolution shares a scale; albumentations' Downscale can average.
    """

    scale: Ranged = setting(exactly, default=(0.5, 1.0), low=0.01, high=1)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="record", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    p: float = static(default=1.0, kw_only=True)
    clip = False
    by_channel = True
    footprint = "stencil"

    @property
    def uses_range(self) -> bool:
        """False: values are between those that are there."""
        return False

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``scale``, float32; or entry name -> (C,), 1 for channels that stay."""
        return self.draw(key, frame, "scale", lambda u: uniform(u, self.scale), 1)

    def _change(self, params: Params, target: Target) -> Operation:
        return LowerResolution(self.drawn(params, target, "scale"), target.valid)


@transform
class JPEG(Photometric):
    """What JPEG leaves: cosines of 8 x 8 pixels, rounded to the steps of its standard tables.

    255 levels lie between black and white, whatever the dtype, and nothing is rounded to whole
    levels or clipped. Channels that the spec names r, g and b become luma and two differences of
    colours; every other channel is a luma of its own. The slope of rounding is taken to be 1, so
    that gradients pass. What is not valid is filled with the mean of its block, and stays.

    Args:
        quality: (lo, hi), from 1 to 100, evenly drawn whole numbers; a number is that very one.
        subsampling: "4:2:0", differences of colours of pairs of rows and columns, as most files
            have them; or "4:4:4".
        clip: clip floats to the value range, as files do.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: no whole numbers from 1 to 100, or lo > hi.

    References:
        ITU-T T.81, tables K.1 and K.2, scaled as by the library of the Independent JPEG Group;
        ITU-T T.871. Pillow, torchvision and albumentations write a file and read it. R. Shin and
        D. Song, JPEG-resistant adversarial images, 2017, has a cubic for rounding; kornia too.
    """

    quality: Whole = setting(counts, default=(50, 95), low=1, high=100)
    subsampling: str = setting(choice, default="4:2:0", options=("4:2:0", "4:4:4"))
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    footprint = "stencil"

    @property
    def uses_range(self) -> bool:
        """True: its levels are shares of it."""
        return True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``quality``, int32."""
        lo, hi = self.quality
        (u,) = unit_uniform(key, 1)
        return {"quality": lo + uniform_index(u, hi - lo + 1)}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """All of it, then a clip where asked."""
        halved = self.subsampling == "4:2:0"
        low, extent = target.range[0], target.extent
        squeezed = Compress(params["quality"], rgb_of(target), halved, low, extent, target.valid)
        return [squeezed, Clip(*target.range)] if self.clip else [squeezed]


@transform
class BandMisregistration(ByChannel):
    """Move each channel by a part of a pixel, as bands of a scanner that do not quite meet.

    Linear between pixels. Pixels without data move with their channel; labels and other roles stay
    where they are.

    Args:
        shift: range of the pixels that a channel moves to the right, and down; a number v means
            (-v, v).
        entries: entries to touch; None for all with intensity channels.
        per: what draws a shift: each "channel"; each channel "group"; or "record", all of it.
        p_per_channel: the probability that a channel moves.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: shifts beyond 50 pixels, not finite, or lo > hi; a channel count is not
            declared where channels draw.

    References:
        Misalignments of channels in batchgenerators (MisalignTransform), by whole transforms.
    """

    shift: Ranged = setting(symmetric, default=0.5, low=-50, high=50, unit="pixels")
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="channel", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    p: float = static(default=1.0, kw_only=True)
    clip = False
    by_channel = True
    footprint = "stencil"

    @property
    def uses_range(self) -> bool:
        """False: values are between those that are there."""
        return False

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (3, C) float32, or ``all`` -> (3, 1): right, down, flags."""
        return self.draw_rows(key, frame, 2, lambda u: uniform(u, self.shift))

    def rearranged(self, params: Params, values: Array, target: Target) -> Array:
        """Values of the nearest pixels."""
        return self._change(params, target).moved(values)

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """Values were blended."""
        self.refuse_invert(target)

    def _change(self, params: Params, target: Target) -> Shift:
        right, down, on = self.drawn_rows(params, target)
        return Shift(right * on, down * on, target.valid)


@transform
class DeadLines(ByChannel):
    """Lose some rows, or columns, of each channel: dead detectors of a scanner.

    Places are drawn one by one, so that two may be the same line.

    Args:
        count: how many lines, at most 64; a pair (lo, hi) draws the number.
        lines: "rows" or "columns".
        fill: what they become: a number in units of the value range, where 0 is black and 1 is
            white; or "invalid", the number, or NaN, that the spec has for pixels without data.
        entries: entries to touch; None for all with intensity channels.
        per: what draws lines: each "channel"; each channel "group"; or "record", all of it.
        p_per_channel: the probability that a channel loses lines.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: counts out of [0, 64], or lo > hi; a fill in another unit; a spec without a
            number for pixels without data, where one is asked for; a channel count is not declared
            where channels draw.
    """

    count: Whole = setting(counts, default=(1, 3), low=0, high=_MOST_LINES)
    lines: str = setting(choice, default="rows", options=("rows", "columns"))
    fill: Setting[float | str, float | str] = setting(_fill, default=0.0)
    entries: EntryNames = setting(names, default=None)
    per: str = setting(choice, default="channel", options=PER)
    p_per_channel: float = setting(probability, default=1.0, low=0, high=1)
    p: float = static(default=1.0, kw_only=True)
    clip = False
    by_channel = True
    footprint = "place"

    @property
    def uses_range(self) -> bool:
        """True where the fill is a share of it."""
        return self.fill != "invalid"

    def check(self, frame: Frame) -> None:
        """What is to become invalid must have a number for that."""
        super().check(frame)
        for name, entry in frame.spec.entries.items():
            for group in entry.groups:
                asked = self.fill == "invalid" and self.touches(name)
                if asked and group.role == "intensity" and group.invalid is None:
                    raise ParameterError(
                        f'`DeadLines.fill` must be a number for entry {name!r}, got "invalid": the '
                        'spec says of no value that it is no data. Declare "invalid" there, or '
                        "leave the entry out by `entries`."
                    )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (count + 1, C) float32, or ``all``: places in sides, and flags.

        Places below 0 are of no line.
        """
        lo, hi = self.count

        def places(u: Array) -> Array:
            number = lo + uniform_index(u[0], hi - lo + 1)
            return jnp.where(jnp.arange(hi)[:, None] < number[None], u[1:], -1)

        return self.draw_rows(key, frame, hi + 1, places)

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """Nothing where they become invalid: that is told by `rearranged`."""
        return [] if self.fill == "invalid" else super().operations(params, target)

    def rearranged(self, params: Params, values: Array, target: Target) -> Array:
        """Values without data in the lines, or False in a mask of what is valid."""
        if self.fill != "invalid":
            return values
        none: Any = False
        if values.dtype != bool:
            mark = math.nan if target.invalid == "nan" else float(target.invalid or 0)
            none = constant(mark, np.dtype(values.dtype))
        return jnp.where(self._change(params, target).lines(values), none, values)

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """What was there is lost."""
        self.refuse_invert(target)

    def _change(self, params: Params, target: Target) -> SetLines:
        *places, on = self.drawn_rows(params, target)
        found = jnp.stack(places) if places else jnp.full((1, on.shape[0]), -1, jnp.float32)
        found = jnp.where(on[None] > 0, found, -1)
        fill = self.fill
        value = 0.0 if isinstance(fill, str) else target.range[0] + fill * target.extent
        return SetLines(found, 0 if self.lines == "rows" else 1, value)
