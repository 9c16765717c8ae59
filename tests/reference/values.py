"""What transforms of values do, beside Pillow, scikit-image, NumPy and formulas in float64."""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from skimage import color, exposure

import multiaug as ma
from tests.reference.bars import (
    COPIED,
    FLOAT,
    FREQUENCIES,
    MATCHED,
    ONE_LEVEL,
    PLANCK,
    ROUNDED,
    SUMS,
)
from tests.reference.running import ValueCase

LUMA = np.array([0.299, 0.587, 0.114])
RNG = np.random.default_rng(1)
RAMP = np.outer(np.linspace(0.1, 1, 61), np.linspace(0.2, 1, 70))
SMOOTH = np.stack([RAMP, RAMP**2, RAMP**0.4], -1)
UNIT = np.float32(np.clip(SMOOTH + RNG.normal(0, 0.05, SMOOTH.shape), 0, 1))
BYTES = np.uint8(UNIT * 255)
OTHERS = np.float32(RNG.beta(2, 5, (2, *UNIT.shape)))


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


def exchanged(values, reference, beta):
    """The amplitudes of low frequencies of a reference of the same size, in float64."""
    found, other = (np.fft.fft2(v.astype(np.float64), axes=(0, 1)) for v in (values, reference))
    height, width = values.shape[:2]
    reach = np.floor(beta * min(height, width))
    y, x = (np.abs(np.fft.fftfreq(n) * n).round() for n in (height, width))
    low = ((y[:, None] <= reach) & (x[None] <= reach))[..., None]
    strength = np.where(low, np.abs(other), np.abs(found))
    back = np.fft.ifft2(strength * np.exp(1j * np.angle(found)), axes=(0, 1))
    assert np.abs(back.imag).max() < 1e-12  # the window is symmetric
    return back.real


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


def one_plus(a):
    """A factor, of an amount that is a float32."""
    return 1 + np.float64(np.float32(a))


def about_grey(a):
    """Contrast about the mean of the grey image."""
    return lambda v: (v @ LUMA).mean() + one_plus(a) * (v - (v @ LUMA).mean())


def saturated(a):
    return lambda v: (v @ LUMA)[..., None] * (1 - one_plus(a)) + one_plus(a) * v


def chain(*changes):
    def change(values):
        for one in changes:
            values = one(values)
        return values

    return change


# Of ColorJitter: contrast, hue, brightness, saturation.
JITTER = {
    "order": np.int32([1, 3, 0, 2]),
    "children": (
        {"amount": np.float32(0.3)},
        {"amount": np.float32(-0.2)},
        {"amount": np.float32(0.4)},
        {"hue": np.float32(0.12), "saturation": np.float32(0), "value": np.float32(0)},
    ),
}
DISTORTION = {
    "on": np.ones(4, bool),
    "first": np.bool_(False),
    "children": (
        {"amount": np.float32(0.1)},
        {"amount": np.float32(-0.3)},
        {"hue": np.float32(0), "saturation": np.float32(0.4), "value": np.float32(0)},
        {"hue": np.float32(-0.06), "saturation": np.float32(0), "value": np.float32(0)},
        {"amount": np.float32(-0.3)},
    ),
}
THREE = {
    "choice": np.int32(0),
    "children": ({}, {"threshold": np.float32(128 / 255)}, {"sigma": np.float32(1)}),
    "jitter": {"order": np.int32([2, 0, 1]), "children": JITTER["children"][:3]},
}
CASES = {
    "Brightness": ValueCase(
        ma.Brightness(), {"amount": np.float32(0.3)}, BYTES,
        lambda v: np.clip(v + 255 * (one_plus(0.3) - 1), 0, 255), "closed form", ROUNDED,
    ),
    "ChannelShift": ValueCase(
        ma.ChannelShift(), {"image": EACH}, UNIT, lambda v: v + EACH, "closed form", FLOAT,
    ),
    "Normalize": ValueCase(
        ma.Normalize((0.4, 0.5, 0.6), 0.25), {}, BYTES,
        lambda v: (v / 255 - [0.4, 0.5, 0.6]) / 0.25, "closed form", FLOAT,
    ),
    "ChannelShuffle": ValueCase(
        ma.ChannelShuffle(), {"image": np.int32([2, 0, 1])}, BYTES,
        lambda v: v[..., [2, 0, 1]], "NumPy", COPIED,
    ),
    "Gain": ValueCase(
        ma.Gain(per="channel"), {"image": EACH}, UNIT, lambda v: v * (1.0 + EACH), "closed form",
        FLOAT,
    ),
    "Contrast, about grey, bytes": ValueCase(
        ma.Contrast(mean="grey", clip=True), {"amount": 0.4}, BYTES,
        pillow(lambda i: ImageEnhance.Contrast(i).enhance(1.4)), "Pillow", ONE_LEVEL,
    ),
    "Contrast, about grey": ValueCase(
        ma.Contrast(mean="grey"), {"amount": np.float32(0.4)}, UNIT, about_grey(0.4),
        "closed form", FLOAT,
    ),
    "Contrast, nnU-Net": ValueCase(
        ma.Contrast(per="channel", mean="channel", keep_range=True),
        {"image": np.float32([0.4] * 3)}, UNIT, contrast_of_nnunet(1.4),
        "formula of batchgeneratorsv2", FLOAT,
    ),
    "Gamma": ValueCase(
        ma.Gamma(), {"exponent": 1.7}, UNIT, lambda v: exposure.adjust_gamma(v, 1.7),
        "scikit-image", FLOAT,
    ),
    "Gamma, nnU-Net": ValueCase(
        ma.Gamma(per="channel", range="channel", inverted=True, keep_statistics=True),
        {"image": np.float32([0.6] * 3)}, UNIT, gamma_of_nnunet(np.float64(np.float32(0.6))),
        "formula of batchgeneratorsv2", SUMS,
    ),
    "HueSaturation, hue": ValueCase(
        ma.HueSaturation(), {"hue": 0.3, "saturation": 0.0, "value": 0.0}, UNIT,
        in_hsv(0.3, 1, 1), "scikit-image", FLOAT,
    ),
    "HueSaturation, all three": ValueCase(
        ma.HueSaturation(), {"hue": -0.07, "saturation": 0.6, "value": -0.3}, UNIT,
        in_hsv(-0.07, 1.6, 0.7), "scikit-image", FLOAT,
    ),
    "Saturation, bytes": ValueCase(
        ma.Saturation(), {"amount": -0.6}, BYTES,
        pillow(lambda i: ImageEnhance.Color(i).enhance(0.4)), "Pillow", ONE_LEVEL,
    ),
    "Saturation": ValueCase(
        ma.Saturation(), {"amount": 0.5}, UNIT, saturated(0.5), "closed form", FLOAT,
    ),
    "ColorJitter": ValueCase(
        ma.ColorJitter(0.4, 0.4, 0.4, 0.2), JITTER, UNIT,
        chain(
            about_grey(-0.2),
            in_hsv(np.float64(np.float32(0.12)), 1, 1),
            lambda v: v * one_plus(0.3),
            saturated(0.4),
        ),
        "scikit-image and closed forms", SUMS,
    ),
    "PhotometricDistortion": ValueCase(
        ma.PhotometricDistortion(), DISTORTION, UNIT,
        chain(
            lambda v: v + one_plus(0.1) - 1,
            in_hsv(0, one_plus(0.4), 1),
            in_hsv(np.float64(np.float32(-0.06)), 1, 1),
            lambda v: v * one_plus(-0.3),
        ),
        "scikit-image and closed forms", SUMS,
    ),
    "ThreeAugment, grey, then colours": ValueCase(
        ma.ThreeAugment(), THREE, UNIT,
        chain(
            lambda v: np.repeat((v @ LUMA)[..., None], 3, -1),
            saturated(0.4),
            lambda v: v * one_plus(0.3),
            about_grey(-0.2),
        ),
        "closed form", SUMS,
    ),
    "Grey, bytes": ValueCase(
        ma.Grey(), {}, BYTES, pillow(lambda i: i.convert("L").convert("RGB")), "Pillow", ONE_LEVEL,
    ),
    "Grey, mean": ValueCase(
        ma.Grey("mean"), {}, UNIT,
        lambda v: np.broadcast_to(v.mean(-1, keepdims=True), v.shape), "closed form", FLOAT,
    ),
    "ColorTemperature, 3500 K": ValueCase(
        ma.ColorTemperature(), {"kelvin": np.float32(3500)}, UNIT, temperature(3500),
        "Planck's law and colour matching functions", PLANCK,
    ),
    "ColorTemperature, 12000 K": ValueCase(
        ma.ColorTemperature(), {"kelvin": np.float32(12000)}, UNIT, temperature(12000),
        "Planck's law and colour matching functions", PLANCK,
    ),
    "AutoContrast, bytes": ValueCase(
        ma.AutoContrast(), {}, BYTES, pillow(ImageOps.autocontrast), "Pillow", ONE_LEVEL,
    ),
    "AutoContrast, quantiles": ValueCase(
        ma.AutoContrast((0.1, 0.05)), {}, UNIT,
        lambda v: np.clip(between(percent(10), percent(95))(v), 0, 1), "NumPy", SUMS,
    ),
    "Equalize, bytes": ValueCase(
        ma.Equalize(), {}, BYTES, pillow(ImageOps.equalize), "Pillow", COPIED,
    ),
    "Equalize, floats": ValueCase(
        ma.Equalize(), {}, np.float32(BYTES / 255),
        lambda v: pillow(ImageOps.equalize)(BYTES) / 255, "Pillow", FLOAT,
    ),
    "Posterize": ValueCase(
        ma.Posterize(), {"bits": np.int32(3)}, BYTES, pillow(lambda i: ImageOps.posterize(i, 3)),
        "Pillow", COPIED,
    ),
    "Solarize": ValueCase(
        ma.Solarize(), {"threshold": np.float32(100 / 255)}, BYTES,
        pillow(lambda i: ImageOps.solarize(i, 100)), "Pillow", COPIED,
    ),
    "Invert": ValueCase(ma.Invert(), {}, BYTES, pillow(ImageOps.invert), "Pillow", COPIED),
    "HistogramShift": ValueCase(
        ma.HistogramShift(5), {"knots": KNOTS}, UNIT,
        lambda v: np.interp(v, np.linspace(0, 1, 5), KNOTS.astype(np.float64)), "NumPy", FLOAT,
    ),
    "NormalizeRecord": ValueCase(
        ma.NormalizeRecord(), {}, BYTES, lambda v: (v - v.mean()) / v.std(), "NumPy", SUMS,
    ),
    "NormalizeRecord, min and max": ValueCase(
        ma.NormalizeRecord("min_max", "channel"), {}, UNIT,
        between(lambda v: v.min((0, 1)), lambda v: v.max((0, 1))), "NumPy", FLOAT,
    ),
    "NormalizeRecord, percentiles": ValueCase(
        ma.NormalizeRecord("percentile", "channel", (2, 91)), {}, UNIT,
        between(percent(2), percent(91)), "NumPy", SUMS,
    ),
    "RescaleIntensity": ValueCase(
        ma.RescaleIntensity((40, 180)), {}, BYTES,
        lambda v: exposure.rescale_intensity(v, (40, 180), (0, 1)), "scikit-image", FLOAT,
    ),
    "HistogramMatching": ValueCase(
        ma.HistogramMatching(OTHERS, 1.0),
        {"reference": np.int32(1), "blend_ratio": np.float32(1)}, UNIT,
        lambda v: exposure.match_histograms(v.astype(np.float64), OTHERS[1], channel_axis=-1),
        "scikit-image", MATCHED,
    ),
    "FDA": ValueCase(
        ma.FDA(OTHERS[:1]), {"reference": np.int32(0), "beta": np.float32(0.09)}, UNIT,
        lambda v: exchanged(v, OTHERS[0], 0.09), "NumPy", FREQUENCIES,
    ),
    "CLAHE": ValueCase(
        ma.CLAHE(tile_grid_size=(3, 2)), {"clip_limit": np.float32(2.5)}, BYTES,
        lambda v: clahe(v, (3, 2), 2.5), "Zuiderveld's method, pixel by pixel", ROUNDED,
    ),
    "BiasField": ValueCase(
        ma.BiasField(), {"coefficients": BIAS}, UNIT, bias(np.float64(BIAS)), "closed form", SUMS,
    ),
    "BrightnessGradient": ValueCase(
        ma.BrightnessGradient(), {"all": BELL}, UNIT, lambda v: v + 0.5 * bell(BELL),
        "closed form", FLOAT,
    ),
    "LocalGamma": ValueCase(
        ma.LocalGamma(), {"all": BELL}, UNIT, lambda v: v + bell(BELL) * (v**0.5 - v),
        "closed form", FLOAT,
    ),
    "RandomShadow": ValueCase(
        ma.RandomShadow(), {"all": BELL}, UNIT, lambda v: v * (1 - 0.5 * bell(BELL)),
        "closed form", FLOAT,
    ),
}  # fmt: skip
