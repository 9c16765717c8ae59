"""Records that are named by number are those that were gathered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import multiaug as ma
from multiaug.errors import RecordError
from multiaug.pipeline import IndexedBatch
from multiaug.testing import make_record

ENTRIES = {
    "image": {"role": "intensity", "dtype": "float32", "channels": 3},
    "bytes": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "half": {"role": "intensity", "dtype": "float16", "channels": 2},
    "mask": {"role": "label", "dtype": "uint8"},
}
SPEC = ma.DataSpec.from_dict({"name": "rows", "entries": ENTRIES})
RECORDS = make_record(SPEC, (14, 18), 3, batch=21)
PIPELINES = {
    "moved": [ma.Rotate(20)],
    "changed": [ma.Rotate(20), ma.Elastic(0.03, 2), ma.Contrast(0.2)],
    "smooth": [ma.Resize((7, 9))],
    "nothing": [],
}


def compare(transforms, names, index):
    pipeline = ma.Pipeline(transforms, ma.DataSpec.from_dict(
        {"name": "some rows", "entries": {n: ENTRIES[n] for n in names}}
    ))  # fmt: skip
    keys = jax.random.split(jax.random.key(1), len(index))
    found = pipeline.batch(keys, {n: IndexedBatch(RECORDS[n], index) for n in names})
    expected = pipeline.batch(keys, {n: RECORDS[n][index] for n in names})
    for name in names:
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(expected[name]), name)


@pytest.mark.parametrize("transforms", PIPELINES.values(), ids=PIPELINES)
@pytest.mark.parametrize(
    "names", [("image", "mask"), ("bytes", "mask"), ("half", "image")], ids=str
)
def test_a_batch_by_number(transforms, names):
    compare(transforms, names, np.array([3, 20, 3, 0, 7]))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=70))
def test_any_numbers(index):
    compare(PIPELINES["moved"], ("image", "mask"), np.array(index))


def test_arrays_of_other_layouts_are_gathered():
    pipeline = ma.Pipeline(PIPELINES["moved"], SPEC)
    index = np.array([3, 20, 3])
    keys = jax.random.split(jax.random.key(1), 3)
    turned = {n: np.flip(a, 2) for n, a in RECORDS.items()}
    found = pipeline.batch(keys, {n: IndexedBatch(a, index) for n, a in turned.items()})
    expected = pipeline.batch(keys, {n: a[index] for n, a in turned.items()})
    for name in RECORDS:
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(expected[name]), name)


def test_errors_name_the_record_of_the_batch():
    bad = RECORDS["image"].copy()
    bad[7, 2, 3, 1] = np.inf
    spec = ma.DataSpec.from_dict({"name": "one", "entries": {"image": ENTRIES["image"]}})
    pipeline = ma.Pipeline(PIPELINES["moved"], spec)
    keys = jax.random.split(jax.random.key(1), 4)
    with pytest.raises(RecordError, match="inf at record 2, y 2, x 3"):
        pipeline.batch(keys, {"image": IndexedBatch(bad, np.array([1, 2, 7, 0]))})
    pipeline.batch(
        keys, {"image": IndexedBatch(bad, np.array([1, 2, 6, 0]))}
    )  # nobody reads the others


@pytest.mark.parametrize("index", [[21], [-1], [0, 5, 30]])
def test_numbers_out_of_range(index):
    with pytest.raises(RecordError, match="0 to 20"):
        IndexedBatch(RECORDS["image"], np.array(index))


def test_it_is_an_array_to_who_asks():
    rows = IndexedBatch(RECORDS["image"], np.array([4, 2]))
    expected = RECORDS["image"][[4, 2]]
    assert (rows.shape, rows.ndim, rows.dtype, len(rows)) == (expected.shape, 4, np.float32, 2)
    assert rows.nbytes == expected.nbytes
    np.testing.assert_array_equal(np.asarray(rows), expected)
    np.testing.assert_array_equal(np.stack(list(rows)), expected)
    np.testing.assert_array_equal(rows[1], expected[1])
    np.testing.assert_array_equal(jnp.asarray(rows[1:]), expected[1:])
