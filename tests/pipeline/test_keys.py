"""What a record draws is a function of its key and of the transforms before and around, no more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.testing import make_record
from multiaug.transforms import Frame, Target, drawing_key

SHAPE = (10, 14)
PICTURES = {
    "image": {"role": "intensity", "dtype": "float32", "channels": 3},
    "mask": {"role": "label", "dtype": "uint8", "optional": True},
}
SPEC = ma.DataSpec.from_dict({"name": "pictures", "entries": PICTURES})
KEYS = jax.random.split(jax.random.key(5), 6)


def fold(key, *path):
    for step in path:
        key = jax.random.fold_in(key, step)
    return key


def assert_close(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def assert_same_bits(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_transform_i_draws_from_fold_in_i_in_its_own_frame():
    transforms = [
        ma.Rotate(30),
        ma.Crop((8, 8)),
        ma.Maybe([ma.Translate(0.2), ma.OneOf([ma.Shear(10), ma.Scale(1.5)])]),
        ma.GaussianNoise(0.1),
    ]
    params = ma.Pipeline(transforms, SPEC).sample(KEYS, SHAPE)
    before, after = Frame(SHAPE, SPEC), Frame((8, 8), SPEC)
    for i, key in enumerate(map(drawing_key, jax.random.key_data(KEYS))):
        drawn = jax.tree.map(lambda leaf, i=i: leaf[i], params.values)
        assert_close(drawn[0], transforms[0].sample(fold(key, 0), before))
        assert_close(drawn[1], transforms[1].sample(fold(key, 1), before))
        assert_close(drawn[3], transforms[3].sample(fold(key, 3), after))
        # Containers: their own choice from place 0, child c from place c + 1.
        shift, choice = transforms[2].children
        assert_close(drawn[2]["on"], jax.random.bernoulli(fold(key, 2, 0), 0.5))
        assert_close(drawn[2]["children"][0], shift.sample(fold(key, 2, 1), after))
        inner = drawn[2]["children"][1]
        shear, scale = choice.children
        assert_close(inner["children"][0], shear.sample(fold(key, 2, 2, 1), after))
        assert_close(inner["children"][1], scale.sample(fold(key, 2, 2, 2), after))


@pytest.mark.parametrize(
    "container",
    [ma.Maybe, ma.OneOf, ma.SomeOf, ma.Shuffle],
)
def test_children_draw_whether_they_are_chosen_or_not(container):
    children = [ma.Rotate(30), ma.Brightness(0.2), ma.Flip("x")]
    frame, key = Frame(SHAPE, SPEC), KEYS[0]
    drawn = container(children).sample(key, frame)["children"]
    for i, child in enumerate(children):
        assert_same_bits(drawn[i], child.sample(fold(key, i + 1), frame))
    # One child more, at the end, and the draws of the others stay.
    more = container([*children, ma.Gamma()]).sample(key, frame)["children"]
    assert_same_bits(more[:3], drawn)


def test_then_appends():
    first = ma.Pipeline([ma.Rotate(30), ma.SomeOf([ma.Shear(5), ma.Flip()])], SPEC)
    longer = first.then(ma.Brightness(0.1), ma.Translate(0.1))
    assert [t.owner for t in longer.transforms] == [
        "Rotate", "SomeOf", "Brightness", "Translate",
    ]  # fmt: skip
    assert len(first.transforms) == 2
    short, long = first.sample(KEYS, SHAPE), longer.sample(KEYS, SHAPE)
    assert_same_bits(long.values[:2], short.values)
    assert_same_bits(long.key, short.key)


def test_other_keys_other_draws():
    params = ma.Pipeline([ma.Rotate(30), ma.Rotate(30)], SPEC).sample(KEYS, SHAPE)
    drawn = np.concatenate([np.asarray(v["degrees"]) for v in params.values])
    assert len(set(drawn.tolist())) == 2 * len(KEYS)


def test_an_entry_more_changes_no_other_entry():
    transforms = [
        ma.Rotate(30),
        ma.Flip("x"),
        ma.GaussianNoise((0.1, 0.2)),
        ma.ChannelShift(0.2),
        ma.Contrast(0.2),
    ]
    more = {
        "first": {"role": "intensity", "dtype": "uint8", "channels": 2},
        **PICTURES,
        "points": {"role": "keypoints", "dtype": "float32"},
    }
    wide = ma.DataSpec.from_dict({"name": "more", "entries": more})
    batch = make_record(wide, SHAPE, 0, batch=len(KEYS))
    narrow = {name: batch[name] for name in ("image", "mask")}
    alone = ma.Pipeline(transforms, SPEC).batch(KEYS, narrow)
    among = ma.Pipeline(transforms, wide).batch(KEYS, batch)
    bare = ma.Pipeline(transforms, SPEC).batch(KEYS, {"image": batch["image"]})
    for name in ("image", "mask"):
        np.testing.assert_array_equal(alone[name], among[name])
    np.testing.assert_array_equal(alone["image"], bare["image"])
    # The two pictures got noise of their own.
    assert not np.array_equal(
        np.asarray(among["image"])[..., :2] - batch["image"][..., :2], among["first"]
    )


def test_noise_is_other_noise_for_every_record_transform_entry_and_group():
    noise, frame = ma.GaussianNoise((0.1, 0.1)), Frame(SHAPE, SPEC)
    zeros, limits = jnp.zeros((*SHAPE, 3)), (0.0, 1.0)
    planes = [
        noise.apply(noise.sample(fold(key, place), frame), zeros, Target(name, start, limits, None))
        for key in KEYS[:3]
        for place in (0, 1)
        for name, start in (("left", 0), ("right", 0), ("left", 3))
    ]
    flat = np.stack(planes).reshape(len(planes), -1)
    flat = np.concatenate([flat, flat[:, ::-1]])  # turned copies are copies too
    related = np.abs(np.corrcoef(flat)) - np.eye(len(flat))
    assert related.max() < 0.25  # 420 numbers each: five standard deviations


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg", "threefry2x32"])
def test_every_kind_of_key_draws_from_itself_alone(implementation):
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Shuffle([ma.Flip(), ma.Shear(5)])], SPEC)
    keys = jnp.stack([jax.random.key(seed, impl=implementation) for seed in range(11)])
    params = pipeline.sample(keys, SHAPE)
    for i in (0, 3, 8, 10):
        alone = pipeline.sample(keys[i], SHAPE)
        assert_same_bits(alone, jax.tree.map(lambda leaf, i=i: leaf[i], params))
    drawn = np.asarray(params.values[0]["degrees"])
    assert len(set(drawn.tolist())) == len(keys)
    assert np.abs(drawn).max() <= 30


def test_another_kind_of_key_runs_the_pipeline():
    pipeline = ma.Pipeline([ma.Rotate(30), ma.GaussianNoise(0.1)], SPEC)
    batch = make_record(SPEC, SHAPE, 0, batch=3, without=("mask",))
    keys = jax.random.split(jax.random.key(0, impl="rbg"), 3)
    out = pipeline.batch(keys, batch)
    params = pipeline.sample(keys, SHAPE)
    assert params.key.shape == (3, 4)
    np.testing.assert_array_equal(pipeline.apply(params, batch)["image"], out["image"])
    one = pipeline(keys[1], {"image": batch["image"][1]})
    np.testing.assert_array_equal(one["image"], out["image"][1])
    assert not np.array_equal(out["image"], batch["image"])
