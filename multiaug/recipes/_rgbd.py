"""Segmentation of colour and depth: ESANet, CMX and DFormer."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    EncodeDepth,
    Flip,
    HueSaturation,
    Normalize,
    RandomScaledCrop,
    Scales,
    Transform,
)
from ._needs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Numbers,
    Range,
    Size,
    need_colours,
    need_depth,
    need_ignore,
    need_image,
    with_role,
)
from ._recipe import recipe


def _encoded(spec: DataSpec, mean: float | None, std: float | None) -> list[Transform]:
    """Depths as numbers that networks take, with those that are not known at 0."""
    if mean is None or std is None:
        return []
    names = [e.name for e in spec.entries.values() if e.role == "depth"]
    return [EncodeDepth(names, "standard", mean=mean, std=std, invalid=0.0)]


@recipe(
    "rgbd",
    "ESANet on NYUv2, SUN RGB-D, Cityscapes",
    "TUI-NICR/ESANet f72ea8a `src/preprocessing.py`",
    "RandomScaledCrop HueSaturation Flip Normalize EncodeDepth Scales",
    differs=[
        "Depth is interpolated on its rays, or as the spec says, where theirs takes the nearest.",
        "The hue is shifted by as much on average as theirs is multiplied by 0.9 to 1.1.",
        "Images smaller than the window are padded, not stretched.",
    ],
)
def esanet(
    spec: DataSpec,
    size: Size = (480, 640),
    *,
    scale: Range = (1.0, 1.4),
    hue: Range = 0.05,
    saturation: Range = 0.1,
    value: Range = 0.1,
    flip: float = 0.5,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
    depth_mean: float | None = None,
    depth_std: float | None = None,
    strides: tuple[int, ...] = (8, 16, 32),
) -> Pipeline:
    """Random scale, a window, other colours, a flip, numbers that networks take, small labels.

    Args:
        spec: with an image whose channels are named r, g and b, and a depth map; a label map needs
            an ignore label.
        size: (height, width) of the result.
        scale: of the random resize.
        hue: as a share of the colour circle.
        saturation: of the amount that it is scaled by.
        value: likewise.
        flip: the probability of a mirror image.
        mean: of the colours, in units of the range; None leaves values as they are.
        std: likewise.
        depth_mean: of the depths of the data set, in their unit: NYUv2 has 2842 mm. None leaves
            depths as they are; else they become intensity, with 0 where they are not known.
        depth_std: likewise; NYUv2 has 1417 mm.
        strides: of label maps of lower resolution, ``<name>_8`` and so on; () for none.
    """
    need_colours("esanet", spec)
    need_depth("esanet", spec)
    need_ignore("esanet", spec)
    steps: list[Transform] = [
        RandomScaledCrop(size, scale),
        HueSaturation(hue, saturation, value, clip=True),
        Flip("x", p=flip),
    ]
    if mean is not None:
        steps.append(Normalize(mean, std))
    steps += _encoded(spec, depth_mean, depth_std)
    if strides:
        steps += [Scales(mask.name, strides) for mask in with_role(spec, "label")]
    return Pipeline(steps, spec)


@recipe(
    "rgbd",
    "CMX, DFormer and DFormerv2 on NYU and SUN",
    "huaaaliu/RGBX_Semantic_Segmentation 0f461ba `dataloader/dataloader.py`; VCIP-RGBD/DFormer "
    "814799b `utils/dataloader/dataloader.py`",
    "Flip RandomScaledCrop Normalize EncodeDepth",
    differs=[
        "Resize and crop are one resample.",
        "Padding comes before normalisation: declare the mean as the fill in the spec for their "
        "zeros behind it.",
        "A depth map is blended as 1/Z, where theirs blends it as an image; HHA, as an image of "
        "intensity, is blended as theirs.",
    ],
)
def cmx(
    spec: DataSpec,
    size: Size = (480, 640),
    *,
    flip: float = 0.5,
    scale: Range = (0.5, 1.75),
    step: float | None = 0.25,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
    depth_mean: float | None = None,
    depth_std: float | None = None,
) -> Pipeline:
    """A flip, one of the scales 0.5, 0.75 .. 1.75, a window with padding, normalisation.

    Args:
        spec: with an image, and a depth map or a second image such as HHA or a thermal one; a
            label map needs an ignore label.
        size: (height, width) of the result.
        flip: the probability of a mirror image.
        scale: of the random resize.
        step: of the scale; None for any scale.
        mean: of the channels of every image, in units of the range; None leaves values as they are.
        std: likewise.
        depth_mean: of depths, in their unit; None leaves depth maps as they are.
        depth_std: likewise.
    """
    images = need_image("cmx", spec)
    if len(images) < 2 and not with_role(spec, "depth"):
        need_depth("cmx", spec)
    need_ignore("cmx", spec)
    steps: list[Transform] = [
        Flip("x", p=flip),
        RandomScaledCrop(size, scale, step=step, pad_position="center"),
    ]
    if mean is not None:
        steps.append(Normalize(mean, std))
    return Pipeline([*steps, *_encoded(spec, depth_mean, depth_std)], spec)
