"""What blurs, noises and faults of sensors do: beside SciPy, scikit-image, Pillow and formulas."""

import io
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import fft, ndimage, stats
from skimage import filters

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.pipeline.program._draws import QUICKLY_COMPILED
from multiaug.transforms import Target
from multiaug.transforms._jpeg_operations import LUMINANCE, Compress, steps
from multiaug.transforms._stencil_operations import GaussianMean
from tests.nightly import by_night
from tests.transforms.test_draws import (
    LEVEL,
    assert_independent,
    assert_share,
    assert_uniform,
)
from tests.transforms.test_value_references import run

SHAPE = (45, 54, 3)
RNG = np.random.default_rng(1)
RAMP = np.outer(np.linspace(0.1, 1, SHAPE[0]), np.linspace(0.2, 1, SHAPE[1]))
SMOOTH = np.stack([RAMP, RAMP**2, RAMP**0.4], -1)
UNIT = np.float32(SMOOTH + RNG.normal(0, 0.05, SHAPE))
HOLES = RNG.random(SHAPE) < 0.2
HOLES[20:30, 10:22, 1] = True
EACH = np.float32([0.8, 0, 2.3])
ROWS = np.float32([[0.7, 0, -2.3], [-0.2, 1.5, 0.5], [1, 1, 1]])
LOST = np.float32([[0.1, 0.95, 0.5], [0.11, -1, 0.7], [1, 1, 0]])


def gaussian(sigma, **settings):
    return lambda v: ndimage.gaussian_filter(v, (sigma, sigma, 0), mode="mirror", **settings)


def weighed(smooth, sharpened=0):
    """A mean of what is there: what holds nothing has no weight."""

    def change(v, there):
        total, share = smooth(np.where(there, v, 0)), smooth(there.astype(np.float64))
        return total / np.where(there, share, 1)

    return change


def each_channel(change, numbers):
    return lambda v: np.stack(
        [change(n)(v[..., k, None])[..., 0] for k, n in enumerate(numbers)], -1
    )


def segment(length, degrees, samples):
    angle = np.deg2rad(degrees)

    def change(v):
        y, x = np.indices(v.shape[:2])
        total = np.zeros(v.shape)
        for share in (np.arange(samples) + 0.5) / samples - 0.5:
            at = [y - share * length * np.sin(angle), x + share * length * np.cos(angle)]
            for k in range(v.shape[2]):
                total[..., k] += ndimage.map_coordinates(v[..., k], at, order=1, mode="mirror")
        return total / samples

    return change


def median_of_valid(size):
    def change(v, there):
        margin = [(size // 2,) * 2] * 2 + [(0, 0)]
        known = np.pad(np.where(there, v, np.nan), margin, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(known, (size, size), axis=(0, 1))
        with np.errstate(all="ignore"):
            return np.nanmedian(np.where(there[..., None, None], windows, 0), axis=(-2, -1))

    return change


def lowered(scale):
    """As torch's interpolate: "nearest-exact" down, "bilinear" up."""

    def change(v):
        for axis in (0, 1):
            n = v.shape[axis]
            m = max(int(np.floor(scale * n + 0.5)), 1)
            few = np.take(v, np.floor((np.arange(m) + 0.5) * n / m).astype(int), axis)
            place = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
            first = np.floor(place).astype(int)
            share = np.expand_dims(place - first, [a for a in range(3) if a != axis])
            second = np.minimum(first + 1, m - 1)
            v = (1 - share) * np.take(few, first, axis) + share * np.take(few, second, axis)
        return v

    return change


def shifted(v):
    moved = [
        ndimage.shift(v[..., k], (ROWS[1, k], ROWS[0, k]), order=1, mode="mirror") for k in range(3)
    ]
    return np.stack(moved, -1)


def without_lines(v):
    found = v.copy()
    height = len(v)
    for k, place in ((0, 0.1), (0, 0.11), (1, 0.95)):
        found[int(place * height), :, k] = 0.5
    return found


def cosines(quality):
    """Grey, block by block, of values from 0 to 1; SciPy's transform."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    table = np.clip((LUMINANCE * percent + 50) // 100, 1, 255)

    def change(v):
        height, width, channels = v.shape
        wide = np.pad(v, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge") * 255 - 128
        for i, j, k in np.ndindex(wide.shape[0] // 8, wide.shape[1] // 8, channels):
            block = wide[i * 8 : i * 8 + 8, j * 8 : j * 8 + 8, k]
            whole = np.round(fft.dctn(block, norm="ortho") / table)
            block[...] = fft.idctn(whole * table, norm="ortho")
        return (wide[:height, :width] + 128) / 255

    return change


SEGMENT = {"length": np.float32(6.5), "degrees": np.float32(35)}
# Transform, params, the reference, the largest error, whether there are holes.
CASES = {
    "GaussianBlur": (ma.GaussianBlur(1.3), {"sigma": 1.3}, gaussian(1.3), 1e-6, False),
    "GaussianBlur, wide": (ma.GaussianBlur(20), {"sigma": 20.0}, gaussian(20), 2e-6, False),
    "GaussianBlur, 5 pixels": (
        ma.GaussianBlur(2, 5), {"sigma": 2.0}, gaussian(2, radius=2), 1e-6, False,
    ),
    "GaussianBlur, by channel": (
        ma.GaussianBlur((0, 3), per="channel"), {"image": EACH},
        each_channel(gaussian, np.float64(EACH)), 1e-6, False,
    ),
    "GaussianBlur, holes": (
        ma.GaussianBlur(1.3), {"sigma": 1.3}, weighed(gaussian(1.3)), 2e-6, True,
    ),
    "Sharpen": (
        ma.Sharpen(2, 1.5), {"all": np.float32([[0.7], [1.5], [1]])},
        lambda v: v + np.float64(np.float32(0.7)) * (v - gaussian(1.5)(v)), 2e-6, False,
    ),
    "Sharpen, holes": (
        ma.Sharpen(2, 1.5), {"all": np.float32([[0.5], [1.5], [1]])},
        lambda v, there: 1.5 * v - 0.5 * weighed(gaussian(1.5))(v, there), 2e-6, True,
    ),
    "MotionBlur": (ma.MotionBlur(7), SEGMENT, segment(6.5, 35, 15), 2e-6, False),
    "MotionBlur, holes": (
        ma.MotionBlur(7), SEGMENT, weighed(segment(6.5, 35, 15)), 4e-6, True,
    ),
    "MedianBlur": (
        ma.MedianBlur(), {}, lambda v: ndimage.median_filter(v, (3, 3, 1), mode="mirror"), 0, False,
    ),
    "MedianBlur, 5 pixels": (
        ma.MedianBlur(5), {}, lambda v: ndimage.median_filter(v, (5, 5, 1), mode="mirror"), 0,
        False,
    ),
    "MedianBlur, holes": (ma.MedianBlur(5), {}, median_of_valid(5), 1e-6, True),
    "LowResolution": (ma.LowResolution(), {"scale": np.float32(0.6)}, lowered(0.6), 4e-6, False),
    "LowResolution, by channel": (
        ma.LowResolution(per="channel"), {"image": np.float32([0.5, 1, 0.3])},
        each_channel(lowered, [0.5, 1, 0.3]), 4e-6, False,
    ),
    "BandMisregistration": (ma.BandMisregistration(3), {"image": ROWS}, shifted, 4e-6, False),
    "DeadLines": (ma.DeadLines(2, fill=0.5), {"image": LOST}, without_lines, 0, False),
}  # fmt: skip


def target(there=None, top=1.0, names=()):
    valid = None if there is None else jnp.asarray(there)
    return Target("image", 0, (0.0, top), valid, 3, names)


@pytest.fixture(scope="module")
def changed():
    """Name -> what JAX makes of the values; nothing of what holes hold matters."""

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    def all_of_them(values):
        found = {}
        for name, (transform, params, _, _, holes) in CASES.items():
            given = jnp.where(HOLES, 77.0, values) if holes else values
            params = {n: jnp.asarray(p, jnp.float32) for n, p in params.items()}
            found[name] = transform.apply(params, given, target(~HOLES if holes else None))
        return found

    return {name: np.asarray(v, np.float64) for name, v in all_of_them(jnp.asarray(UNIT)).items()}


def expected(name):
    _, _, reference, _, holes = CASES[name]
    values = UNIT.astype(np.float64)
    return np.where(HOLES, 0, reference(values, ~HOLES)) if holes else reference(values)


def test_against_references(changed, capsys):
    """The largest error of each, in units of the range: in JAX, and in native code."""
    rows, bad = [], []
    for name, (transform, params, _, most, holes) in CASES.items():
        wanted = expected(name)
        found = {"XLA": np.where(HOLES, 0, changed[name]) if holes else changed[name]}
        operations = transform.operations({n: jnp.asarray(p) for n, p in params.items()}, target())
        if compiled_is_available() and all(hasattr(o, "pack") for o in operations):
            given = np.where(HOLES, np.nan, UNIT) if holes else UNIT
            native = run(
                transform, params, given.astype(np.float32), invalid="nan" if holes else None
            )
            assert not holes or (np.isnan(native) == HOLES).all()
            found["native"] = np.where(HOLES, 0, native) if holes else native
        for where, values in found.items():
            error = np.abs(values - wanted).max()
            rows.append(f"{name:28} {where:8} {error:10.2e} {most:10.0e}")
            bad += [(name, where)] if not error <= most else []
    with capsys.disabled():
        print("", f"{'against a reference':37} {'error':>10} {'allowed':>10}", *rows, sep="\n")
    assert not bad


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


@pytest.mark.parametrize("invalid", [None, "nan"])
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
