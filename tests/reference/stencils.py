"""Blurs, medians, noises and faults of sensors, beside SciPy, Pillow and formulas in float64."""

import zlib

import numpy as np
from PIL import Image, ImageEnhance
from scipy import fft, ndimage, special

import multiaug as ma
from multiaug.transforms._jpeg_operations import LUMINANCE
from tests.reference.bars import COPIED, FLOAT, NORMAL, ONE_LEVEL, PLACES, SUMS
from tests.reference.running import ValueCase
from tests.reference.values import BYTES

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


# --- noise -------------------------------------------------------------------------------------


def mixed(word):
    word = (word ^ (word >> np.uint32(16))) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> np.uint32(15))) * np.uint32(0x846CA68B)
    return word ^ (word >> np.uint32(16))


def words(seed, stream, shape):
    """The hash of a counter, as its docstring has it: two rounds with the key in between."""
    golden, seed = np.uint32(0x9E3779B9), np.uint32(seed)[:, None]
    first = mixed(seed[0] ^ mixed(np.uint32([stream]) + golden))
    second = mixed(seed[1] + first)
    counter = np.arange(np.prod(shape), dtype=np.uint32)
    return mixed(mixed(counter * golden + first) ^ second).reshape(shape)


def normals(seed, stream, shape):
    """N(0, 1) by the inverse of its distribution, of the upper 24 bits."""
    u = ((words(seed, stream, shape) >> np.uint32(8)) + 0.5) * 2.0**-23 - 1
    return np.sqrt(2) * special.erfinv(np.minimum(u, 1 - 2.0**-24))


SEED = np.uint32([17, 99])
FIRST, SECOND = (zlib.crc32(f"image/0{more}".encode()) for more in ("", "/second"))
STD = np.float64(np.float32(0.1))


def rician(v):
    n, m = (STD * normals(SEED, stream, v.shape) for stream in (FIRST, SECOND))
    return np.sqrt((v + n) ** 2 + m**2)


def salted(v):
    u = (words(SEED, FIRST, v.shape) >> np.uint32(8)) * 2.0**-24
    return np.where(u < 0.06, 1, np.where(u < 0.2, 0, v))


NOISE = "the hash in NumPy, SciPy's erfinv"
# A cosine that is a tie to 1e-4 is rounded one way or the other: of this one none is.
PICTURE = UNIT[:24, :27]
SEGMENT = {"length": np.float32(6.5), "degrees": np.float32(35)}
CASES = {
    "GaussianBlur": ValueCase(
        ma.GaussianBlur(1.3), {"sigma": 1.3}, UNIT, gaussian(1.3), "SciPy", FLOAT,
    ),
    "GaussianBlur, 20 pixels": ValueCase(
        ma.GaussianBlur(20), {"sigma": 20.0}, UNIT, gaussian(20), "SciPy", SUMS,
    ),
    "GaussianBlur, kernel of 5": ValueCase(
        ma.GaussianBlur(2, 5), {"sigma": 2.0}, UNIT, gaussian(2, radius=2), "SciPy", FLOAT,
    ),
    "GaussianBlur, by channel": ValueCase(
        ma.GaussianBlur((0, 3), per="channel"), {"image": EACH}, UNIT,
        each_channel(gaussian, np.float64(EACH)), "SciPy", FLOAT,
    ),
    "GaussianBlur, holes": ValueCase(
        ma.GaussianBlur(1.3), {"sigma": 1.3}, UNIT, weighed(gaussian(1.3)), "SciPy", SUMS, HOLES,
    ),
    "Sharpen": ValueCase(
        ma.Sharpen(2, 1.5), {"all": np.float32([[0.7], [1.5], [1]])}, UNIT,
        lambda v: v + np.float64(np.float32(0.7)) * (v - gaussian(1.5)(v)), "SciPy", SUMS,
    ),
    "Sharpen, holes": ValueCase(
        ma.Sharpen(2, 1.5), {"all": np.float32([[0.5], [1.5], [1]])}, UNIT,
        lambda v, there: 1.5 * v - 0.5 * weighed(gaussian(1.5))(v, there), "SciPy", SUMS, HOLES,
    ),
    "Sharpness": ValueCase(
        ma.Sharpness(), {"amount": np.float32(0.8)}, BYTES,
        lambda v: np.asarray(ImageEnhance.Sharpness(Image.fromarray(v)).enhance(1.8)), "Pillow",
        ONE_LEVEL,
    ),
    "MotionBlur": ValueCase(
        ma.MotionBlur(7), SEGMENT, UNIT, segment(6.5, 35, 15), "SciPy", SUMS,
    ),
    "MotionBlur, holes": ValueCase(
        ma.MotionBlur(7), SEGMENT, UNIT, weighed(segment(6.5, 35, 15)), "SciPy", PLACES, HOLES,
    ),
    "MedianBlur": ValueCase(
        ma.MedianBlur(), {}, UNIT, lambda v: ndimage.median_filter(v, (3, 3, 1), mode="mirror"),
        "SciPy", COPIED,
    ),
    "MedianBlur, 5 pixels": ValueCase(
        ma.MedianBlur(5), {}, UNIT, lambda v: ndimage.median_filter(v, (5, 5, 1), mode="mirror"),
        "SciPy", COPIED,
    ),
    "MedianBlur, holes": ValueCase(
        ma.MedianBlur(5), {}, UNIT, median_of_valid(5), "NumPy", FLOAT, HOLES,
    ),
    "LowResolution": ValueCase(
        ma.LowResolution(), {"scale": np.float32(0.6)}, UNIT, lowered(0.6), "closed form", PLACES,
    ),
    "LowResolution, by channel": ValueCase(
        ma.LowResolution(per="channel"), {"image": np.float32([0.5, 1, 0.3])}, UNIT,
        each_channel(lowered, [0.5, 1, 0.3]), "closed form", PLACES,
    ),
    "JPEG": ValueCase(
        ma.JPEG(), {"quality": np.int32(50)}, PICTURE, cosines(50), "SciPy", PLACES, names=(),
    ),
    "BandMisregistration": ValueCase(
        ma.BandMisregistration(3), {"image": ROWS}, UNIT, shifted, "SciPy", PLACES,
    ),
    "DeadLines": ValueCase(
        ma.DeadLines(2, fill=0.5), {"image": LOST}, UNIT, without_lines, "NumPy", COPIED,
    ),
    "GaussianNoise": ValueCase(
        ma.GaussianNoise(), {"std": np.float32(STD), "seed": SEED}, UNIT,
        lambda v: v + STD * normals(SEED, FIRST, v.shape), NOISE, NORMAL,
    ),
    "SpeckleNoise": ValueCase(
        ma.SpeckleNoise(), {"std": np.float32(STD), "seed": SEED}, UNIT,
        lambda v: v * (1 + STD * normals(SEED, FIRST, v.shape)), NOISE, NORMAL,
    ),
    "ShotNoise": ValueCase(
        ma.ShotNoise(), {"photons": np.float32(100), "seed": SEED}, UNIT,
        lambda v: v + np.sqrt(np.maximum(v, 0) / 100) * normals(SEED, FIRST, v.shape), NOISE,
        NORMAL,
    ),
    "RicianNoise": ValueCase(
        ma.RicianNoise(), {"std": np.float32(STD), "seed": SEED}, UNIT, rician, NOISE, NORMAL,
    ),
    "SaltAndPepper": ValueCase(
        ma.SaltAndPepper(salt=0.3), {"amount": np.float32(0.2), "seed": SEED}, UNIT, salted,
        "the hash in NumPy", COPIED,
    ),
}  # fmt: skip
