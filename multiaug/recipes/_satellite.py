"""Satellite images of any number of bands: datamodules of torchgeo."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    ColorJitter,
    Crop,
    Elastic,
    Erase,
    Flip,
    Normalize,
    OneOf,
    RandomResizedCrop,
    Resize,
    Rot90,
    Rotate,
    Sharpness,
    Transform,
)
from ._needs import Numbers, Range, Size, need_colours, need_image
from ._recipe import recipe

_RANGE = (
    "Normalisation is by the range that the spec declares, where theirs divides by 255 or 10000."
)


def _normalised(mean: Numbers | None, std: Numbers) -> list[Transform]:
    return [] if mean is None else [Normalize(mean, std)]


@recipe(
    "satellite",
    "torchgeo's LandCover.ai, SpaceNet, FTW, FireRisk",
    "torchgeo 0.10.1 `datamodules/landcoverai.py:33`",
    "Normalize Rotate Flip Sharpness ColorJitter Erase",
    differs=[
        "The ratio of sides of what is erased is log-uniform; labels in it are ignored, where "
        "kornia's become class 0.",
        _RANGE,
    ],
)
def torchgeo_landcoverai(
    spec: DataSpec,
    *,
    degrees: Range = 90,
    p_rotate: float = 0.5,
    flip: float = 0.5,
    sharpness: Range = (-1.0, -0.5),
    p_sharpness: float = 0.5,
    jitter: float = 0.1,
    p_jitter: float = 0.5,
    erase: float = 0.1,
    mean: Numbers | None = 0.0,
    std: Numbers = 1.0,
) -> Pipeline:
    """Normalisation, a turn, flips, sharpness, jitter of colours, erasing. The frame stays.

    Args:
        spec: with an image whose channels are named r, g and b, among others; a label map needs an
            ignore label where something is erased.
        degrees: of the turn.
        p_rotate: the probability of a turn.
        flip: the probability of each mirror image.
        sharpness: of the amount that is added of what smoothing takes away: kornia's factors, 0 to
            0.5, are those about 1, and so smooth.
        p_sharpness: the probability of it.
        jitter: of brightness, contrast, saturation and hue.
        p_jitter: the probability of the jitter.
        erase: the probability of an erased rectangle.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_colours("torchgeo_landcoverai", spec)
    return Pipeline(
        [
            *_normalised(mean, std),
            Rotate(degrees, p=p_rotate),
            Flip("x", p=flip),
            Flip("y", p=flip),
            Sharpness(sharpness, p=p_sharpness),
            ColorJitter(jitter, jitter, jitter, jitter, clip=True, p=p_jitter),
            *([Erase(p=erase)] if erase else []),
        ],
        spec,
    )


@recipe(
    "satellite",
    "torchgeo's L7 Irish, L8 Biome, AgriFieldNet, Inria, DeepGlobe",
    "torchgeo 0.10.1 `datamodules/l8biome.py:51`",
    "Normalize RandomResizedCrop Flip",
    differs=[_RANGE],
)
def torchgeo_l8biome(
    spec: DataSpec,
    size: Size = 224,
    *,
    scale: Range = (0.6, 1.0),
    flip: float = 0.5,
    mean: Numbers | None = 0.0,
    std: Numbers = 1.0,
) -> Pipeline:
    """Normalisation, a resized crop of 60 to 100 percent of the area, flips along both axes.

    Args:
        spec: with an image of any number of channels.
        size: (height, width) of the result; a patch of torchgeo's samplers.
        scale: of the area.
        flip: the probability of each mirror image.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_image("torchgeo_l8biome", spec)
    return Pipeline(
        [
            *_normalised(mean, std),
            RandomResizedCrop(size, scale, antialias=False),
            Flip("y", p=flip),
            Flip("x", p=flip),
        ],
        spec,
    )


@recipe(
    "satellite",
    "torchgeo's MMFlood",
    "torchgeo 0.10.1 `datamodules/mmflood.py:63`",
    "RandomResizedCrop Resize Normalize Flip Rot90 Elastic",
    differs=[
        "The elastic warp is a spline through random points, where kornia blurs noise with a "
        "deviation of 50 pixels: both move pixels by about half a percent of the side.",
        "Where the crop does not run, images of other sizes than the result are resized as a "
        "whole; `same_size=False` crops all of them.",
        _RANGE,
    ],
)
def torchgeo_mmflood(
    spec: DataSpec,
    size: Size = 512,
    *,
    crop: float = 0.8,
    scale: Range = (0.5, 1.0),
    flip: float = 0.5,
    turn: float = 0.5,
    elastic: float = 0.005,
    p_elastic: float = 0.5,
    mean: Numbers | None = 0.0,
    std: Numbers = 1.0,
    same_size: bool = True,
) -> Pipeline:
    """A resized crop, normalisation, flips, quarter turns and a weak elastic warp.

    Args:
        spec: with an image of any number of channels.
        size: (height, width) of the result; square, for quarter turns.
        crop: the probability of the crop; other images are resized as a whole.
        scale: of its area.
        flip: the probability of each mirror image.
        turn: the probability of quarter turns.
        elastic: how far pixels move, as a fraction of the side.
        p_elastic: the probability that they do.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
        same_size: images have the size of the result already, so that resizing changes nothing;
            False crops all of them.
    """
    need_image("torchgeo_mmflood", spec)
    cut: Transform = RandomResizedCrop(size, scale, antialias=False)
    if same_size and crop < 1:
        whole = Resize(size, antialias=False)
        cut = OneOf([cut, whole], (crop, 1 - crop)) if crop > 0 else whole
    return Pipeline(
        [
            cut,
            *_normalised(mean, std),
            Flip("x", p=flip),
            Flip("y", p=flip),
            Rot90(p=turn),
            Elastic(elastic, (8, 8), p=p_elastic),
        ],
        spec,
    )


@recipe(
    "satellite",
    "torchgeo's LEVIR-CD, OSCD, PASTIS; MMSegmentation's LEVIR: change between dates",
    "torchgeo 0.10.1 `VideoSequential`; open-mmlab/mmsegmentation 1.2.2 "
    "`configs/_base_/datasets/levir_256x256.py`",
    "Crop Flip",
)
def torchgeo_levircd(spec: DataSpec, size: Size = 256, *, flip: float = 0.5) -> Pipeline:
    """The same window and the same flips for all dates of a record.

    Dates are entries of one record, or the frames of an entry with ``"time": true``.

    Args:
        spec: with an image for every date, or one with time.
        size: (height, width) of the window, which images must be as large as.
        flip: the probability of each mirror image.
    """
    need_image("torchgeo_levircd", spec)
    return Pipeline([Crop(size), Flip("x", p=flip), Flip("y", p=flip)], spec)
