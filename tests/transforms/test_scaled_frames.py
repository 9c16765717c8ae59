"""Sizes that keep the ratio of the sides, and windows of resized images: frames and draws.

Their maps are in the table of tests/reference/errors.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.transforms import Frame
from tests.nightly import by_night
from tests.reference import maps
from tests.reference.banded import banded, bar, errors, grids, worst

SPEC = ma.load_spec("rgb-segmentation")
COUNT = 4000
KEYS = jax.random.split(jax.random.key(3), COUNT)
SHAPE = (40, 60)
LEVEL = 1e-3


def drawn(*transforms, shape=SHAPE, keys=KEYS):
    """What transforms draw on one frame, all of them compiled at once."""
    frame = Frame(shape, SPEC)
    draw = jax.jit(jax.vmap(lambda key: [one.sample(key, frame) for one in transforms]))
    return jax.tree.map(np.asarray, draw(keys))


@by_night
def test_images_agree_with_the_reference():
    bands = [("linear", "constant"), ("linear", "mirror")]
    spec = ma.DataSpec("x", [banded("x", bands)])
    pipeline = ma.Pipeline([ma.RandomScaledCrop((24, 36), antialias=False), ma.Rotate(20)], spec)
    source = np.random.default_rng(0).random((6, 33, 47, 2), np.float32)
    found = np.asarray(pipeline.batch(KEYS[:6], {"x": source})["x"])
    params = pipeline.sample(KEYS[:6], (33, 47))
    wrong = [
        errors(source[i], found[i], grid, bands, resized=True)
        for i, grid in grids(pipeline, params)
    ]
    assert max(worst(wrong, bands).values()) < bar(47)


@by_night
def test_a_factor_of_one_is_a_copy():
    source = np.random.default_rng(0).integers(0, 256, (3, 47, 59, 3), dtype=np.uint8)
    mask = source[..., 0] % 7
    pipeline = ma.Pipeline([ma.RandomScaledCrop((31, 70), (1, 1))], SPEC)
    out = pipeline.batch(KEYS[:3], {"image": source, "mask": mask})
    offsets = np.asarray(pipeline.sample(KEYS[:3], (47, 59)).values[0]["offset"])
    assert len(np.unique(offsets, axis=0)) == 3
    for i, (x, y) in enumerate(offsets):
        for name, array in (("image", source), ("mask", mask)):
            want = array[i, y : y + 31]
            np.testing.assert_array_equal(np.asarray(out[name])[i][:, -x : 59 - x], want)


SIZES = [
    # transform, frame before, frame after (by hand, or as the peer has it)
    (ma.ResizeShortest(256), (480, 640), (256, 341)),
    (ma.ResizeShortest(256, max_size=300), (480, 640), (225, 300)),
    (ma.ResizeShortest(518, multiple=14), (480, 640), (518, 686)),  # Depth Anything
    (ma.ResizeShortest(100), (300, 100), (300, 100)),
    (ma.ResizeLongest(512), (480, 640), (384, 512)),
    (ma.ResizeLongest(640), (1080, 810), (640, 480)),
    (ma.LetterBox(640), (1080, 810), (640, 640)),
    (ma.PadTo((512, 100)), (480, 640), (512, 640)),
    (ma.PadToMultiple(32), (480, 650), (480, 672)),
    (ma.SafeRotate((90, 90), expand=True), (40, 60), (60, 40)),
    (ma.SafeRotate((45, 45), expand=True), (40, 60), (71, 71)),
    # Both diagonals lie within the range: they are 72.1 pixels long.
    (ma.SafeRotate((0, 90), expand=True), (40, 60), (73, 73)),
    (ma.SafeRotate(30), (40, 60), (40, 60)),
]


@pytest.mark.parametrize(("transform", "before", "after"), SIZES)
def test_frames(transform, before, after):
    assert transform.out_shape(before) == after


@by_night
def test_a_turned_image_stays_in_view_and_fills_its_frame():
    turn = ma.SafeRotate(180)
    corners = maps.corners_of(SHAPE) - (np.array(SHAPE[::-1]) - 1) / 2

    @jax.jit
    @jax.vmap
    def pushed(degrees):
        x, y, _ = turn.map({"degrees": degrees}, SHAPE).push(*jnp.float32(corners.T))
        return jnp.stack([jnp.abs(x).max() / 30, jnp.abs(y).max() / 20])

    reach = np.asarray(pushed(np.linspace(-180, 180, 361, dtype=np.float32)))
    assert reach.max() < 1 + 1e-5
    assert (reach.max(1) > 1 - 1e-5).all()


def test_scaled_crops_draw_what_they_say():
    size = np.array([48, 32])
    (crop,) = drawn(ma.RandomScaledCrop((32, 48)))
    sides, offset = crop["sides"], crop["offset"]
    np.testing.assert_allclose(sides[:, 0] / 60, sides[:, 1] / 40, atol=0.03)
    assert stats.kstest(sides[:, 0] / 60, stats.uniform(0.5, 1.5).cdf).pvalue > LEVEL
    spare = sides - size
    steps = offset - np.minimum(spare, 0)
    assert (steps >= 0).all()
    assert (steps <= np.abs(spare)).all()
    wide = np.abs(spare).min(1) > 15
    places = ((steps + 0.5) / (np.abs(spare) + 1))[wide]
    for axis in (0, 1):
        assert stats.kstest(places[:, axis], "uniform").pvalue > LEVEL
    assert abs(np.corrcoef(*places.T)[0, 1]) < 4 / np.sqrt(len(places))
    assert abs(np.corrcoef(places[:, 0], sides[wide, 0])[0, 1]) < 4 / np.sqrt(len(places))


def test_other_distributions_of_the_factor():
    log, steps, several = (
        params["sides"] / [600, 400]
        for params in drawn(
            ma.RandomScaledCrop(32, distribution="log"),
            ma.RandomScaledCrop(32, step=0.25),
            ma.ResizeShortest((160, 200, 240), crop=16),
            shape=(400, 600),
        )
    )
    assert stats.kstest(np.log2(log[:, 0]), stats.uniform(-1, 2).cdf).pvalue > LEVEL
    counts = np.unique(np.round(steps[:, 0], 3), return_counts=True)
    np.testing.assert_allclose(counts[0], np.arange(0.5, 2.01, 0.25))
    assert stats.chisquare(counts[1]).pvalue > LEVEL
    lengths, counts = np.unique(several[:, 1] * 400, return_counts=True)
    np.testing.assert_allclose(lengths, [160, 200, 240])
    assert stats.chisquare(counts).pvalue > LEVEL


# mmcv.rescale_size((w, h), (2048 s, 512 s)): min(long / long edge, short / short edge).
@pytest.mark.parametrize(("shape", "sides"), [((683, 512), (512, 683)), ((300, 1600), (2048, 384))])
def test_the_base_is_mmsegs(shape, sides):
    frame = Frame(shape, SPEC)
    for crop, want in (
        (ma.RandomScaledCrop(512, (1, 1), base=(512, 2048)), sides),
        (ma.RandomScaledCrop(512, (0.5, 0.5), base=(300, 400), keep_ratio=False), (200, 150)),
    ):
        assert crop.sample(KEYS[0], frame)["sides"].tolist() == list(want)
    assert min(ma.RandomScaledCrop(512, (1, 1), base=256).sample(KEYS[0], frame)["sides"]) == 256


@pytest.mark.parametrize(
    ("where", "offset"),
    [("center", (-3, -2)), ("top_left", (0, 0)), ("top_right", (-7, 0)), ("bottom_left", (0, -5))],
)
def test_positions(where, offset):
    params = ma.PadTo((15, 27), position=where).sample(KEYS[0], Frame((10, 20), SPEC))
    assert params["offset"].tolist() == list(offset)


def test_what_is_padded_may_lie_elsewhere():
    crop = ma.RandomScaledCrop((80, 20), (1, 1), position="center", pad_position="top_left")
    assert crop.sample(KEYS[0], Frame(SHAPE, SPEC))["offset"].tolist() == [20, 0]


REFUSED = [
    (lambda: ma.RandomScaledCrop(32, (2, 0.5)), r"RandomScaledCrop.scale.*lo <= hi"),
    (lambda: ma.RandomScaledCrop(32, (0.01, 1)), r"RandomScaledCrop.scale.*\[0.125, 8\]"),
    (lambda: ma.RandomScaledCrop(32, step=0.4), r"RandomScaledCrop.step.*evenly, got 0.4"),
    (lambda: ma.RandomScaledCrop(32, step=0.5, distribution="log"), "distribution.*uniform where"),
    (lambda: ma.RandomScaledCrop(32, base=512, keep_ratio=False), "base.*height, width"),
    (lambda: ma.RandomScaledCrop(32, position="middle"), "position.*one of random, center"),
    (lambda: ma.ResizeShortest((256, 512)), r"ResizeShortest.crop.*one size. Give a window"),
    (lambda: ma.ResizeShortest(()), "ResizeShortest.size.*got none"),
    (lambda: ma.ResizeShortest(0), "ResizeShortest.size.*>= 1"),
    (lambda: ma.LetterBox(64, scale_up="yes"), "LetterBox.scale_up.*True or False"),
    (lambda: ma.PadToMultiple(0), "PadToMultiple.multiple.*>= 1"),
    (lambda: ma.SafeRotate("x"), "SafeRotate.degrees"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refused(make, message):
    with pytest.raises(ma.ParameterError, match=message):
        make()


def test_a_frame_that_grows_by_chance_is_refused():
    with pytest.raises(ma.ParameterError, match="SafeRotate turns 40 x 60 into 73 x 73"):
        ma.Pipeline([ma.SafeRotate(90, expand=True, p=0.5)], SPEC).sample(KEYS[0], SHAPE)
