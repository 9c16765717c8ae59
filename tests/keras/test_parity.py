"""The generator against its documentation in float64: moves, standardisation, statistics."""

import numpy as np
import pytest

from multiaug.keras import ImageDataGenerator
from tests.keras.parity import cases, parameters, smooth_places
from tests.reference import classic


@pytest.mark.parametrize(("order", "mode", "shape", "channels", "layout", "count"), cases())
def test_apply_transform(order, mode, shape, channels, layout, count):
    rng = np.random.default_rng([order, channels, *shape, *mode.encode()])
    generator = ImageDataGenerator(
        interpolation_order=order, fill_mode=mode, cval=17.0, data_format=layout
    )
    first = layout == "channels_first"
    off = total = 0
    for _ in range(count):
        picture = rng.uniform(0, 255, (*shape, channels))
        given = parameters(rng, shape, shifts=(order + channels) % 2 == 0)
        held = np.moveaxis(picture, -1, 0) if first else picture
        found = generator.apply_transform(held, given)
        found = np.moveaxis(found, 0, -1) if first else found
        expected = classic.apply_transform(picture, given, mode, 17.0, order)
        wrong = np.abs(found - expected) > 1e-3 * 255
        assert not wrong[smooth_places(shape, given, order, mode)].any(), given
        off, total = off + wrong.sum(), total + wrong.size
    assert off < 1e-3 * total


@pytest.mark.parametrize(
    "picture",
    [np.linspace(0, 1, 60).reshape(4, 5, 3), np.linspace(0, 255, 60).reshape(4, 5, 3)],
    ids=["0..1", "0..255"],
)
@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7])
def test_brightness_is_a_factor_within_the_range(picture, factor):
    found = ImageDataGenerator().apply_transform(picture, {"brightness": factor})
    np.testing.assert_allclose(found, np.clip(picture * factor, 0, picture.max()), rtol=1e-6)


SETTINGS = {
    "rescale": {"rescale": 1 / 255},
    "function": {"preprocessing_function": lambda x: x**2 / 100},
    "samplewise": {"samplewise_center": True, "samplewise_std_normalization": True},
    "featurewise": {"featurewise_center": True, "featurewise_std_normalization": True},
    "function, rescale, featurewise": {
        "preprocessing_function": lambda x: 255 - x,
        "rescale": 1 / 127,
        "featurewise_center": True,
        "featurewise_std_normalization": True,
    },
    "all": {
        "preprocessing_function": lambda x: x + 3,
        "rescale": 0.01,
        "samplewise_center": True,
        "samplewise_std_normalization": True,
        "featurewise_center": True,
        "featurewise_std_normalization": True,
    },
    "zca": {"featurewise_center": True, "zca_whitening": True, "rescale": 1 / 255},
}


def expected_of(pictures, settings):
    steps = {
        "function": settings.get("preprocessing_function"),
        "rescale": settings.get("rescale"),
        "samplewise_center": settings.get("samplewise_center", False),
        "samplewise_std": settings.get("samplewise_std_normalization", False),
    }
    seen = np.stack([classic.standardize(x, **steps) for x in pictures])
    mean, std = classic.fit(seen)
    if settings.get("featurewise_center"):
        steps["mean"] = mean
    if settings.get("featurewise_std_normalization"):
        steps["std"] = std
    if settings.get("zca_whitening"):
        steps["matrix"] = classic.zca_matrix(seen)
    return np.stack([classic.standardize(x, **steps) for x in pictures]), mean, std


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", SETTINGS)
def test_standardize(name, layout):
    pictures = np.random.default_rng(1).uniform(0, 255, (200, 6, 7, 3))
    generator = ImageDataGenerator(**SETTINGS[name], data_format=layout)
    given = np.moveaxis(pictures, -1, 1) if layout == "channels_first" else pictures
    before = given.copy()
    generator.fit(given)
    expected, mean, std = expected_of(pictures, SETTINGS[name])
    found = generator.standardize(given)
    one = generator.standardize(given[3])
    np.testing.assert_array_equal(given, before)
    if layout == "channels_first":
        found, one = np.moveaxis(found, 1, -1), np.moveaxis(one, 0, -1)
    scale = np.abs(expected).max()
    bar = 1e-4 if "zca" in name else 1e-5
    assert np.abs(found - expected).max() < bar * scale
    assert np.abs(one - expected[3]).max() < bar * scale
    if generator.mean is not None:
        assert generator.mean.shape == ((3, 1, 1) if layout == "channels_first" else (1, 1, 3))
        np.testing.assert_allclose(generator.mean.ravel(), mean, rtol=1e-5, atol=1e-5 * std.max())
    if generator.std is not None:
        np.testing.assert_allclose(generator.std.ravel(), std, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
@pytest.mark.parametrize(
    ("shape", "records"), [((5, 4, 3), 300), ((8, 8, 3), 50)], ids=["more", "fewer"]
)
@pytest.mark.parametrize("mode", ["keras", "covariance"])
def test_zca_matrix(shape, records, dtype, mode):
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(records, 4)) @ rng.normal(size=(4, np.prod(shape)))
    pictures = np.clip(mixed * 12 + rng.normal(0, 20, mixed.shape) + 128, 0, 255)
    pictures = pictures.reshape(records, *shape).astype(dtype)
    # The older form is of full rank: epsilon bounds its condition.
    epsilon = 1e-6 if mode == "keras" else 5.0
    generator = ImageDataGenerator(
        featurewise_center=True, zca_whitening=True, zca_epsilon=epsilon, zca_eps_mode=mode
    )
    generator.fit(pictures)
    oracle = classic.zca_matrix if mode == "keras" else classic.zca_matrix_of_covariance
    expected = oracle(pictures, epsilon)
    found = generator.zca_whitening_matrix
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
