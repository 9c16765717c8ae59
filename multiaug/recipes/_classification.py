"""Classification: timm and torchvision's reference."""

from __future__ import annotations

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    ColorJitter,
    CutMix,
    Erase,
    Flip,
    MixUp,
    Normalize,
    OneHot,
    OneOf,
    RandomResizedCrop,
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


def _mixes(
    owner: str, spec: DataSpec, target: str | None, classes: int | None, mixup: float, cutmix: float
) -> list[Transform]:
    """Classes as shares, and one of both mixes."""
    if not mixup and not cutmix:
        return []
    scalars = [e.name for e in spec.entries.values() if e.role == "scalar"]
    name = target if target is not None else scalars[0] if len(scalars) == 1 else None
    if name not in scalars or classes is None:
        raise ParameterError(
            f"`recipes.{owner}` mixes targets as shares of classes, which needs `classes`, their "
            f"number, and `target`, the name of a scalar of the spec, which has {scalars}; got "
            f"classes={classes} and target={target!r}. Give both, or leave out mixup and cutmix."
        )
    chosen: list[Transform] = []
    if mixup:
        chosen.append(MixUp(mixup))
    if cutmix:
        chosen.append(CutMix(cutmix))
    return [OneHot(name, classes), *(chosen if len(chosen) == 1 else [OneOf(chosen)])]


@recipe(
    "classification",
    "timm on ImageNet",
    "huggingface/pytorch-image-models 1.0.31 `timm/data/transforms_factory.py:65`, "
    "`auto_augment.py:621`, `mixup.py:96`",
    "RandomResizedCrop Flip ColorJitter Normalize Erase OneHot MixUp CutMix",
    differs=[
        "Interpolation is that of the spec; theirs draws bilinear or bicubic.",
        "A policy is handed over as a transform, such as ma.RandAugment(2, 9); as there, it takes "
        "the place of the jitter.",
        "Erased pixels become 0 behind the normalisation, the mean; noise between black and "
        "white in the place of their N(0, 1) is fill='noise'.",
        "Partners are drawn for each record, where theirs mixes the batch with its mirror image, "
        "by one weight; label smoothing is the loss's.",
    ],
)
def timm(
    spec: DataSpec,
    size: Size = 224,
    *,
    scale: Range = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    flip: float = 0.5,
    jitter: float | tuple[float, ...] | None = 0.4,
    policy: Transform | None = None,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
    erase: float = 0.0,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    classes: int | None = None,
    target: str | None = None,
) -> Pipeline:
    """Resized crop, flip, jitter or a policy, normalisation; erasing and mixes on request.

    Args:
        spec: with an image; for jitter, its channels are named r, g and b.
        size: (height, width) of the result.
        scale: of the area of the crop.
        ratio: of its width to its height.
        flip: the probability of a mirror image.
        jitter: of brightness, contrast and saturation; a tuple has each, and hue; None for none.
        policy: what runs in the place of the jitter.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
        erase: the probability of random erasing.
        mixup: alpha of MixUp; 0 for none. timm's usual one is 0.8.
        cutmix: alpha of CutMix; 0 for none. timm's usual one is 1. Of both, each record draws one.
        classes: how many there are, for mixes.
        target: the scalar with the class, for mixes; None where the spec has only one.
    """
    steps: list[Transform] = [RandomResizedCrop(size, scale, ratio), Flip("x", p=flip)]
    if policy is not None:
        need_image("timm", spec)
        steps.append(policy)
    elif jitter is not None:
        need_colours("timm", spec)
        amounts = jitter if isinstance(jitter, tuple) else (jitter,) * 3
        brightness, contrast, saturation, hue = (*amounts, 0.0, 0.0, 0.0)[:4]
        steps.append(ColorJitter(brightness, contrast, saturation, hue, clip=True))
    else:
        need_image("timm", spec)
    return Pipeline(
        [
            *steps,
            *([] if mean is None else [Normalize(mean, std)]),
            *([Erase((0.02, 1 / 3), p=erase)] if erase else []),
            *_mixes("timm", spec, target, classes, mixup, cutmix),
        ],
        spec,
    )


@recipe(
    "classification",
    "torchvision's classification reference",
    "pytorch/vision 080836e `references/classification/presets.py`",
    "RandomResizedCrop Flip Normalize Erase OneHot MixUp CutMix",
    differs=[
        "A policy is handed over as a transform: ma.TrivialAugment(), ma.RandAugment(2, 9), "
        "ma.AugMix(), ma.AutoAugment().",
        "Partners are drawn for each record, where theirs mixes the batch with itself rolled by "
        "one, by one weight.",
    ],
)
def torchvision_classification(
    spec: DataSpec,
    size: Size = 224,
    *,
    scale: Range = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    flip: float = 0.5,
    policy: Transform | None = None,
    mean: Numbers | None = IMAGENET_MEAN,
    std: Numbers = IMAGENET_STD,
    erase: float = 0.0,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    classes: int | None = None,
    target: str | None = None,
) -> Pipeline:
    """Resized crop, flip, a policy if given, normalisation; erasing and mixes on request.

    Args:
        spec: with an image of as many channels as mean has numbers.
        size: (height, width) of the result.
        scale: of the area of the crop.
        ratio: of its width to its height.
        flip: the probability of a mirror image.
        policy: what runs behind the flip.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
        erase: the probability of random erasing; theirs is 0.1 in its newer recipes.
        mixup: alpha of MixUp, 0.2 there; 0 for none.
        cutmix: alpha of CutMix, 1 there; 0 for none. Of both, each record draws one.
        classes: how many there are, for mixes.
        target: the scalar with the class, for mixes; None where the spec has only one.
    """
    need_image("torchvision_classification", spec)
    return Pipeline(
        [
            RandomResizedCrop(size, scale, ratio),
            Flip("x", p=flip),
            *([] if policy is None else [policy]),
            *([] if mean is None else [Normalize(mean, std)]),
            *([Erase((0.02, 1 / 3), p=erase)] if erase else []),
            *_mixes("torchvision_classification", spec, target, classes, mixup, cutmix),
        ],
        spec,
    )
