"""Detection, instances, poses and classification with Ultralytics' YOLO."""

from __future__ import annotations

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    CLAHE,
    Erase,
    FilterBoxes,
    Flip,
    GaussianBlur,
    Grey,
    HueSaturation,
    LetterBox,
    MedianBlur,
    Mosaic,
    Normalize,
    Perspective,
    RandAugment,
    RandomResizedCrop,
    Rotate,
    Scale,
    Shear,
    Transform,
    Translate,
)
from ._needs import Numbers, Range, Size, need_colours
from ._recipe import recipe


@recipe(
    "detection",
    "Ultralytics YOLO26: detect, segment, pose, OBB",
    "ultralytics 8.4.190 `cfg/default.yaml:115-132`, `data/augment.py:2832`",
    "LetterBox Mosaic Scale Translate Flip GaussianBlur MedianBlur Grey CLAHE HueSaturation "
    "FilterBoxes",
    differs=[
        "Mosaic cuts the frame at a random pixel and shows of each of four records what lies "
        "there; theirs puts four whole images on a canvas twice as wide, of which the zoom shows a "
        "part. Theirs is off for the last ten epochs: pass mosaic=0, as for poses, whose keypoints "
        "are not joined.",
        "Zoom, shift and flip are one resample, without mosaic with the letterbox; scales are "
        "drawn log-uniformly.",
        "Of a box that was cut by the mosaic and by the zoom, a tenth of what it was must be left; "
        "theirs counts the zoom alone, and drops boxes a hundred times as long as wide, too.",
        "The blur is a Gaussian, theirs a box.",
        "What is padded is as the spec says: declare 114 of 255 as the fill for their grey.",
        "Copy-paste, mixup and cutmix are 0 there: append ma.CopyPaste, ma.MixUp or ma.CutMix.",
    ],
)
def yolo(
    spec: DataSpec,
    size: Size = 640,
    *,
    mosaic: float = 1.0,
    instances: str | None = None,
    degrees: float = 0.0,
    translate: float = 0.1,
    scale: Range = (0.5, 1.5),
    shear: float = 0.0,
    perspective: float = 0.0,
    flip: float = 0.5,
    flip_vertical: float = 0.0,
    hue: Range = 0.015,
    saturation: Range = 0.7,
    value: Range = 0.4,
    p_filter: float = 0.01,
) -> Pipeline:
    """Letterbox, mosaic, an affine map, a flip, rarely a filter, other colours.

    Args:
        spec: with an image whose channels are named r, g and b; boxes, keypoints and label maps
            follow. Scalars that do not describe boxes stay those of the record.
        size: (height, width) of the result.
        mosaic: the probability that a record is put together of four.
        instances: a label map with ids of instances, which the mosaic keeps distinct.
        degrees: of the turn.
        translate: the longest shift, as a fraction of the side.
        scale: of the zoom.
        shear: in degrees.
        perspective: the largest shift of corners, as a fraction of the side.
        flip: the probability of a mirror image.
        flip_vertical: of one upside down.
        hue: as a share of the colour circle.
        saturation: of the amount that it is scaled by.
        value: likewise.
        p_filter: the probability of each of blur, median, grey and CLAHE.
    """
    need_colours("yolo", spec)
    moves: list[Transform] = [LetterBox(size)]
    tables = [n for n, e in spec.entries.items() if e.role == "boxes"]
    if mosaic:
        _need_joinable(spec)
        others = [n for n, e in spec.entries.items() if e.kind == "value" and e.of not in tables]
        moves.append(Mosaic(keep=others, instances=instances, p=mosaic))
    if degrees:
        moves.append(Rotate(degrees))
    moves.append(Scale(scale))
    if shear:
        moves.append(Shear(shear))
    if perspective:
        moves.append(Perspective(perspective))
    moves += [Translate(translate), Flip("x", p=flip)]
    if flip_vertical:
        moves.append(Flip("y", p=flip_vertical))
    return Pipeline(
        [
            *moves,
            GaussianBlur((0.5, 1.5), p=p_filter),
            MedianBlur(3, p=p_filter),
            Grey(p=p_filter),
            CLAHE(p=p_filter),
            HueSaturation(hue, saturation, value, clip=True),
            *(
                FilterBoxes(table, _rows_of(spec, table), min_size=2, min_visible=0.1)
                for table in tables
            ),
        ],
        spec,
    )


def _rows_of(spec: DataSpec, table: str) -> list[str]:
    """The scalars that have one row for each row of a table."""
    return [n for n, e in spec.entries.items() if e.kind == "value" and e.of == table]


def _need_joinable(spec: DataSpec) -> None:
    """Refuse what a mosaic of four records cannot hold, with what to do."""
    for name, entry in spec.entries.items():
        if entry.role == "boxes" and entry.groups[0].capacity is None:
            raise ParameterError(
                f"`recipes.yolo` puts the boxes of four records into {name!r}, which needs room "
                'for them. Declare "capacity" in the spec, the most rows of a record, or pass '
                "mosaic=0."
            )
        if entry.kind in ("points", "matrix") and entry.role != "boxes":
            raise ParameterError(
                f"`recipes.yolo` makes a mosaic of four records, and {entry.role} of several "
                f"records, {name!r}, have no common meaning. Pass mosaic=0, or leave the entry out "
                "of the spec."
            )


@recipe(
    "classification",
    "Ultralytics YOLO-cls",
    "ultralytics 8.4.190 `data/augment.py:2967`",
    "RandomResizedCrop Flip RandAugment Normalize Erase",
    differs=["RandAugment interpolates and fills as the spec says, theirs by nearest."],
)
def yolo_cls(
    spec: DataSpec,
    size: Size = 224,
    *,
    scale: Range = (0.08, 1.0),
    flip: float = 0.5,
    policy: Transform | None = None,
    mean: Numbers | None = 0.0,
    std: Numbers = 1.0,
    erase: float = 0.4,
) -> Pipeline:
    """Resized crop, a flip, RandAugment(2, 9), scaling to 0..1, random erasing.

    Args:
        spec: with an image whose channels are named r, g and b.
        size: (height, width) of the result.
        scale: of the area of the crop.
        flip: the probability of a mirror image.
        policy: what runs in the place of RandAugment.
        mean: of the channels, in units of the range; None leaves values as they are.
        std: likewise.
        erase: the probability of random erasing.
    """
    need_colours("yolo_cls", spec)
    return Pipeline(
        [
            RandomResizedCrop(size, scale),
            Flip("x", p=flip),
            RandAugment(2, 9, clip=True) if policy is None else policy,
            *([] if mean is None else [Normalize(mean, std)]),
            *([Erase((0.02, 1 / 3), p=erase)] if erase else []),
        ],
        spec,
    )
