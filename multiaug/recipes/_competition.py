"""Winning solutions of competitions: clouds, pneumothorax and Carvana."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    CLAHE,
    Brightness,
    Contrast,
    Elastic,
    Flip,
    Gamma,
    GaussianNoise,
    Grey,
    GridDistortion,
    LabelCrop,
    Maybe,
    OneOf,
    OpticalDistortion,
    Rot90,
    Rotate,
    Saturation,
    Scale,
    Sharpen,
    ShotNoise,
    Transform,
    Translate,
)
from ._needs import Range, Size, need_colours, need_ignore, need_image, need_labels
from ._recipe import recipe


@recipe(
    "competition",
    "Kaggle: Understanding Clouds from Satellite Images, gold",
    "aicomp.top/discover/solution/2868",
    "Translate Scale Elastic GridDistortion OpticalDistortion Rot90 Flip Sharpen CLAHE "
    "GaussianNoise ShotNoise Brightness Contrast Gamma",
    differs=[
        "All geometry is one resample; scales are drawn log-uniformly.",
        "The noise of a sensor is that of counted photons, where albumentations' ISO noise changes "
        "hue and luminance.",
        "Oblong images are turned by half turns; turns=(0, 1, 2, 3) is for square ones.",
        "Flips and sizes at test time are not part of it.",
    ],
)
def kaggle_clouds(
    spec: DataSpec,
    *,
    shift: float = 0.1,
    scale: Range = (0.5, 1.5),
    p_move: float = 0.6,
    p_warp: float = 0.8,
    turns: tuple[int, ...] = (0, 2),
    flip: float = 0.5,
    p_filter: float = 0.8,
    brightness: Range = 0.2,
    contrast: Range = 0.2,
    p_brightness: float = 0.8,
    gamma: Range = (0.8, 1.2),
    p_gamma: float = 0.8,
) -> Pipeline:
    """Shift and scale, one warp, turns and flips, one filter or noise, brightness, gamma.

    Args:
        spec: with an image; a label map needs an ignore label.
        shift: as a fraction of the side.
        scale: of the zoom.
        p_move: the probability of shift and scale.
        p_warp: the probability of one of three warps.
        turns: quarter turns to draw from.
        flip: the probability of each mirror image.
        p_filter: the probability of sharpening, CLAHE or one of two noises.
        brightness: as a fraction of the range.
        contrast: of the amount about the mean.
        p_brightness: the probability of both.
        gamma: of the exponent.
        p_gamma: the probability of a power.
    """
    need_image("kaggle_clouds", spec)
    need_ignore("kaggle_clouds", spec)
    return Pipeline(
        [
            Maybe([Translate(shift), Scale(scale)], p_move),
            OneOf([Elastic(0.03), GridDistortion(0.3), OpticalDistortion(0.1)], p=p_warp),
            Rot90(turns),
            Flip("x", p=flip),
            Flip("y", p=flip),
            OneOf([Sharpen(), CLAHE(), GaussianNoise(0.05), ShotNoise()], p=p_filter),
            Maybe([Brightness(brightness), Contrast(contrast, clip=True)], p_brightness),
            Gamma(gamma, p=p_gamma),
        ],
        spec,
    )


@recipe(
    "competition",
    "Kaggle: pneumothorax segmentation",
    "amirassov/kaggle-pneumothorax",
    "LabelCrop Translate Scale Rotate Flip Brightness Contrast Gamma Elastic GridDistortion "
    "OpticalDistortion",
    differs=[
        "Crop, turn, flip and warp are one resample; values change behind all of them.",
        "The share of images with a mask, 0.8 to 0.22 over the epochs, is the loader's: give "
        "ma.Loader weights. The share here is that of windows on the mask.",
        "Scales are drawn log-uniformly; warps have settings of their own.",
    ],
)
def kaggle_pneumothorax(
    spec: DataSpec,
    size: Size = 512,
    *,
    share: float = 0.8,
    shift: float = 0.0625,
    scale: Range = (0.9, 1.1),
    degrees: Range = 45,
    p_move: float = 0.5,
    flip: float = 0.5,
    p_warp: float = 0.3,
    p_values: float = 0.3,
) -> Pipeline:
    """A window on the mask, shift, scale and turn, a flip, one warp, one change of values.

    Args:
        spec: with an image and a label map.
        size: (height, width) of the window; images that are smaller are padded.
        share: the probability that the window is placed on the mask.
        shift: as a fraction of the side.
        scale: of the zoom.
        degrees: of the turn.
        p_move: the probability of each of the three.
        flip: the probability of a mirror image.
        p_warp: the probability of one of three warps.
        p_values: the probability of another brightness, contrast or gamma.
    """
    need_image("kaggle_pneumothorax", spec)
    need_labels("kaggle_pneumothorax", spec, "It places windows on the mask.")
    return Pipeline(
        [
            LabelCrop(size, share=share, position="random", pad=True),
            Translate(shift, p=p_move),
            Scale(scale, p=p_move),
            Rotate(degrees, p=p_move),
            Flip("x", p=flip),
            OneOf([Elastic(0.03), GridDistortion(0.3), OpticalDistortion(0.1)], p=p_warp),
            OneOf(
                [Contrast(0.2, clip=True), Gamma((0.8, 1.2)), Brightness(0.2, clip=True)],
                p=p_values,
            ),
        ],
        spec,
    )


@recipe(
    "competition",
    "Kaggle: Carvana, first place",
    "slides.com/vladimiriglovikov, Carvana Image Masking Challenge",
    "Flip Scale Rotate Translate Brightness Contrast Saturation Grey",
    differs=["No numbers are published: those here are ours, of usual strength."],
)
def carvana(
    spec: DataSpec,
    *,
    flip: float = 0.5,
    scale: Range = (0.8, 1.25),
    degrees: Range = 10,
    shift: float = 0.0625,
    p_move: float = 0.5,
    brightness: Range = 0.2,
    contrast: Range = 0.2,
    saturation: Range = 0.3,
    p_each: float = 0.5,
    grey: float = 0.1,
) -> Pipeline:
    """A flip, scale, turn and shift; brightness, contrast, saturation, grey. The frame stays.

    Args:
        spec: with an image whose channels are named r, g and b; a label map needs an ignore label.
        flip: the probability of a mirror image.
        scale: of the zoom.
        degrees: of the turn.
        shift: as a fraction of the side.
        p_move: the probability of each of the three.
        brightness: as a fraction of the range.
        contrast: of the amount about the mean.
        saturation: of the amount about grey.
        p_each: the probability of each of the three.
        grey: the probability of a grey image.
    """
    need_colours("carvana", spec)
    need_ignore("carvana", spec)
    values: list[Transform] = [
        Brightness(brightness, clip=True, p=p_each),
        Contrast(contrast, clip=True, p=p_each),
        Saturation(saturation, clip=True, p=p_each),
        Grey(p=grey),
    ]
    return Pipeline(
        [
            Flip("x", p=flip),
            Scale(scale, p=p_move),
            Rotate(degrees, p=p_move),
            Translate(shift, p=p_move),
            *values,
        ],
        spec,
    )
