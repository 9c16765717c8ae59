"""Keras 3, and the generator in `model.fit`; for environments that have Keras."""

import os

import numpy as np
import pytest

from tests.keras.parity import MODES, NIGHTLY, ORDERS, parameters, smooth_places
from tests.nightly import by_night
from tests.reference import classic

os.environ.setdefault("KERAS_BACKEND", "jax")
pytest.importorskip("keras", minversion="3.3")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def oracle():
    from keras.src.legacy.preprocessing import image

    return image


PAIRS = (
    [(mode, order) for mode in MODES for order in ORDERS]
    if NIGHTLY
    else [("constant", 0), ("wrap", 1), ("nearest", 1), ("reflect", 3)]
)


@pytest.mark.parametrize(("mode", "order"), PAIRS)
def test_moves_agree_with_keras_on_squares(oracle, mode, order):
    """With rows and columns exchanged: Keras 3 reads its matrix on (x, y), here it is on (row,
    column), as it was in Keras-Preprocessing 1.1.2."""
    from multiaug.keras import apply_affine_transform

    rng = np.random.default_rng(order)
    picture = rng.random((16, 16, 2))
    for _ in range(6):
        drawn = parameters(rng, (16, 16), shifts=False)
        given = {k: drawn[k] for k in classic.AFFINE if k in drawn}
        settings = {"channel_axis": 2, "fill_mode": mode, "cval": 0.3, "order": order}
        found = apply_affine_transform(picture, **given, **settings)
        expected = oracle.apply_affine_transform(
            picture, **given, row_axis=1, col_axis=0, **settings
        )
        wrong = np.abs(found - expected) > 1e-3
        assert not wrong[smooth_places((16, 16), given, order, mode)].any()


SETTINGS = {
    "featurewise": {"featurewise_center": True, "featurewise_std_normalization": True},
    "samplewise": {"samplewise_center": True, "samplewise_std_normalization": True},
    "zca": {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 1e-3},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_standardisation_agrees_with_keras(oracle, name):
    from multiaug.keras import ImageDataGenerator

    x = np.random.default_rng(0).uniform(0, 255, (120, 5, 6, 3)).astype(np.float32)
    ours = ImageDataGenerator(**SETTINGS[name])
    theirs = oracle.ImageDataGenerator(**SETTINGS[name], data_format="channels_last")
    ours.fit(x)
    theirs.fit(x.copy())
    found, expected = ours.standardize(x[7]), theirs.standardize(x[7].copy())
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
    if name == "zca":
        matrix = theirs.zca_whitening_matrix
        bar = 1e-4 * np.abs(matrix).max()
        np.testing.assert_allclose(ours.zca_whitening_matrix, matrix, atol=bar)


def test_seeds_draw_what_keras_draws(oracle):
    from multiaug.keras import ImageDataGenerator

    settings = {
        "rotation_range": 30,
        "width_shift_range": 0.2,
        "height_shift_range": [2, 3],
        "shear_range": 5,
        "zoom_range": (0.8, 1.3),
        "horizontal_flip": True,
        "channel_shift_range": 4.0,
        "brightness_range": (0.5, 1.5),
    }
    theirs = oracle.ImageDataGenerator(**settings, data_format="channels_last")
    for seed in range(5):
        found = ImageDataGenerator(**settings).get_random_transform((9, 12, 3), seed)
        assert found == theirs.get_random_transform((9, 12, 3), seed)


def test_iterators_are_datasets_of_keras():
    import keras

    from multiaug.keras import ImageDataGenerator, NumpyArrayIterator

    flow = ImageDataGenerator().flow(np.zeros((4, 3, 3, 1)))
    assert isinstance(flow, keras.utils.PyDataset)
    assert isinstance(flow, NumpyArrayIterator)


FIT = """
import numpy as np
from multiaug.keras import ImageDataGenerator

rng = np.random.default_rng(0)
y = np.arange(64) % 2
x = rng.normal(0, 0.1, (64, 8, 8, 1)) + y[:, None, None, None]
generator = ImageDataGenerator(rotation_range=10, horizontal_flip=True, featurewise_center=True)
generator.fit(x)
flow = generator.flow(x, y, batch_size=16, seed=0)

import keras  # after the iterator was made
from tests.nightly import by_night

assert keras.backend.backend() == {backend!r}
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")])
model.compile(keras.optimizers.Adam(0.05), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(flow, epochs=4, verbose=0)
still = ImageDataGenerator(featurewise_center=True)
still.mean = generator.mean
scored = model.evaluate(still.flow(x, y, shuffle=False), verbose=0)
assert scored[1] > 0.95, scored
found = model.predict(still.flow(x, shuffle=False, batch_size=7), verbose=0)
assert ((found[:, 0] > 0.5) == y).mean() > 0.95
print("trained")
"""


@by_night
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_models_fit_evaluate_and_predict(fresh_python, backend):
    pytest.importorskip(backend)
    code = FIT.format(backend=backend)
    assert "trained" in fresh_python(code, KERAS_BACKEND=backend)
