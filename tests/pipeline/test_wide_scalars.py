"""Scalars of 64 bits: ids, labels and times keep their values wherever they go."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import RecordError
from multiaug.spec import EntrySpec
from multiaug.transforms import Deriving, transform

KEYS = jax.random.split(jax.random.key(3), 2)
IDS = 2**40 + np.arange(10, dtype=np.int64).reshape(2, 5)
TIMES = np.float64([1.7e9 + 0.25, 1.7e9 + 1.125])
BOXES = np.float32([[0, 0, 8, 8], [1, 1, 9, 9], [2, 2, 3, 3], [np.nan] * 4, [np.nan] * 4])


def spec_of(**more):
    rows = {"capacity": 12, "of": "boxes", "role": "scalar"}
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 1, **more},
        "boxes": {"role": "boxes", "dtype": "float32", "capacity": 12},
        "ids": {**rows, "dtype": "int64"},
        "seen": {**rows, "dtype": "float64"},
        "time": {"role": "scalar", "dtype": "float64"},
        "number": {"role": "scalar", "dtype": "int64"},
    }
    return ma.DataSpec.from_dict({"name": "ids", "entries": entries})


def record_of(shape=(16, 16, 1)):
    return {
        "image": np.zeros((2, *shape), np.uint8),
        "boxes": np.repeat(BOXES[None], 2, 0),
        "ids": IDS.copy(),
        "seen": TIMES[:, None] + np.arange(5) / 8,
        "time": TIMES.copy(),
        "number": np.int64([2**50, -(2**50)]),
    }


FILTERS = ma.FilterBoxes(labels=["ids", "seen"], min_area=4)


@pytest.fixture(scope="module")
def filtering():
    return ma.Pipeline([FILTERS], spec_of())


def test_filtered_rows_keep_their_values(filtering):
    record = record_of()
    expected = np.full((2, 12), -1)
    expected[:, :2] = IDS[:, :2]
    out = filtering.batch(KEYS, record)
    for result in (out, filtering.batch(KEYS, record, out=out)):
        assert result["ids"].dtype == np.int64
        np.testing.assert_array_equal(result["ids"], expected)
        assert result["seen"].dtype == np.float64
        np.testing.assert_array_equal(result["seen"][:, :2], record["seen"][:, :2])
        assert np.isnan(result["seen"][:, 2:]).all()
        np.testing.assert_array_equal(result["number"], record["number"])
    one = filtering(KEYS[0], {n: a[0] for n, a in record.items()})
    assert one["ids"].tolist() == expected[0].tolist()


@pytest.mark.parametrize("shape", [(16, 16, 1), (2, 16, 16, 1)], ids=["host", "xla"])
def test_rows_of_several_records_keep_their_values(shape):
    # XLA runs what has an axis of time, as it does all on accelerators.
    spec = spec_of(**({"time": 2} if len(shape) == 4 else {}))
    mosaic = ma.Mosaic(keep=["number", "time"])
    out = ma.Pipeline([mosaic, FILTERS], spec).batch(KEYS, record_of(shape))
    assert out["ids"].dtype == np.int64
    there = np.asarray(out["boxes_valid"])
    assert there.any()
    assert set(out["ids"][there].tolist()) <= set(IDS[:, :2].ravel().tolist())
    assert (out["ids"][~there] == -1).all()
    assert np.isnan(out["seen"][~there]).all()
    # The number of a row and the time of a row are those of one row.
    row, column = np.divmod(out["ids"][there] - 2**40, 5)
    np.testing.assert_array_equal(out["seen"][there], record_of()["seen"][row, column])
    np.testing.assert_array_equal(out["number"], record_of()["number"])


def test_records_of_several_sizes_keep_them():
    image = {"image": {"role": "intensity", "dtype": "uint8", "channels": 1}}
    table = {"points": {"role": "keypoints", "dtype": "float32", "mirror_pairs": [[0, 1]]}}
    table["ids"] = {"role": "scalar", "dtype": "int64", "of": "points"}
    points = np.float32([[1, 2], [3, 4]])
    records = [
        {"image": np.zeros((side, side, 1), np.uint8), "points": points, "ids": IDS[0, :2]}
        for side in (16, 24)
    ]
    spec = ma.DataSpec.from_dict({"name": "sizes", "entries": image | table})
    # In native code as they are, and size by size where something stands between.
    for more in ([], [ma.GaussianBlur(1.0)]):
        pipeline = ma.Pipeline([ma.Crop((16, 16)), ma.Flip("x", p=1.0), *more], spec)
        out = pipeline.batch(KEYS, records)
        assert np.asarray(out["points_mirrored"]).all()
        assert out["ids"].dtype == np.int64
        np.testing.assert_array_equal(out["ids"], [IDS[0, 1::-1]] * 2)


def test_a_loader_keeps_them(filtering):
    source = ma.open_source(record_of(), spec=spec_of())
    (batch,) = ma.Loader(source, filtering, batch_size=2, seed=1, shuffle=None)
    assert batch["ids"].dtype == np.int64
    np.testing.assert_array_equal(batch["ids"][:, :2], IDS[:, :2])


def test_ids_of_a_trace_that_do_not_fit_are_refused(filtering):
    record = record_of()

    def run(image):
        return filtering.batch(KEYS, record | {"image": image})["ids"]

    with pytest.raises(RecordError, match=rf"`FilterBoxes` .*'ids'.* got {2**40}\. Number them"):
        jax.eval_shape(run, record["image"])
    record["ids"] = IDS - 2**40
    assert jax.eval_shape(run, record["image"]).shape == (2, 12)


@transform
class Doubled(Deriving):
    """Twice the number, in JAX."""

    @property
    def sources(self):
        return frozenset({"number"})

    def out_spec(self, spec):
        made = EntrySpec.of_role("doubled", "scalar")
        return ma.DataSpec(spec.name, [*spec.entries.values(), made], spec.camera)

    def derive(self, spec, batch):
        return {"doubled": 2 * batch["number"]}


def test_what_jax_cannot_compute_with_is_refused():
    pipeline = ma.Pipeline([Doubled()], spec_of())
    with pytest.raises(RecordError, match=rf"`Doubled` .*'number'.* got {2**50}\. Number them"):
        pipeline.batch(KEYS, record_of())
    record = record_of() | {"number": np.int64([3, -4])}
    out = pipeline.batch(KEYS, record)
    assert np.asarray(out["doubled"]).tolist() == [6, -8]
    assert out["number"].dtype == np.int64
