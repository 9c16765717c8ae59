"""Clouds of points, organised in images or in tables: VoteNet, Point Transformer, Concerto."""

from __future__ import annotations

from ..errors import ParameterError
from ..pipeline import Pipeline, Views
from ..spec import DataSpec
from ..transforms import (
    AutoContrast,
    ChannelShift,
    CloudMotion,
    ColorJitter,
    Flip,
    Gain,
    GaussianBlur,
    GaussianNoise,
    ModalityDropout,
    Transform,
)
from ._needs import Range, need_colours, need_points, with_role
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


@recipe(
    "clouds",
    "Concerto: images and points",
    "Pointcept/Pointcept 041f5f6 `configs/concerto/pretrain-concerto-v1m1-0-base.py`",
    "Flip ColorJitter ChannelShift GaussianNoise GaussianBlur ModalityDropout CloudMotion",
    differs=[
        _FLIP,
        "Colours of images and of points are one entry here: they change together.",
        "Both tilts happen together.",
        "Colours and normals are dropped as a whole, not also from a fifth of the points; the "
        "elastic distortion of points is left out.",
        "Local and masked views, which are crops of points, are the model's: views here are whole.",
        _NONE_LEFT,
    ],
)
def concerto(
    spec: DataSpec,
    *,
    flip: float = 0.5,
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.02),
    p_jitter: float = 0.8,
    shift: Range = 0.05,
    noise: float = 0.05,
    p_colour: float = 0.95,
    sigma: tuple[float, float] = (0.1, 2.0),
    p_blur: float = 0.5,
    drop: float = 0.2,
    rotate: Range = 180,
    tilt: Range = 180 / 64,
    p_rotate: float = 0.8,
    scale: tuple[float, float] = (0.9, 1.1),
    point_noise: float = 0.005,
    clip: float | None = 0.02,
    views: int = 2,
) -> Views:
    """Views of images and their cloud: colours, blur, entries that are dropped, turns and scale.

    Args:
        spec: with positions, an image whose channels are named r, g and b, and perhaps normals,
            each in an entry of its own.
        flip: the probability of a mirror image.
        jitter: of brightness, contrast, saturation and hue.
        p_jitter: the probability of the jitter.
        shift: what is added to each channel, as a fraction of the range.
        noise: the standard deviation of noise of the colours, as a fraction of the range.
        p_colour: the probability of the shift, and of the noise.
        sigma: of the blur, in pixels.
        p_blur: the probability of a blur.
        drop: the probability that colours, or normals, are dropped; 0 for none.
        rotate: of the turn about what points up, in degrees.
        tilt: of the turns about both other axes.
        p_rotate: the probability of the turn, and of the tilts.
        scale: of the cloud.
        point_noise: the standard deviation of noise of each coordinate, in the unit of the points.
        clip: the largest of it.
        views: how many.
    """
    need_points("concerto", spec)
    need_colours("concerto", spec)
    made = Pipeline(
        [
            Flip("x", p=flip),
            ColorJitter(*jitter, clip=True, p=p_jitter),
            ChannelShift(shift, p=p_colour),
            GaussianNoise((noise, noise), clip=True, p=p_colour),
            GaussianBlur(sigma, p=p_blur),
            *_dropped(spec, drop),
            CloudMotion(rotate, p=p_rotate),
            CloudMotion(0, tilt, p=p_rotate),
            CloudMotion(0, scale=scale, jitter=point_noise, clip=clip),
        ],
        spec,
    )
    return Views({"view": (made, views)})


def _dropped(spec: DataSpec, drop: float) -> list[Transform]:
    """Colours and normals as whole entries."""
    if not drop:
        return []
    colours = with_role(spec, "intensity")
    packed = [entry.name for entry in colours if len(entry.groups) > 1]
    if packed:
        raise ParameterError(
            f"`recipes.concerto` drops colours by whole entries, and {packed[0]!r} of the spec "
            f"{spec.name!r} holds other channels, too. Give colours an entry of their own, as "
            "rgbxyz-separate does, or say drop=0."
        )
    normals = [entry.name for entry in with_role(spec, "direction")]
    groups = [[entry.name for entry in colours], *([normals] if normals else [])]
    return [ModalityDropout(groups, drop, keep_one=False)]
