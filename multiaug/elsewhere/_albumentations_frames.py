"""Frames of albumentations: resizes, crops and pads."""

from __future__ import annotations

from functools import partial

from ..transforms import (
    Crop,
    Pad,
    PadTo,
    PadToMultiple,
    RandomResizedCrop,
    Resize,
    ResizeLongest,
    ResizeShortest,
    Transform,
)
from ._call import Call
from ._rules import rule as _rule

rule = partial(_rule, "albumentations")


def _sizes(call: Call, *, keep_method: bool = True) -> bool:
    """Interpolation of a resize; whether it looks at all that a pixel covers."""
    code, mask = call.take("interpolation", 1), call.take("mask_interpolation", 0)
    area = call.take("area_for_downscale", None) if keep_method else None
    if area == "image_mask":
        call.differs("masks are averaged there where they shrink, and sampled as the spec says.")
    if code != 3:
        call.resampling(code, mask)
        return area is not None
    call.differs("means over what a pixel covers there; a Gaussian low-pass and `interpolation`.")
    return True


@rule("Resize", "Resize")
def _resize(call: Call) -> list[Transform]:
    antialias = _sizes(call)
    return [Resize((call.take("height"), call.take("width")), antialias)]


def _one_length(call: Call) -> int:
    both = call.take("max_size_hw", None)
    size = call.take("max_size", None)
    if both is not None:
        call.refuse("max_size_hw", both, "One length is meant.")
    if isinstance(size, list | tuple) and len(size) == 1:
        (size,) = size
    if not isinstance(size, int):
        call.refuse("max_size", size, "All results of a pipeline have one size: ResizeShortest.")
    return size


@rule("LongestMaxSize", "ResizeLongest")
def _longest(call: Call) -> list[Transform]:
    antialias = _sizes(call)
    return [ResizeLongest(_one_length(call), antialias=antialias)]


@rule("SmallestMaxSize", "ResizeShortest")
def _shortest(call: Call) -> list[Transform]:
    antialias = _sizes(call)
    return [ResizeShortest(_one_length(call), antialias=antialias)]


def _padding(call: Call) -> bool:
    """Whether a crop pads what is too small."""
    pads = bool(call.take("pad_if_needed", False))
    where = call.take("pad_position", "center")
    mode, fill = call.take("border_mode", 0, old=("pad_mode",)), call.take("fill", 0)
    mask = call.take("fill_mask", 0)
    if pads:
        call.bordering(mode, fill, mask)
        if where != "center":
            call.refuse("pad_position", where, "Put PadIfNeeded with that position before it.")
    return pads


@rule("RandomCrop", "Crop")
def _random_crop(call: Call) -> list[Transform]:
    pads = _padding(call)
    if pads:
        call.differs("what is too small lies in the middle of the padding there, here at random.")
    return [Crop((call.take("height"), call.take("width")), "random", pad=pads)]


@rule("CenterCrop", "Crop")
def _center_crop(call: Call) -> list[Transform]:
    pads = _padding(call)
    return [Crop((call.take("height"), call.take("width")), "centre", pad=pads)]


@rule("Crop", "Crop")
def _crop(call: Call) -> list[Transform]:
    pads = _padding(call)
    box = [call.take(key) for key in ("x_min", "y_min", "x_max", "y_max")]
    if pads:
        call.differs("what is too small is padded on both sides there, here where the box goes on.")
    return [Crop(box=box, pad=pads)]


@rule(
    "RandomResizedCrop",
    "RandomResizedCrop",
    "a window is drawn until one fits, at most ten times; here it is drawn among those that fit.",
)
def _resized_crop(call: Call) -> list[Transform]:
    antialias = _sizes(call)
    size = call.take("size", None)
    if size is None:
        size = (call.take("height"), call.take("width"))
    scale, ratio = call.exactly("scale", (0.08, 1.0)), call.exactly("ratio", (3 / 4, 4 / 3))
    return [RandomResizedCrop(size, scale, ratio, antialias)]


@rule("Pad", "Pad")
def _pad(call: Call) -> list[Transform]:
    call.bordering(call.take("border_mode", 0), call.take("fill", 0), call.take("fill_mask", 0))
    amount = call.take("padding", 0)
    if isinstance(amount, list | tuple) and len(amount) == 4:
        left, top, right, bottom = amount
        return [Pad((top, bottom, left, right))]
    if isinstance(amount, list | tuple) and len(amount) == 2:
        x, y = amount
        return [Pad((y, y, x, x))]
    return [Pad(amount)]


@rule("PadIfNeeded", "PadTo PadToMultiple")
def _pad_if_needed(call: Call) -> list[Transform]:
    call.bordering(
        call.take("border_mode", 0),
        call.take("fill", 0, old=("value",)),
        call.take("fill_mask", 0, old=("mask_value",)),
    )
    call.drop("padding")  # what its base class writes
    position = str(call.take("position", "center")).rsplit(".", 1)[-1].lower()
    least = (call.take("min_height", None), call.take("min_width", None))
    multiple = (call.take("pad_height_divisor", None), call.take("pad_width_divisor", None))
    if all(multiple):
        return [PadToMultiple(multiple, position)]
    made: list[Transform] = []
    if any(least):
        made.append(PadTo(tuple(n or 1 for n in least), position))
    if any(multiple):
        made.append(PadToMultiple(tuple(n or 1 for n in multiple), position))
    return made
