"""What value transforms do, beside Pillow, scikit-image, NumPy and formulas in float64."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from skimage import color, exposure

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.sampling import run_pointwise, sampled_into
from multiaug.transforms import Target
from tests.sampling.test_pointwise import of_record

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

LUMA = np.array([0.299, 0.587, 0.114])
RNG = np.random.default_rng(1)
RAMP = np.outer(np.linspace(0.1, 1, 61), np.linspace(0.2, 1, 70))
SMOOTH = np.stack([RAMP, RAMP**2, RAMP**0.4], -1)
UNIT = np.float32(np.clip(SMOOTH + RNG.normal(0, 0.05, SMOOTH.shape), 0, 1))
BYTES = np.uint8(UNIT * 255)


def run(transform, params, values, out=None, invalid=None):
    """A transform with given params, in native code; tests/sampling holds that to JAX."""
    top = 255.0 if values.dtype == np.uint8 else 1.0
    target = Target("image", 0, (0.0, top), None, 3, names=("r", "g", "b"))
    params = {name: np.asarray(v) for name, v in params.items()}
    how = of_record(
        [(op, True) for op in transform.operations(params, target)],
        3, 0, invalid, out or values.dtype,
    )  # fmt: skip
    found = np.zeros((1, *values.shape), out or values.dtype)
    into = sampled_into(found, values.dtype)
    into[...] = values
    run_pointwise(into, how, found)
    return found[0]


def pillow(change):
    return lambda values: np.asarray(change(Image.fromarray(values)))


def in_hsv(turn, saturation, value):
    def change(values):
        h, s, v = np.moveaxis(color.rgb2hsv(values.astype(np.float64)), -1, 0)
        s, v = np.clip(s * saturation, 0, 1), v * value
        return color.hsv2rgb(np.stack([(h + turn) % 1, s, v], -1))

    return change


def contrast_of_nnunet(factor):
    """ContrastTransform of batchgeneratorsv2 with preserve_range, in float64."""

    def change(values):
        values = values.astype(np.float64)
        mean, low, high = (f(values, axis=(0, 1)) for f in (np.mean, np.min, np.max))
        return np.clip((values - mean) * factor + mean, low, high)

    return change


def gamma_of_nnunet(exponent):
    """GammaTransform of batchgeneratorsv2 with p_invert_image and p_retain_stats of 1."""

    def change(values):
        values = -values.astype(np.float64)
        mean, std = values.mean((0, 1)), values.std((0, 1), ddof=1)
        low = values.min((0, 1))
        extent = values.max((0, 1)) - low
        values = ((values - low) / extent) ** exponent * extent + low
        scale = std / values.std((0, 1), ddof=1)
        return -((values - values.mean((0, 1))) * scale + mean)

    return change


def temperature(kelvin):
    """Planck's law by the colour matching functions of Wyman et al., JCGT 2013."""
    nm = np.arange(380.0, 781.0)

    def lobe(x, mean, below, above):
        return np.exp(-0.5 * ((x - mean) * np.where(x < mean, below, above)) ** 2)

    x = 0.362 * lobe(nm, 442, 0.0624, 0.0374) + 1.056 * lobe(nm, 599.8, 0.0264, 0.0323)
    x -= 0.065 * lobe(nm, 501.1, 0.0490, 0.0382)
    y = 0.821 * lobe(nm, 568.8, 0.0213, 0.0247) + 0.286 * lobe(nm, 530.9, 0.0613, 0.0322)
    z = 1.217 * lobe(nm, 437, 0.0845, 0.0278) + 0.681 * lobe(nm, 459, 0.0385, 0.0725)

    def rgb(t):
        power = nm**-5 / (np.exp(1.4388e7 / (nm * t)) - 1)
        linear = np.linalg.inv(color.colorconv.xyz_from_rgb) @ [
            (power * m).sum() for m in (x, y, z)
        ]
        return linear / linear[1]

    return lambda values: values * (rgb(kelvin) / rgb(6500))


def between(low, high):
    return lambda values: (values.astype(np.float64) - low(values)) / (high(values) - low(values))


def percent(q):
    return lambda values: np.percentile(values.astype(np.float64), q, axis=(0, 1))


def place():
    """x and y of pixel centres, in sides of the frame."""
    height, width = UNIT.shape[:2]
    y, x = (np.indices((height, width)) + 0.5) / [[[height]], [[width]]]
    return x[..., None], y[..., None]


def bias(coefficients):
    x, y = (2 * n - 1 for n in place())
    terms = [1, x, y, x**2, x * y, y**2, x**3, x**2 * y, x * y**2, y**3]
    return lambda v: v * np.exp(sum(c * t for c, t in zip(coefficients, terms, strict=True)))


def bell(numbers):
    """Of a fine grid over the frame the least and the greatest value are 0 and 1."""
    x0, y0, width, height = np.float64(numbers[:4])

    def at(x, y):
        return np.exp(-(((x - x0) / width) ** 2 + ((y - y0) / height) ** 2) / 2)

    grid = at(*np.meshgrid(np.linspace(0, 1, 1001), np.linspace(0, 1, 1001)))
    return (at(*place()) - grid.min()) / (grid.max() - grid.min())


def clahe(values, tiles, limit):
    """Zuiderveld's method, tile by tile and pixel by pixel, with OpenCV's way to spread counts."""
    (rows, columns), (height, width, channels) = tiles, values.shape
    curves = np.empty((rows, columns, channels, 256))
    for i, j, c in np.ndindex(rows, columns, channels):
        part = values[:, :, c][np.arange(height) * rows // height == i]
        part = part[:, np.arange(width) * columns // width == j]
        counts = np.bincount(part.ravel(), minlength=256)
        most = max(int(limit * part.size / 256), 1)
        excess = np.maximum(counts - most, 0).sum()
        counts = np.minimum(counts, most) + excess // 256
        rest = excess % 256
        counts[:: max(256 // max(rest, 1), 1)][:rest] += 1
        # In single precision, as there: some sums are ties.
        scale = np.float32(255) / np.float32(part.size)
        curves[i, j, c] = np.floor(np.float32(np.cumsum(counts)) * scale + np.float32(0.5))
    found = np.empty(values.shape)
    for i, j, c in np.ndindex(values.shape):
        y, x = (i + 0.5) / height * rows - 0.5, (j + 0.5) / width * columns - 0.5
        total = 0
        for row in (np.floor(y), np.floor(y) + 1):
            for column in (np.floor(x), np.floor(x) + 1):
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                at = int(np.clip(row, 0, rows - 1)), int(np.clip(column, 0, columns - 1))
                total += share * curves[(*at, c, values[i, j, c])]
        found[i, j, c] = total
    return found


BIAS = np.float32([0.1, -0.3, 0.2, 0.4, -0.2, 0.3, 0.1, -0.4, 0.2, 0.3])
BELL = np.float32([[0.3], [1.2], [0.4], [0.7], [0.5], [1]])
KNOTS = np.float32([0, 0.1, 0.5, 0.6, 1])
EACH = np.float32([0.3, -0.2, 0.1])

# Transform, params, values, the reference, the largest error in levels or units of the range.
CASES = {
    "Gain": (ma.Gain(per="channel"), {"image": EACH}, UNIT, lambda v: v * (1.0 + EACH), 1e-6),
    "Contrast, Pillow": (
        ma.Contrast(mean="grey", clip=True), {"amount": 0.4}, BYTES,
        pillow(lambda i: ImageEnhance.Contrast(i).enhance(1.4)), 1,
    ),
    "Contrast, grey": (
        ma.Contrast(mean="grey"), {"amount": 0.4}, UNIT,
        lambda v: (v @ LUMA).mean() + 1.4 * (v - (v @ LUMA).mean()), 1e-6,
    ),
    "Contrast, nnU-Net": (
        ma.Contrast(per="channel", mean="channel", keep_range=True),
        {"image": np.float32([0.4] * 3)}, UNIT, contrast_of_nnunet(1.4), 1e-6,
    ),
    "Gamma": (
        ma.Gamma(), {"exponent": 1.7}, UNIT,
        lambda v: exposure.adjust_gamma(v.astype(np.float64), 1.7), 1e-6,
    ),
    "Gamma, nnU-Net": (
        ma.Gamma(per="channel", range="channel", inverted=True, keep_statistics=True),
        {"image": np.float32([0.6] * 3)}, UNIT, gamma_of_nnunet(np.float64(np.float32(0.6))), 2e-6,
    ),
    "HueSaturation, hue": (
        ma.HueSaturation(), {"hue": 0.3, "saturation": 0.0, "value": 0.0}, UNIT,
        in_hsv(0.3, 1, 1), 1e-6,
    ),
    "HueSaturation": (
        ma.HueSaturation(), {"hue": -0.07, "saturation": 0.6, "value": -0.3}, UNIT,
        in_hsv(-0.07, 1.6, 0.7), 1e-6,
    ),
    "Saturation, Pillow": (
        ma.Saturation(), {"amount": -0.6}, BYTES,
        pillow(lambda i: ImageEnhance.Color(i).enhance(0.4)), 1,
    ),
    "Saturation": (
        ma.Saturation(), {"amount": 0.5}, UNIT,
        lambda v: (v @ LUMA)[..., None] * -0.5 + 1.5 * v.astype(np.float64), 1e-6,
    ),
    "Grey, Pillow": (
        ma.Grey(), {}, BYTES, pillow(lambda i: i.convert("L").convert("RGB")), 1,
    ),
    "Grey, mean": (
        ma.Grey("mean"), {}, UNIT,
        lambda v: np.broadcast_to(v.astype(np.float64).mean(-1, keepdims=True), v.shape), 1e-6,
    ),
    "ColorTemperature, 3500 K": (
        ma.ColorTemperature(), {"kelvin": np.float32(3500)}, UNIT, temperature(3500), 0.02,
    ),
    "ColorTemperature, 12000 K": (
        ma.ColorTemperature(), {"kelvin": np.float32(12000)}, UNIT, temperature(12000), 0.02,
    ),
    "AutoContrast, Pillow": (ma.AutoContrast(), {}, BYTES, pillow(ImageOps.autocontrast), 1),
    "AutoContrast": (
        ma.AutoContrast((0.1, 0.05)), {}, UNIT,
        lambda v: np.clip(between(percent(10), percent(95))(v), 0, 1), 2e-6,
    ),
    "Equalize, Pillow": (ma.Equalize(), {}, BYTES, pillow(ImageOps.equalize), 0),
    "Equalize, floats": (
        ma.Equalize(), {}, np.float32(BYTES / 255),
        lambda v: pillow(ImageOps.equalize)(BYTES) / 255, 1e-6,
    ),
    "Posterize, Pillow": (
        ma.Posterize(), {"bits": np.int32(3)}, BYTES, pillow(lambda i: ImageOps.posterize(i, 3)), 0,
    ),
    "Solarize, Pillow": (
        ma.Solarize(), {"threshold": np.float32(100 / 255)}, BYTES,
        pillow(lambda i: ImageOps.solarize(i, 100)), 0,
    ),
    "Invert, Pillow": (ma.Invert(), {}, BYTES, pillow(ImageOps.invert), 0),
    "HistogramShift": (
        ma.HistogramShift(5), {"knots": KNOTS}, UNIT,
        lambda v: np.interp(v, np.linspace(0, 1, 5), KNOTS.astype(np.float64)), 1e-6,
    ),
    "NormalizeRecord": (
        ma.NormalizeRecord(), {}, BYTES,
        lambda v: (v - v.astype(np.float64).mean()) / v.astype(np.float64).std(), 2e-6,
    ),
    "NormalizeRecord, min and max": (
        ma.NormalizeRecord("min_max", "channel"), {}, UNIT,
        between(lambda v: v.min((0, 1)), lambda v: v.max((0, 1))), 1e-6,
    ),
    "NormalizeRecord, percentiles": (
        ma.NormalizeRecord("percentile", "channel", (2, 91)), {}, UNIT,
        between(percent(2), percent(91)), 2e-6,
    ),
    "RescaleIntensity": (
        ma.RescaleIntensity((40, 180)), {}, BYTES,
        lambda v: exposure.rescale_intensity(v.astype(np.float64), (40, 180), (0, 1)), 1e-6,
    ),
    "CLAHE": (
        ma.CLAHE(tile_grid_size=(3, 2)), {"clip_limit": np.float32(2.5)}, BYTES,
        lambda v: clahe(v, (3, 2), 2.5), 0.5 + 1e-4,
    ),
    "BiasField": (ma.BiasField(), {"coefficients": BIAS}, UNIT, bias(np.float64(BIAS)), 2e-6),
    "BrightnessGradient": (
        ma.BrightnessGradient(), {"all": BELL}, UNIT, lambda v: v + 0.5 * bell(BELL), 1e-6,
    ),
    "LocalGamma": (
        ma.LocalGamma(), {"all": BELL}, UNIT,
        lambda v: v + bell(BELL) * (v.astype(np.float64) ** 0.5 - v), 1e-6,
    ),
    "RandomShadow": (
        ma.RandomShadow(), {"all": BELL}, UNIT, lambda v: v * (1 - 0.5 * bell(BELL)), 1e-6,
    ),
}  # fmt: skip


def test_all_of_them(capsys):
    """The largest error of each, in levels of bytes or units of the range."""
    rows, bad = [], []
    for name, (transform, params, values, reference, most) in CASES.items():
        out = values.dtype if transform.keeps_dtype else np.dtype(np.float32)
        found = run(transform, params, values, out).astype(np.float64)
        error = np.abs(found - reference(values)).max()
        rows.append(f"{name:32} {error:10.2e} {most:10.0e}")
        bad += [name] if error > most else []
    with capsys.disabled():
        print("", f"{'against a reference':32} {'error':>10} {'allowed':>10}", *rows, sep="\n")
    assert not bad
