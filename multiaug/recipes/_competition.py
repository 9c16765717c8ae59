"""Winning solutions of competitions: clouds, pneumothorax and Carvana."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    CLAHE,
    Brightness,
    Contrast,
    Crop,
    Elastic,
    Flip,
    Gamma,
    GaussianNoise,
    Grey,
    GridDistortion,
    Maybe,
    Normalize,
    OneOf,
    OpticalDistortion,
    Resize,
    Rot90,
    Rotate,
    Saturation,
    Scale,
    Sharpen,
    ShotNoise,
    Transform,
    Translate,
)
from ._needs import Numbers, Range, Size, need_colours, need_ignore, need_image
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
    "amirassov/kaggle-pneumothorax d4c4663 `configs/train_transforms_768.yaml`",
    "Flip Elastic GridDistortion OpticalDistortion Translate Scale Rotate Resize Crop Brightness "
    "Contrast Normalize",
    differs=[
        "All geometry is one resample, and values change behind it.",
        "The share of images with a mask, 0.8 to 0.22 over the epochs, is the loader's: give "
        "ma.Loader weights.",
        "Scales are drawn log-uniformly; the lens is weaker, as theirs folds the corners; the "
        "elastic warp is a spline that moves pixels as far.",
    ],
)
def kaggle_pneumothorax(
    spec: DataSpec,
    size: Size = 512,
    *,
    resize: Size = 768,
    flip: float = 0.5,
    p_values: float = 0.3,
    brightness: Range = 0.2,
    contrast: Range = 0.2,
    p_warp: float = 0.3,
    shift: float = 0.2,
    scale: Range = (0.8, 1.2),
    degrees: Range = 20,
    p_move: float = 0.5,
    mean: Numbers | None = 0.449,
    std: Numbers = 0.226,
) -> Pipeline:
    """A flip, one of three warps, shift, scale and turn, a window; brightness and contrast.

    Args:
        spec: with an image; a label map needs an ignore label.
        size: (height, width) of the window.
        resize: what images are brought to before it.
        flip: the probability of a mirror image.
        p_values: the probability of another brightness and contrast.
        brightness: as a fraction of the range.
        contrast: of the amount about the mean.
        p_warp: the probability of one of three warps.
        shift: as a fraction of the side.
        scale: of the zoom.
        degrees: of the turn.
        p_move: the probability of the three.
        mean: of the channels, in units of the range: the mean of ImageNet's; None leaves values as
            they are.
        std: likewise.
    """
    need_image("kaggle_pneumothorax", spec)
    need_ignore("kaggle_pneumothorax", spec)
    return Pipeline(
        [
            Flip("x", p=flip),
            OneOf(
                [Elastic(0.01, (16, 16)), GridDistortion(0.3), OpticalDistortion(0.25)], p=p_warp
            ),
            Maybe([Translate(shift), Scale(scale), Rotate(degrees)], p_move),
            Resize(resize),
            Crop(size),
            Maybe([Brightness(brightness), Contrast(contrast, clip=True)], p_values),
            *([] if mean is None else [Normalize(mean, std)]),
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
