"""The counter-based noise: its distribution, and that nothing in it is correlated."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import multiaug as ma
from multiaug.transforms._random import _erf_inv, bits, drawing_key, normal

SHAPE = (512, 512, 4)
SEEDS = [(0, 0), (0, 1), (1, 0), (2**32 - 1, 7), (0x9E3779B9, 0x7FEB352D)]


def field(seed, stream=0, shape=SHAPE):
    return np.asarray(normal(jnp.array(seed, jnp.uint32), stream, shape), np.float64)


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_normal(seed):
    values = field(seed).ravel()
    n = values.size
    assert abs(values.mean()) < 4.5 / n**0.5
    assert abs(values.var() - 1) < 4.5 * (2 / n) ** 0.5
    assert abs(stats.skew(values)) < 4.5 * (6 / n) ** 0.5
    assert abs(stats.kurtosis(values)) < 4.5 * (24 / n) ** 0.5
    assert stats.kstest(values, "norm").pvalue > 1e-4
    # The tails, where a sum of few uniform numbers would fall short.
    for limit in (3, 4, 4.5):
        expected = 2 * stats.norm.sf(limit) * n
        assert abs((abs(values) > limit).sum() - expected) < 5 * expected**0.5 + 1
    assert abs(values).max() < 5.5


def test_bits_are_uniform_and_independent():
    words = np.asarray(bits(jnp.array([3, 4], jnp.uint32), 0, (2**20,)))
    share = ((words[:, None] >> np.arange(32, dtype=np.uint32)) & 1).astype(np.float64)
    n = len(words)
    assert abs(share.mean(0) - 0.5).max() < 5 * 0.5 / n**0.5
    correlation = np.corrcoef(share.T) - np.eye(32)
    assert abs(correlation).max() < 5.5 / n**0.5
    for part in (words >> 24, words & 255):
        counts = np.bincount(part.astype(int), minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-4


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1] * a.size**0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_neighbours_are_not_correlated(seed):
    values = field(seed)
    for axis in range(3):
        for lag in (1, 2, 3):
            a = np.take(values, range(values.shape[axis] - lag), axis)
            b = np.take(values, range(lag, values.shape[axis]), axis)
            assert abs(correlation(a, b)) < 5
            assert abs(correlation(a**2, b**2)) < 5
    spectrum = abs(np.fft.rfft2(values[..., 0])) ** 2 / values[..., 0].size
    assert spectrum[1:, 1:].max() < 25  # exponential, mean 1: a line would stand out


def test_seeds_and_streams_are_not_correlated():
    fields = [field(seed, stream) for seed in SEEDS for stream in (0, 1, 2**31)]
    for i, a in enumerate(fields):
        for b in fields[:i]:
            assert abs(correlation(a, b)) < 5
            # Nor is one the other, moved along the counter.
            assert abs(correlation(a.ravel()[1:], b.ravel()[:-1])) < 5


def test_the_inverse_error_function_against_scipy():
    x = np.linspace(-1 + 2**-24, 1 - 2**-24, 200_001).astype(np.float32)
    found = np.asarray(jax.jit(_erf_inv)(x), np.float64)
    np.testing.assert_allclose(found, special.erfinv(x.astype(np.float64)), rtol=2e-5, atol=1e-7)


def drawn_keys(keys, *path):
    def one(words):
        own = drawing_key(words)
        for step in path:
            own = jax.random.fold_in(own, step)
        return own

    return jax.jit(jax.vmap(one))(jax.random.key_data(keys))


# Keys that differ as little as keys can, and keys as they come.
@pytest.mark.parametrize("kind", ["counted", "split", "rbg"])
def test_draws_of_keys_are_uniform_and_independent(kind):
    count = 2**16
    if kind == "counted":
        numbers = jnp.arange(count, dtype=jnp.uint32)
        keys = jax.random.wrap_key_data(jnp.stack([jnp.zeros_like(numbers), numbers], -1))
    else:
        impl = "rbg" if kind == "rbg" else "threefry2x32"
        keys = jax.random.split(jax.random.key(0, impl=impl), count)
    draw = jax.jit(jax.vmap(lambda key: jax.random.uniform(key, (2,))))
    fields = [np.asarray(draw(drawn_keys(keys, *path))) for path in ((0,), (1,), (0, 0), (1, 0))]
    # Its own numbers, those of its children, and those of its parts.
    fields.append(np.asarray(draw(drawn_keys(keys))))
    split = jax.jit(jax.vmap(lambda key: jax.random.split(key, 2)))(drawn_keys(keys))
    fields += [np.asarray(draw(split[:, i])) for i in range(2)]
    columns = np.concatenate(fields, axis=1).astype(np.float64)
    for column in columns.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
        assert abs(correlation(column[1:], column[:-1])) < 5
        assert len(np.unique(column)) > 0.99 * count
    size = columns.shape[1]
    assert abs(np.corrcoef(columns.T) - np.eye(size)).max() * count**0.5 < 5.5
    for a, b in itertools.combinations(range(size), 2):
        counts = np.histogram2d(columns[:, a], columns[:, b], 16, [[0, 1], [0, 1]])[0]
        assert stats.chisquare(counts.ravel()).pvalue > 1e-6


def test_the_generator_serves_what_jax_random_asks_of_it():
    key = drawing_key(jnp.array([3, 4], jnp.uint32))
    assert jax.random.bits(key, (5,), jnp.uint8).dtype == jnp.uint8
    assert sorted(np.asarray(jax.random.permutation(key, 9))) == list(range(9))
    words = np.asarray(jax.random.bits(key, (2**14,), jnp.uint16))
    assert stats.chisquare(np.bincount(words >> 8, minlength=256)).pvalue > 1e-4
    with jax.enable_x64(True):
        doubles = np.asarray(jax.random.uniform(key, (2**14,), jnp.float64))
    assert doubles.dtype == np.float64
    assert stats.kstest(doubles, "uniform").pvalue > 1e-4
    assert len(np.unique(doubles)) == 2**14
    numbers = np.asarray(jax.random.normal(key, (2**14,)))
    assert stats.kstest(numbers, "norm").pvalue > 1e-4


@pytest.mark.parametrize("top", [0, 2**24 - 1])
def test_the_last_step_is_no_pole(monkeypatch, top):
    """24 bits and a half are 25: the middle of the last step would be rounded to 1."""
    words = jnp.full((4,), top << 8, jnp.uint32)
    monkeypatch.setattr("multiaug.transforms._random.bits", lambda *_: words)
    extreme = np.sqrt(2) * special.erfinv(1 - 2.0**-24)
    expected = extreme if top else -extreme
    np.testing.assert_allclose(field((0, 0), 0, (4,)), expected, rtol=1e-5)


def test_a_field_with_the_last_step():
    """Both formulations, in a record that was found to have the word."""
    entry = {"role": "intensity", "dtype": "float32", "channels": 3}
    spec = ma.DataSpec.from_dict({"name": "noise", "entries": {"image": entry}})
    pipeline = ma.Pipeline([ma.Flip("x", 0.0), ma.GaussianNoise((0.1, 0.1))], spec)
    key = jax.random.split(jax.random.key(0), 64)[6]
    image = np.zeros((64, 64, 3), np.float32)
    in_c = pipeline.batch(key[None], {"image": image[None]})["image"][0]
    traced = jax.jit(lambda key, image: pipeline(key, {"image": image})["image"])(key, image)
    for values in (np.asarray(in_c), np.asarray(traced)):
        assert 0.5 < np.abs(values).max() < 0.5421
