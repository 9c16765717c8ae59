"""Colours, values and policies of torchvision.transforms.v2."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..transforms import (
    JPEG,
    AugMix,
    AutoAugment,
    AutoContrast,
    ChannelShuffle,
    ColorJitter,
    Contrast,
    Equalize,
    Gain,
    GaussianBlur,
    GaussianNoise,
    Grey,
    HueSaturation,
    Invert,
    Maybe,
    OneOf,
    Posterize,
    RandAugment,
    Saturation,
    Sharpness,
    Solarize,
    Transform,
    TrivialAugment,
)
from ._call import Call, Pair
from ._rules import rule as _rule
from ._torchvision_rules import filled, resampled, said

rule = partial(_rule, "torchvision")

_ALL_BUT_GEOMETRY = "only operations on values take part; it also moves images by its geometry."
# What AugMix draws from where it leaves out what ImageNet-C tests.
_OF_THE_PAPER = ("Posterize", "Solarize", "AutoContrast", "Equalize")


def _factors(limits: Any) -> Pair:
    """Factors as what they are above 1."""
    return limits[0] - 1, limits[1] - 1


@rule("ColorJitter", "ColorJitter")
def _jitter(call: Call) -> list[Transform]:
    brightness, contrast, saturation, hue = (
        tuple(call.take(key) or absent)
        for key, absent in (
            ("brightness", (1.0, 1.0)),
            ("contrast", (1.0, 1.0)),
            ("saturation", (1.0, 1.0)),
            ("hue", (0.0, 0.0)),
        )
    )
    return [ColorJitter(brightness, contrast, saturation, hue, clip=True)]


@rule("RandomPhotometricDistort", "Gain Contrast Saturation HueSaturation ChannelShuffle")
def _distort(call: Call) -> list[Transform]:
    p, call.p = call.p, 1.0  # the chance of each part
    gain = Gain(_factors(call.take("brightness")), True, p=p)
    contrast = Contrast(_factors(call.take("contrast")), True, mean="grey", p=p)
    colours: list[Transform] = [
        Saturation(_factors(call.take("saturation")), True, p=p),
        HueSaturation(tuple(call.take("hue")), 0.0, clip=True, p=p),
    ]
    order = OneOf([Maybe([contrast, *colours], 1.0), Maybe([*colours, contrast], 1.0)])
    return [gain, order, ChannelShuffle(p=p)]


@rule("GaussianBlur", "GaussianBlur")
def _blur(call: Call) -> list[Transform]:
    size, sigma = call.take("kernel_size"), tuple(call.take("sigma"))
    if size[0] != size[1]:
        call.refuse("kernel_size", size, "Kernels are squares here.")
    return [GaussianBlur(sigma, size[0])]


@rule("GaussianNoise", "GaussianNoise")
def _noise(call: Call) -> list[Transform]:
    call.needs("mean", 0, remedy="Put a brightness next to it.")
    sigma = call.take("sigma")
    return [GaussianNoise((sigma, sigma), clip=bool(call.take("clip")))]


@rule("JPEG", "JPEG")
def _jpeg(call: Call) -> list[Transform]:
    return [JPEG(tuple(call.take("quality")), clip=True)]


@rule("RandomPosterize", "Posterize")
def _posterize(call: Call) -> list[Transform]:
    return [Posterize(call.take("bits"))]


@rule("RandomSolarize", "Solarize")
def _solarize(call: Call) -> list[Transform]:
    return [Solarize(call.fraction("threshold", call.take("threshold")))]


@rule("RandomAdjustSharpness", "Sharpness")
def _sharpness(call: Call) -> list[Transform]:
    amount = call.take("sharpness_factor") - 1
    return [Sharpness((amount, amount), clip=True)]


@rule("RandomAutocontrast", "AutoContrast")
def _contrast(call: Call) -> list[Transform]:
    return [AutoContrast()]


@rule("RandomEqualize", "Equalize")
def _equalize(call: Call) -> list[Transform]:
    return [Equalize()]


@rule("RandomInvert", "Invert")
def _invert(call: Call) -> list[Transform]:
    return [Invert()]


@rule("RandomGrayscale", "Grey")
def _random_grey(call: Call) -> list[Transform]:
    return [Grey()]


@rule("Grayscale", "Grey")
def _grey(call: Call) -> list[Transform]:
    if call.take("num_output_channels") == 1:
        call.differs("one channel is left there; here all that there are, and they are the same.")
    return [Grey()]


@rule("RandomChannelPermutation", "ChannelShuffle")
def _channels(call: Call) -> list[Transform]:
    return [ChannelShuffle()]


def _policy(call: Call) -> None:
    resampled(call)
    filled(call)


@rule("RandAugment", "RandAugment")
def _rand(call: Call) -> list[Transform]:
    _policy(call)
    count, magnitude = call.take("num_ops"), call.take("magnitude")
    return [RandAugment(count, magnitude, call.take("num_magnitude_bins"), clip=True)]


@rule("TrivialAugmentWide", "TrivialAugment")
def _trivial(call: Call) -> list[Transform]:
    _policy(call)
    return [TrivialAugment(call.take("num_magnitude_bins"), clip=True)]


@rule("AutoAugment", "AutoAugment")
def _auto(call: Call) -> list[Transform]:
    _policy(call)
    return [AutoAugment(said(call.take("policy")), clip=True)]


@rule("AugMix", "AugMix", _ALL_BUT_GEOMETRY)
def _mix(call: Call) -> list[Transform]:
    call.drop("interpolation", "fill")  # of geometry
    depth, every = call.take("chain_depth"), call.take("all_ops")
    ops = None if every else _OF_THE_PAPER
    severity, width, alpha = (call.take(k) for k in ("severity", "mixture_width", "alpha"))
    return [AugMix(severity, width, max(0, depth), alpha, ops, clip=True)]
