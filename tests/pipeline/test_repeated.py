"""Batches like an earlier one: nothing that depends on the batch is taken for granted."""

import pickle

import jax
import ml_dtypes
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, RecordError
from multiaug.pipeline.backends import _fast_path
from multiaug.pipeline.buffers._outputs import address_of
from multiaug.testing import make_record

SPEC = ma.DataSpec.from_dict(
    {
        "name": "repeated",
        "entries": {
            "rgbxyz": {
                "dtype": "float32",
                "channels": [
                    {"channels": ["r", "g", "b"], "role": "intensity"},
                    {"channels": ["x", "y", "z"], "role": "position", "invalid": "nan"},
                ],
            },
            "mask": {"role": "label", "dtype": "uint8"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            "id": {"role": "scalar", "dtype": "int64"},
        },
    }
)
TRANSFORMS = [ma.Rotate(30), ma.Flip("x")]


def batch_of(count, seed=0, size=(12, 10)):
    return make_record(SPEC, size, seed, batch=count)


def keys_of(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


@pytest.fixture
def pipeline():
    """One that has met a batch of four."""
    known = ma.Pipeline(TRANSFORMS, SPEC)
    known.batch(keys_of(4), batch_of(4))
    return known


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(array), name)


@pytest.mark.parametrize("check", [True, False])
def test_it_is_what_a_new_pipeline_makes(pipeline, check):
    for seed, count in [(1, 4), (2, 4), (3, 40), (4, 40), (5, 4)]:
        case = keys_of(count, seed), batch_of(count, seed)
        fresh = ma.Pipeline(TRANSFORMS, SPEC).batch(*case, check=check)
        assert_same(pipeline.batch(*case, check=check), fresh)


def test_more_sizes_than_are_remembered(pipeline, monkeypatch):
    monkeypatch.setattr(_fast_path, "_MOST", 3)
    for count in range(1, 12, 2):
        case = keys_of(count), batch_of(count)
        again = pipeline.batch(*case)
        assert_same(again, pipeline.batch(*case))
        assert_same({n: a[:1] for n, a in again.items()}, pipeline.batch(keys_of(count)[:1], {
            n: a[:1] for n, a in batch_of(count).items()
        }))  # fmt: skip


def test_what_is_new_is_looked_at(pipeline):
    keys, batch = keys_of(4), batch_of(4)
    with pytest.raises(RecordError, match=r"mask: found dtype int16"):
        pipeline.batch(keys, batch | {"mask": batch["mask"].astype(np.int16)})
    with pytest.raises(RecordError, match=r"mask: found nothing"):
        pipeline.batch(keys, {n: a for n, a in batch.items() if n != "mask"})
    with pytest.raises(RecordError, match=r"mask: found a Python list"):
        pipeline.batch(keys, batch | {"mask": batch["mask"].tolist()})
    with pytest.raises(ParameterError, match=r"one key per record, got 3 keys and 4"):
        pipeline.batch(keys[:3], batch)
    with pytest.raises(ParameterError, match=r"typed key"):
        pipeline.batch(jax.random.key_data(keys), batch)
    with pytest.raises(RecordError, match=r"`out` must be what an earlier call returned"):
        pipeline.batch(keys, batch, out={"mask": batch["mask"]})


@pytest.mark.parametrize(
    ("name", "place", "value", "text"),
    [
        ("rgbxyz", (2, 3, 4, 1), np.nan, r"rgbxyz: found nan at record 2, y 3, x 4, channel g"),
        ("rgbxyz", (1, 0, 0, 5), np.inf, r"rgbxyz: found inf at record 1, y 0, x 0, channel z"),
        ("intrinsics", (3, 0, 0), 0, r"intrinsics: found .* at record 3, expected focal lengths"),
        ("intrinsics", (0, 1, 0), 5, r"intrinsics: found .* at record 0, expected an upper"),
        ("intrinsics", (0, 2, 2), np.nan, r"intrinsics: found nan at record 0"),
    ],
)
def test_values_are_looked_at_every_time(pipeline, name, place, value, text):
    keys, batch = keys_of(4), batch_of(4)
    expected = pipeline.batch(keys, batch)
    bad = batch | {name: batch[name].copy()}
    bad[name][place] = value
    with pytest.raises(RecordError, match=text):
        pipeline.batch(keys, bad)
    pipeline.batch(keys, bad, check=False)
    assert_same(pipeline.batch(keys, batch), expected)


def test_results_have_memory_of_their_own(pipeline):
    held = [pipeline.batch(keys_of(4, s), batch_of(4, s)) for s in range(6)]
    expected = [
        ma.Pipeline(TRANSFORMS, SPEC).batch(keys_of(4, s), batch_of(4, s)) for s in range(6)
    ]
    for found, wanted in zip(held, expected, strict=True):
        assert_same(found, wanted)


def test_values_pass_by(pipeline):
    batch = batch_of(4)
    batch["id"] = np.array([2**40, 1, 2, 3])
    assert pipeline.batch(keys_of(4), batch)["id"] is batch["id"]


def test_it_can_be_pickled_when_it_has_run(pipeline):
    case = keys_of(4, 1), batch_of(4, 1)
    assert_same(pickle.loads(pickle.dumps(pipeline)).batch(*case), pipeline.batch(*case))


def test_inside_a_trace_everything_is_traced(pipeline):
    keys, batch = keys_of(4), {n: a for n, a in batch_of(4).items() if n != "id"}
    spec = ma.DataSpec("traced", [e for e in SPEC.entries.values() if e.name != "id"])
    known = ma.Pipeline(TRANSFORMS, spec)
    expected = known.batch(keys, batch)
    found = jax.jit(lambda: known.batch(keys, batch))()
    np.testing.assert_allclose(found["rgbxyz"], expected["rgbxyz"], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, ml_dtypes.bfloat16, bool, np.int64])
@pytest.mark.parametrize("count", [0, 3])
def test_addresses(dtype, count):
    array = np.zeros((count, 4), dtype)
    assert address_of(array) == array.ctypes.data
    array.flags.writeable = False
    assert address_of(array) == array.ctypes.data
