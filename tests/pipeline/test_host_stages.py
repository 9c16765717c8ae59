"""Eager batches on CPUs: stages that are no warps run in place, with the bits of traced code."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import RecordError
from multiaug.testing import compilations
from tests.nightly import by_night

pytestmark = pytest.mark.cpu
SIZE = (20, 30)
COUNT = 5
KEYS = jax.random.split(jax.random.key(4), COUNT)
ENTRIES = {
    "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "dark": {"role": "intensity", "dtype": "uint8", "channels": 1, "invalid": 0},
    "wide": {"role": "intensity", "dtype": "uint16", "channels": 2, "range": [100, 4000]},
    "real": {"role": "intensity", "dtype": "float32", "channels": 4, "range": [-0.3, 1.7]},
    "dead": {"role": "intensity", "dtype": "float32", "channels": 1, "invalid": "nan"},
    "zero": {"role": "intensity", "dtype": "float32", "channels": 1, "invalid": 0, "range": [0, 1]},
    "half": {"role": "intensity", "dtype": "float16", "channels": 1},
    "heat": {"role": "density", "dtype": "float32", "channels": 1},
    "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
    "depth": {"role": "depth", "dtype": "uint16", "invalid": 0},
    "normals": {"role": "direction", "dtype": "float32"},
    "points": {"role": "keypoints", "dtype": "float32", "of": "mask"},
    "boxes": {"role": "boxes", "dtype": "float32", "box_convention": "coco"},
    "target": {"role": "scalar"},
    "class": {"role": "scalar"},
}
MIXED = ("image", "dark", "wide", "real", "dead", "zero", "half", "heat", "mask", "target", "class")


def spec_of(names):
    return ma.DataSpec.from_dict({"name": "much", "entries": {n: ENTRIES[n] for n in names}})


def batch_of(names, count=COUNT, size=SIZE, seed=0):
    rng = np.random.default_rng(seed)
    height, width = size
    shape = (count, height, width)
    dead = rng.random((*shape, 1), np.float32)
    dead[:, ::4, ::3] = np.nan
    zero = rng.random((*shape, 1), np.float32)
    zero[:, ::5, ::2] = 0
    full = {
        "image": rng.integers(0, 256, (*shape, 3), np.uint8),
        "dark": rng.integers(0, 4, (*shape, 1), np.uint8),
        "wide": rng.integers(0, 5000, (*shape, 2), np.uint16),
        "real": rng.random((*shape, 4), np.float32),
        "dead": dead,
        "zero": zero,
        "half": rng.random((*shape, 1)).astype(np.float16),
        "heat": rng.random((*shape, 1), np.float32),
        "mask": rng.integers(0, 4, (count, height // 2, width // 2), np.uint8),
        "depth": rng.integers(1, 9000, shape, np.uint16),
        "normals": np.full((*shape, 3), -1 / np.sqrt(3), np.float32),
        "points": rng.uniform(0, 15, (count, 40, 2)).astype(np.float32),
        "boxes": rng.uniform(1, 12, (count, 30, 4)).astype(np.float32),
        "target": rng.random((count, 2)),
        "class": rng.integers(0, 3, count),
    }
    return {name: full[name] for name in names}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert np.asarray(found[name]).dtype == np.asarray(array).dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


COVERED = ("image", "dark", "dead", "mask", "depth", "points", "boxes")
COVERING = ma.Pipeline(
    [
        ma.OneOf([ma.Erase((0.05, 0.2), fill="mean"), ma.CoarseDropout(3, fill="noise", mask="m")]),
        ma.GridMask((5, 9), degrees=45, fill=0.4, p=0.5),
        ma.GridMask((6, 9), lines=True, fill=0.1, p=0.4),
        ma.ChannelDropout(fill=0.7, p=0.6),
        ma.ModalityDropout(["image", ["depth", "mask"], "points"], 0.3),
    ],
    spec_of(COVERED),
)
MIXING = ma.Pipeline(
    [ma.OneHot("mask", 4), ma.OneHot("class", 3), ma.MixUp(0.8, p=0.7)], spec_of(MIXED)
)
PASTING = ma.Pipeline(
    [
        ma.CutMix(p=0.7),
        ma.Erase((0.1, 0.2), p=0.5),
        ma.Mosaic(p=0.6),
        ma.CopyPaste("mask", depth="depth", p=0.8),
    ],
    spec_of(("image", "mask", "depth", "normals", "target")),
)


@pytest.mark.parametrize(
    "pipeline",
    [COVERING, MIXING, pytest.param(PASTING, marks=by_night)],
    ids=["occlusions", "blends", "pieces"],
)
def test_the_bits_are_those_of_traced_code(pipeline):
    batch = batch_of(pipeline.spec.entries)
    before = {name: array.copy() for name, array in batch.items()}
    found = pipeline.batch(KEYS, batch)
    assert_same(batch, before)
    traced = jax.jit(pipeline.batch)(KEYS, batch)
    changed = {n for n in batch if not np.array_equal(found[n], batch[n], equal_nan=True)}
    assert len(changed) >= 5
    for results in (found, traced):
        results.pop("class", None)  # its 64 bits are JAX's 32 in a trace
    assert_same(found, traced)


def test_without_the_library_the_bits_are_the_same(monkeypatch):
    from multiaug.pipeline.backends import _blend, _fill

    for pipeline in (COVERING, MIXING):
        batch = batch_of(pipeline.spec.entries)
        expected = pipeline.batch(KEYS, batch)
        with monkeypatch.context() as patch:
            for module in (_blend, _fill):
                patch.setattr(module, "library", lambda: None)
            assert_same(pipeline.batch(KEYS, batch), expected)


def test_nothing_is_compiled_for_another_number_of_records():
    names = ("image", "mask", "points")
    pipeline = ma.Pipeline([ma.Erase((0.1, 0.3), p=0.7), ma.OneHot("mask", 4)], spec_of(names))
    mixing = ma.Pipeline([ma.MixUp(0.4, p=0.5)], spec_of(("image", "real", "target")))
    for one in (pipeline, mixing):
        one.batch(KEYS, batch_of(one.spec.entries))
    keys = {n: jax.block_until_ready(jax.random.split(jax.random.key(0), n)) for n in (3, 7)}
    with compilations() as found:
        for count in (3, 7):
            for one in (pipeline, mixing):
                one.batch(keys[count], batch_of(one.spec.entries, count))
    assert found == []


def test_results_go_into_the_memory_of_earlier_ones():
    names = ("image", "mask", "points")
    stages = [ma.Rotate(20), ma.Erase((0.1, 0.3)), ma.Brightness(0.1), ma.OneHot("mask", 4)]
    for pipeline in (
        ma.Pipeline(stages, spec_of(names)),
        ma.Pipeline([ma.Flip(), ma.MixUp(0.4)], spec_of(("image", "real"))),
    ):
        batch = batch_of(pipeline.spec.entries)
        expected = {n: np.array(a) for n, a in pipeline.batch(KEYS, batch).items()}
        # Memory that is not XLA's own is copied once.
        out = pipeline.batch(KEYS, batch, out=pipeline.batch(KEYS, batch))
        places = {n: a.unsafe_buffer_pointer() for n, a in out.items()}
        again = pipeline.batch(KEYS, batch, out=out)
        assert_same(again, expected)
        assert {n: a.unsafe_buffer_pointer() for n, a in again.items()} == places
        with pytest.raises(RecordError, match=r"`out` must be what an earlier call returned"):
            pipeline.batch(KEYS, batch, out={n: a for n, a in again.items() if n != "image"})


@pytest.mark.parametrize("first", [ma.Erase((0.1, 0.3)), ma.CutMix()], ids=["covers", "mixes"])
def test_memory_of_results_behind_a_stage_of_another_size(first):
    """What a stage makes before a crop has another size than the results, which loaders hand in."""
    names = ("image", "mask")
    pipeline = ma.Pipeline([first, ma.Crop((16, 20))], spec_of(names))
    batch = batch_of(pipeline.spec.entries)
    expected = {n: np.array(a) for n, a in pipeline.batch(KEYS, batch).items()}
    out = None
    for _ in range(3):
        out = pipeline.batch(KEYS, batch, out=out)
        assert_same(out, expected)
    whole = ma.Pipeline([first], spec_of(names)).batch(KEYS, batch)
    with pytest.raises(RecordError, match=r"`out` must be what an earlier call returned"):
        pipeline.batch(KEYS, batch, out=whole)


def test_a_run_of_values_leaves_the_rest_alone():
    pipeline = ma.Pipeline([ma.Erase(), ma.Brightness(0.1)], spec_of(("image", "mask", "depth")))
    found = pipeline.explain(SIZE)
    assert [(e.entry, e.resampled, e.values) for e in found.stages[-1].entries] == [
        ("image", None, "native")
    ]
    assert {e.reason for e in found.entries} == {""}
    assert found.resamples == {}


def test_new_scalars_before_geometry_are_results_whose_memory_is_used_again():
    pipeline = ma.Pipeline([ma.OneHot("class", 3), ma.Resize(16)], spec_of(("image", "class")))
    classes = np.arange(COUNT) % 3
    batch = {"image": batch_of(("image",))["image"], "class": classes}
    out = pipeline.batch(KEYS, batch)
    for _ in range(2):
        assert isinstance(out["class_onehot"], jax.Array)
        np.testing.assert_array_equal(out["class_onehot"], np.eye(3)[classes])
        out = pipeline.batch(KEYS, batch, out=out)
    assert out["class"] is classes
