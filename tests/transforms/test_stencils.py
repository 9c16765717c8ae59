"""What blurs, noises and faults of sensors do; tests/reference has them beside SciPy and Pillow."""

import io
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage import filters

import multiaug as ma
from multiaug.pipeline.program._draws import QUICKLY_COMPILED
from multiaug.transforms import Target
from multiaug.transforms._jpeg_operations import LUMINANCE, Compress, steps
from multiaug.transforms._stencil_operations import GaussianMean
from tests.nightly import NIGHTLY, by_night
from tests.reference.stencils import HOLES, SHAPE, UNIT, cosines
from tests.transforms.test_draws import (
    LEVEL,
    assert_independent,
    assert_share,
    assert_uniform,
)


def target(there=None, top=1.0, names=()):
    valid = None if there is None else jnp.asarray(there)
    return Target("image", 0, (0.0, top), valid, 3, names)


def test_the_unsharp_mask_of_scikit_image():
    """It repeats the pixels of the edge: away from there."""
    found = ma.Sharpen(2, 1.5).apply(
        {"all": jnp.float32([[0.7], [1.5], [1]])}, jnp.asarray(UNIT), target()
    )
    channels = np.moveaxis(UNIT.astype(np.float64), -1, 0)
    wanted = np.stack(
        [filters.unsharp_mask(v, 1.5, 0.7, preserve_range=True) for v in channels], axis=-1
    )
    inside = np.s_[7:-7, 7:-7]
    np.testing.assert_allclose(np.asarray(found)[inside], wanted[inside], atol=2e-6)


FLAT = [
    ma.GaussianBlur((0.3, 3)),
    ma.Sharpen(2),
    ma.MotionBlur((2, 8)),
    ma.MedianBlur(5),
    ma.LowResolution((0.2, 0.9)),
    ma.BandMisregistration(2.5),
    ma.JPEG((90, 95)),
]


@pytest.mark.parametrize("invalid", [None, "nan"] if NIGHTLY else ["nan"])
def test_a_flat_image_stays_flat(invalid):
    """No border is dark, and no hole bleeds or is filled, but where bands move."""
    image = {"role": "intensity", "dtype": "float32", "channels": 3, "invalid": invalid}
    spec = ma.DataSpec.from_dict({"name": "flat", "entries": {"image": image}})
    values = np.full((2, *SHAPE), 0.5, np.float32)
    if invalid:
        values[:, HOLES] = np.nan
    keys = jax.random.split(jax.random.key(3), 2)
    for transform in FLAT:
        found = np.asarray(ma.Pipeline([transform], spec).batch(keys, {"image": values})["image"])
        missing = np.isnan(found)
        moves = isinstance(transform, ma.BandMisregistration)
        off = 0.005 if isinstance(transform, ma.JPEG) else 1e-6
        assert np.nanmax(np.abs(found - 0.5)) < off, transform
        assert missing.any() == (invalid is not None)
        assert moves or (missing == np.isnan(values)).all()


def through_pillow(pixels, quality, subsampling):
    memory = io.BytesIO()
    kind = (
        {"quality": quality}
        if pixels.ndim == 2
        else {"quality": quality, "subsampling": subsampling}
    )
    Image.fromarray(pixels).save(memory, "JPEG", **kind)
    return np.asarray(Image.open(io.BytesIO(memory.getvalue())), np.float64)


def test_jpeg_is_that_of_scipy_and_of_pillow(capsys):
    """Files are of whole levels, clipped, by integer arithmetic: they differ by some levels."""
    pixels = np.uint8(np.clip(UNIT, 0, 1) * 255)
    values, rows = jnp.asarray(pixels, jnp.float32), []
    bands = jnp.asarray(UNIT)

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    def squeezed(quality):
        apart = Compress(quality, None, False, 0.0, 1.0).apply(bands, None)
        grey = Compress(quality, None, False, 0.0, 255.0).apply(values, None)
        coloured = [
            Compress(quality, (0, 1, 2), halved, 0.0, 255.0).apply(values, None)
            for halved in (False, True)
        ]
        return apart, grey, coloured

    # Of fine steps, that a colour was rounded to whole levels before decides which one it is.
    for quality in (75, 50, 20):
        apart, grey, coloured = squeezed(jnp.int32(quality))
        # Which way a cosine is rounded that is a tie is a matter of the last digit.
        off = np.abs(np.asarray(apart) - cosines(quality)(UNIT.astype(np.float64)))
        assert (off > 1e-5).mean() < 0.01
        wanted = {"grey": through_pillow(pixels[..., 0], quality, 0)}
        found = {"grey": np.asarray(grey)[..., 0]}
        for name, subsampling, one in zip(("4:4:4", "4:2:0"), (0, 2), coloured, strict=True):
            wanted[name], found[name] = (
                through_pillow(pixels, quality, subsampling),
                np.asarray(one),
            )
        for name in wanted:
            error = np.abs(np.clip(np.floor(found[name] + 0.5), 0, 255) - wanted[name])
            changes = np.abs(wanted[name] - (pixels[..., 0] if name == "grey" else pixels)).mean()
            rows.append(
                f"{quality:4} {name:8} {changes:8.2f} {error.mean():8.3f} {error.max():6.0f}"
            )
            assert error.mean() < 0.2 * changes + 0.5, (quality, name)
    with capsys.disabled():
        head = f"{'JPEG':4} {'':8} {'changes':>8} {'apart':>8} {'most':>6}"
        print("", head, *rows, sep="\n")


def test_jpeg_tables_are_those_of_pillow():
    for quality in (1, 10, 49, 50, 75, 100):
        memory = io.BytesIO()
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(memory, "JPEG", quality=quality)
        tables = Image.open(io.BytesIO(memory.getvalue())).quantization
        mine = np.asarray(steps(LUMINANCE, quality)).ravel()
        assert sorted(tables[0]) == sorted(mine)


def test_gradients_pass():
    """They pass through rounded cosines as if those were not, and are finite beside holes."""

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    @jax.grad
    def slope(values):
        names = ("r", "g", "b")
        all_there = target(None, 1.0, names)
        squeezed = ma.JPEG().apply({"quality": jnp.int32(80)}, values, all_there)
        blurred = GaussianMean(1.5, 6, 0, ~HOLES).apply(jnp.where(HOLES, 0, values), None)
        noisy = ma.ShotNoise().apply(
            {"photons": jnp.float32(100), "seed": jnp.uint32([1, 2])}, values - 0.5, all_there
        )
        return squeezed.sum() + blurred.sum() + 1e-3 * noisy.sum()

    found = np.asarray(slope(jnp.asarray(UNIT)))
    assert np.isfinite(found).all()
    # What is valid weighs once in JPEG, and once in what is blurred, on average.
    assert abs(found[~HOLES].mean() - 2) < 0.3


def test_draws_have_their_distributions():
    spec = ma.load_spec("rgb-segmentation")
    chain = [
        ma.GaussianBlur((0.5, 1.5), per="channel", p_per_channel=0.3),
        ma.MotionBlur((2, 6), (-30, 90)),
        ma.Sharpen((0.1, 0.9), (0.5, 1), per="channel", p_per_channel=0.6),
        ma.LowResolution((0.5, 1), per="channel"),
        ma.JPEG((30, 39)),
        ma.BandMisregistration(0.7),
        ma.DeadLines((0, 3), p_per_channel=0.5),
        ma.ShotNoise((10, 1000)),
        ma.SpeckleNoise(0.3),
        ma.SaltAndPepper(0.1),
    ]
    keys = jax.random.split(jax.random.key(12), 40_000)
    drawn = jax.tree.map(np.asarray, ma.Pipeline(chain, spec).sample(keys, (8, 8)).values)
    blur, motion, sharpen, low, jpeg, shift, lost, shot, speckle, dots = drawn
    sigma = blur["image"]
    assert_share(sigma[:, 0] > 0, 0.3)
    assert_uniform(sigma[:, 1][sigma[:, 1] > 0], 0.5, 1.5)
    assert_independent(sigma[:, 0], sigma[:, 1])
    assert_uniform(motion["length"], 2, 6)
    assert_uniform(motion["degrees"], -30, 90)
    assert_independent(motion["length"], motion["degrees"])
    amount, sigma, on = np.moveaxis(sharpen["image"], 1, 0)
    assert_uniform(amount[:, 0], np.float32(0.1), np.float32(0.9) + 1e-7)
    assert_uniform(sigma[:, 2], 0.5, 1)
    assert_share(on[:, 1], 0.6)
    assert_independent(amount[:, 0], sigma[:, 0])
    assert_independent(amount[:, 0], amount[:, 1])
    assert_uniform(low["image"][:, 2], 0.5, 1)
    assert stats.chisquare(np.bincount(jpeg["quality"] - 30, minlength=10)).pvalue > LEVEL
    right, down, _ = np.moveaxis(shift["image"], 1, 0)
    assert_uniform(right[:, 0], -0.7, np.float32(0.7))
    assert_independent(right[:, 0], down[:, 0])
    assert_independent(right[:, 0], right[:, 1])
    places, on = lost["image"][:, :-1], lost["image"][:, -1]
    counts = (places[..., 1] >= 0).sum(1)
    assert stats.chisquare(np.bincount(counts, minlength=4)).pvalue > LEVEL
    assert_uniform(places[:, 0, 0][places[:, 0, 0] >= 0], 0, 1)
    assert_share(on[:, 2], 0.5)
    assert_uniform(np.log10(shot["photons"]), 1, 3)
    assert_uniform(speckle["std"], 0, np.float32(0.3))
    assert_uniform(dots["amount"], 0, np.float32(0.1))
    assert_independent(speckle["std"], dots["amount"])


def pixels_of(transform, level, shape=(2, 120, 120, 2), dtype="float32"):
    image = {"role": "intensity", "dtype": dtype, "channels": 2}
    spec = ma.DataSpec.from_dict({"name": "noisy", "entries": {"image": image}})
    keys = jax.random.split(jax.random.key(4), shape[0])
    values = np.full(shape, level, dtype)
    return np.asarray(ma.Pipeline([transform], spec).batch(keys, {"image": values})["image"])


def test_noises_have_their_distributions():
    shot = pixels_of(ma.ShotNoise(400), 0.25).ravel()
    assert stats.kstest(shot, stats.norm(0.25, np.sqrt(0.25 / 400)).cdf).pvalue > LEVEL
    assert (pixels_of(ma.ShotNoise(400), 0.0) == 0).all()
    speckle = pixels_of(ma.SpeckleNoise((0.2, 0.2)), 3.0).ravel()
    assert stats.kstest(speckle, stats.norm(3, 0.6).cdf).pvalue > LEVEL
    rice = pixels_of(ma.RicianNoise((0.1, 0.1)), 0.15).ravel()
    assert stats.kstest(rice, stats.rice(1.5, scale=0.1).cdf).pvalue > LEVEL
    dots = pixels_of(ma.SaltAndPepper((0.2, 0.2), salt=0.3), 100, dtype="uint8")
    assert_share(dots == 255, 0.06)
    assert_share(dots == 0, 0.14)
    assert_share((dots[..., 0] != 100) & (dots[..., 1] != 100), 0.04)
    whole = pixels_of(ma.SaltAndPepper((0.2, 0.2), per="pixel"), 100, dtype="uint8")
    np.testing.assert_array_equal(whole[..., 0], whole[..., 1])
    assert_share(whole[..., 0] != 100, 0.2)


@by_night
def test_noise_differs_from_frame_to_frame():
    image = {"role": "intensity", "dtype": "float32", "channels": 2}
    still = ma.DataSpec.from_dict({"name": "still", "entries": {"image": image}})
    moving = ma.DataSpec.from_dict({"name": "moving", "entries": {"image": {**image, "time": 2}}})
    values, keys = np.full((1, 40, 40, 2), 0.5, np.float32), jax.random.key(1)[None]
    frames = np.repeat(values[:, None], 2, 1)
    for noise in (
        ma.ShotNoise(),
        ma.SpeckleNoise(),
        ma.SaltAndPepper((0.2, 0.2)),
        ma.RicianNoise(),
    ):
        one = np.asarray(ma.Pipeline([noise], still).batch(keys, {"image": values})["image"])
        two = np.asarray(ma.Pipeline([noise], moving).batch(keys, {"image": frames})["image"])
        np.testing.assert_array_equal(two[:, 0], one)
        assert abs(np.corrcoef((two[0, 0] - 0.5).ravel(), (two[0, 1] - 0.5).ravel())[0, 1]) < 0.1


def test_dead_lines_may_hold_no_data():
    """What follows knows, and so do bytes whose number for no data is declared."""
    for dtype, mark, top in (("float32", "nan", 1.0), ("uint8", 9, 255)):
        image = {"role": "intensity", "dtype": dtype, "channels": 3, "invalid": mark}
        spec = ma.DataSpec.from_dict({"name": "dead", "entries": {"image": image}})
        values = (np.clip(UNIT, 0.1, 1) * top).astype(dtype)[None]
        values[0, 3, 4] = float(mark)
        lines = ma.DeadLines((2, 5), "columns", "invalid")
        chain = ma.Pipeline([lines, ma.NormalizeRecord("min_max")], spec)
        out = np.asarray(chain.batch(jax.random.key(2)[None], {"image": values})["image"])[0]
        none = np.isnan(out) if mark == "nan" else out == mark
        assert (none.all(0).sum(0) >= 1).all()
        assert (none.all(0).sum(0) <= 5).all()
        assert len({tuple(lost) for lost in none.all(0).T}) > 1  # channels apart
        assert none[3, 4].all()
        assert not (none & ~none.all(0))[np.arange(len(out)) != 3].any()
        assert out[~none].min() == 0
        assert out[~none].max() == pytest.approx(1)
    spec = ma.load_spec("rgb-segmentation")
    with pytest.raises(ma.ParameterError, match=r"`DeadLines.fill` must be a number.*Declare"):
        ma.Pipeline([lines], spec).sample(jax.random.key(0), (8, 8))
