"""Depth of single images, in metres for any camera: Metric3D and UniDepth."""

from __future__ import annotations

from ..pipeline import Pipeline, Views
from ..spec import DataSpec
from ..transforms import (
    JPEG,
    CanonicalDepth,
    CoarseDropout,
    ColorJitter,
    Flip,
    Gamma,
    GaussianBlur,
    Grey,
    Normalize,
    OneOf,
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
    need_depth,
    need_intrinsics,
    with_role,
)
from ._recipe import recipe


@recipe(
    "depth",
    "Metric3D v2",
    "YvanYin/Metric3D eb5b6fa `training/mono/configs/RAFTDecoder/vit.raft5.large.py:144`, "
    "`training/mono/utils/transform.py:108-860`",
    "RandomScaledCrop Flip CanonicalDepth CoarseDropout PhotometricDistortion Grey GaussianBlur "
    "JPEG Normalize",
    differs=[
        "Resize, window and flip are one resample; images smaller than the window are padded.",
        "Depths become canonical behind the resize, so that the camera that was refitted is "
        "brought to 1000 pixels: that is their Z / ratio with the camera held.",
        "What is masked, of images, depths and points, is a strip of up to 50 columns anywhere, "
        "where theirs is at an edge.",
        "Rain, snow and fog are left out.",
    ],
)
def metric3d(
    spec: DataSpec,
    size: Size = (616, 1064),
    *,
    focal: float = 1000.0,
    scale: tuple[float, float] = (0.85, 1.15),
    p_scale: float = 0.5,
    flip: float = 0.4,
    strip: int = 50,
    p_strip: float = 0.2,
    p_colour: float = 0.1,
    grey: float = 0.1,
    p_blur: float = 0.05,
    quality: tuple[int, int] = (1, 40),
    p_compression: float = 0.1,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Pipeline:
    """Random scale, a window, a flip, the depths of a canonical camera, and worse images.

    Args:
        spec: with an image whose channels are named r, g and b, a depth map with a value for pixels
            without data, and intrinsics.
        size: (height, width) of the result.
        focal: of the canonical camera, in pixels.
        scale: of the random resize.
        p_scale: the probability of it.
        flip: the probability of a mirror image.
        strip: the most columns that are masked.
        p_strip: the probability that some are.
        p_colour: the probability of a photometric distortion.
        grey: the probability of a grey image.
        p_blur: the probability of a blur.
        quality: of JPEG.
        p_compression: the probability of it.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_colours("metric3d", spec)
    need_depth("metric3d", spec)
    need_intrinsics("metric3d", spec)
    # Labels stay: they need no ignore value.
    masked = [e.name for e in with_role(spec, "intensity", "depth", "position", "direction")]
    windows = [RandomScaledCrop(size, scale), RandomScaledCrop(size, (1.0, 1.0))]
    steps: list[Transform] = [
        OneOf(windows, (p_scale, 1 - p_scale)),
        Flip("x", p=flip),
        CanonicalDepth(focal),
        CoarseDropout(1, height=(1.0, 1.0), width=(1, strip), entries=masked, p=p_strip),
        PhotometricDistortion(clip=True, p=p_colour),
        Grey(p=grey),
        GaussianBlur((0.5, 2.0), p=p_blur),
        JPEG(quality, clip=True, p=p_compression),
    ]
    if mean is not None:
        steps.append(Normalize(mean, std))
    return Pipeline(steps, spec)


@recipe(
    "depth",
    "UniDepth",
    "lpiccinelli-eth/UniDepth 8d8cfe4 `configs/train_v1_vitl14.json`, "
    "`unidepth/datasets/utils/transforms.py:1130`",
    "RandomScaledCrop Flip ColorJitter Gamma GaussianBlur Grey Normalize",
    differs=[
        "The frame has one size, of their 250,000 pixels: theirs draws a ratio of its sides, 0.66 "
        "to 2, for each batch.",
        "What lies outside of an image is black, and invalid in the depths.",
    ],
)
def unidepth(
    spec: DataSpec,
    size: Size = (434, 574),
    *,
    base: int = 434,
    scale: tuple[float, float] = (0.5, 2.0),
    flip: float = 0.5,
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1),
    p_jitter: float = 0.8,
    gamma: Range = (0.8, 1.2),
    p_gamma: float = 0.8,
    sigma: tuple[float, float] = (0.1, 2.0),
    p_blur: float = 0.2,
    grey: float = 0.2,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
    views: int = 2,
) -> Views:
    """Two views of each record: a window that may reach beyond the image, and other colours.

    Cameras follow, so that both views have the depths of one scene.

    Args:
        spec: with an image whose channels are named r, g and b, a depth map, and intrinsics.
        size: (height, width) of the result.
        base: length of the shorter side, before the random scale.
        scale: of the random resize.
        flip: the probability of a mirror image.
        jitter: of brightness, contrast, saturation and hue.
        p_jitter: the probability of the jitter.
        gamma: of the exponent.
        p_gamma: the probability of a power.
        sigma: of the blur, in pixels.
        p_blur: the probability of a blur.
        grey: the probability of a grey image.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
        views: how many.
    """
    need_colours("unidepth", spec)
    need_depth("unidepth", spec)
    need_intrinsics("unidepth", spec)
    steps: list[Transform] = [
        RandomScaledCrop(size, scale, base=base),
        Flip("x", p=flip),
        ColorJitter(*jitter, clip=True, p=p_jitter),
        Gamma(gamma, distribution="uniform", p=p_gamma),
        GaussianBlur(sigma, p=p_blur),
        Grey(p=grey),
    ]
    if mean is not None:
        steps.append(Normalize(mean, std))
    return Views({"view": (Pipeline(steps, spec), views)})
