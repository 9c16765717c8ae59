"""Robots with several cameras: openpi and LeRobot."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    JPEG,
    CoarseDropout,
    ColorJitter,
    ColorTemperature,
    Contrast,
    Crop,
    ForEntries,
    Gain,
    Gamma,
    GaussianNoise,
    HueSaturation,
    LetterBox,
    LocalGamma,
    Maybe,
    MotionBlur,
    RandomShadow,
    Resize,
    Rotate,
    Saturation,
    Sharpness,
    SomeOf,
    Transform,
    Translate,
)
from ._needs import Range, need_colours, with_role
from ._recipe import recipe


@recipe(
    "robotics",
    "openpi's pi0 and pi0.5",
    "Physical-Intelligence/openpi 149a168 `src/openpi/models/model.py`",
    "LetterBox ForEntries Crop Resize Rotate ColorJitter",
    differs=[
        "Saturation changes, as their settings say; augmax, which they run, drops that change.",
        "All cameras share the order of the colour changes and their amounts, as there one key "
        "serves all.",
        "Scaling to -1 to 1 is the model's.",
    ],
)
def openpi(
    spec: DataSpec,
    size: int = 224,
    *,
    moving: Sequence[str] | None = None,
    crop: float = 0.95,
    degrees: Range = 5,
    brightness: Range = 0.3,
    contrast: Range = 0.4,
    saturation: Range = 0.5,
) -> Pipeline:
    """Letterbox; a crop of 95 percent and a small turn of cameras that are on no wrist; colours.

    Args:
        spec: with an image for each camera, whose channels are named r, g and b.
        size: length of both sides of the result.
        moving: names of the images that are cropped and turned; None for all whose name does not
            contain "wrist".
        crop: the share of each side that is left.
        degrees: of the turn.
        brightness: of the factor.
        contrast: likewise.
        saturation: likewise.
    """
    need_colours("openpi", spec)
    names = [entry.name for entry in with_role(spec, "intensity")]
    turned = [name for name in names if "wrist" not in name] if moving is None else list(moving)
    if not 0 < crop <= 1:
        raise ParameterError(f"`recipes.openpi.crop` must be in (0, 1], got {crop!r}.")
    steps: list[Transform] = [LetterBox(size)]
    if turned:
        side = int(size * crop)
        steps.append(ForEntries(turned, [Crop(side), Resize(size), Rotate(degrees)]))
    steps.append(ColorJitter(brightness, contrast, saturation, clip=True))
    return Pipeline(steps, spec)


@recipe(
    "robotics",
    "LeRobot: three of many",
    "huggingface/lerobot `lerobot/datasets/transforms.py`, and its thread 4210 (2026-07)",
    "Gain Contrast Saturation HueSaturation Sharpness Rotate Translate GaussianNoise "
    "MotionBlur JPEG LocalGamma RandomShadow CoarseDropout Gamma ColorTemperature",
    differs=[
        "The newer ones, from noise to colour temperature, have settings of ours; many=False "
        "leaves them out.",
        "Cameras of a record are moved together; a clip of frames shares what is drawn.",
    ],
)
def lerobot(
    spec: DataSpec,
    *,
    count: int = 3,
    many: bool = True,
    brightness: Range = 0.2,
    contrast: Range = 0.2,
    saturation: Range = 0.5,
    hue: Range = 0.05,
    sharpness: Range = 0.5,
    degrees: Range = 5,
    translate: float = 0.05,
) -> Pipeline:
    """Some of brightness, contrast, saturation, hue, sharpness, a small move, and worse images.

    Args:
        spec: with an image for each camera, whose channels are named r, g and b; ``"time": true``
            for clips.
        count: how many of them run.
        many: noise, motion blur, JPEG, local gamma, shadows, dropout, gamma and colour temperature
            are among them.
        brightness: of the amount that values are scaled by.
        contrast: of the amount about the mean of grey.
        saturation: of the amount about grey.
        hue: as a share of the colour circle.
        sharpness: of the amount that is added of what smoothing takes away.
        degrees: of the turn.
        translate: of the shift, as a fraction of the side.
    """
    need_colours("lerobot", spec)
    images = [entry.name for entry in with_role(spec, "intensity")]
    choices: list[Transform] = [
        Gain(brightness, clip=True),
        Contrast(contrast, clip=True, mean="grey"),
        Saturation(saturation, clip=True),
        HueSaturation(hue, 0.0, clip=True),
        Sharpness(sharpness, clip=True),
        Maybe([Rotate(degrees), Translate(translate)], 1.0),
    ]
    if many:
        choices += [
            GaussianNoise(0.05, clip=True),
            MotionBlur(),
            JPEG(clip=True),
            LocalGamma(clip=True),
            RandomShadow(clip=True),
            CoarseDropout((1, 4), entries=images),
            Gamma(1.25, clip=True),
            ColorTemperature(clip=True),
        ]
    return Pipeline([SomeOf(choices, count)], spec)
