"""Views: each is what its own pipeline makes of the record, whatever the others are."""

import json
import zlib

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError
from multiaug.testing import make_record
from tests.nightly import by_night

SPEC = ma.DataSpec.from_dict(
    {
        "name": "pictures and labels",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
        },
    }
)
LARGE = ma.Pipeline([ma.RandomResizedCrop(12, (0.3, 1)), ma.Flip(), ma.Solarize(p=0.5)], SPEC)
SMALL = ma.Pipeline([ma.RandomResizedCrop(6, (0.05, 0.3)), ma.Flip()], SPEC)
VIEWS = ma.Views({"global": (LARGE, 2), "local": (SMALL, 3)})
SIZE = 5
KEYS = jax.random.split(jax.random.key(4), SIZE)
BATCH = make_record(SPEC, (16, 20), 0, batch=SIZE)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(np.asarray(array), np.asarray(other[name]), err_msg=name)


@pytest.fixture(scope="module")
def out():
    return VIEWS.batch(KEYS, BATCH)


def test_a_view_is_what_its_pipeline_makes_with_its_key(out):
    assert {name: len(views) for name, views in out.items()} == {"global": 2, "local": 3}
    for name, pipeline in VIEWS.pipelines.items():
        for k, view in enumerate(out[name]):
            # The documented key, by JAX itself.
            tag = zlib.crc32(name.encode())
            keys = jax.numpy.stack(
                [jax.random.fold_in(jax.random.fold_in(key, tag), k) for key in KEYS]
            )
            assert_same(view, pipeline.batch(keys, BATCH))


def test_records_alone_are_those_of_the_batch(out):
    record = {name: array[3] for name, array in BATCH.items()}
    alone = VIEWS(KEYS[3], record)
    for name, views in out.items():
        for k, view in enumerate(views):
            assert_same(alone[name][k], {n: np.asarray(a)[3] for n, a in view.items()})


def test_other_views_change_nothing(out):
    fewer = ma.Views({"local": (SMALL, 1), "other": SMALL})
    views = fewer.batch(KEYS, BATCH)
    assert_same(views["local"][0], out["local"][0])
    assert any(not np.array_equal(views["other"][0][n], out["local"][0][n]) for n in BATCH)


def test_views_draw_apart():
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = VIEWS.sample(keys, (16, 20))
    x = [np.asarray(p.values[0]["window"])[:, 0] for p in (*drawn["global"], *drawn["local"])]
    apart = np.corrcoef(x) - np.eye(5)
    assert np.abs(apart).max() < 4 / np.sqrt(4000)


def test_params_and_memory_of_earlier_results(out):
    again = VIEWS.apply(VIEWS.sample(KEYS, (16, 20)), BATCH)
    kept = jax.tree.map(np.array, VIEWS.batch(KEYS, BATCH, out=VIEWS.batch(KEYS, BATCH)))
    for name, views in out.items():
        for k, view in enumerate(views):
            assert_same(view, again[name][k])
            assert_same(view, kept[name][k])


def test_documents(out):
    document = json.dumps(VIEWS.to_dict())
    read = ma.Views.from_dict(json.loads(document))
    assert json.dumps(read.to_dict()) == document
    assert_same(read.batch(KEYS, BATCH)["local"][2], out["local"][2])
    for change, words in (
        ({"schema": "multiaug.pipeline/1"}, r"\$\.schema"),
        ({"views": []}, "views"),
        ({"views": {"a": {"transforms": []}}}, r"\$\.views\.a must hold"),
        ({"views": {"a": {"count": 0, "transforms": []}}}, "at least 1"),
        ({"views": {"a": {"count": 1, "transforms": [{"type": "Flop"}]}}}, r"\$\.views\.a\.trans"),
    ):
        with pytest.raises(ParameterError, match=words):
            ma.Views.from_dict({**VIEWS.to_dict(), **change})


@by_night
def test_traced():
    traced = jax.jit(VIEWS.batch)(KEYS, BATCH)
    assert_same(traced["global"][1], VIEWS.batch(KEYS, BATCH)["global"][1])


def test_refusals():
    other = ma.Pipeline([], ma.load_spec("rgb-segmentation"))
    for views, words in (
        ({}, "a mapping from names"),
        ([LARGE], "a mapping from names"),
        ({"a": 3}, r"views\['a'\]` must be \(pipeline, how many\)"),
        ({"a": (LARGE, 0)}, "at least 1"),
        ({"a": (3, 2)}, "a Pipeline"),
        ({"a": (LARGE, 1), "b": (other, 1)}, "which differ"),
    ):
        with pytest.raises(ParameterError, match=words):
            ma.Views(views)
    with pytest.raises(ParameterError, match="what they have returned"):
        VIEWS.batch(KEYS, BATCH, out={"global": []})


def test_a_loader_hands_out_views():
    source = ma.ArraySource(BATCH, SPEC)
    loader = ma.Loader(source, VIEWS, batch_size=2, seed=7, shuffle="full")
    (first, *_) = list(loader)
    index, copy = np.asarray(first["index"]), np.asarray(first["copy"])
    some = {name: array[index] for name, array in BATCH.items()}
    expected = VIEWS.batch(ma.record_keys(7, 0, index, copy), some)
    assert list(first) == ["global", "local", "index", "copy"]
    for name, views in expected.items():
        for k, view in enumerate(views):
            assert_same(first[name][k], view)
    assert loader.shapes()["local"][2]["image"] == ((6, 6, 3), np.uint8)
    with pytest.raises(ParameterError, match="Views"):
        loader.keras("image")
    with pytest.raises(ParameterError, match="'index'"):
        ma.Loader(source, ma.Views({"index": SMALL}), batch_size=2)
