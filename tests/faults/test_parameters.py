"""Settings of transforms outside what they can mean: refused when they are written down."""

import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError

NAN, INF = float("nan"), float("inf")
IDENTITY = np.eye(3)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda bad: ma.Rotate(bad), "Rotate.degrees"),
        (lambda bad: ma.Translate(bad), "Translate.fraction"),
        (lambda bad: ma.Translate(px=bad), "Translate.px"),
        (lambda bad: ma.Scale(bad), "Scale.factor"),
        (lambda bad: ma.Shear(bad), "Shear.degrees"),
        (lambda bad: ma.Brightness(bad), "Brightness.amount"),
        (lambda bad: ma.Contrast(bad), "Contrast.amount"),
        (lambda bad: ma.Gamma(bad), "Gamma.exponent"),
        (lambda bad: ma.GaussianNoise(bad), "GaussianNoise.std"),
        (lambda bad: ma.ChannelShift(bad), "ChannelShift.amount"),
        (lambda bad: ma.RandomResizedCrop(8, scale=bad), "RandomResizedCrop.scale"),
        (lambda bad: ma.RandomResizedCrop(8, ratio=bad), "RandomResizedCrop.ratio"),
    ],
)
@pytest.mark.parametrize("bad", [(0.9, 0.5), (NAN, 1), (0.5, INF), NAN, "wide", (1, 2, 3), True])
def test_ranges(build, field, bad):
    with pytest.raises(ParameterError, match=rf"`{field}` must be"):
        build(bad)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ma.Rotate(-3), "(-3, 3)"),
        (lambda: ma.Scale(0), "Scale.factor"),
        (lambda: ma.Scale((0, 1)), "Scale.factor"),
        (lambda: ma.Scale((0.1, 1)), "[0.125, 8]"),
        (lambda: ma.Scale(9), "[1, 8]"),
        (lambda: ma.Shear(89), "[-75, 75]"),
        (lambda: ma.Translate(0.1, px=3), "got both"),
        (lambda: ma.Flip("z"), "Flip.axis"),
        (lambda: ma.Flip("x", p=1.5), "Flip.p"),
        (lambda: ma.Maybe(ma.Flip(), p=-0.1), "Maybe.p"),
        (lambda: ma.Transpose(p=NAN), "Transpose.p"),
        (lambda: ma.Rot90(()), "Rot90.turns"),
        (lambda: ma.Rot90(0.5), "Rot90.turns"),
        (lambda: ma.Crop(0), "Crop.size"),
        (lambda: ma.Crop((4, -1)), "Crop.size"),
        (lambda: ma.Crop(), "`size` or `box`"),
        (lambda: ma.Crop(4, box=(0, 0, 4, 4)), "`size` or `box`"),
        (lambda: ma.Crop(box=(4, 0, 4, 4)), "x0 < x1"),
        (lambda: ma.Crop(box=(-1, 0, 4, 4)), "Crop.box"),
        (lambda: ma.Crop(4, position="left"), "Crop.position"),
        (lambda: ma.Pad(-1), "Pad.pixels"),
        (lambda: ma.Pad((1, 2, 3)), "Pad.pixels"),
        (lambda: ma.Resize((0, 4)), "Resize.size"),
        (lambda: ma.Resize(4.5), "Resize.size"),
        (lambda: ma.RandomResizedCrop(0), "RandomResizedCrop.size"),
        (lambda: ma.Perspective(0.25), "[0, 0.24]"),
        (lambda: ma.Perspective(0.1, matrix=IDENTITY), "got both"),
        (lambda: ma.Elastic(-0.1), "Elastic.amount"),
        (lambda: ma.Elastic(0.1, 5), "slope below 0.8"),
        (lambda: ma.Elastic(0.01, 0), "Elastic.grid"),
        (lambda: ma.Contrast((-2, 0)), "Contrast.amount"),
        (lambda: ma.GaussianNoise((-0.1, 0.1)), "GaussianNoise.std"),
        (lambda: ma.Normalize(std=0), "Normalize.std"),
        (lambda: ma.Brightness(entries=3), "Brightness.entries"),
        (lambda: ma.Brightness(clip=1), "Brightness.clip"),
        (lambda: ma.OneOf([]), "OneOf.transforms"),
        (lambda: ma.OneOf([ma.Flip()], weights=[1, 2]), "OneOf.weights"),
        (lambda: ma.OneOf([ma.Flip()], weights=[0]), "positive sum"),
        (lambda: ma.SomeOf([ma.Flip()], k=2), "SomeOf.k"),
        (lambda: ma.SomeOf([ma.Flip()], k=(1, 0)), "SomeOf.k"),
        (lambda: ma.Shuffle(["Flip"]), "Shuffle.transforms"),
        (lambda: ma.Affine(np.eye(2)), "(2, 3) or (3, 3)"),
        (lambda: ma.Affine([[1, 0, NAN], [0, 1, 0]]), "finite"),
        (lambda: ma.Affine([[1, 2, 0], [2, 4, 0]]), "invertible"),
        (lambda: ma.Affine([[1, 0, 0], [0, 1, 0], [0.1, 0, 1]]), "Perspective"),
        (lambda: ma.Affine([["a", 0, 0], [0, 1, 0]]), "matrix of numbers"),
        (lambda: ma.Perspective(matrix=np.ones((3, 3))), "invertible"),
        (lambda: ma.Perspective(matrix=np.eye(2)), "(3, 3)"),
    ],
)
def test_settings(build, words):
    with pytest.raises(ParameterError) as caught:
        build()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "transform",
    [ma.Brightness(entries="mask"), ma.Gamma(entries=["image", "nothing"]), ma.Normalize([0, 1])],
)
def test_entries_that_hold_no_intensity(transform):
    import jax

    pipeline = ma.Pipeline([transform], ma.load_spec("rgb-segmentation"))
    with pytest.raises(ParameterError, match=type(transform).__name__):
        pipeline(jax.random.key(0), {"image": np.zeros((4, 4, 3), np.uint8)})


def test_channel_shift_needs_a_channel_count():
    import jax

    spec = ma.DataSpec.from_dict({"name": "t", "entries": {"image": {"role": "intensity"}}})
    with pytest.raises(ParameterError, match=r"ChannelShift.*'image'"):
        ma.Pipeline([ma.ChannelShift()], spec).sample(jax.random.key(0), (4, 4))
