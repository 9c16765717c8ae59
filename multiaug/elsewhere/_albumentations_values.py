"""Values and occlusion of albumentations."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..transforms import (
    CLAHE,
    JPEG,
    Brightness,
    ChannelShift,
    ColorJitter,
    Equalize,
    Gain,
    Gamma,
    GaussianBlur,
    GaussianNoise,
    Grey,
    HueSaturation,
    Invert,
    LowResolution,
    MedianBlur,
    MotionBlur,
    OneOf,
    Posterize,
    SaltAndPepper,
    Sharpen,
    ShotNoise,
    Solarize,
    Transform,
)
from ._call import Call, Pair
from ._rules import rule as _rule

rule = partial(_rule, "albumentations")


@rule("RandomBrightnessContrast", "Gain Brightness")
def _brightness_contrast(call: Call) -> list[Transform]:
    contrast, shift = call.range("contrast_limit", 0.2), call.range("brightness_limit", 0.2)
    if shift != (0, 0):
        call.needs("brightness_by_max", True, remedy="Brightness is in units of the range here.")
    call.drop("brightness_by_max")
    call.needs("ensure_safe_range", False)
    made: list[Transform] = []
    if contrast != (0, 0):
        made.append(Gain(contrast))
    if shift != (0, 0):
        made.append(Brightness(shift, clip=True))
    return made or [Brightness(0.0)]


@rule("ColorJitter", "ColorJitter")
def _jitter(call: Call) -> list[Transform]:
    brightness, contrast, saturation = (
        _about_one(call, key) for key in ("brightness", "contrast", "saturation")
    )
    return [ColorJitter(brightness, contrast, saturation, call.range("hue"), clip=True)]


def _about_one(call: Call, key: str) -> Pair:
    value = call.take(key)
    if isinstance(value, int | float):
        return (max(0.0, 1 - value), 1 + value)
    low, high = value
    return (low, high)


@rule("HueSaturationValue", "HueSaturation", "bytes of hue have steps of two degrees.")
def _hue(call: Call) -> list[Transform]:
    hue, sat, val = (
        tuple(v / unit for v in call.range(key, limit))
        for key, limit, unit in (
            ("hue_shift_limit", 20, 180),
            ("sat_shift_limit", 30, 255),
            ("val_shift_limit", 20, 255),
        )
    )
    return [HueSaturation(hue, sat, val, mode="shift", clip=True)]


@rule("RGBShift", "ChannelShift")
def _rgb_shift(call: Call) -> list[Transform]:
    call.drop("approximation", "noise_params", "noise_type", "spatial_mode")
    r, g, b = (call.range(f"{c}_shift_limit", 20) for c in "rgb")
    if not r == g == b:
        call.refuse("r_shift_limit", r, f"All channels have one range here; g has {g}, b {b}.")
    unit = 255 if max(map(abs, r)) > 1 else 1
    return [ChannelShift((r[0] / unit, r[1] / unit), clip=True)]


@rule("RandomGamma", "Gamma", "bytes are cut to whole levels, and rounded here.")
def _gamma(call: Call) -> list[Transform]:
    call.drop("eps")
    low, high = call.exactly("gamma_limit", (80, 120))
    return [Gamma((low / 100, high / 100), clip=True, distribution="uniform")]


def _kernels(call: Call, default: Any, least: int) -> Pair:
    """The least and the greatest kernel, in pixels; a number k is (least, k)."""
    value = call.take("blur_limit", default)
    return (least, value) if isinstance(value, int | float) else (value[0], value[1])


def _opencv_sigma(size: float) -> float:
    return float(0.3 * ((size - 1) * 0.5 - 1) + 0.8)


@rule("GaussianBlur", "GaussianBlur")
def _gaussian(call: Call) -> list[Transform]:
    sizes, sigma = _kernels(call, (0, 0), 0), call.exactly("sigma_limit", 0)
    if sigma == (0.0, 0.0):
        low, high = (_opencv_sigma(max(3, size)) for size in sizes)
        call.differs("sigma follows the kernel that is drawn there; here sigma is drawn.")
        return [GaussianBlur((low, high))]
    one = sizes[0] == sizes[1] > 0
    if not one:
        call.differs("the kernel ends where blur_limit says there, and at four sigma here.")
    return [GaussianBlur(sigma, int(sizes[0]) | 1 if one else None)]


@rule("Blur", "GaussianBlur", "a mean over a square; here a Gaussian of the same deviation.")
def _box(call: Call) -> list[Transform]:
    sizes = _kernels(call, (3, 7), 3)
    low, high = (((size**2 - 1) / 12) ** 0.5 for size in sizes)
    return [GaussianBlur((low, high))]


@rule("MedianBlur", "MedianBlur", "pixels on the rim are repeated there, and mirrored here.")
def _median(call: Call) -> list[Transform]:
    low, high = (int(size) for size in _kernels(call, (3, 7), 3))
    made: list[Transform] = [MedianBlur(size) for size in range(low | 1, high + 1, 2)]
    return made if len(made) == 1 else [OneOf(made)]


@rule("MotionBlur", "MotionBlur", "a row of whole pixels; here a segment as long.")
def _motion(call: Call) -> list[Transform]:
    low, high = _kernels(call, (3, 7), 3)
    start, end = call.exactly("angle_range", (0, 360))
    if call.take("allow_shifted", True):
        call.differs("with `allow_shifted` the image also moves by up to a quarter of the length.")
    if call.exactly("direction_range", (-1.0, 1.0)) != (0, 0):
        call.differs("the segment may lie on one side of its pixel there; here in the middle.")
    # Its angles run clockwise, and half a turn changes nothing.
    ends = (-90.0, 90.0) if end - start >= 180 else (-end, -start)
    return [MotionBlur((low - 1.0, high - 1.0), ends)]


@rule("GaussNoise", "GaussianNoise")
def _noise(call: Call) -> list[Transform]:
    if call.has("var_limit"):
        low, high = call.pair("var_limit", call.take("var_limit"), lambda v: (0, v))
        if low != high:
            call.differs("the variance is drawn uniformly there, and the deviation here.")
        std = (low**0.5 / 255, high**0.5 / 255)
        mean = call.take("mean", 0)
    else:
        std, mean = call.exactly("std_range", (0.2, 0.44)), call.take("mean_range", (0, 0))
    if mean not in (0, (0, 0), [0, 0]):
        call.refuse("mean_range", mean, "Put a brightness next to it.")
    call.needs("noise_scale_factor", 1)
    if not call.take("per_channel", True):
        call.differs("channels share their noise without `per_channel`; here each has its own.")
    return [GaussianNoise(std, clip=True)]


@rule("MultiplicativeNoise", "Gain")
def _multiply(call: Call) -> list[Transform]:
    low, high = call.exactly("multiplier", (0.9, 1.1))
    call.needs("elementwise", False, remedy="SpeckleNoise has normal numbers for every pixel.")
    per = "channel" if call.take("per_channel", False) else "record"
    return [Gain((low - 1, high - 1), True, per=per)]


@rule(
    "ShotNoise",
    "ShotNoise",
    "photons are counted in linear light (values to the power of 2.2), with Poisson's law and an "
    "evenly drawn scale; here in the values themselves, and their number is log-uniform.",
)
def _shot(call: Call) -> list[Transform]:
    low, high = call.exactly("scale_range", (0.1, 0.3))
    return [ShotNoise((1 / high, 1 / low), clip=True)]


@rule("SaltAndPepper", "SaltAndPepper", "an exact number of pixels; here each by chance.")
def _salt(call: Call) -> list[Transform]:
    low, high = call.exactly("salt_vs_pepper", (0.4, 0.6))
    if low != high:
        call.differs("the part of salt is drawn there; here it is the middle of its range.")
    return [SaltAndPepper(call.exactly("amount", (0.01, 0.06)), (low + high) / 2, "pixel")]


@rule("Equalize", "Equalize")
def _equalize(call: Call) -> list[Transform]:
    if call.take("mode", "cv") == "pil":
        call.differs("the count of a level is part of what lies below it there, unlike Pillow's.")
    else:
        call.differs("OpenCV's rounding in mode 'cv' there, and Pillow's here.")
    call.needs("by_channels", True, remedy="Channels are equalized one by one here.")
    call.needs("mask", None)
    call.drop("mask_params")
    return [Equalize()]


@rule("CLAHE", "CLAHE", "colours have the lightness of Lab equalized; here every channel.")
def _clahe(call: Call) -> list[Transform]:
    limit = call.pair("clip_limit", call.take("clip_limit", 4.0), lambda v: (1, v))
    return [CLAHE(limit, call.take("tile_grid_size", (8, 8)))]


@rule("Posterize", "Posterize")
def _posterize(call: Call) -> list[Transform]:
    bits = call.take("num_bits", 4)
    if isinstance(bits, list | tuple) and isinstance(bits[0], list | tuple):
        if any(one != bits[0] for one in bits):
            call.refuse("num_bits", bits, "All channels have one range here.")
        call.differs("each channel draws its bits there; here all have the same.")
        bits = bits[0]
    return [Posterize(bits)]


@rule("Solarize", "Solarize")
def _solarize(call: Call) -> list[Transform]:
    if call.has("threshold"):
        low, high = call.exactly("threshold")
        return [Solarize((low / 255, high / 255))]
    return [Solarize(call.exactly("threshold_range", (0.5, 0.5)))]


@rule("InvertImg", "Invert")
def _invert(call: Call) -> list[Transform]:
    return [Invert()]


@rule("ToGray", "Grey")
def _grey(call: Call) -> list[Transform]:
    call.needs("num_output_channels", 3, remedy="The number of channels stays here.")
    method = call.take("method", "weighted_average")
    if method not in ("weighted_average", "average"):
        call.refuse("method", method, "`weighted_average` and `average` have counterparts.")
    return [Grey("luma" if method == "weighted_average" else "mean")]


@rule("Sharpen", "Sharpen")
def _sharpen(call: Call) -> list[Transform]:
    low, high = call.exactly("alpha", (0.2, 0.5))
    light, size = call.exactly("lightness", (0.5, 1.0)), call.take("kernel_size", 5)
    sigma = call.take("sigma", 1.0)
    if call.take("method", "kernel") == "gaussian":
        call.differs(f"the blur ends after {size} pixels there, and at four sigma here.")
        return [Sharpen((low, high), sigma, clip=True)]
    call.differs(
        "a kernel of 3 x 3 pixels there, which is 9 alpha times what their mean takes away; here "
        "a Gaussian of the mean's deviation."
    )
    if light != (1, 1):
        call.differs(f"values are also multiplied, as `lightness` {light} says; here not.")
    return [Sharpen((9 * low, 9 * high), (2 / 3) ** 0.5, clip=True)]


@rule("UnsharpMask", "Sharpen")
def _unsharp(call: Call) -> list[Transform]:
    alpha, sigma = call.exactly("alpha", (0.2, 0.5)), call.exactly("sigma_limit", 0.0)
    sizes = _kernels(call, (3, 7), 3)
    if sigma == (0.0, 0.0):
        sigma = (_opencv_sigma(sizes[0]), _opencv_sigma(sizes[1]))
    if call.take("threshold", 10):
        call.differs("differences below `threshold` are not sharpened there.")
    call.differs("the blur ends where blur_limit says there, and at four sigma here.")
    return [Sharpen(alpha, sigma, clip=True)]


@rule("ImageCompression", "JPEG")
def _jpeg(call: Call) -> list[Transform]:
    kind = str(call.take("compression_type", "jpeg")).rsplit(".", 1)[-1].lower()
    if kind not in ("jpeg", "0"):
        call.refuse("compression_type", kind, "JPEG has a counterpart.")
    if call.has("quality_lower"):
        quality: Any = (call.take("quality_lower"), call.take("quality_upper", 100))
    else:
        quality = call.exactly("quality_range", (99, 100))
    return [JPEG(quality, clip=True)]


@rule("Downscale", "LowResolution", "pixels are repeated; here they come back along lines.")
def _downscale(call: Call) -> list[Transform]:
    pair = call.take("interpolation_pair", None, old=("interpolation",))
    down = pair.get("downscale") if isinstance(pair, dict) else pair
    if down not in (None, 0):
        call.differs(f"OpenCV's interpolation {down} shrinks there; here rows are left out.")
    if call.has("scale_min"):
        return [LowResolution((call.take("scale_min"), call.take("scale_max")))]
    return [LowResolution(call.exactly("scale_range", (0.25, 0.25)))]
