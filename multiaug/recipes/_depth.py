"""Depth of single images: BTS, AdaBins, ZoeDepth, DINOv3, Depth Anything, YOLO-depth, VPD."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    Brightness,
    Contrast,
    Crop,
    Flip,
    Gain,
    Gamma,
    HueSaturation,
    LetterBox,
    Maybe,
    Normalize,
    ResizeShortest,
    Rotate,
    Scale,
    Transform,
    Translate,
)
from ._needs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Numbers,
    Range,
    Size,
    need_colours,
    need_depth,
    need_image,
)
from ._recipe import recipe

Box = tuple[int, int, int, int]
_NYU = (43, 45, 608, 472)
_RAYS = "Depth is interpolated on its rays, or as the spec says, where theirs takes the nearest."


def _moved(
    size: Size, box: Box | None, degrees: Range, p_rotate: float, *others: Transform
) -> list[Transform]:
    """The crop of the blank rim, a small turn, and the window."""
    rim: list[Transform] = [] if box is None else [Crop(box=box)]
    return [*rim, Rotate(degrees, p=p_rotate), Crop(size), *others]


def _coloured(p: float, gamma: Range, brightness: Range, colour: Range) -> Maybe:
    """Gamma, brightness and the channels, all of them or none."""
    return Maybe(
        [
            Gamma(gamma, distribution="uniform"),
            Gain(brightness),
            Gain(colour, clip=True, per="channel"),
        ],
        p,
    )


def _normalised(mean: Numbers | None, std: Numbers) -> list[Transform]:
    return [] if mean is None else [Normalize(mean, std)]


@recipe(
    "depth",
    "BTS and AdaBins on NYU and KITTI",
    "cleinc/bts 29d6a32 `pytorch/bts_dataloader.py`; shariqfarooq123/AdaBins `dataloader.py`",
    "Crop Rotate Flip Gamma Gain Normalize",
    differs=["Crops, turn and flip are one resample.", _RAYS],
)
def bts(
    spec: DataSpec,
    size: Size = (416, 544),
    *,
    box: Box | None = _NYU,
    degrees: Range = 2.5,
    flip: float = 0.5,
    p_colour: float = 0.5,
    gamma: Range = (0.9, 1.1),
    brightness: Range = 0.25,
    colour: Range = 0.1,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Pipeline:
    """The blank rim of NYU off, a small turn, a window, a flip, gamma, brightness and colours.

    KITTI is ``bts(spec, (352, 704), box=None, degrees=1, brightness=0.1)``.

    Args:
        spec: with an image of a declared number of channels, and a depth map.
        size: (height, width) of the result.
        box: (x0, y0, x1, y1) of what is cut out first; None for nothing.
        degrees: of the turn.
        flip: the probability of a mirror image.
        p_colour: the probability that values change.
        gamma: of the exponent.
        brightness: of the amount that all channels are scaled by.
        colour: likewise, for each channel.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_image("bts", spec, channels=True)
    need_depth("bts", spec)
    return Pipeline(
        [
            *_moved(size, box, degrees, 1.0, Flip("x", p=flip)),
            _coloured(p_colour, gamma, brightness, colour),
            *_normalised(mean, std),
        ],
        spec,
    )


@recipe(
    "depth",
    "ZoeDepth",
    "isl-org/ZoeDepth d87f17b `zoedepth/data/data_mono.py:343-507`",
    "Crop Rotate Translate Flip Gamma Gain",
    differs=[
        "Crops, turn, shift and flip are one resample.",
        "Depth is interpolated on its rays, or as the spec says, where theirs blends metres of "
        "both sides of an edge.",
    ],
)
def zoedepth(
    spec: DataSpec,
    size: Size = (416, 544),
    *,
    box: Box | None = _NYU,
    degrees: Range = 2.5,
    pixels: int = 20,
    p_translate: float = 0.2,
    flip: float = 0.5,
    p_colour: float = 0.5,
    gamma: Range = (0.9, 1.1),
    brightness: Range = 0.25,
    colour: Range = 0.1,
) -> Pipeline:
    """As `bts`, and a shift of whole pixels by chance; the model normalises.

    Args:
        spec: with an image of a declared number of channels, and a depth map.
        size: (height, width) of the result.
        box: (x0, y0, x1, y1) of what is cut out first; None for nothing.
        degrees: of the turn.
        pixels: the longest shift, along each axis.
        p_translate: the probability of a shift.
        flip: the probability of a mirror image.
        p_colour: the probability that values change.
        gamma: of the exponent.
        brightness: of the amount that all channels are scaled by.
        colour: likewise, for each channel.
    """
    need_image("zoedepth", spec, channels=True)
    need_depth("zoedepth", spec)
    shift = Translate(px=pixels, whole=True, p=p_translate)
    return Pipeline(
        [
            *_moved(size, box, degrees, 1.0, shift, Flip("x", p=flip)),
            _coloured(p_colour, gamma, brightness, colour),
        ],
        spec,
    )


@recipe(
    "depth",
    "DINOv3's head on NYU",
    "facebookresearch/dinov3 6876159 `dinov3/eval/depth/transforms.py:306`",
    "Crop Rotate Flip Gamma Gain Normalize",
    differs=["Crops, turn and flip are one resample.", _RAYS],
)
def dinov3_depth(
    spec: DataSpec,
    size: Size = (416, 544),
    *,
    box: Box | None = _NYU,
    degrees: Range = 2.5,
    p_rotate: float = 0.5,
    flip: float = 0.5,
    p_colour: float = 0.5,
    gamma: Range = (0.9, 1.1),
    brightness: Range = 0.25,
    colour: Range = 0.1,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Pipeline:
    """As `bts`, but half of the images are turned.

    Args:
        spec: with an image of a declared number of channels, and a depth map.
        size: (height, width) of the result.
        box: (x0, y0, x1, y1) of what is cut out first; None for nothing.
        degrees: of the turn.
        p_rotate: the probability of a turn.
        flip: the probability of a mirror image.
        p_colour: the probability that values change.
        gamma: of the exponent.
        brightness: of the amount that all channels are scaled by.
        colour: likewise, for each channel.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_image("dinov3_depth", spec, channels=True)
    need_depth("dinov3_depth", spec)
    return Pipeline(
        [
            *_moved(size, box, degrees, p_rotate, Flip("x", p=flip)),
            _coloured(p_colour, gamma, brightness, colour),
            *_normalised(mean, std),
        ],
        spec,
    )


@recipe(
    "depth",
    "Depth Anything V2, metric",
    "DepthAnything/Depth-Anything-V2 `metric_depth/dataset/hypersim.py`, `train.py`",
    "ResizeShortest Flip Normalize",
    differs=[
        "Images are interpolated as the spec says: declare cubic for theirs.",
        _RAYS,
        "Pixels without data are those that the spec declares: NaN, or a number.",
    ],
)
def depth_anything(
    spec: DataSpec,
    size: int = 518,
    *,
    multiple: int = 14,
    flip: float = 0.5,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Pipeline:
    """The shorter side to 518, both multiples of 14, a square window, a flip.

    Args:
        spec: with an image of as many channels as mean has numbers, and a depth map.
        size: length of the shorter side, and of the sides of the window.
        multiple: of both sides, before the window is cut.
        flip: the probability of a mirror image.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_image("depth_anything", spec)
    need_depth("depth_anything", spec)
    return Pipeline(
        [
            ResizeShortest(size, multiple=multiple, crop=size),
            Flip("x", p=flip),
            *_normalised(mean, std),
        ],
        spec,
    )


@recipe(
    "depth",
    "VPD on NYU",
    "open-mmlab/mmsegmentation 1.2.2 `configs/_base_/datasets/nyu.py`, "
    "`configs/vpd/vpd_sd_4xb8-25k_nyu-480x480.py`",
    "Flip Crop Brightness Contrast Gamma HueSaturation",
    differs=[
        "RandomDepthMix, which paints depths over a strip of the image, is left out: an image of "
        "two meanings has no role.",
        "Contrast is about the mean, where albumentations of that time multiplies.",
    ],
)
def vpd(
    spec: DataSpec,
    size: Size = 480,
    *,
    flip: float = 0.5,
    brightness: Range = 0.2,
    contrast: Range = 0.2,
    gamma: Range = (0.8, 1.2),
    hue: Range = 20 / 180,
    saturation: Range = 30 / 255,
    value: Range = 20 / 255,
    p_each: float = 0.5,
) -> Pipeline:
    """A flip, a window, brightness and contrast, gamma, hue and saturation.

    Args:
        spec: with an image whose channels are named r, g and b, and a depth map.
        size: (height, width) of the result.
        flip: the probability of a mirror image.
        brightness: as a fraction of the range.
        contrast: of the amount about the mean.
        gamma: of the exponent.
        hue: as a share of the colour circle.
        saturation: what is added to it.
        value: likewise.
        p_each: the probability of each of the three.
    """
    need_colours("vpd", spec)
    need_depth("vpd", spec)
    return Pipeline(
        [
            Flip("x", p=flip),
            Crop(size),
            Maybe([Brightness(brightness), Contrast(contrast, clip=True)], p_each),
            Gamma(gamma, distribution="uniform", p=p_each),
            HueSaturation(hue, saturation, value, "shift", clip=True, p=p_each),
        ],
        spec,
    )


@recipe(
    "depth",
    "Ultralytics YOLO26-depth",
    "ultralytics 8.4.190 `data/dataset.py:550`, `data/augment.py:1382`",
    "LetterBox Scale Translate Flip HueSaturation",
    differs=[
        "Resize, zoom, shift and flip are one resample.",
        "A zoom refits the intrinsics where the record has them, so that metres stay true; theirs "
        "knows no camera, and its ambiguity of scale is fitted away afterwards.",
        "Scales are drawn log-uniformly.",
        "What is padded is as the spec says: declare 114 of 255 as the fill for their grey.",
    ],
)
def yolo_depth(
    spec: DataSpec,
    size: Size = 640,
    *,
    translate: float = 0.1,
    scale: Range = (0.5, 1.5),
    flip: float = 0.5,
    hue: Range = 0.015,
    saturation: Range = 0.7,
    value: Range = 0.4,
) -> Pipeline:
    """Letterbox, zoom, shift, flip, and other colours.

    Args:
        spec: with an image whose channels are named r, g and b, and a depth map.
        size: (height, width) of the result.
        translate: the longest shift, as a fraction of the side.
        scale: of the zoom.
        flip: the probability of a mirror image.
        hue: as a share of the colour circle.
        saturation: of the amount that it is scaled by.
        value: likewise.
    """
    need_colours("yolo_depth", spec)
    need_depth("yolo_depth", spec)
    return Pipeline(
        [
            LetterBox(size),
            Scale(scale),
            Translate(translate),
            Flip("x", p=flip),
            HueSaturation(hue, saturation, value, clip=True),
        ],
        spec,
    )
