"""Draws, refusals and invalid pixels of value transforms, and who runs them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.pipeline.program._draws import QUICKLY_COMPILED
from tests.sampling.test_compiled import NIGHTLY
from tests.transforms.test_draws import LEVEL, assert_independent, assert_share, assert_uniform

COUNT = 100_000
SPEC = ma.load_spec("rgb-segmentation")
DRAWN = [
    ma.Gain((-0.3, 0.5), per="channel", p_per_channel=0.3),
    ma.Contrast((-0.5, 1), distribution="balanced"),
    ma.Gamma((0.7, 1.5), distribution="balanced"),
    ma.Gamma((0.9, 1.1), per="record", p_per_channel=0.5, distribution="uniform"),
    ma.HueSaturation(0.1, 0.5, (0.1, 0.2)),
    ma.ColorJitter(0.4, 0.3, 0.2, 0.1),
    ma.PhotometricDistortion(p_each=0.4),
    ma.ColorTemperature((4000, 8000)),
    ma.Posterize((2, 5)),
    ma.Solarize((0.2, 0.6)),
    ma.HistogramShift(4),
    ma.BiasField(0.4),
    ma.BrightnessGradient((0.1, 0.3), per="channel", p_per_channel=0.7),
    ma.CLAHE((2, 3)),
]


@pytest.fixture(scope="module")
def draws():
    keys = jax.random.split(jax.random.key(11), COUNT)
    return jax.tree.map(np.asarray, ma.Pipeline(DRAWN, SPEC).sample(keys, (8, 8)).values)


def assert_balanced(values, lo, middle, hi):
    assert_share(values < middle, 0.5)
    assert_uniform(values[values < middle], lo, middle)
    assert_uniform(values[values > middle], middle, hi)


def test_draws_have_their_distributions(draws):
    gain, contrast, gamma, shared, hsv, _, _, *others, bias, gradient, tiles = draws
    kelvin, bits, threshold, shift = others
    amounts = gain["image"]
    assert_share(amounts[:, 0] != 0, 0.3)
    assert_uniform(amounts[:, 1][amounts[:, 1] != 0], -0.3, 0.5)
    assert_independent(amounts[:, 0], amounts[:, 2])
    assert_balanced(contrast["amount"], -0.5, 0, 1)
    assert_balanced(gamma["exponent"], 0.7, 1, 1.5)
    exponents = shared["image"]
    both = (exponents[:, 0] != 1) & (exponents[:, 1] != 1)
    assert_share(both, 0.25)
    np.testing.assert_array_equal(exponents[both, 0], exponents[both, 1])
    assert_uniform(exponents[both, 0], 0.9, 1.1)
    assert_uniform(hsv["hue"], -0.1, 0.1)
    assert_uniform(hsv["saturation"], -0.5, 0.5)
    assert_uniform(hsv["value"], np.float32(0.1), np.float32(0.2) + 1e-7)
    assert_independent(hsv["hue"], hsv["saturation"])
    assert_uniform(1e6 / kelvin["kelvin"], 125, 250)
    assert stats.chisquare(np.bincount(bits["bits"])[2:]).pvalue > LEVEL
    assert_uniform(threshold["threshold"], 0.2, 0.6)
    first, second = shift["knots"][:, 1], shift["knots"][:, 2]
    assert_uniform(first, 0, 2 / 3)
    assert_uniform((second - first) / (1 - first), 0, 1)
    assert_uniform(bias["coefficients"][:, 7], -0.4, 0.4)
    x, y, width, _, amount, on = np.moveaxis(gradient["image"], 1, 0)
    assert_uniform(x[:, 1], -0.5, 1.5)
    assert_independent(x[:, 0], y[:, 0])
    assert_uniform(np.log(width[:, 2]), np.log(1 / 6), 0)
    assert_uniform(amount[:, 0], 0.1, np.float32(0.3) + 1e-7)
    assert_share(on[:, 0], 0.7)
    assert_uniform(tiles["clip_limit"], 2, 3)


def test_compositions_draw_their_order(draws):
    jitter, distortion = draws[5], draws[6]
    words = jitter["order"] @ [64, 16, 4, 1]
    assert stats.chisquare(np.unique(words, return_counts=True)[1]).pvalue > LEVEL
    bright, contrast, saturation, hue = jitter["children"]
    assert_uniform(bright["amount"], -0.4, 0.4)
    assert_uniform(contrast["amount"], -0.3, 0.3)
    assert_uniform(saturation["amount"], -0.2, 0.2)
    assert_uniform(hue["hue"], -0.1, 0.1)
    for k in range(4):
        assert_share(distortion["on"][:, k], 0.4)
    assert_share(distortion["first"], 0.5)
    assert_independent(distortion["on"][:, 0], distortion["on"][:, 1])
    _, first, saturation, _, last = distortion["children"]
    assert_uniform(saturation["saturation"], -0.5, 0.5)
    np.testing.assert_array_equal(first["amount"], last["amount"])


UNNAMED = ma.DataSpec.from_dict(
    {
        "name": "unnamed",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 3, "range": [0, 10]},
            "open": {"role": "intensity", "dtype": "uint8", "optional": True},
        },
    }
)


def sampled(transform):
    return ma.Pipeline([transform], UNNAMED).sample(jax.random.key(0), (8, 8))


REFUSED = [
    (lambda: ma.Gain(30), r"`Gain.amount` must be fractions, at most 4.*A factor f is"),
    (lambda: ma.Gain((0.5, 0.1)), r"`Gain.amount` must be a pair \(lo, hi\) with lo <= hi"),
    (lambda: ma.Gain(float("nan")), r"`Gain.amount` must be a finite number"),
    (lambda: ma.Gain(per="image"), r"`Gain.per` must be one of record, group, channel"),
    (lambda: ma.Contrast(mean="grey", keep_range=True), r"`Contrast.mean` must be"),
    (lambda: ma.HueSaturation(18), r"`HueSaturation.hue` must be .*18 / 360.*18 / 180"),
    (lambda: ma.ColorJitter(32), r"`ColorJitter.brightness` must be fractions"),
    (lambda: ma.ColorJitter(contrast=-0.2), r"`ColorJitter.contrast` must be a number >= 0"),
    (
        lambda: ma.PhotometricDistortion(32),
        r"`PhotometricDistortion.brightness` .*30 / 255",
    ),
    (lambda: ma.ColorTemperature((6500, 900)), r"`ColorTemperature.kelvin` must be .*2000"),
    (lambda: ma.Grey([0.5, 0.6]), r"`Grey.weights` must add up to 1"),
    (lambda: ma.Grey("red"), r"`Grey.weights` must be one of luma, mean"),
    (lambda: ma.AutoContrast(10), r"`AutoContrast.cutoff` must be a finite number in \[0, 0.49\]"),
    (lambda: ma.Posterize(9), r"`Posterize.bits` must be an integer from 1 to 8"),
    (lambda: ma.Posterize((4, 2)), r"`Posterize.bits` must be .*lo <= hi"),
    (lambda: ma.Solarize(128), r"`Solarize.threshold` must be fractions"),
    (lambda: ma.CLAHE(0.01), r"`CLAHE.clip_limit` must be a finite number in \[1, 256\]"),
    (lambda: ma.CLAHE(tile_grid_size=128), r"`CLAHE.tile_grid_size` must be at most 64"),
    (lambda: ma.BiasField(30), r"`BiasField.coefficients` must be fractions"),
    (lambda: ma.BrightnessGradient(40), r"`BrightnessGradient.amount` must be fractions"),
    (lambda: ma.LocalGamma((0, 2)), r"`LocalGamma.exponent` must be a finite number in"),
    (lambda: ma.RandomShadow(60), r"`RandomShadow.amount` must be a finite number in \[0, 1\]"),
    (lambda: ma.GaussianBlur(kernel_size=4), r"`GaussianBlur.kernel_size` must be an odd .*3 or 5"),
    (lambda: ma.GaussianBlur(-1), r"`GaussianBlur.sigma` must be a finite number in \[0, 50\]"),
    (lambda: ma.GaussianBlur((2, 1)), r"`GaussianBlur.sigma` must be a pair .*lo <= hi"),
    (lambda: ma.MedianBlur(2.5), r"`MedianBlur.kernel_size` must be an odd integer from 3 to 11"),
    (lambda: ma.MedianBlur(13), r"`MedianBlur.kernel_size` must be an odd integer from 3 to 11"),
    (lambda: ma.MotionBlur((-1, 3)), r"`MotionBlur.length` must be a finite number in \[0, 200\]"),
    (lambda: ma.Sharpen(-1), r"`Sharpen.amount` must be a finite number in \[0, 20\]"),
    (lambda: ma.LowResolution((0.5, 2)), r"`LowResolution.scale` must be .* in \[0.01, 1\]"),
    (lambda: ma.JPEG(0), r"`JPEG.quality` must be a whole number >= 1"),
    (lambda: ma.JPEG(0.8), r"`JPEG.quality` must be a whole number >= 1"),
    (lambda: ma.JPEG((90, 101)), r"`JPEG.quality` must be a finite number in \[1, 100\]"),
    (lambda: ma.ShotNoise(0.1), r"`ShotNoise.photons` must be a finite number in"),
    (lambda: ma.SpeckleNoise(30), r"`SpeckleNoise.std` must be fractions, at most 4"),
    (lambda: ma.SaltAndPepper(3), r"`SaltAndPepper.amount` must be a finite number in \[0, 1\]"),
    (lambda: ma.RicianNoise(20), r"`RicianNoise.std` must be fractions, at most 4"),
    (lambda: ma.BandMisregistration(80), r"`BandMisregistration.shift` must be .*\[-50, 50\]"),
    (lambda: ma.DeadLines(65), r"`DeadLines.count` must be a finite number in \[0, 64\]"),
    (lambda: ma.DeadLines(fill=255), r"`DeadLines.fill` must be fractions, at most 4"),
    (lambda: ma.DeadLines(fill="mean"), r"`DeadLines.fill` must be one of invalid"),
    (lambda: ma.HistogramShift(2), r"`HistogramShift.control_points` must be a whole number >= 3"),
    (lambda: ma.NormalizeRecord("mean_std", clip=True), r"`NormalizeRecord.clip` must be False"),
    (lambda: ma.NormalizeRecord(percentiles=(9, 120)), r"`NormalizeRecord.percentiles` must be"),
    (lambda: ma.RescaleIntensity((5, 5)), r"`RescaleIntensity.in_range` must be a pair lo < hi"),
    (
        lambda: ma.Pipeline([ma.RescaleIntensity((100, 200))], UNNAMED).explain((8, 8)),
        r"`RescaleIntensity.in_range` must be in the units of 'image'",
    ),
    (
        lambda: ma.Pipeline([ma.RescaleIntensity((0.2, 0.6))], SPEC).explain((8, 8)),
        r"units of 'image', which is uint8, got .*all values would become 0 or 1.*not as fractions",
    ),
    *(
        (
            lambda colours=colours: sampled(colours),
            rf"`{type(colours).__name__}` must find channels .*'image' with unnamed .*Declare",
        )
        for colours in (ma.HueSaturation(), ma.Saturation(), ma.Grey(), ma.ColorTemperature())
    ),
    (
        lambda: sampled(ma.ColorJitter(hue=0.1)),
        r"`HueSaturation` must find channels",
    ),
    (
        lambda: sampled(ma.Grey([0.5, 0.5])),
        r"`Grey.weights` must have 3 numbers for entry 'image', got 2",
    ),
    (
        lambda: sampled(ma.Gain(per="channel")),
        r"`Gain` must know how many channels 'open' has",
    ),
    (
        lambda: sampled(ma.BandMisregistration()),
        r"`BandMisregistration` must know how many channels 'open' has",
    ),
]


@pytest.mark.parametrize(("make", "text"), REFUSED)
def test_refused(make, text):
    with pytest.raises(ma.ParameterError, match=f"(?s){text}"):
        make()


def test_factors_about_one_are_said():
    with pytest.warns(ma.MultiaugWarning, match=r"looks like factors about 1.*\(-0.25, 0.25\)"):
        ma.Gain((0.75, 1.25))


ALL = [
    *DRAWN,
    ma.Saturation(),
    ma.Grey(p=0.2),
    ma.AutoContrast(0.01),
    ma.Equalize(),
    ma.Invert(),
    ma.LocalGamma(range="channel"),
    ma.RandomShadow(),
    ma.NormalizeRecord("percentile"),
    ma.RescaleIntensity((-1, 3)),
    ma.GaussianBlur(per="channel", p_per_channel=0.5),
    ma.MotionBlur(),
    ma.MedianBlur(),
    ma.LowResolution(),
    ma.Sharpen(),
    ma.ShotNoise(),
    ma.SpeckleNoise(),
    ma.SaltAndPepper(),
    ma.RicianNoise(),
]

COLOURED = (
    *(ma.HueSaturation, ma.Saturation, ma.Grey, ma.ColorTemperature, ma.ColorJitter),
    ma.PhotometricDistortion,
)


@pytest.mark.cpu
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_native_code_runs_all_of_them(dtype):
    image = {"role": "intensity", "dtype": dtype, "channels": ["r", "g", "b", "nir"]}
    spec = ma.DataSpec.from_dict({"name": "four", "entries": {"image": image}})
    (plan,) = ma.Pipeline(ALL, spec).explain((64, 64)).entries
    assert (plan.resampled, plan.values, plan.reason) == ("native", "native", "")


@pytest.mark.cpu
@pytest.mark.skipif(not NIGHTLY, reason="every dtype and number of channels: by night")
@pytest.mark.parametrize("channels", [1, 3, 4, 6, 13, 200])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_both_backends_at_every_number_of_channels(without_c, dtype, channels):
    """Each transform in native code and in XLA."""
    names = ["r", "g", "b", *(f"band{k}" for k in range(3, channels))] if channels > 2 else 1
    image = {"role": "intensity", "dtype": dtype, "channels": names, "invalid": 7}
    spec = ma.DataSpec.from_dict({"name": "many", "entries": {"image": image}})
    chain = [t for t in ALL if channels > 2 or not isinstance(t, COLOURED)]
    rng = np.random.default_rng(channels)
    top = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    values = (rng.random((2, 30, 41, channels)) ** 1.5 * top).astype(dtype)
    values[rng.random(values.shape) < 0.05] = 7
    keys = jax.random.split(jax.random.key(channels), 2)
    pipelines = [ma.Pipeline([transform], spec) for transform in chain]
    native = [pipeline.batch(keys, {"image": values}, check=False) for pipeline in pipelines]
    without_c()
    for pipeline, one in zip(pipelines, native, strict=True):
        other = pipeline.then().batch(keys, {"image": values}, check=False)
        a, b = (np.asarray(found["image"], np.float64) for found in (one, other))
        unit = top if pipeline.transforms[0].keeps_dtype else 1
        # A tie of a level or of a bin falls on either side.
        level = 1.01 if pipeline.transforms[0].keeps_dtype and dtype != "float32" else 1e-4 * unit
        assert (np.abs(a - b) > level).mean() < 2e-3, pipeline
        np.testing.assert_array_equal(a == 7, b == 7, repr(pipeline))


@pytest.mark.cpu
def test_pixels_without_data_neither_count_nor_change():
    """They may hold anything, and channels without colours stay beside those with them."""
    channels = ["nir", "r", "g", "b"]
    image = {"role": "intensity", "dtype": "float32", "channels": channels, "invalid": -7}
    spec = ma.DataSpec.from_dict({"name": "holes", "entries": {"image": image}})
    rng = np.random.default_rng(0)
    values = rng.random((2, 9, 8, 4), np.float32)
    holes = rng.random(values.shape) < 0.2
    values[holes] = -7
    chain = [
        ma.AutoContrast(),
        ma.HueSaturation(0.2, 0.5),
        ma.Contrast((0.4, 0.4), mean="channel"),
        ma.Gamma(range="channel", keep_statistics=True),
        ma.Equalize(),
    ]
    keys = jax.random.split(jax.random.key(1), 2)
    pipeline = ma.Pipeline(chain, spec)
    found = np.asarray(pipeline.batch(keys, {"image": values})["image"])
    assert (found[holes] == -7).all()
    assert (found[~holes] != -7).all()
    grey = ma.Pipeline([ma.Grey()], spec)
    found = np.asarray(grey.batch(keys, {"image": values})["image"])
    known = ~holes[..., 1:].any(-1)
    np.testing.assert_array_equal(found[..., 0], values[..., 0])
    np.testing.assert_array_equal(found[~known], values[~known])
    luma = values[..., 1:].astype(np.float64) @ [0.299, 0.587, 0.114]
    for k in (1, 2, 3):
        np.testing.assert_allclose(found[..., k][known], luma[known], atol=1e-6)


def test_what_can_be_undone_is():
    target = ma.transforms.Target("image", 0, (0.0, 1.0), None, 3, names=("r", "g", "b"))
    values = jnp.asarray(np.random.default_rng(0).random((9, 8, 3), np.float32))
    drawn = jnp.float32([0.3, -0.2, 0.1])
    chain = [
        (ma.Gain(0.3, per="channel"), {"image": drawn}),
        (ma.Saturation(0.5), {"amount": drawn[0]}),
        (ma.HueSaturation(0.2, 0, 0), {"hue": drawn[0], "saturation": 0, "value": 0}),
        (ma.Invert(), {}),
        (ma.Gamma(per="channel", inverted=True), {"image": drawn + 1}),
        (ma.Contrast(0.4, mean="grey"), {"amount": drawn[0]}),
        (ma.RescaleIntensity((-1, 3), clip=False), {}),
    ]

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    def there_and_back(values):
        out = [transform.apply(params, values, target) for transform, params in chain]
        back = [t.invert(p, v, target) for (t, p), v in zip(chain, out, strict=True)]
        return jnp.stack(out), jnp.stack(back)

    changed, back = (np.asarray(found) for found in there_and_back(values))
    assert (np.abs(changed - values[None]).max((1, 2, 3)) > 0.05).all()
    np.testing.assert_allclose(back, np.broadcast_to(values, back.shape), atol=2e-5)
    for lossy in (ma.Grey(), ma.Equalize(), ma.AutoContrast(), ma.Gain(1.0)):
        with pytest.raises(ma.ParameterError, match="cannot be inverted"):
            lossy.invert({"amount": drawn[0]}, values, target)


def test_documents_of_earlier_releases_mean_the_same():
    """They have no settings by channel; what they draw and do has not changed."""
    old = {"type": "Gamma", "exponent": [0.5, 2.0], "clip": False, "entries": None}
    read = ma.transforms.from_config(old)
    assert read == ma.Gamma(2)
    assert read.footprint == "point"
    kinds = [type(op).__name__ for op in read.operations(
        {"exponent": jnp.float32(2)}, ma.transforms.Target("image", 0, (0.0, 1.0), None)
    )]  # fmt: skip
    assert kinds == ["PowerLaw"]
