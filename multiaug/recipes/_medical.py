"""Medical images of any number of channels: nnU-Net in two dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    BrightnessGradient,
    ChannelShift,
    CoarseDropout,
    Contrast,
    Crop,
    Flip,
    Gain,
    Gamma,
    GaussianBlur,
    GaussianNoise,
    LabelCrop,
    LocalGamma,
    LowResolution,
    MedianBlur,
    OneOf,
    Regions,
    Rot90,
    Rotate,
    Scale,
    Scales,
    Sharpen,
    Transform,
    Transpose,
)
from ._needs import Size, need_image, need_labels
from ._recipe import recipe

_PATCH = (
    "Patch, turn, zoom and mirror image are one resample; interpolation is that of the spec: "
    "declare spline3, and majority for labels, for theirs."
)
_ZOOM = "Zooms are drawn log-uniformly."
_LABELS = (
    "What lies outside is labelled as the spec says: 0, or the ignore label; masks of "
    "normalisation are not part of it."
)


def _sides(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _degrees(size: tuple[int, int], degrees: float | None) -> float:
    """nnU-Net turns oblong patches by 15 degrees at most."""
    if degrees is not None:
        return degrees
    return 15.0 if max(size) / min(size) > 1.5 else 180.0


def _initial(size: tuple[int, int], degrees: float, least: float) -> tuple[int, int]:
    """The patch that is cut out first, so that a turned and shrunken one has no empty corners."""
    angle = math.radians(min(90.0, abs(degrees)))
    c, s = abs(math.cos(angle)), abs(math.sin(angle))
    height, width = size
    turned = (height * c + width * s, height * s + width * c)
    h, w = (math.ceil(max(a, b) / least) for a, b in zip(size, turned, strict=True))
    return h, w


def _patch(
    size: tuple[int, int], degrees: float, share: float, labels: Sequence[int] | None
) -> LabelCrop:
    chosen = None if labels is None else tuple(labels)
    return LabelCrop(
        _initial(size, degrees, 0.85),
        chosen,
        share,
        None if chosen is None else 1.0,
        pad=True,
    )


def _derived(
    spec: DataSpec, regions: Sequence[Sequence[int]] | None, strides: Sequence[int]
) -> list[Transform]:
    """Regions, and labels of lower resolution, of every label map."""
    made: list[Transform] = []
    for mask in need_labels("nnunet", spec, ""):
        if regions is not None:
            made.append(Regions(mask.name, regions))
        if strides:
            made.append(Scales(mask.name, tuple(strides)))
    return made


def _check_patch(owner: str, spec: DataSpec, share: float) -> None:
    need_image(owner, spec, channels=True)
    need_labels(owner, spec, "It places a share of the patches on labels.")
    if not 0 <= share <= 1:
        raise ParameterError(f"`recipes.{owner}.share` must be in [0, 1], got {share!r}.")


def _deviation(owner: str, spec: DataSpec) -> float:
    """A standard deviation of normalised floats, which is 1, as a fraction of the declared range.

    nnU-Net's amounts are in units of its normalised images, those of transforms in ranges.
    """
    groups = {
        entry.name: group.range
        for entry in need_image(owner, spec)
        for group in entry.groups
        if group.role == "intensity"
        and group.range is not None
        and "int" not in (entry.dtype or "")
    }
    widths = {name: hi - lo for name, (lo, hi) in groups.items()}
    if len(set(widths.values())) > 1:
        raise ParameterError(
            f"`recipes.{owner}` adds amounts in units of normalised images, and the ranges of the "
            f"spec {spec.name!r} are of different widths: {widths}. Declare one range for all."
        )
    return 1 / next(iter(widths.values()), 1.0)


@recipe(
    "medical",
    "nnU-Net v2, its default in two dimensions",
    "MIC-DKFZ/nnUNet 2.8.1 `nnunetv2/training/nnUNetTrainer/nnUNetTrainer.py:739-889`",
    "LabelCrop Rotate Scale Crop Flip GaussianNoise GaussianBlur Gain Contrast LowResolution Gamma "
    "Regions Scales",
    differs=[
        _PATCH,
        _ZOOM,
        "Low resolution is brought back along straight lines, where theirs takes cubic ones; blur "
        "has one deviation for both axes.",
        _LABELS,
    ],
)
def nnunet(
    spec: DataSpec,
    size: Size = 512,
    *,
    share: float = 0.33,
    labels: Sequence[int] | None = None,
    degrees: float | None = None,
    p_rotate: float = 0.2,
    p_scale: float = 0.2,
    p_noise: float = 0.1,
    p_blur: float = 0.2,
    p_brightness: float = 0.15,
    p_contrast: float = 0.15,
    p_low_resolution: float = 0.25,
    p_gamma_inverted: float = 0.1,
    p_gamma: float = 0.3,
    flip: float = 0.5,
    regions: Sequence[Sequence[int]] | None = None,
    strides: Sequence[int] = (),
) -> Pipeline:
    """A patch, a third of them on foreground; turn, zoom, mirror; noise, blur, gamma and others.

    Values are those of nnU-Net's normalisation, about 0 with a deviation of 1, in an entry of
    float32. Declare a range that they lie in, such as ``"range": [-5, 5]``: noise is in units of
    the deviation, whatever the range is.

    Args:
        spec: with an image of a declared number of channels, and a label map.
        size: (height, width) of the patch.
        share: of the patches that lie on foreground.
        labels: the foreground; each is as likely as the others. None: all but 0, pixel by pixel.
        degrees: of the turn; None is nnU-Net's rule: 180, or 15 for oblong patches.
        p_rotate: the probability of a turn.
        p_scale: of a zoom by 0.7 to 1.4.
        p_noise: of noise.
        p_blur: of a blur, of each channel by 0.5.
        p_brightness: of a factor of each channel.
        p_contrast: of another contrast of each channel, its range kept.
        p_low_resolution: of a lower resolution, of each channel by 0.5.
        p_gamma_inverted: of a power of what is inverted, its statistics kept.
        p_gamma: of a power, likewise.
        flip: of a mirror image along each axis.
        regions: ids of the classes of each region, for an entry ``<mask>_regions``.
        strides: of label maps for deep supervision, ``<mask>_2`` and so on.
    """
    _check_patch("nnunet", spec, share)
    sides = _sides(size)
    unit = _deviation("nnunet", spec)
    turn = _degrees(sides, degrees)
    gamma = {
        "per": "channel", "range": "channel", "keep_statistics": True, "distribution": "balanced",
    }  # fmt: skip
    return Pipeline(
        [
            _patch(sides, turn, share, labels),
            Rotate(turn, p=p_rotate),
            Scale((1 / 1.4, 1 / 0.7), p=p_scale),
            Crop(sides, position="centre"),
            Flip("x", p=flip),
            Flip("y", p=flip),
            GaussianNoise((0.0, 0.1 * unit), p=p_noise),
            GaussianBlur((0.5, 1.0), per="channel", p_per_channel=0.5, p=p_blur),
            Gain(0.25, per="channel", distribution="balanced", p=p_brightness),
            Contrast(
                0.25,
                per="channel",
                mean="channel",
                keep_range=True,
                distribution="balanced",
                p=p_contrast,
            ),
            LowResolution((0.5, 1.0), per="channel", p_per_channel=0.5, p=p_low_resolution),
            Gamma((0.7, 1.5), inverted=True, p=p_gamma_inverted, **gamma),  # type: ignore[arg-type]
            Gamma((0.7, 1.5), p=p_gamma, **gamma),  # type: ignore[arg-type]
            *_derived(spec, regions, strides),
        ],
        spec,
    )


@recipe(
    "medical",
    "nnU-Net v2, DA5, in two dimensions",
    "MIC-DKFZ/nnUNet 2.8.1 "
    "`nnunetv2/training/nnUNetTrainer/variants/data_augmentation/nnUNetTrainerDA5.py`",
    "LabelCrop Rotate Scale Crop Rot90 Transpose Flip MedianBlur GaussianBlur GaussianNoise "
    "ChannelShift Contrast LowResolution Gamma CoarseDropout BrightnessGradient LocalGamma Sharpen "
    "Regions Scales",
    differs=[
        _PATCH,
        _ZOOM,
        "A turn has a probability of 0.2: theirs is 0.4 times 0.5 for the axis.",
        "The median is of 3, 5 or 7 pixels, of all channels; theirs of 2 to 8, of each.",
        "Brightness is shifted evenly with the deviation of theirs, which is normal, in all "
        "channels; blank rectangles are those of all channels; the brightness gradient reaches 4 "
        "and not 5 deviations.",
        "Sharpening is an unsharp mask, where theirs subtracts a Laplacian.",
        _LABELS,
        "The masks of a cascade are left out.",
    ],
)
def nnunet_da5(
    spec: DataSpec,
    size: Size = 512,
    *,
    share: float = 0.33,
    labels: Sequence[int] | None = None,
    degrees: float | None = None,
    p_rotate: float = 0.2,
    p_scale: float = 0.2,
    p_turn: float = 0.5,
    flip: float = 0.5,
    p_median: float = 0.2,
    p_blur: float = 0.2,
    p_noise: float = 0.1,
    p_brightness: float = 0.1,
    p_contrast: float = 0.2,
    p_low_resolution: float = 0.15,
    p_gamma: float = 0.1,
    p_rectangles: float = 0.4,
    p_gradient: float = 0.3,
    p_local_gamma: float = 0.3,
    p_sharpen: float = 0.2,
    regions: Sequence[Sequence[int]] | None = None,
    strides: Sequence[int] = (),
) -> Pipeline:
    """As `nnunet`, stronger, with quarter turns, medians, blank rectangles, gradients, sharpening.

    Values, and the range to declare for them, are those of `nnunet`.

    Args:
        spec: with an image of a declared number of channels, and a label map.
        size: (height, width) of the patch.
        share: of the patches that lie on foreground.
        labels: the foreground; each is as likely as the others. None: all but 0, pixel by pixel.
        degrees: of the turn; None is nnU-Net's rule: 180, or 15 for oblong patches.
        p_rotate: the probability of a turn.
        p_scale: of a zoom by 0.7 to 1.43, of each axis.
        p_turn: of quarter turns, and of a transpose, of square patches.
        flip: of a mirror image along each axis.
        p_median: of a median, where the blur is not chosen.
        p_blur: of a blur, where the median is not chosen.
        p_noise: of noise.
        p_brightness: of a shift of each channel.
        p_contrast: of another contrast, with the range kept or not.
        p_low_resolution: of a lower resolution, of each channel by 0.5.
        p_gamma: of a power of what is inverted, twice.
        p_rectangles: of 1 to 5 rectangles of the mean, in the images alone.
        p_gradient: of a gradient of brightness, of each channel by 0.5.
        p_local_gamma: of a local power, likewise.
        p_sharpen: of sharpening, likewise.
        regions: ids of the classes of each region, for an entry ``<mask>_regions``.
        strides: of label maps for deep supervision, ``<mask>_2`` and so on.
    """
    _check_patch("nnunet_da5", spec, share)
    sides = _sides(size)
    unit = _deviation("nnunet_da5", spec)
    turn = _degrees(sides, degrees)
    square = sides[0] == sides[1] and p_turn > 0
    images = [e.name for e in need_image("nnunet_da5", spec)]
    stored = {e.name: e.dtype for e in need_image("nnunet_da5", spec)}
    for name, dtype in stored.items():
        if p_gradient > 0 and dtype is not None and "int" in dtype:
            raise ParameterError(
                f"`recipes.nnunet_da5` adds up to 4 standard deviations of normalised images, and "
                f"{name!r} is {dtype}, which would turn black or white. Normalise images to "
                "float32 first, as nnU-Net does, or say p_gradient=0."
            )
    halves = {"per": "channel", "p_per_channel": 0.5}
    contrast = [
        Contrast((-0.5, 1.0), mean="channel", keep_range=kept, distribution="balanced",
                 p=p_contrast, **halves)  # type: ignore[arg-type]
        for kept in (True, False)
    ]  # fmt: skip
    inverted = Gamma(
        (0.7, 1.5), per="channel", range="channel", inverted=True, keep_statistics=True,
        distribution="balanced", p=p_gamma,
    )  # fmt: skip
    blurs: list[Transform] = [
        OneOf([MedianBlur(n) for n in (3, 5, 7)], p=p_median),
        GaussianBlur((0.3, 1.5), p=p_blur, **halves),  # type: ignore[arg-type]
    ]
    gradients = [
        BrightnessGradient((ends[0] * unit, ends[1] * unit), **halves)  # type: ignore[arg-type]
        for ends in ((1, 4), (-4, -1))
    ]
    return Pipeline(
        [
            _patch(sides, turn, share, labels),
            Rotate(turn, p=p_rotate),
            Scale((1 / 1.43, 1 / 0.7), per_axis=True, p=p_scale),
            Crop(sides, position="centre"),
            *([Rot90(p=p_turn), Transpose(p=p_turn)] if square else []),
            Flip("x", p=flip),
            Flip("y", p=flip),
            OneOf(blurs),
            GaussianNoise((0.0, 0.1 * unit), p=p_noise),
            ChannelShift(0.5 * math.sqrt(3) * unit, p=p_brightness),
            OneOf(contrast),
            LowResolution((0.25, 1.0), p=p_low_resolution, **halves),  # type: ignore[arg-type]
            inverted,
            inverted,
            CoarseDropout(
                (1, 5), height=(0.1, 1 / 3), width=(0.1, 1 / 3), fill="mean", entries=images,
                p=p_rectangles,
            ),
            OneOf(gradients, p=p_gradient),
            LocalGamma((0.01, 4.0), range="channel", distribution="balanced", p=p_local_gamma,
                       **halves),  # type: ignore[arg-type]
            Sharpen((0.1, 1.0), p=p_sharpen, **halves),  # type: ignore[arg-type]
            *_derived(spec, regions, strides),
        ],
        spec,
    )  # fmt: skip
