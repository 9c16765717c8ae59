"""HistogramMatching beside scikit-image, FDA beside NumPy in float64; references of all kinds."""

from functools import partial

import jax
import numpy as np
import pytest
from skimage.exposure import match_histograms

import multiaug as ma
from multiaug.pipeline.program._draws import QUICKLY_COMPILED
from multiaug.transforms import Frame, Target
from tests.reference.values import exchanged

RNG = np.random.default_rng(3)
RAMP = np.outer(np.linspace(0.1, 1, 24), np.linspace(0.2, 1, 31))
VALUES = np.float32(np.stack([RAMP, RAMP**2, RAMP**0.4, 1 - RAMP], -1))
VALUES += np.float32(RNG.normal(0, 0.05, VALUES.shape))
REFERENCES = np.float32(RNG.beta(2, 5, (2, 19, 23, 4)))
SPEC = ma.load_spec("rgb-segmentation")


@partial(jax.jit, compiler_options=QUICKLY_COMPILED)
def run(transform, params, values, valid):
    target = Target("image", 0, (0.0, 1.0), valid, values.shape[-1])
    return transform.apply(params, values, target)


def applied(transform, values, valid=None, **params):
    params = {name: np.asarray(value) for name, value in params.items()}
    return np.asarray(run(transform, params, np.float32(values), valid), np.float64)


@pytest.mark.parametrize("levels", [False, True])
def test_histograms_are_those_of_scikit_image(levels):
    values, references = VALUES, REFERENCES
    if levels:  # with many values that are equal
        values, references = np.round(values * 20), np.round(references * 50)
    matching = ma.HistogramMatching(references, 1.0)
    found = applied(matching, values, reference=np.int32(1), blend_ratio=np.float32(1))
    expected = match_histograms(values.astype(np.float64), references[1], channel_axis=-1)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.ptp(references))
    half = applied(matching, values, reference=np.int32(1), blend_ratio=np.float32(0.25))
    np.testing.assert_allclose(half, 0.75 * values + 0.25 * found, atol=1e-5 * np.ptp(references))


def test_amplitudes_of_low_frequencies_are_exchanged():
    references = np.float32(RNG.random((1, *VALUES.shape)))
    for beta in (0.0, 0.09, 0.5):
        found = applied(ma.FDA(references), VALUES, reference=np.int32(0), beta=np.float32(beta))
        np.testing.assert_allclose(found, exchanged(VALUES, references[0], beta), atol=5e-6)
    # The reference is resized: of a flat one only the mean is left.
    flat = np.full((1, 5, 6, 4), 0.25, np.float32)
    found = applied(ma.FDA(flat), VALUES, reference=np.int32(0), beta=np.float32(0))
    np.testing.assert_allclose(found.mean((0, 1)), 0.25, atol=1e-6)
    clipped = applied(ma.FDA(flat, clip=True), VALUES, reference=np.int32(0), beta=np.float32(0))
    np.testing.assert_allclose(clipped, np.clip(found, 0, 1), atol=1e-6)


def test_values_without_data_do_not_count():
    valid = RNG.random((*VALUES.shape[:2], 1)) > 0.3
    holes = np.where(valid, VALUES, 77)
    matching = ma.HistogramMatching(REFERENCES, 1.0)
    found = applied(matching, holes, valid, reference=np.int32(0), blend_ratio=np.float32(1))
    rows = VALUES[valid[..., 0]][:, None]
    expected = match_histograms(rows.astype(np.float64), REFERENCES[0], channel_axis=-1)
    np.testing.assert_allclose(found[valid[..., 0]], expected[:, 0], atol=2e-5)
    references = np.float32(RNG.random((1, *VALUES.shape)))
    found = applied(ma.FDA(references), holes, valid, reference=np.int32(0), beta=np.float32(0.1))
    filled = np.where(valid, VALUES, VALUES.mean((0, 1), where=valid))
    expected = exchanged(filled, references[0], 0.1)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_references_are_drawn_evenly():
    keys = jax.random.split(jax.random.key(5), 30_000)
    images = np.zeros((3, 4, 4, 3), np.uint8)
    pipeline = ma.Pipeline([ma.HistogramMatching(images, (0.2, 0.6)), ma.FDA(images)], SPEC)
    matching, adaptation = pipeline.sample(keys, (8, 8)).values
    for drawn in (matching["reference"], adaptation["reference"]):
        np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 30_000, 1 / 3, atol=0.015)
    ratio = np.asarray(matching["blend_ratio"])
    assert ratio.min() >= 0.2
    assert ratio.max() <= 0.6
    np.testing.assert_allclose(np.quantile(ratio, [0.25, 0.75]), [0.3, 0.5], atol=0.01)
    assert abs(np.corrcoef(matching["reference"], ratio)[0, 1]) < 0.03


@pytest.mark.parametrize("cls", [ma.HistogramMatching, ma.FDA])
def test_references_are_images_of_one_shape(cls):
    one = REFERENCES[0]
    assert cls(one).references.shape == (1, 19, 23, 4)
    assert cls(one[..., 0]).references.shape == (1, 19, 23, 1)
    assert cls([one[..., 0], one[..., 1]]).references.shape == (2, 19, 23, 1)
    np.testing.assert_array_equal(cls([*REFERENCES]).references, cls(REFERENCES).references)
    for wrong in ([one, one[:4]], np.nan * one, "image", [], np.zeros((0, 4, 4, 3)), 3.0, None):
        with pytest.raises(ma.ParameterError, match=f"`{cls.__name__}.references` must be"):
            cls(wrong)
    with pytest.raises(ma.ParameterError, match="must have the 3 channels of 'image', got 4"):
        cls(one).check(Frame((8, 8), SPEC))
    with pytest.raises(ma.ParameterError, match="cannot be inverted"):
        target = Target("image", 0, (0.0, 1.0), None, 4)
        cls(one).invert({}, VALUES, target)


def test_limits():
    with pytest.raises(ma.ParameterError, match=r"HistogramMatching.blend_ratio"):
        ma.HistogramMatching(REFERENCES, 1.5)
    with pytest.raises(ma.ParameterError, match=r"FDA.beta"):
        ma.FDA(REFERENCES, 0.7)
