"""Clouds of points, organised in images or in tables: VoteNet, Point Transformer V3."""

from __future__ import annotations

from ..pipeline import Pipeline
from ..spec import DataSpec
from ..transforms import (
    AutoContrast,
    ChannelShift,
    CloudMotion,
    Flip,
    Gain,
    GaussianNoise,
    Transform,
)
from ._needs import Range, need_points, with_role
from ._recipe import recipe

_FLIP = "The flip mirrors images with the cloud, as a mirrored camera sees both."
_NONE_LEFT = (
    "Sampling of points, and of voxels, is the model's: pixels stay where they are, and points of "
    "a table keep their rows."
)


@recipe(
    "clouds",
    "VoteNet; mmdetection3d on SUN RGB-D",
    "facebookresearch/votenet 1041fb2 `sunrgbd/sunrgbd_detection_dataset.py`; "
    "open-mmlab/mmdetection3d 1.4.0 `configs/_base_/datasets/sunrgbd-3d.py`",
    "Flip Gain ChannelShift GaussianNoise CloudMotion",
    differs=[
        _FLIP,
        "Noise of colours is normal, of the same deviation, and each channel has its own.",
        "Colours are not dropped from 30 percent of the points: ModalityDropout and "
        "CoarseDropout drop colours of images.",
        "Boxes in space are no role yet: their centres can be a table of points.",
        _NONE_LEFT,
    ],
)
def votenet(
    spec: DataSpec,
    *,
    flip: float = 0.5,
    rotate: Range = 30,
    scale: tuple[float, float] = (0.85, 1.15),
    brightness: Range = 0.2,
    shift: Range = 0.05,
    noise: float = 0.025 / 3**0.5,
    drop: tuple[float, float] = (0.0, 0.0),
) -> Pipeline:
    """A mirror image, a turn about gravity, a scale; brightness, shift and noise of the colours.

    Args:
        spec: with positions, or points in a table; images of intensity are their colours.
        flip: the probability of a mirror image.
        rotate: of the turn about what points up, in degrees.
        scale: of the cloud.
        brightness: of the amount that each channel is scaled by.
        shift: what is added to each channel, as a fraction of the range.
        noise: the standard deviation of noise of the colours, as a fraction of the range.
        drop: of the share of points that become invalid.
    """
    need_points("votenet", spec)
    colours: list[Transform] = []
    if with_role(spec, "intensity"):
        colours = [
            Gain(brightness, per="channel"),
            ChannelShift(shift),
            GaussianNoise((noise, noise), clip=True),
        ]
    return Pipeline(
        [Flip("x", p=flip), *colours, CloudMotion(rotate, scale=scale, drop=drop)], spec
    )


@recipe(
    "clouds",
    "Point Transformer V3 on ScanNet and nuScenes",
    "Pointcept/Pointcept d74c646 `configs/scannet/semseg-pt-v3m1-0-base.py`",
    "Flip AutoContrast ChannelShift GaussianNoise CloudMotion",
    differs=[
        _FLIP,
        "Both tilts happen together, with a probability of 0.5, where theirs has one for each.",
        "AutoContrast stretches wholly, where theirs blends with what there was by a random share.",
        "The elastic distortion of points, in two grids, is left out.",
        "Turns are about the origin of the cloud's frame: centre clouds in the data.",
        _NONE_LEFT,
    ],
)
def point_transformer(
    spec: DataSpec,
    *,
    drop: float = 0.2,
    p_drop: float = 0.2,
    rotate: Range = 180,
    tilt: Range = 180 / 64,
    p_rotate: float = 0.5,
    scale: tuple[float, float] = (0.9, 1.1),
    flip: float = 0.5,
    jitter: float = 0.005,
    clip: float | None = 0.02,
    p_contrast: float = 0.2,
    shift: Range = 0.05,
    noise: float = 0.05,
    p_colour: float = 0.95,
) -> Pipeline:
    """A mirror image, turns, scale, jitter, dropped points; contrast and noise of the colours.

    Args:
        spec: with positions, or points in a table, in metres; images of intensity are their
            colours.
        drop: the share of points that become invalid.
        p_drop: the probability that they do; below 0 or 1 the spec needs a value for them.
        rotate: of the turn about what points up, in degrees.
        tilt: of the turns about both other axes.
        p_rotate: the probability of the turn, and of the tilts.
        scale: of the cloud.
        flip: the probability of a mirror image.
        jitter: the standard deviation of the noise of each coordinate, in the unit of the points.
        clip: the largest of it.
        p_contrast: the probability of a stretched contrast.
        shift: what is added to each channel, as a fraction of the range.
        noise: the standard deviation of noise of the colours, as a fraction of the range.
        p_colour: the probability of the shift, and of the noise.
    """
    need_points("point_transformer", spec)
    colours: list[Transform] = []
    if with_role(spec, "intensity"):
        colours = [
            AutoContrast(p=p_contrast),
            ChannelShift(shift, p=p_colour),
            GaussianNoise((noise, noise), clip=True, p=p_colour),
        ]
    dropped = [CloudMotion(0, drop=(drop, drop), p=p_drop)] if drop and p_drop else []
    return Pipeline(
        [
            Flip("x", p=flip),
            *colours,
            *dropped,
            CloudMotion(rotate, p=p_rotate),
            CloudMotion(0, tilt, p=p_rotate),
            CloudMotion(0, scale=scale, jitter=jitter, clip=clip),
        ],
        spec,
    )
