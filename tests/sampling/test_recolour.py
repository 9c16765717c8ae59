"""Bytes changed level by level in C: against NumPy, and against JAX, which does it by pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import multiaug as ma
from multiaug.pipeline import _compiled
from multiaug.sampling import Recolouring, compiled_is_available, count_levels, recolour
from multiaug.testing import make_record
from multiaug.transforms import Photometric, keyed, transform
from multiaug.transforms._random import normal
from tests.sampling.test_formulations import mask, picture, spec_of

pytestmark = pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")

SHAPES = st.tuples(
    st.integers(1, 3), st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 2, 3, 4, 7])
)


def random_of(shape, seed):
    rng = np.random.default_rng(seed)
    # Few levels, or all of them.
    pictures = rng.integers(0, rng.choice([2, 256]), shape).astype(np.uint8)
    return rng, pictures


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_levels_are_counted(shape, seed):
    _, pictures = random_of(shape, seed)
    counts = count_levels(pictures, shape[0] + 1)
    for record in range(shape[0]):
        for channel in range(shape[3]):
            expected = np.bincount(pictures[record, ..., channel].ravel(), minlength=256)
            np.testing.assert_array_equal(counts[record, channel], expected)
    assert not counts[shape[0] :].any()


@given(SHAPES, st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([np.uint8, np.float32]))
def test_tables_are_looked_up(shape, seed, apart, dtype):
    rng, pictures = random_of(shape, seed)
    tables = rng.uniform(-60, 320, (shape[0], shape[3] if apart else 1, 256)).astype(np.float32)
    still = Recolouring(tables, np.zeros((shape[0], 2), np.uint32), np.zeros((shape[0], 3)))
    out = np.empty(shape, dtype)
    recolour(pictures, still, out)
    channel = np.arange(shape[3]) if apart else np.zeros(shape[3], int)
    expected = np.stack([t[channel, p] for t, p in zip(tables, pictures, strict=True)])
    if dtype == np.uint8:
        expected = np.clip(np.floor(expected.astype(np.float64) + 0.5), 0, 255)
    np.testing.assert_array_equal(out, expected)


@jax.jit
def noise_of_jax(seed):
    """The words that C gets, and more numbers than any of the pictures has."""
    return jnp.stack(keyed(seed, 5)), normal(seed, 5, (30 * 30 * 7,))


@given(SHAPES, st.integers(0, 2**32 - 1), st.booleans())
def test_noise_is_that_of_jax(shape, seed, clips):
    rng, pictures = random_of(shape, seed)
    tables = rng.uniform(0, 255, (shape[0], 1, 256)).astype(np.float32)
    words = rng.integers(0, 2**32, (shape[0], 2), dtype=np.uint32)
    limits = [50, 200] if clips else [-np.inf, np.inf]
    noise = np.stack([[np.float32(rng.uniform(1, 40)), *limits] for _ in range(shape[0])])
    out = np.empty(shape, np.float32)
    mixed, numbers = zip(*(noise_of_jax(seed) for seed in words), strict=True)
    recolour(pictures, Recolouring(tables, np.stack(mixed), noise), out)
    for record, picture_of in enumerate(pictures):
        exact = np.asarray(numbers[record], np.float64)[: picture_of.size].reshape(shape[1:])
        expected = tables[record, 0][picture_of] + exact * noise[record, 0]
        np.testing.assert_allclose(out[record], expected.clip(*limits), rtol=2e-6, atol=2e-5)


def test_noise_reaches_its_tails():
    """2^20 numbers: some are in the branch beyond 2.7 standard deviations, and it is right."""
    pictures = np.zeros((1, 1024, 1024, 1), np.uint8)
    seed = jnp.array([1, 2], jnp.uint32)
    out = np.empty(pictures.shape, np.float32)
    how = Recolouring(
        np.zeros((1, 1, 256)), np.stack(keyed(seed, 0))[None], np.array([[1, -np.inf, np.inf]])
    )
    recolour(pictures, how, out)
    expected = np.asarray(normal(seed, 0, pictures.shape))
    assert (abs(expected) > 4).sum() > 30
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-6)


RECIPES = {
    "segmentation": [ma.Brightness(0.2), ma.Contrast(0.2), ma.Gamma(1.25), ma.GaussianNoise(0.05)],
    "channels": [ma.ChannelShift(0.2), ma.Contrast(0.3)],
    "floats": [ma.Contrast(0.3), ma.Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.4])],
    "chosen": [
        ma.Maybe(ma.Contrast(0.3), p=0.5),
        ma.OneOf([ma.Gamma(1.5), ma.Brightness(0.3)]),
        ma.Maybe(ma.GaussianNoise(0.1, clip=True), p=0.5),
    ],
    "nothing": [ma.Maybe(ma.Brightness(0.3), p=0.0)],
}


def both_ways(monkeypatch, transforms, entries, shape=(60, 50), size=7):
    """Results in C and in JAX; that they are made so is checked."""
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Flip("x"), *transforms], spec_of(entries))
    batch = make_record(pipeline.spec, shape, 0, batch=size)
    keys = jax.random.split(jax.random.key(3), size)
    done = []
    with monkeypatch.context() as patch:
        patch.setattr(_compiled, "recolour", lambda *a: (done.append(1), recolour(*a)))
        found = pipeline.batch(keys, batch)
    with monkeypatch.context() as patch:
        patch.setattr("multiaug.pipeline._execute.run_compiled", lambda *_: None)
        return found, pipeline.batch(keys, batch), bool(done)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes(monkeypatch, recipe):
    entries = {"rgb": picture("uint8", 3), "mask": mask()}
    found, expected, in_c = both_ways(monkeypatch, RECIPES[recipe], entries)
    assert in_c
    np.testing.assert_array_equal(found["mask"], expected["mask"])
    a, b = np.asarray(found["rgb"], np.float64), np.asarray(expected["rgb"], np.float64)
    assert found["rgb"].dtype == expected["rgb"].dtype
    if found["rgb"].dtype == np.uint8:
        assert abs(a - b).max() <= 1
        # The means of Contrast differ in their last digits: a level of a record and channel may
        # be a tie. There are 5,376 of them.
        *_, channel = np.nonzero(a != b)
        record = np.nonzero(a != b)[0]
        assert len(set(zip(record, channel, b[a != b], strict=True))) <= 3
    else:
        # A level that is a tie for the sampler moves a value by 1 / 255 / std.
        assert (abs(a - b) > 1e-5).sum() <= 1


def test_pixels_without_data_stay(monkeypatch):
    entries = {"rgb": picture("uint8", 3, invalid=7, fill=7), "mask": mask()}
    recipe = [ma.Contrast(0.4), ma.Gamma(1.5)]
    found, expected, _ = both_ways(monkeypatch, recipe, entries)
    a, b = np.asarray(found["rgb"]), np.asarray(expected["rgb"])
    assert (b == 7).mean() > 0.02
    np.testing.assert_array_equal(a == 7, b == 7)
    assert (abs(a.astype(int) - b) > 1).sum() == 0


@transform
class _Shaded(Photometric):
    """Depends on where a pixel is: no table says that."""

    entries = None

    def sample(self, key, frame):
        """Nothing is drawn."""
        return {}

    def apply(self, params, values, target):
        """Darker from pixel to pixel."""
        return values - jnp.arange(values.shape[0], dtype=jnp.float32).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    "recipe",
    [
        [_Shaded()],
        [ma.GaussianNoise(0.1), ma.Gamma(1.2)],
        [ma.GaussianNoise(0.1), ma.GaussianNoise(0.1)],
    ],
    ids=["place", "noise-first", "noise-twice"],
)
def test_what_no_table_says_is_left_to_jax(monkeypatch, recipe):
    entries = {"rgb": picture("uint8", 3), "mask": mask()}
    found, expected, in_c = both_ways(monkeypatch, recipe, entries)
    assert not in_c
    assert abs(np.asarray(found["rgb"]).astype(int) - np.asarray(expected["rgb"])).max() <= 1


def test_levels_are_counted_only_for_who_asks(monkeypatch):
    asked = []
    monkeypatch.setattr(
        _compiled, "count_levels", lambda *a: (asked.append(1), count_levels(*a))[1]
    )
    entries = {"rgb": picture("uint8", 3), "mask": mask()}
    both_ways(monkeypatch, [ma.Brightness(0.2), ma.Gamma(1.2)], entries)
    assert not asked
    both_ways(monkeypatch, [ma.Brightness(0.2), ma.Contrast(0.2)], entries)
    assert asked
