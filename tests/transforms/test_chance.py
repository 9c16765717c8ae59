"""The keyword `p` of every transform, and plain fields of a transform of one's own."""

import inspect

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.transforms import Deriving, Photometric, ScaleShift, static, transform


def is_deriving(value):
    return inspect.isclass(value) and issubclass(value, Deriving)


SPEC = ma.load_spec("rgb-segmentation")
KEYS = jax.random.split(jax.random.key(0), 64)
BATCH = {"image": np.full((64, 4, 4, 3), 100, np.uint8)}

# Whitening, encodings and new entries are for every record or none; what chooses, or hands
# on, is asked by its children.
WITHOUT = {"Whiten", "EncodeDepth", "ForEntries"} | {
    name for name in vars(ma) if is_deriving(getattr(ma, name))
}


def test_every_transform_has_one():
    classes = {n: c for n, c in vars(ma).items() if inspect.isclass(c) and hasattr(c, "sample")}
    lacking = {n for n in classes if "p" not in inspect.signature(classes[n]).parameters}
    assert {"OneHot", "BoxesFromMasks"} < WITHOUT
    assert lacking - {"Pipeline", "Views"} == WITHOUT


def test_it_is_maybe():
    with_p = ma.Pipeline([ma.Brightness((0.2, 0.2), p=0.3), ma.Flip("x")], SPEC)
    spelt = ma.Pipeline([ma.Maybe(ma.Brightness((0.2, 0.2)), 0.3), ma.Flip("x")], SPEC)
    found, expected = (np.asarray(p.batch(KEYS, BATCH)["image"]) for p in (with_p, spelt))
    np.testing.assert_array_equal(found, expected)
    changed = (found != 100).any(axis=(1, 2, 3)).sum()
    assert 8 < changed < 32
    assert with_p.to_dict() == spelt.to_dict()


def test_containers_know_it():
    pipeline = ma.Pipeline([ma.OneOf([ma.Brightness((0.2, 0.2), p=0.5)], p=0.5)], SPEC)
    changed = (np.asarray(pipeline.batch(KEYS, BATCH)["image"]) != 100).any(axis=(1, 2, 3)).sum()
    assert 4 < changed < 30


def test_documents_without_it_are_as_before():
    document = ma.Pipeline([ma.Rotate(30)], SPEC).to_dict()
    assert document["transforms"] == [{"type": "Rotate", "degrees": [-30.0, 30.0]}]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), "often", None])
def test_it_is_a_probability(p):
    with pytest.raises(ma.ParameterError, match=r"`Rotate\.p` must be a probability in \[0, 1\]"):
        ma.Rotate(30, p=p)


def test_frames_do_not_change_by_chance():
    pipeline = ma.Pipeline([ma.Resize(2, p=0.5)], SPEC)
    with pytest.raises(ma.ParameterError, match="leave out its `p`"):
        pipeline.batch(KEYS, BATCH)


@transform
class Fade(Photometric):
    """Plain fields, as people write them."""

    strength: float = 0.5
    steps: int | None = None
    entries: tuple[str, ...] | None = static(default=None)

    def sample(self, key, frame):
        """Draw ``a``."""
        return {"a": jax.random.uniform(key, (), maxval=self.strength)}

    def operations(self, params, target):
        """Darken."""
        return [ScaleShift(scale=1 - params["a"])]


def test_plain_fields_are_static():
    assert jax.tree.leaves(Fade(0.7)) == []
    pipeline = ma.Pipeline([Fade(0.7)], SPEC)
    one = pipeline(KEYS[0], {"image": BATCH["image"][0]})["image"]
    many = pipeline.batch(KEYS, BATCH)["image"]
    np.testing.assert_array_equal(one, many[0])
    assert int(np.asarray(many).min()) < 90
    assert ma.Pipeline.from_dict(pipeline.to_dict()).transforms == pipeline.transforms
