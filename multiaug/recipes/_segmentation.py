"""Semantic segmentation: mmsegmentation, Mask2Former, DeepLab, torchvision, DINOv3."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    Edges,
    Flip,
    Normalize,
    PhotometricDistortion,
    RandomScaledCrop,
    Transform,
)
from ._needs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Numbers,
    Range,
    Size,
    need_colours,
    need_ignore,
    need_image,
    need_labels,
)
from ._recipe import recipe

_PADDING = (
    "What is padded is filled by the border rule of each entry: declare a fill in the spec for "
    "another number than 0 and the ignore label."
)
_FLOATS = "Colours are not rounded to bytes between the steps of the photometric distortion."


def _window(
    owner: str,
    spec: DataSpec,
    size: Size,
    scale: Range,
    base: Size,
    max_share: float | None,
    antialias: bool,
    step: float | None = None,
) -> RandomScaledCrop:
    """The random scale and the crop of mmsegmentation."""
    need_ignore(owner, spec)
    if max_share is not None:
        need_labels(owner, spec, "It chooses windows by their labels; max_share=None does not.")
    return RandomScaledCrop(
        size,
        scale,
        step=step,
        base=base,
        max_share=max_share,
        pad_position="top_left",
        antialias=antialias,
    )


@recipe(
    "segmentation",
    "MMSegmentation's ADE20K and Cityscapes; SegFormer, DeepLabV3+, UPerNet",
    "open-mmlab/mmsegmentation 1.2.2 `configs/_base_/datasets/ade20k.py`, `cityscapes.py`; "
    "NVlabs/SegFormer `ade20k_repeat.py`",
    "RandomScaledCrop Flip PhotometricDistortion",
    differs=[
        "Resize and crop are one resample.",
        _FLOATS,
        _PADDING,
        "Normalisation is that of the model's preprocessor: add ma.Normalize.",
    ],
)
def mmseg(
    spec: DataSpec,
    size: Size = 512,
    *,
    scale: Range = (0.5, 2.0),
    base: Size = (512, 2048),
    max_share: float | None = 0.75,
    antialias: bool = False,
    flip: float = 0.5,
    brightness: Range = 32 / 255,
    contrast: Range = 0.5,
    saturation: Range = 0.5,
    hue: Range = 18 / 180,
    p_each: float = 0.5,
    clip: bool = True,
) -> Pipeline:
    """Random scale, a window that no single class fills, a flip, photometric distortion.

    Cityscapes is ``mmseg(spec, (512, 1024), base=(1024, 2048))``, or a size of 1024.

    Args:
        spec: with an image whose channels are named r, g and b, and a label map with an ignore
            label.
        size: (height, width) of the result.
        scale: of the random resize.
        base: what images are brought to before it: the longest and the shortest side.
        max_share: the largest share of one class; None for no limit, and no label map.
        antialias: low-pass images that shrink, which theirs does not.
        flip: the probability of a mirror image.
        brightness: as a fraction of the range.
        contrast: of the factor.
        saturation: of the factor.
        hue: as a share of the colour circle.
        p_each: the probability of each of the four.
        clip: clip to the range after each of the four, as bytes do.
    """
    need_colours("mmseg", spec)
    return Pipeline(
        [
            _window("mmseg", spec, size, scale, base, max_share, antialias),
            Flip("x", p=flip),
            PhotometricDistortion(brightness, contrast, saturation, hue, p_each, clip),
        ],
        spec,
    )


@recipe(
    "segmentation",
    "Mask2Former on ADE20K",
    "open-mmlab/mmsegmentation 1.2.2 "
    "`configs/mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py:143`",
    "RandomScaledCrop Flip PhotometricDistortion",
    differs=[
        "Resize and crop are one resample.",
        "The shorter side is the nearest integer, where theirs is rounded down: 410 for 409.",
        "The longer side is not limited to 2048, which images four times as wide as high exceed.",
        _FLOATS,
        _PADDING,
    ],
)
def mask2former(
    spec: DataSpec,
    size: Size = 512,
    *,
    shortest: int = 512,
    scale: Range = (0.5, 2.0),
    step: float | None = 0.1,
    max_share: float | None = 0.75,
    antialias: bool = False,
    flip: float = 0.5,
    p_each: float = 0.5,
    clip: bool = True,
) -> Pipeline:
    """The shorter side one of 256 to 1024 in steps of 51, then as `mmseg`.

    Args:
        spec: with an image whose channels are named r, g and b, and a label map with an ignore
            label.
        size: (height, width) of the result.
        shortest: length of the shorter side, before the random scale.
        scale: of the random resize.
        step: of the scale; None for any scale.
        max_share: the largest share of one class; None for no limit, and no label map.
        antialias: low-pass images that shrink, which theirs does not.
        flip: the probability of a mirror image.
        p_each: the probability of each step of the photometric distortion.
        clip: clip to the range after each of them, as bytes do.
    """
    need_colours("mask2former", spec)
    return Pipeline(
        [
            _window("mask2former", spec, size, scale, shortest, max_share, antialias, step),
            Flip("x", p=flip),
            PhotometricDistortion(p_each=p_each, clip=clip),
        ],
        spec,
    )


@recipe(
    "segmentation",
    "PIDNet on Cityscapes",
    "open-mmlab/mmsegmentation 1.2.2 "
    "`configs/pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py:69`",
    "RandomScaledCrop Flip PhotometricDistortion Edges",
    differs=[
        "Resize and crop are one resample.",
        "Edges are two pixels thick on each side, all along the boundary of classes; theirs "
        "dilates what Canny finds by a width of 4, and leaves out a rim of the image.",
        _FLOATS,
        _PADDING,
    ],
)
def pidnet(
    spec: DataSpec,
    size: Size = 1024,
    *,
    scale: Range = (0.5, 2.0),
    base: Size = (1024, 2048),
    max_share: float | None = 0.75,
    antialias: bool = False,
    flip: float = 0.5,
    p_each: float = 0.5,
    clip: bool = True,
    width: int = 2,
) -> Pipeline:
    """As `mmseg`, and an entry ``<mask>_edges`` for each label map.

    Args:
        spec: with an image whose channels are named r, g and b, and a label map with an ignore
            label.
        size: (height, width) of the result.
        scale: of the random resize.
        base: what images are brought to before it: the longest and the shortest side.
        max_share: the largest share of one class; None for no limit.
        antialias: low-pass images that shrink, which theirs does not.
        flip: the probability of a mirror image.
        p_each: the probability of each step of the photometric distortion.
        clip: clip to the range after each of them, as bytes do.
        width: pixels of an edge on each side of a boundary.
    """
    need_colours("pidnet", spec)
    masks = need_labels("pidnet", spec, "It makes edges of labels.")
    return Pipeline(
        [
            _window("pidnet", spec, size, scale, base, max_share, antialias),
            Flip("x", p=flip),
            PhotometricDistortion(p_each=p_each, clip=clip),
            *(Edges(mask.name, width) for mask in masks),
        ],
        spec,
    )


@recipe(
    "segmentation",
    "DeepLab, in TensorFlow",
    "tensorflow/models `research/deeplab/input_preprocess.py`",
    "RandomScaledCrop Flip",
    differs=[
        "Resize and crop are one resample, by areas of pixels; theirs aligns the corners.",
        "They pad with the mean, 127.5: declare that fill in the spec; else images are padded "
        "with 0.",
        "Scaling to -1 to 1 is the model's.",
    ],
)
def deeplab(
    spec: DataSpec,
    size: Size = 513,
    *,
    scale: Range = (0.5, 2.0),
    step: float | None = 0.25,
    flip: float = 0.5,
) -> Pipeline:
    """One of the scales 0.5, 0.75 .. 2, a window, a flip.

    Args:
        spec: with an image; a label map needs an ignore label.
        size: (height, width) of the result.
        scale: of the random resize.
        step: of the scale; None for any scale.
        flip: the probability of a mirror image.
    """
    need_image("deeplab", spec)
    need_ignore("deeplab", spec)
    return Pipeline(
        [RandomScaledCrop(size, scale, step=step, pad_position="top_left"), Flip("x", p=flip)],
        spec,
    )


@recipe(
    "segmentation",
    "torchvision's segmentation reference",
    "pytorch/vision `references/segmentation/presets.py`",
    "Flip RandomScaledCrop Normalize",
    differs=[
        "Resize and crop are one resample; theirs resizes by whole lengths of the shorter side.",
    ],
)
def torchvision_segmentation(
    spec: DataSpec,
    size: Size = 480,
    *,
    base: int = 520,
    scale: Range = (0.5, 2.0),
    flip: float = 0.5,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Pipeline:
    """The shorter side 260 to 1040, a flip, a window of 480, ImageNet's mean and deviation.

    Args:
        spec: with an image of as many channels as mean has numbers; a label map needs an ignore
            label.
        size: (height, width) of the result.
        base: length of the shorter side, before the random scale.
        scale: of the random resize.
        flip: the probability of a mirror image.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_image("torchvision_segmentation", spec)
    need_ignore("torchvision_segmentation", spec)
    steps: list[Transform] = [
        Flip("x", p=flip),
        RandomScaledCrop(size, scale, base=base, pad_position="top_left"),
    ]
    if mean is not None:
        steps.append(Normalize(mean, std))
    return Pipeline(steps, spec)


@recipe(
    "segmentation",
    "DINOv3's linear head on ADE20K",
    "facebookresearch/dinov3 6876159 "
    "`dinov3/eval/segmentation/configs/config-ade20k-linear-training.yaml`",
    "RandomScaledCrop Flip PhotometricDistortion Normalize",
    differs=["Resize and crop are one resample.", _FLOATS, _PADDING],
)
def dinov3_segmentation(
    spec: DataSpec,
    size: Size = 512,
    *,
    base: int = 512,
    scale: Range = (0.5, 2.0),
    flip: float = 0.5,
    p_each: float = 0.5,
    clip: bool = True,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Pipeline:
    """The shorter side 256 to 1024, a window, a flip, photometric distortion, normalisation.

    Args:
        spec: with an image whose channels are named r, g and b; a label map needs an ignore label.
        size: (height, width) of the result.
        base: length of the shorter side, before the random scale.
        scale: of the random resize.
        flip: the probability of a mirror image.
        p_each: the probability of each step of the photometric distortion.
        clip: clip to the range after each of them, as bytes do.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_colours("dinov3_segmentation", spec)
    need_ignore("dinov3_segmentation", spec)
    steps: list[Transform] = [
        RandomScaledCrop(size, scale, base=base, pad_position="top_left"),
        Flip("x", p=flip),
        PhotometricDistortion(p_each=p_each, clip=clip),
    ]
    if mean is not None:
        steps.append(Normalize(mean, std))
    return Pipeline(steps, spec)
