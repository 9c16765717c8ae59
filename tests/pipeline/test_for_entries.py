"""Geometry of some images only: what belongs to them follows, all others stay to the bit."""

import json

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.testing import make_record
from tests.nightly import by_night

SPEC = ma.DataSpec.from_dict(
    {
        "name": "two cameras",
        "entries": {
            "base": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "wrist": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8"},
            "held": {"role": "keypoints", "dtype": "float32", "of": "wrist"},
            "seen": {"role": "keypoints", "dtype": "float32"},
            "k": {"role": "intrinsics", "dtype": "float32", "of": "base"},
            "xyz": {"role": "position", "dtype": "float32"},
        },
    }
)
BASE = ("base", "xyz")
STEPS = [ma.Crop((18, 22)), ma.Resize((20, 24)), ma.Rotate(25), ma.Brightness(0.2)]
COUNT = 5
KEYS = jax.random.split(jax.random.key(0), COUNT)


@pytest.fixture(scope="module")
def batch():
    return make_record(SPEC, (20, 24), 0, batch=COUNT, half=("wrist", "mask"))


def as_numpy(record):
    return {name: np.asarray(array) for name, array in record.items()}


@pytest.fixture(scope="module")
def moved(batch):
    """A pipeline, its params, and what comes out."""
    pipeline = ma.Pipeline([ma.ForEntries(BASE, STEPS), ma.ForEntries("wrist", ma.Flip("x"))], SPEC)
    assert json.dumps(pipeline.to_dict()) == json.dumps(
        ma.Pipeline.from_dict(json.loads(json.dumps(pipeline.to_dict()))).to_dict()
    )
    params = pipeline.sample(KEYS, (20, 24))
    return pipeline, params, as_numpy(pipeline.batch(KEYS, batch))


def test_what_belongs_to_the_images_is_what_a_pipeline_makes_of_them_alone(moved, batch):
    _, params, out = moved
    mine = ("base", "seen", "k", "xyz")
    alone = ma.Pipeline(STEPS, ma.DataSpec("alone", [SPEC.entries[n] for n in mine]))
    values = params.values[0]["children"]
    drawn = ma.RecordParams(values, params.key, (20, 24), (20, 24))
    want = as_numpy(alone.apply(drawn, {n: batch[n] for n in mine}))
    assert (want["base"] != batch["base"]).mean() > 0.5
    for name in (*mine, "seen_visible"):
        if name in ("k", "xyz"):  # the stage before it, of nothing, may round
            np.testing.assert_allclose(out[name], want[name], rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(out[name], want[name], err_msg=name)


def test_all_others_stay(moved, batch):
    _, params, out = moved
    np.testing.assert_array_equal(out["mask"], batch["mask"])
    flipped = np.asarray(params.values[1]["children"][0]["on"])
    assert 0 < flipped.sum() < COUNT
    for i, on in enumerate(flipped):
        want = batch["wrist"][i, :, ::-1] if on else batch["wrist"][i]
        np.testing.assert_array_equal(out["wrist"][i], want)
        x = 11 - batch["held"][i, :, 0] if on else batch["held"][i, :, 0]
        np.testing.assert_allclose(out["held"][i, :, 0], x, atol=1e-4)


@by_night
def test_the_way_back_and_one_record(moved, batch):
    pipeline, params, out = moved
    back = as_numpy(pipeline.invert(params, {n: out[n] for n in ("seen", "held", "wrist", "mask")}))
    for name in ("seen", "held", "wrist", "mask"):
        np.testing.assert_allclose(back[name], batch[name], atol=2e-3)
    alone = as_numpy(pipeline(KEYS[2], {n: a[2] for n, a in batch.items()}))
    for name in ("base", "wrist", "held"):
        np.testing.assert_array_equal(alone[name], out[name][2])


def test_it_is_explained(moved, batch):
    found = moved[0].explain((20, 24), like={n: a[0] for n, a in batch.items()})
    stages = [
        [e.entry for e in s.entries if e.resampled in ("native", "xla")] for s in found.stages
    ]
    assert stages[-2:] == [["base", "xyz"], ["wrist"]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ma.ForEntries((), ma.Flip()), "at least one image"),
        (lambda: ma.ForEntries("other", ma.Flip()), "must name entries of the spec, got 'other'"),
        (lambda: ma.ForEntries("seen", ma.Flip()), "must name images, got 'seen'"),
        (lambda: ma.ForEntries("base", ma.Crop(8)), r"leave the frame of 20 x 24.*Add Resize"),
        (lambda: ma.ForEntries("base", ma.Erase()), "got Erase. Put it outside"),
        (lambda: ma.ForEntries("base", ma.GaussianNoise()), "got GaussianNoise. Put it"),
        (lambda: ma.Maybe(ma.ForEntries("base", ma.Flip())), "must stand outside of Maybe"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        ma.Pipeline([make()], SPEC).sample(KEYS[0], (20, 24))


def test_clouds_of_others_do_not_mind_an_elastic():
    pipeline = ma.Pipeline([ma.ForEntries("wrist", ma.Elastic(0.02))], SPEC)
    with pytest.raises(ParameterError, match="cannot move the entry 'xyz'"):
        ma.Pipeline([ma.ForEntries(BASE, ma.Elastic(0.02))], SPEC)
    assert pipeline.spec is SPEC
