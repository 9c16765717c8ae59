"""Keras-Preprocessing 1.1.2, the last release of the classic on the package index.

Two adjustments, and no others: its centre, which stands one pixel off, and its DeprecationWarning
of SciPy's old namespace. Brightness is left out, and so is ZCA in the form that came after it.
"""

import numpy as np
import pytest

from multiaug.keras import ImageDataGenerator
from tests.keras.parity import FORMATS, MODES, NIGHTLY, ORDERS, parameters, smooth_places

pytest.importorskip("keras_preprocessing")

pytestmark = pytest.mark.filterwarnings(
    "ignore:Please import `affine_transform` from the `scipy.ndimage` namespace:DeprecationWarning"
)


@pytest.fixture
def oracle(monkeypatch):
    from keras_preprocessing import image
    from keras_preprocessing.image import affine_transformations

    def about_the_centre(matrix, height, width):
        middle = (height - 1) / 2, (width - 1) / 2
        there, back = np.eye(3), np.eye(3)
        there[:2, 2], back[:2, 2] = middle, np.negative(middle)
        return there @ matrix @ back

    monkeypatch.setattr(affine_transformations, "transform_matrix_offset_center", about_the_centre)
    return image


# By day each mode, order, layout and kind of shape; by night all of them together.
CASES = (
    [(m, o, s, f) for m in MODES for o in ORDERS for s in ((18, 18), (14, 23)) for f in FORMATS]
    if NIGHTLY
    else [
        ("constant", 0, (14, 23), "channels_last"),
        ("nearest", 1, (14, 23), "channels_first"),
        ("reflect", 3, (18, 18), "channels_last"),
        ("wrap", 1, (18, 18), "channels_last"),
    ]
)


@pytest.mark.parametrize(("mode", "order", "shape", "layout"), CASES)
def test_apply_transform(oracle, mode, order, shape, layout):
    rng = np.random.default_rng([order, *shape, *mode.encode()])
    settings = {
        "fill_mode": mode,
        "cval": 17.0,
        "interpolation_order": order,
        "data_format": layout,
    }
    ours, theirs = ImageDataGenerator(**settings), oracle.ImageDataGenerator(**settings)
    for _ in range(40):
        picture = rng.uniform(0, 255, (*shape, 3))
        given = parameters(rng, shape)
        held = np.moveaxis(picture, -1, 0) if layout == "channels_first" else picture
        found = ours.apply_transform(held, given)
        expected = theirs.apply_transform(held.copy(), given)
        wrong = np.abs(found - expected) > 1e-3 * 255
        wrong = wrong.any(0 if layout == "channels_first" else -1)
        assert not wrong[smooth_places(shape, given, order, mode)].any(), given
        assert wrong.mean() < 0.05


RANGES = {
    "fractions": {"width_shift_range": 0.2, "height_shift_range": 0.3, "zoom_range": 0.2},
    "pixels": {"width_shift_range": 3, "height_shift_range": 2.5, "zoom_range": (0.8, 1.3)},
    "lists": {"width_shift_range": [0.1, 0.3], "height_shift_range": [2, 3]},
    "all": {
        "rotation_range": 30,
        "width_shift_range": 0.2,
        "height_shift_range": [2, 3],
        "shear_range": 5,
        "zoom_range": (0.8, 1.3),
        "horizontal_flip": True,
        "vertical_flip": True,
        "channel_shift_range": 4.0,
        "brightness_range": (0.5, 1.5),
    },
}


@pytest.mark.parametrize("name", RANGES)
def test_seeds_draw_the_same_parameters(oracle, name):
    ours, theirs = ImageDataGenerator(**RANGES[name]), oracle.ImageDataGenerator(**RANGES[name])
    for seed in range(200 if NIGHTLY else 20):
        found = ours.get_random_transform((9, 12, 3), seed)
        assert found == theirs.get_random_transform((9, 12, 3), seed)


def test_a_seed_makes_the_same_picture(oracle):
    settings = {"rotation_range": 40, "shear_range": 8, "zoom_range": 0.2, "horizontal_flip": True}
    ours, theirs = ImageDataGenerator(**settings), oracle.ImageDataGenerator(**settings)
    picture = np.random.default_rng(0).uniform(0, 255, (12, 17, 3))
    for seed in range(5):
        expected = theirs.random_transform(picture.copy(), seed)
        np.testing.assert_allclose(ours.random_transform(picture, seed), expected, atol=0.05)


SETTINGS = {
    "rescale": {"rescale": 1 / 255},
    "samplewise": {"samplewise_center": True, "samplewise_std_normalization": True},
    "featurewise": {"featurewise_center": True, "featurewise_std_normalization": True},
    "rescale, featurewise": {
        "rescale": 1 / 127,
        "featurewise_center": True,
        "featurewise_std_normalization": True,
    },
}


@pytest.mark.parametrize("layout", FORMATS if NIGHTLY else ["channels_last"])
@pytest.mark.parametrize("name", SETTINGS)
def test_fit_and_standardize(oracle, name, layout):
    x = np.random.default_rng(1).uniform(0, 255, (150, 6, 7, 3))
    x = np.moveaxis(x, -1, 1) if layout == "channels_first" else x
    # Its float32 loses as much as the bar allows.
    settings = {**SETTINGS[name], "data_format": layout, "dtype": "float64"}
    ours, theirs = ImageDataGenerator(**settings), oracle.ImageDataGenerator(**settings)
    ours.fit(x)
    theirs.fit(x)
    for statistic in ("mean", "std"):
        found, expected = getattr(ours, statistic), getattr(theirs, statistic)
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    found, expected = ours.standardize(x[7]), theirs.standardize(x[7].copy())
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    y = np.arange(len(x))
    flows = [g.flow(x, y, batch_size=40, shuffle=False) for g in (ours, theirs)]
    for _ in range(5):  # the last of an epoch is smaller, and another one begins
        (found, labels), (expected, same) = map(next, flows)
        np.testing.assert_array_equal(labels, same)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("records", [200, 30], ids=["more", "fewer"])
def test_zca_in_the_form_of_the_covariance(oracle, records):
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(records, 4)) @ rng.normal(size=(4, 60))
    x = np.clip(mixed * 12 + rng.normal(0, 20, mixed.shape) + 128, 0, 255).reshape(-1, 5, 4, 3)
    # Of full rank: epsilon bounds the condition.
    settings = {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 5.0}
    ours = ImageDataGenerator(**settings, zca_eps_mode="covariance")
    theirs = oracle.ImageDataGenerator(**settings, dtype="float64")
    ours.fit(x)
    theirs.fit(x)
    expected = theirs.principal_components
    found = ours.zca_whitening_matrix
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    white, expected = ours.standardize(x[3]), theirs.standardize(x[3].copy())
    assert np.abs(white - expected).max() < 1e-4 * np.abs(expected).max()
