"""Geometry of albumentations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ParameterError
from ..transforms import (
    D4,
    Elastic,
    Flip,
    GridDistortion,
    OpticalDistortion,
    Perspective,
    PiecewiseAffine,
    Rot90,
    Rotate,
    SafeRotate,
    Scale,
    Shear,
    ThinPlateSpline,
    Transform,
    Translate,
    Transpose,
)
from ._call import Call, Pair
from ._rules import rule as _rule

rule = partial(_rule, "albumentations")

# The standard deviation of U(-a, a) is a / sqrt(3).
_UNIFORM = math.sqrt(3)
# The mean of the squared weights of a cubic B-spline's controls, over both axes; and the spacing of
# controls whose spline is as wide as a Gaussian, in its standard deviations.
_SPLINE_POWER, _SPLINE_SPACING = 0.4794, math.sqrt(3)
_FOLDS = 0.79


def _borders(call: Call) -> None:
    """Interpolation and border, which the spec says here."""
    call.resampling(call.take("interpolation", 1), call.take("mask_interpolation", 0))
    call.bordering(
        call.take("border_mode", 0, old=("mode", "pad_mode")),
        call.take("fill", 0, old=("value", "cval", "pad_val")),
        call.take("fill_mask", 0, old=("mask_value", "cval_mask", "mask_pad_val")),
    )


def _boxes(call: Call) -> None:
    """How boxes are turned: here it is always by their corners."""
    method = call.take("rotate_method", "largest_box")
    if method != "largest_box" and call.context.groups("boxes"):
        call.differs(f"boxes are turned by rotate_method {method!r}; here by their corners.")


@rule("HorizontalFlip", "Flip")
def _horizontal(call: Call) -> list[Transform]:
    return [Flip("x")]


@rule("VerticalFlip", "Flip")
def _vertical(call: Call) -> list[Transform]:
    return [Flip("y")]


@rule("Transpose", "Transpose")
def _transpose(call: Call) -> list[Transform]:
    return [Transpose()]


@rule("D4", "D4")
def _d4(call: Call) -> list[Transform]:
    return [D4()]


@rule("RandomRotate90", "Rot90")
def _rot90(call: Call) -> list[Transform]:
    return [Rot90((0, 1, 2, 3))]


@rule("Rotate", "Rotate")
def _rotate(call: Call) -> list[Transform]:
    _borders(call)
    _boxes(call)
    call.needs("crop_border", False, remedy="The frame would depend on the angle.")
    return [Rotate(call.range("limit", 90))]


@rule(
    "SafeRotate",
    "SafeRotate",
    "it squeezes both axes by factors of their own to keep the frame; here both have the smaller "
    "factor, and the ratio of the sides stays.",
)
def _safe_rotate(call: Call) -> list[Transform]:
    _borders(call)
    _boxes(call)
    # What its base class writes, and it does not read.
    call.drop("balanced_scale", "fit_output", "keep_ratio", "rotate", "scale", "shear")
    call.drop("translate_percent", "translate_px")
    return [SafeRotate(call.range("limit", 90))]


def _axes(call: Call, key: str, value: Any, single: Any) -> tuple[Pair, Pair]:
    """The ranges of x and y."""
    if not isinstance(value, dict):
        value = {"x": value, "y": value}
    found = []
    for axis in ("x", "y"):
        given = value.get(axis, single(0))
        given = single(given) if isinstance(given, int | float) else given
        if not (isinstance(given, list | tuple) and len(given) == 2):
            call.refuse(key, value, "A pair (lo, hi), or one for each of x and y, is meant.")
        found.append((float(given[0]), float(given[1])))
    return found[0], found[1]


def _scale(call: Call, x: Pair, y: Pair, *, apart: bool) -> list[Transform]:
    """A zoom; nothing where it is always 1."""
    if x == y == (1.0, 1.0):
        return []
    if x != y:
        call.refuse("scale", {"x": x, "y": y}, "Both axes have one range here.")
    call.drawn_log(x, "the scale")
    return [Scale(x, per_axis=apart and x[0] != x[1])]


def _shift(call: Call, percent: Any, px: Any) -> list[Transform]:
    """A shift by whole pixels; nothing where it is always 0."""
    if px is not None:
        x, y = _axes(call, "translate_px", px, lambda v: (v, v))
        if (x, y) == ((0, 0), (0, 0)):
            return []
        # Whole numbers from lo to hi, each as likely as the others.
        wide = [(lo - 0.5, hi + 0.5) if lo != hi else (lo, hi) for lo, hi in (x, y)]
        return [Translate(px=wide, whole=True)]
    if percent is None:
        return []
    x, y = _axes(call, "translate_percent", percent, lambda v: (v, v))
    if (x, y) == ((0, 0), (0, 0)):
        return []
    call.differs("shifts are cut to whole pixels towards 0 there, and rounded here.")
    return [Translate((x, y), whole=True)]


@rule("Affine", "Scale Rotate Shear Translate")
def _affine(call: Call) -> list[Transform]:
    _borders(call)
    _boxes(call)
    call.needs("fit_output", False, remedy="The frame would depend on the draw.")
    keep = bool(call.take("keep_ratio", False))
    call.needs("balanced_scale", False, remedy="Write OneOf of two ranges of scale.")
    made = _scale(
        call, *_axes(call, "scale", call.take("scale", 1.0), lambda v: (v, v)), apart=not keep
    )
    angle = call.exactly("rotate", 0.0)
    if angle != (0, 0):
        if call.context.major < 2 and angle[0] != -angle[1]:
            call.differs("releases before 2 turned clockwise here; counter-clockwise is meant.")
        made.append(Rotate(angle))
    x, y = _axes(call, "shear", call.take("shear", 0.0), lambda v: (v, v))
    if (x, y) != ((0, 0), (0, 0)):
        if x != (0, 0) and y != (0, 0):
            call.differs("both shears are one matrix there; here that along y follows that along x")
        # Its angles are those of the backward map.
        made.append(Shear(((-x[1], -x[0]), (-y[1], -y[0]))))
    percent, px = call.take("translate_percent", None), call.take("translate_px", None)
    return made + _shift(call, percent, px)


@rule("ShiftScaleRotate", "Scale Rotate Translate")
def _shift_scale_rotate(call: Call) -> list[Transform]:
    _borders(call)
    _boxes(call)
    both = call.take("shift_limit", (-0.0625, 0.0625))
    x, y = call.take("shift_limit_x", None), call.take("shift_limit_y", None)
    low, high = call.range("scale_limit", 0.1)
    limits = (1 + low, 1 + high)
    made = _scale(call, limits, limits, apart=call.context.major >= 2)
    angle = call.range("rotate_limit", 45)
    if angle != (0, 0):
        made.append(Rotate(angle))
    percent = {"x": both if x is None else x, "y": both if y is None else y}
    ranges = _axes(call, "shift_limit", percent, lambda v: (-v, v))
    return made + _shift(call, {"x": ranges[0], "y": ranges[1]}, None)


@rule(
    "Perspective",
    "Perspective",
    "corners move inward, by the absolute value of normal numbers; here by uniform ones of the "
    "same deviation, inward or outward.",
)
def _perspective(call: Call) -> list[Transform]:
    _borders(call)
    call.needs("keep_size", True, remedy="The frame would depend on the draw.")
    call.needs("fit_output", False, remedy="The frame would depend on the draw.")
    low, high = call.exactly("scale", (0.05, 0.1))
    return [Perspective(min(0.24, _UNIFORM * (low + high) / 2))]


@rule(
    "ElasticTransform",
    "Elastic",
    "smoothed noise of every pixel there; here a cubic B-spline whose waves are as long and, on "
    "average, as strong, but no stronger than what cannot fold.",
)
def _elastic(call: Call) -> list[Transform]:
    _borders(call)
    alpha, sigma = float(call.take("alpha", 1.0)), float(call.take("sigma", 50.0))
    affine = call.take("alpha_affine", 0)
    if affine:
        call.refuse("alpha_affine", affine, "Put Affine before it.")
    call.needs("same_dxdy", False)
    if call.take("approximate", False):
        call.differs("approximated there by a filter of 17 pixels.")
    noise = call.take("noise_distribution", "gaussian" if call.context.major >= 2 else "uniform")
    call.drop("keypoint_remapping_method")  # keypoints are moved exactly
    height, width = call.pixels("is in pixels")
    # Normal noise is divided by its largest number, which grows with how many there are.
    spread = 1 / math.sqrt(2 * math.log(height * width)) if noise == "gaussian" else 1 / _UNIFORM
    return [elastic(call, alpha * spread, sigma, (height, width))]


def elastic(call: Call, strength: float, sigma: float, size: tuple[int, int]) -> Elastic:
    """The spline that stands for white noise, smoothed.

    Args:
        call: the transform that it is for.
        strength: standard deviation of the noise, in pixels.
        sigma: of the Gaussian that smooths it, in pixels.
        size: (height, width).
    """
    sigma = max(sigma, 0.5)
    deviation = strength / (2 * sigma * math.sqrt(math.pi))
    grid = tuple(max(1, round(side / (_SPLINE_SPACING * sigma))) for side in size)
    amount = deviation * _UNIFORM / _SPLINE_POWER
    spacing = [side / count for side, count in zip(size, grid, strict=True)]
    most = _FOLDS / (2 * sum(1 / step for step in spacing))
    if amount > most:
        call.differs(f"{amount / most:.2g} times as strong there, where the field may fold.")
    return Elastic(min(amount, most) / min(size), grid)


@rule(
    "GridDistortion",
    "GridDistortion",
    "a strip more than num_steps is drawn there, for what a division of the frame leaves over.",
)
def _grid(call: Call) -> list[Transform]:
    _borders(call)
    call.drop("keypoint_remapping_method")
    if not call.take("normalized", True):
        call.differs("without `normalized` strips are not brought to fill the frame there.")
    return [GridDistortion(call.range("distort_limit", 0.3), call.take("num_steps", 5))]


@rule(
    "OpticalDistortion",
    "OpticalDistortion",
    "about the point half a pixel right of and below the centre.",
)
def _optical(call: Call) -> list[Transform]:
    _borders(call)
    call.drop("keypoint_remapping_method")
    if call.take("shift_limit", (0, 0)) not in (0, (0, 0), [0, 0], [0.0, 0.0]):
        call.differs("the centre of the lens is shifted by `shift_limit` there.")
    low, high = call.range("distort_limit", 0.05)
    if call.take("mode", "camera") == "fisheye":
        return [OpticalDistortion((low, high))]
    call.differs(
        "radii are in units of the width along x and of the height along y there, and k1 = k2; "
        "here in half diagonals, as in a square frame, and the two are drawn apart."
    )
    return [OpticalDistortion((low / 2, high / 2), (low / 4, high / 4))]


@rule(
    "ThinPlateSpline",
    "ThinPlateSpline",
    "points move by normal numbers, along each side in units of that; here by uniform ones of the "
    "same deviation, in units of the shorter side.",
)
def _plate(call: Call) -> list[Transform]:
    _borders(call)
    call.drop("keypoint_remapping_method")
    low, high = call.exactly("scale_range", (0.2, 0.4))
    grid = min(8, call.take("num_control_points", 4))
    return [_unfolded(call, _UNIFORM * (low + high) / 20, lambda a: ThinPlateSpline(a, grid))]


@rule(
    "PiecewiseAffine",
    "PiecewiseAffine",
    "shifts are normal, blended by inverse distances, also on the rim; here uniform ones of the "
    "same deviation, of triangles, and the rim stays.",
)
def _piecewise(call: Call) -> list[Transform]:
    _borders(call)
    call.drop("keypoint_remapping_method", "keypoints_threshold")
    low, high = call.exactly("scale", (0.03, 0.05))
    amount = _UNIFORM * (low + high) / 6
    if call.take("absolute_scale", False):
        amount /= min(call.pixels("is in pixels"))
    cells = []
    for key in ("nb_rows", "nb_cols"):
        least, most = call.exactly(key, 4)
        if least != most:
            call.differs(f"{key} is drawn there, from {least} to {most}; here it is their mean.")
        cells.append(max(1, round((least + most) / 2) - 1))
    rows, columns = cells
    return [_unfolded(call, amount, lambda a: PiecewiseAffine(a, (rows, columns)))]


def _unfolded(call: Call, amount: float, make: Callable[[float], Transform]) -> Transform:
    """A warp of that amount, or of the largest one below that cannot fold."""
    for step in range(60):
        try:
            made = make(amount * 0.95**step)
        except ParameterError:
            continue
        if step:
            call.differs(f"strengths above {amount * 0.95**step:.3g} could fold, and are not used.")
        return made
    return make(amount)
