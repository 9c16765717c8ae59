"""Robots with several cameras: openpi."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    ColorJitter,
    Crop,
    ForEntries,
    LetterBox,
    Resize,
    Rotate,
    Transform,
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
