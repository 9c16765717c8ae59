"""Pipelines as JSON: the same bits after a round trip, and errors that name the place."""

import copy
import json

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError, SpecError
from multiaug.testing import compilations, make_record
from multiaug.transforms import from_config, to_config
from tests.contract.cases import CASES
from tests.pipeline.rich import PIPELINES

SPEC = ma.load_spec("rgb-segmentation")
NESTED = ma.Pipeline(
    [
        ma.Maybe(
            [
                ma.OneOf(
                    [
                        ma.Shuffle([ma.Rotate(10), ma.Brightness(0.1, entries="image")]),
                        ma.Affine(np.array([[1, 0.1, 0.3], [0, 0.7, 2]], np.float32)),
                    ],
                    weights=[1, 2],
                ),
                ma.Flip("y", p=0.3),
            ],
            p=0.8,
        ),
        ma.SomeOf([ma.Gamma((0.7, 1.1)), ma.Translate(px=((-1, 2), 3))], k=(0, 2)),
    ],
    SPEC,
)


def through_json(document):
    return json.loads(json.dumps(document, allow_nan=False))


def test_a_nested_pipeline_keeps_its_bits():
    again = ma.Pipeline.from_dict(through_json(NESTED.to_dict()))
    keys = jax.random.split(jax.random.key(3), 8)
    batch = make_record(SPEC, (12, 12), 0, batch=8)
    first = NESTED.batch(keys, batch)
    with compilations() as found:
        second = again.batch(keys, batch)
    assert not [message for message in found if "_run" in message or "draw" in message]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("name", PIPELINES)
def test_documents_of_documents_are_equal(name):
    document = through_json(PIPELINES[name].to_dict())
    again = ma.Pipeline.from_dict(document)
    assert through_json(again.to_dict()) == document
    assert again.spec == PIPELINES[name].spec


@pytest.mark.parametrize("name", CASES)
def test_settings_survive(name):
    config = through_json(to_config(CASES[name]))
    again = from_config(config)
    assert type(again) is type(CASES[name])
    assert through_json(to_config(again)) == config
    assert jax.tree.structure(again) == jax.tree.structure(CASES[name])
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(CASES[name]), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize(
    "transform",
    [
        ma.Rotate(np.float32(30)),
        ma.Scale(np.array([0.5, 2])),
        ma.Shear(np.float64(3)),
        ma.Translate(px=np.int64(4), whole=np.bool_(True)),
        ma.Crop(np.int32(8)),
        ma.Crop(size=np.array([4, 5])),
        ma.Pad(np.int64(2)),
        ma.Rot90(np.int64(1)),
        ma.Rot90([np.int32(1), np.int32(3)]),
        ma.Elastic(np.float32(0.02), np.int64(3)),
        ma.Flip(np.str_("x"), p=np.float32(0.5)),
        ma.GaussianNoise(np.float32(0.1)),
        ma.Normalize(np.float32(0.5), [np.float32(0.2)] * 3),
        ma.Normalize(np.array([0.1, 0.2, 0.3])),
        ma.OneOf([ma.Flip(), ma.Flip("y")], weights=np.array([1.0, 2.0])),
        ma.SomeOf([ma.Flip(), ma.Flip("y")], k=np.int64(1)),
    ],
    ids=lambda transform: transform.owner,
)
def test_numpy_numbers_are_numbers(transform):
    config = through_json(to_config(transform))
    assert through_json(to_config(from_config(config))) == config


DOCUMENT = through_json(NESTED.to_dict())


def edited(change):
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema="multiaug.pipeline/99"), ["$.schema", "multiaug.pipeline/1"]),
        (lambda d: d.pop("schema"), ["$.schema", "None"]),
        (lambda d: d.update(more=1), ["schema", "transforms", "spec", "'more'"]),
        (lambda d: d.pop("spec"), ["`spec`"]),
        (lambda d: d.update(transforms={}), ["`transforms` (a list)"]),
        (lambda d: d["transforms"].append(3), ["$.transforms[2]", '"type"', "3"]),
        (lambda d: d["transforms"].append({"p": 1}), ["$.transforms[2]", '"type"']),
        (
            lambda d: d["transforms"].append({"type": "Rotat", "degrees": 3}),
            ["$.transforms[2].type", "'Rotat'", "Did you mean 'Rotate'?", "imported"],
        ),
        (
            lambda d: d["transforms"][0]["transforms"][0]["transforms"][1].update(type="Fine"),
            ["$.transforms[0].transforms[0].transforms[1].type", "'Fine'"],
        ),
        (
            lambda d: d["transforms"][0]["transforms"][1].update(probability=1),
            ["$.transforms[0].transforms[1]", "'probability'", "axis, p"],
        ),
        (
            lambda d: d["transforms"][0]["transforms"][1].update(p=2),
            ["$.transforms[0].transforms[1]", "Flip.p", "2"],
        ),
        (
            lambda d: d["transforms"][0].update(transforms=[]),
            ["$.transforms[0]", "Maybe.transforms"],
        ),
        (lambda d: d["transforms"].append({"type": "Rotate"}), ["$.transforms[2]", "degrees"]),
        (
            lambda d: d["transforms"].append({"type": "Rotate", "degrees": [5, -5]}),
            ["$.transforms[2]", "Rotate.degrees"],
        ),
        (
            lambda d: d["transforms"].append({"type": "Affine", "matrix": [[1, 0], [0, 1]]}),
            ["$.transforms[2]", "Affine.matrix", "(2, 2)"],
        ),
    ],
)
def test_documents_are_refused_by_place(change, words):
    with pytest.raises(ParameterError) as caught:
        ma.Pipeline.from_dict(edited(change))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_document(document):
    with pytest.raises(ParameterError, match=r"\$\.schema"):
        ma.Pipeline.from_dict(document)


def test_a_wrong_spec_inside_is_a_spec_error():
    def change(document):
        document["spec"]["entries"]["image"]["role"] = "intensty"

    with pytest.raises(SpecError, match=r"(?s)pipeline's spec.*\$\.entries\.image.*intensity"):
        ma.Pipeline.from_dict(edited(change))


def test_documents_keep_the_meaning_that_they_had():
    """`RandomResizedCrop` did not antialias when documents without the key were written."""
    assert ma.RandomResizedCrop(8).antialias
    assert from_config(through_json(to_config(ma.RandomResizedCrop(8)))).antialias
    old = {"type": "RandomResizedCrop", "size": [8, 8]}
    assert not from_config(old).antialias
    assert from_config({**old, "antialias": True}).antialias
    assert from_config({"type": "Resize", "size": [8, 8]}).antialias
