"""Several views of each image: DINOv2 and DINOv3, MoCo of any number of channels."""

from __future__ import annotations

from ..errors import ParameterError
from ..pipeline import Pipeline, Views
from ..spec import DataSpec
from ..transforms import (
    Brightness,
    ColorJitter,
    Flip,
    Gain,
    GaussianBlur,
    Grey,
    Normalize,
    RandomResizedCrop,
    Solarize,
    Transform,
)
from ._needs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Numbers,
    Range,
    Size,
    need_colours,
    need_image,
)
from ._recipe import recipe


@recipe(
    "self-supervised",
    "DINOv2 and DINOv3",
    "facebookresearch/dinov2 `dinov2/data/augmentations.py`; facebookresearch/dinov3 6876159 "
    "`dinov3/configs/ssl_default_config.yaml:148`",
    "RandomResizedCrop Flip ColorJitter Grey GaussianBlur Solarize Normalize",
    differs=[
        "Crops are interpolated as the spec says: declare cubic for theirs.",
        "The blur's kernel has all within four deviations, where theirs has 9 pixels.",
    ],
)
def dino(
    spec: DataSpec,
    size: Size = 224,
    *,
    local_size: Size = 96,
    local_views: int = 8,
    scale: Range = (0.32, 1.0),
    local_scale: Range = (0.05, 0.32),
    flip: float = 0.5,
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1),
    p_jitter: float = 0.8,
    grey: float = 0.2,
    sigma: tuple[float, float] = (0.1, 2.0),
    p_blur: tuple[float, float, float] = (1.0, 0.1, 0.5),
    solarize: float = 0.2,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
) -> Views:
    """Two global and eight local crops, each with colours, blur and solarizing of its own.

    Args:
        spec: with an image whose channels are named r, g and b.
        size: (height, width) of the views ``global_1`` and ``global_2``.
        local_size: of the views ``local``.
        local_views: how many of those there are.
        scale: of the area of the global crops.
        local_scale: of the local ones.
        flip: the probability of a mirror image.
        jitter: of brightness, contrast, saturation and hue.
        p_jitter: the probability of the jitter.
        grey: the probability of a grey image.
        sigma: of the blur, in pixels.
        p_blur: the probability of a blur, of the first and the second global view, and the local.
        solarize: the probability that the second global view is solarized.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
    """
    need_colours("dino", spec)

    def view(side: Size, area: Range, blur: float, solarized: float) -> Pipeline:
        steps: list[Transform] = [
            RandomResizedCrop(side, area),
            Flip("x", p=flip),
            ColorJitter(*jitter, clip=True, p=p_jitter),
            Grey(p=grey),
            GaussianBlur(sigma, p=blur),
        ]
        if solarized:
            steps.append(Solarize(128 / 255, p=solarized))
        if mean is not None:
            steps.append(Normalize(mean, std))
        return Pipeline(steps, spec)

    first, second, local = p_blur
    return Views(
        {
            "global_1": (view(size, scale, first, 0.0), 1),
            "global_2": (view(size, scale, second, solarize), 1),
            "local": (view(local_size, local_scale, local, 0.0), local_views),
        }
    )


@recipe(
    "self-supervised",
    "torchgeo's MoCo; SimCLR, BYOL and MAE are alike",
    "torchgeo 0.10.1 `tasks/moco.py:58`, `simclr.py:43`, `byol.py:60`, `mae.py:26`",
    "RandomResizedCrop Flip Brightness Gain Grey GaussianBlur Solarize",
    differs=[
        "The flips stand beside the crop, in one resample.",
        "Grey is the mean of all channels, theirs a sum by weights.",
    ],
)
def torchgeo_moco(
    spec: DataSpec,
    size: int = 224,
    *,
    version: int = 2,
    scale: Range | None = None,
    brightness: Range = 0.4,
    contrast: Range = 0.4,
    p_values: float = 0.8,
    grey: float = 0.2,
    sigma: tuple[float, float] = (0.1, 2.0),
    flip: float = 0.5,
) -> Views:
    """Two views of each image, of any number of channels: crop, flips, values, grey, blur.

    kornia's brightness adds, and its contrast multiplies, as here; nothing is clipped. MAE only
    has the crop and the flips: brightness, contrast and grey are 0 then, and the version is 1.

    Args:
        spec: with an image of a declared number of channels.
        size: length of both sides of the views ``query`` and ``key``.
        version: of MoCo: 1 has no blur; 2, as SimCLR, blurs half of the views; 3, as BYOL, blurs
            all of the first and a tenth of the second, some of which are solarized.
        scale: of the area of the crop; None is that of the version: (0.2, 1), and of 3 (0.08, 1).
        brightness: what is added, as a fraction of the range.
        contrast: of the amount that values are multiplied by.
        p_values: the probability of each of both; version 1 changes all.
        grey: the probability that all channels become their mean.
        sigma: of the blur, in pixels.
        flip: the probability of a mirror image along each axis.
    """
    need_image("torchgeo_moco", spec, channels=True)
    if version not in (1, 2, 3):
        raise ParameterError(f"`recipes.torchgeo_moco.version` must be 1, 2 or 3, got {version!r}.")
    area = scale if scale is not None else (0.08, 1.0) if version == 3 else (0.2, 1.0)
    kernel = max(3, size // 10 // 2 * 2 + 1)
    chance = 1.0 if version == 1 else p_values
    values = [Brightness(brightness, p=chance), Gain(contrast, p=chance)]
    mean = [Grey("mean", p=grey)]
    blur, solarize = {1: ((0, 0), 0), 2: ((0.5, 0.5), 0), 3: ((1.0, 0.1), 0.2)}[version]

    def view(p_blur: float, p_solarize: float) -> Pipeline:
        return Pipeline(
            [
                RandomResizedCrop(size, area, antialias=False),
                Flip("x", p=flip),
                Flip("y", p=flip),
                *([*mean, *values] if version == 1 else [*values, *mean]),
                *([GaussianBlur(sigma, kernel, p=p_blur)] if p_blur else []),
                *([Solarize(0.5, p=p_solarize)] if p_solarize else []),
            ],
            spec,
        )

    return Views({"query": (view(blur[0], 0), 1), "key": (view(blur[1], solarize), 1)})
