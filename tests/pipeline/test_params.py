"""Params as JSON, and what comes back from the augmented frame with a validity."""

import json

import jax
import numpy as np
import pytest

import multiaug as ma

SPEC = ma.load_spec("rgb-segmentation")
RECORD = {"image": np.full((32, 32, 3), 7, np.uint8), "mask": np.ones((32, 32), np.uint8)}


def same(one, other):
    """Equal to the bit, with the same structure and dtypes."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b))
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def by_json(params):
    return ma.RecordParams.from_dict(json.loads(json.dumps(params.to_dict(), allow_nan=False)))


@pytest.mark.parametrize("count", [None, 3])
def test_params_come_back_to_the_bit(count):
    pipeline = ma.Pipeline(
        [ma.Rotate(30), ma.OneOf([ma.Elastic(0.02, 4), ma.Maybe(ma.Brightness(0.2))])], SPEC
    )
    key = jax.random.key(5)
    params = pipeline.sample(key if count is None else jax.random.split(key, count), (32, 32))
    back = by_json(params)
    same(back, params)
    assert back.batched == (count is not None)


def test_numbers_without_a_spelling_in_json_come_back():
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 0.1], np.float32)
    values = ({"x": odd, "y": ({"z": odd.astype(np.float64)[:0]}, {})}, {})
    params = ma.RecordParams(values, np.array([1, 2**32 - 1], np.uint32), (4, 5), (6, 7))
    same(by_json(params), params)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "other"}, r"\$.schema must be"),
        ({"values": None}, "`values` a list"),
        ({"more": 1}, "must hold in_shape, key"),
        ({"in_shape": [3]}, r"\$.in_shape must be \[height, width\]"),
        ({"key": 3}, r"\$.key must be an array"),
        ({"key": {"dtype": "U9", "shape": [], "data": 0}}, r"\$.key.dtype must be one of bool"),
        (
            {"values": [{"x": {"dtype": "float32", "shape": [3], "data": [1]}}]},
            r"\[0\].x must hold",
        ),
    ],
)
def test_documents_that_are_none(change, words):
    params = ma.RecordParams((), np.zeros(2, np.uint32), (4, 5), (4, 5))
    with pytest.raises(ma.ParameterError, match=words):
        ma.RecordParams.from_dict(params.to_dict() | change)
    with pytest.raises(ma.ParameterError, match="schema"):
        ma.RecordParams.from_dict(None)


def test_traced_params_are_not_written():
    params = ma.RecordParams((), np.zeros(2, np.uint32), (4, 5), (4, 5))
    with pytest.raises(ma.ParameterError, match="outside of jit"):
        jax.jit(lambda p: p.to_dict())(params)


def test_inverted_entries_say_where_they_are_known():
    """A crop of 20 x 20 brings 400 pixels back, and of logits the same ones."""
    pipeline = ma.Pipeline([ma.Crop(20)], SPEC)
    params = pipeline.sample(jax.random.key(0), (32, 32))
    out = pipeline.apply(params, RECORD)
    back = {n: np.asarray(a) for n, a in pipeline.invert(params, out, validity=True).items()}
    assert sorted(back) == ["image", "image_valid", "mask", "mask_valid"]
    assert back["mask_valid"].dtype == bool
    assert back["mask_valid"].sum() == 400
    np.testing.assert_array_equal(back["mask_valid"], back["image_valid"])
    np.testing.assert_array_equal(back["mask_valid"], (back["image"] == 7).all(-1))
    logits = {"mask": np.zeros((20, 20, 5), np.float32)}
    scores = pipeline.invert(params, logits, roles={"mask": "intensity"}, validity=True)
    assert sorted(scores) == ["mask", "mask_valid"]
    np.testing.assert_array_equal(scores["mask_valid"], back["mask_valid"])
