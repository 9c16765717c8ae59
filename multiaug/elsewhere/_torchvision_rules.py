"""Transforms of torchvision.transforms.v2, but for colours and policies."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..transforms import (
    Crop,
    Erase,
    Flip,
    Normalize,
    Pad,
    Perspective,
    RandomResizedCrop,
    Resize,
    ResizeLongest,
    ResizeShortest,
    Rotate,
    Scale,
    Shear,
    Transform,
    Translate,
)
from ._albumentations_geometry import elastic
from ._call import Call
from ._rules import rule as _rule

rule = partial(_rule, "torchvision")

_INTERPOLATIONS = {"bilinear": "linear", "bicubic": "cubic", "nearest-exact": "nearest"}
_BORDERS = {"reflect": "mirror", "symmetric": "reflect"}


def said(value: Any) -> str:
    """What an enumeration says, or a text."""
    return str(getattr(value, "value", value))


def resampled(call: Call) -> None:
    """Interpolation, which the spec says here."""
    found = said(call.take("interpolation"))
    call.resampling(_INTERPOLATIONS.get(found, found), "nearest")


def filled(call: Call, mode: str = "constant") -> None:
    """Fill, which the spec says here."""
    fill = call.take("fill")
    if isinstance(fill, dict):
        call.differs(f"fill is {sorted(map(str, fill))} by type there; the spec says it here.")
    else:
        call.bordering(_BORDERS.get(mode, mode), 0 if fill is None else fill, None)


@rule("RandomHorizontalFlip", "Flip")
def _horizontal(call: Call) -> list[Transform]:
    return [Flip("x")]


@rule("RandomVerticalFlip", "Flip")
def _vertical(call: Call) -> list[Transform]:
    return [Flip("y")]


def _centre(call: Call) -> None:
    call.needs("center", None, remedy="Images turn about their centre here.")


@rule("RandomRotation", "Rotate")
def _rotation(call: Call) -> list[Transform]:
    resampled(call)
    filled(call)
    _centre(call)
    call.needs("expand", False, remedy="The frame would depend on the angle: see SafeRotate.")
    return [Rotate(tuple(call.take("degrees")))]


@rule("RandomAffine", "Shear Scale Rotate Translate")
def _affine(call: Call) -> list[Transform]:
    resampled(call)
    filled(call)
    _centre(call)
    made: list[Transform] = []
    shear, scale = call.take("shear"), call.take("scale")
    if shear is not None and any(shear):
        x, y = shear[:2], (tuple(shear[2:]) or (0.0, 0.0))
        made.append(Shear(((-x[1], -x[0]), (-y[1], -y[0]))))
    if scale is not None and tuple(scale) != (1, 1):
        call.drawn_log((scale[0], scale[1]), "the scale")
        made.append(Scale(tuple(scale)))
    low, high = call.take("degrees")
    if (low, high) != (0, 0):
        made.append(Rotate((-high, -low)))  # clockwise there, unlike RandomRotation
    shift = call.take("translate")
    if shift is not None and any(shift):
        x, y = shift
        made.append(Translate(((-x, x), (-y, y)), whole=True))
    return made


@rule(
    "RandomPerspective",
    "Perspective",
    "corners move inward, by up to half of distortion_scale; here inward or outward, by up to 0.24 "
    "of the side.",
)
def _perspective(call: Call) -> list[Transform]:
    resampled(call)
    filled(call)
    return [Perspective(min(0.24, call.take("distortion_scale") / 2))]


@rule(
    "ElasticTransform",
    "Elastic",
    "smoothed noise of every pixel there; here a cubic B-spline whose waves are as long and, on "
    "average, as strong, but no stronger than what cannot fold.",
)
def _elastic(call: Call) -> list[Transform]:
    resampled(call)
    filled(call)
    alpha, sigma = call.take("alpha"), call.take("sigma")
    if alpha[0] != alpha[1] or sigma[0] != sigma[1]:
        call.refuse("alpha", (alpha, sigma), "Both axes have one alpha and one sigma here.")
    # In the coordinates of grid_sample a side has the length 2; uniform noise.
    return [elastic(call, alpha[0] / 2 / 3**0.5, sigma[0], call.pixels("is in pixels"))]


@rule("Resize", "Resize ResizeShortest ResizeLongest")
def _resize(call: Call) -> list[Transform]:
    resampled(call)
    size, most = call.take("size"), call.take("max_size")
    antialias = bool(call.take("antialias"))
    _low_pass(call, antialias)
    if size is not None and len(size) == 2:
        return [Resize(tuple(size), antialias)]
    call.differs("the side that follows is cut to whole pixels there, and rounded here.")
    if size is None:
        return [ResizeLongest(most, antialias=antialias)]
    return [ResizeShortest(size[0], most, antialias=antialias)]


def _low_pass(call: Call, antialias: bool) -> None:
    if antialias:
        call.differs("a wider triangle smooths what shrinks there, and a Gaussian here.")


@rule("RandomShortestSize", "ResizeShortest")
def _shortest(call: Call) -> list[Transform]:
    resampled(call)
    sizes, most = call.take("min_size"), call.take("max_size")
    antialias = bool(call.take("antialias"))
    _low_pass(call, antialias)
    if len(sizes) != 1:
        call.refuse("min_size", sizes, "All results have one size: ResizeShortest with `crop`.")
    return [ResizeShortest(sizes[0], most, antialias=antialias)]


@rule(
    "RandomResizedCrop",
    "RandomResizedCrop",
    "a window is drawn until one fits, at most ten times; here it is drawn among those that fit.",
)
def _resized_crop(call: Call) -> list[Transform]:
    resampled(call)
    antialias = bool(call.take("antialias"))
    _low_pass(call, antialias)
    scale, ratio = tuple(call.take("scale")), tuple(call.take("ratio"))
    return [RandomResizedCrop(tuple(call.take("size")), scale, ratio, antialias)]


def _margins(padding: Any) -> Pad:
    if isinstance(padding, int):
        return Pad(padding)
    if len(padding) == 2:
        x, y = padding
        return Pad((y, y, x, x))
    left, top, right, bottom = padding
    return Pad((top, bottom, left, right))


@rule("Pad", "Pad")
def _pad(call: Call) -> list[Transform]:
    filled(call, call.take("padding_mode"))
    return [_margins(call.take("padding"))]


@rule("RandomCrop", "Pad Crop")
def _crop(call: Call) -> list[Transform]:
    padding, pads = call.take("padding"), bool(call.take("pad_if_needed"))
    mode = call.take("padding_mode")
    if padding is not None or pads:
        filled(call, mode)
    else:
        call.drop("fill")
    made: list[Transform] = [] if padding is None else [_margins(padding)]
    if pads:
        call.differs("pad_if_needed pads both sides by what is missing, here by that in all.")
    return [*made, Crop(tuple(call.take("size")), "random", pad=pads)]


@rule("CenterCrop", "Crop", "rounded to the nearest even pixel there, to the upper left here.")
def _center_crop(call: Call) -> list[Transform]:
    return [Crop(tuple(call.take("size")), "centre", pad=True)]


@rule(
    "RandomErasing",
    "Erase",
    "nothing is erased there where ten rectangles do not fit; here the ratio gives way.",
)
def _erasing(call: Call) -> list[Transform]:
    call.drop("inplace")
    value = call.take("value")
    if value is None or value == "random":
        call.differs("noise is normal there; here it is even between black and white.")
        fill: Any = "noise"
    else:
        fill = call.fraction("value", value)
    scale, ratio = tuple(call.take("scale")), tuple(call.take("ratio"))
    return [Erase(scale, ratio, fill=fill, entries=call.context.images())]


@rule("Normalize", "Normalize")
def _normalize(call: Call) -> list[Transform]:
    call.drop("inplace")
    context = call.context
    limits = {context.values_of(name, group) for name, group in context.groups("intensity")}
    if not context.scaled and limits - {(0, 1)}:
        call.differs("values are taken as they are there; here their range is brought to 0 .. 1.")
    return [Normalize(call.take("mean"), call.take("std"))]


@rule("ToDtype ConvertImageDtype", "Normalize")
def _dtype(call: Call) -> list[Transform]:
    dtype = call.take("dtype")
    if isinstance(dtype, dict):
        call.refuse("dtype", dtype, "One dtype is meant.")
    scale = call.take("scale", call.name == "ConvertImageDtype")
    if "float" in str(dtype) and scale:
        if "float32" not in str(dtype):
            call.differs(f"{dtype} there, float32 here.")
        call.context.scaled = True
        return [Normalize()]
    call.differs(f"{dtype} without a scale: the dtype stays here.")
    return []


@rule("ToTensor", "Normalize", "no tensors here: arrays stay (H, W, C).")
def _to_tensor(call: Call) -> list[Transform]:
    call.context.scaled = True
    return [Normalize()]


@rule("ToImage PILToTensor ToPureTensor", "", "no tensors here: arrays stay (H, W, C).")
def _tensors(call: Call) -> list[Transform]:
    return []


@rule("Identity", "")
def _identity(call: Call) -> list[Transform]:
    return []


@rule("ClampBoundingBoxes SanitizeBoundingBoxes", "", "boxes are clipped here and none is dropped.")
def _boxes(call: Call) -> list[Transform]:
    call.drop("clamping_mode", "min_size", "min_area", "labels_getter")
    return []
