"""Occlusion, channels and dtypes of albumentations."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..transforms import (
    AutoContrast,
    ChannelDropout,
    ChannelShuffle,
    CoarseDropout,
    ColorTemperature,
    Erase,
    GridMask,
    Normalize,
    NormalizeRecord,
    Transform,
)
from ._call import Call
from ._rules import rule as _rule

rule = partial(_rule, "albumentations")


def _filling(call: Call) -> dict[str, Any]:
    """Fill and entries of what covers."""
    fill = call.take("fill", 0, old=("fill_value", "value"))
    mask = call.take("fill_mask", None, old=("mask_fill_value", "mask_value"))
    if fill == "random":
        filled: Any = "noise"
    elif isinstance(fill, str):
        call.refuse("fill", fill, "A number or `random` has a counterpart.")
    else:
        filled = call.fraction("fill", fill)
    if mask is None:
        call.differs("boxes and keypoints that are covered are dropped there; here only images.")
        return {"fill": filled, "entries": call.context.images()}
    call.differs(f"masks are filled with {mask} there; here by their role, such as `ignore`.")
    return {"fill": filled}


def _spans(call: Call, key: str, old_low: str, old_high: str) -> Any:
    if not call.has(old_high):
        low, high = call.exactly(key, (0.1, 0.2))
        whole = float(low).is_integer() and float(high).is_integer() and high >= 1
        return (int(low), int(high)) if whole and low >= 1 else (low, high)
    high = call.take(old_high)
    low = call.take(old_low, None)
    return (high if low is None else low, high)


@rule("CoarseDropout", "CoarseDropout")
def _dropout(call: Call) -> list[Transform]:
    count = _spans(call, "num_holes_range", "min_holes", "max_holes")
    if isinstance(count[0], float):
        count = (1, 2)
    height = _spans(call, "hole_height_range", "min_height", "max_height")
    width = _spans(call, "hole_width_range", "min_width", "max_width")
    return [CoarseDropout(count, height, width, **_filling(call))]


@rule("GridDropout", "GridMask", "cells may be cut at the rim; the grid starts anywhere here.")
def _grid(call: Call) -> list[Transform]:
    ratio = call.take("ratio", 0.5)
    if call.take("random_offset", True):
        call.differs("every hole has an offset in its cell there; here the grid has one.")
    call.drop("shift_xy", "shift_x", "shift_y")
    counts = call.take("holes_number_xy", None)
    if counts is None and call.has("holes_number_x"):
        counts = (call.take("holes_number_x"), call.take("holes_number_y", None))
        counts = None if counts[0] is None else counts
    units = call.take("unit_size_range", None)
    if units is None and call.has("unit_size_min"):
        units = (call.take("unit_size_min"), call.take("unit_size_max"))
        units = None if units[0] is None else units
    if counts is not None:
        if counts[0] != counts[1]:
            call.refuse("holes_number_xy", counts, "Cells are squares here.")
        units = (1.0 / counts[0], 1.0 / counts[0])
    return [GridMask(tuple(units or (0.1, 0.1)), ratio, **_filling(call))]


@rule("Erasing", "Erase", "the ratio is drawn uniformly there, and log-uniformly here.")
def _erasing(call: Call) -> list[Transform]:
    scale, ratio = call.exactly("scale", (0.02, 0.33)), call.exactly("ratio", (0.3, 3.3))
    return [Erase(scale, ratio, **_filling(call))]


@rule("ChannelDropout", "ChannelDropout")
def _channels(call: Call) -> list[Transform]:
    fill = call.fraction("fill", call.take("fill", 0, old=("fill_value",)))
    low, high = call.exactly("channel_drop_range", (1, 1))
    return [ChannelDropout((int(low), int(high)), fill)]


@rule("ChannelShuffle", "ChannelShuffle")
def _shuffle(call: Call) -> list[Transform]:
    return [ChannelShuffle()]


_STATISTICS = {
    "image": ("mean_std", "group"),
    "image_per_channel": ("mean_std", "channel"),
    "min_max": ("min_max", "group"),
    "min_max_per_channel": ("min_max", "channel"),
}


@rule("Normalize", "Normalize NormalizeRecord")
def _normalize(call: Call) -> list[Transform]:
    mean, std = call.take("mean", (0.485, 0.456, 0.406)), call.take("std", (0.229, 0.224, 0.225))
    most, kind = call.take("max_pixel_value", 255.0), call.take("normalization", "standard")
    if kind != "standard":
        if kind not in _STATISTICS:
            call.refuse("normalization", kind, f"Known are standard and {sorted(_STATISTICS)}.")
        method, per = _STATISTICS[kind]
        return [NormalizeRecord(method, per)]
    _of_range(call, "max_pixel_value", most)
    return [Normalize(mean, std)]


def _of_range(call: Call, key: str, most: Any) -> None:
    for name, group in call.context.groups("intensity"):
        found = call.context.values_of(name, group)
        if most is not None and found != (0, most):
            call.differs(f"{key} is {most} there; the range of {name!r} is {found} in the spec.")


@rule("ToFloat", "Normalize")
def _to_float(call: Call) -> list[Transform]:
    _of_range(call, "max_value", call.take("max_value", None))
    return [Normalize()]


@rule("AutoContrast", "AutoContrast")
def _auto(call: Call) -> list[Transform]:
    cutoff = call.take("cutoff", 0)
    call.needs("ignore", None)
    if call.take("method", "cdf") != "pil":
        call.differs("values follow the cumulated histogram in method 'cdf' there; here a line.")
    return [AutoContrast(cutoff / 100)]


@rule("PlanckianJitter", "ColorTemperature", "from a table; here the formula of a black body.")
def _planck(call: Call) -> list[Transform]:
    call.needs("mode", "blackbody")
    if call.take("sampling_method", "uniform") != "uniform":
        call.differs("temperatures are drawn from a normal distribution there, uniformly here.")
    return [ColorTemperature(call.exactly("temperature_limit", (3000, 15000)), clip=True)]


@rule("NoOp", "")
def _nothing(call: Call) -> list[Transform]:
    return []


@rule("ToTensorV2", "", "no tensors here: arrays stay (H, W, C), for `jax.dlpack` or NumPy.")
def _tensor(call: Call) -> list[Transform]:
    call.drop("transpose_mask")
    return []
