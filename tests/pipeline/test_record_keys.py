"""The keys of records: one function of seed, epoch, index and copy, for everybody."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma

INDEX = np.array([5, 0, 70_000, 5])


def words(keys):
    return np.asarray(jax.random.key_data(keys))


def folded(root, *path):
    for step in path:
        root = jax.random.fold_in(root, step)
    return words(root)


def test_the_documented_recipe():
    keys = ma.record_keys(7, 2, INDEX, np.array([0, 1, 2, 3]))
    expected = [folded(jax.random.key(7), 2, i, c) for i, c in zip(INDEX, range(4), strict=True)]
    np.testing.assert_array_equal(words(keys), expected)


def test_one_record_and_one_copy_for_all():
    one = ma.record_keys(7, 2, 5)
    assert one.shape == ()
    np.testing.assert_array_equal(words(one), words(ma.record_keys(7, 2, INDEX))[0])
    assert len(ma.record_keys(7, 2, np.zeros(0, int))) == 0


def test_a_root_key_of_any_kind():
    root = jax.random.key(7, impl="rbg")
    keys = ma.record_keys(root, 2, INDEX)
    assert str(jax.random.key_impl(keys)) == "rbg"
    np.testing.assert_array_equal(words(keys)[2], folded(root, 2, 70_000, 0))


def test_inside_a_trace():
    expected = words(ma.record_keys(7, 2, INDEX))
    root = jax.random.key(7)
    of_index = jax.jit(lambda index: ma.record_keys(7, 2, index))
    of_all = jax.jit(lambda root, epoch, index: ma.record_keys(root, epoch, index))
    np.testing.assert_array_equal(words(of_index(INDEX)), expected)
    np.testing.assert_array_equal(words(of_all(root, 2, jnp.asarray(INDEX))), expected)


def test_every_bit_of_a_seed_counts():
    seeds = [7, *(7 + (1 << bit) for bit in (3, 31, 32, 40, 63, 64, 100, 127, 128, 200))]
    found = {words(ma.record_keys(seed, 0, 1)).tobytes() for seed in seeds}
    assert len(found) == len(seeds)
    # As JAX has it in its 64-bit mode.
    wide = jax.random.wrap_key_data(jnp.array([5, 7], jnp.uint32), impl="threefry2x32")
    np.testing.assert_array_equal(words(ma.record_keys(7 + (5 << 32), 3, 1)), folded(wide, 3, 1, 0))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "key"),
        ({"seed": np.zeros(2, np.uint32)}, "key"),
        ({"epoch": 2**32}, "epoch"),
        ({"epoch": [0, 1]}, "epoch"),
        ({"index": [0.5]}, "index"),
        ({"index": [2**32]}, "index"),
        ({"index": [-1]}, "index"),
        ({"copy": [0, 1]}, "copy"),
    ],
)
def test_refuses(settings, field):
    with pytest.raises(ma.ParameterError, match=f"`.*{field}`"):
        ma.record_keys(**({"seed": 0, "epoch": 0, "index": INDEX} | settings))
