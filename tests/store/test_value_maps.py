"""What a spec's `values` map, where, and where it is refused; see also tests/your_data."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.checks import inspect_records
from multiaug.errors import ParameterError, RecordError
from multiaug.spec import ChannelGroup, DataSpec, EntrySpec
from multiaug.store import ValueMaps

IMAGE = EntrySpec.of_role("image", "intensity", channels=3)
MAPPED = EntrySpec.of_role("mask", "label", dtype="uint8", ignore=7, values={255: 1, 0: 2})
SPEC = DataSpec("cells", [IMAGE, MAPPED])
STORED = np.array([[0, 1, 2], [7, 254, 255]], np.uint8)
RIGHT = np.array([[2, 1, 2], [7, 254, 1]], np.uint8)


def records(count: int):
    for _ in range(count):
        yield {"image": np.zeros((2, 3, 3), np.uint8), "mask": STORED.copy()}


def test_numbers_are_keys_in_python_and_text_in_json():
    for values in ({255: 1, 0: 2}, {"255": 1, "0": 2}):
        entry = {"role": "label", "values": values}
        spec = DataSpec.from_dict({"name": "n", "entries": {"mask": entry}})
        assert spec.entries["mask"].groups[0].values == ((0, 2), (255, 1))
        assert spec.to_dict()["entries"]["mask"]["values"] == {"0": 2, "255": 1}
    assert ChannelGroup("label", values={255: 1}) == ChannelGroup("label", values=((255, 1),))


def test_only_what_is_named_is_mapped_and_all_at_once():
    array = STORED[None].copy()
    ValueMaps(SPEC).apply({"mask": array})
    np.testing.assert_array_equal(array[0], RIGHT)


@pytest.mark.parametrize("dtype", [bool, np.int16, np.int32])
def test_other_dtypes(dtype):
    spec = DataSpec("n", [EntrySpec.of_role("mask", "label", values={0: 1, 1: 0, -1: 0})])
    stored = np.array([[[0, 1]]], dtype)
    source = ma.open_source({"mask": stored}, spec)
    np.testing.assert_array_equal(source.read([0])["mask"], 1 - stored.astype(int))


def test_a_group_among_others():
    groups = [
        {"role": "label", "channels": ["id"], "values": {"9": 0}},
        {"role": "depth", "channels": ["z"]},
    ]
    entry = {"dtype": "int16", "channels": groups}
    spec = DataSpec.from_dict({"name": "n", "entries": {"both": entry}})
    array = np.full((1, 2, 2, 2), 9, np.int16)
    found = ma.open_source({"both": array}, spec).read([0])["both"]
    assert found[..., 0].max() == 0
    assert found[..., 1].min() == 9


def test_labels_that_the_dtype_cannot_hold():
    spec = DataSpec("n", [EntrySpec.of_role("mask", "label", values={1: 300})])
    source = ma.open_source({"mask": np.ones((1, 2, 2), np.uint8)}, spec)
    with pytest.raises(RecordError, match="'mask' is uint8, which cannot hold the label 300"):
        source.read([0])


def test_records_that_are_written_are_mapped_once(tmp_path):
    path = ma.convert(records(3), tmp_path / "stream.zarr", SPEC)
    written = ma.open_source(path)
    np.testing.assert_array_equal(written.read([2])["mask"][0], RIGHT)
    assert written.spec == SPEC.as_read()
    with pytest.raises(ParameterError, match=r"maps `values` as a source reads them"):
        ma.write_zarr([], SPEC, tmp_path / "w.zarr")
    source = ma.open_source({n: np.stack([r[n] for r in records(3)]) for n in SPEC.entries}, SPEC)
    path = ma.export(source, ma.Pipeline([ma.Flip("x", p=1)], SPEC), tmp_path / "flipped.zarr")
    np.testing.assert_array_equal(ma.open_source(path).read([0])["mask"][0], RIGHT[:, ::-1])
    assert ma.open_source(path).spec == SPEC.as_read()
    again = ma.open_source(path, SPEC)  # what was written is 1, 2, 7 and 254
    again.check(deep=True)  # the digests are those of what is stored


def test_records_that_no_source_has_mapped():
    with pytest.raises(RecordError, match=r"mask: found 0, for which `values` of the spec has 2"):
        inspect_records(SPEC, {"mask": STORED[None]}, origin="the batch")
    inspect_records(SPEC, {"mask": RIGHT[None]}, origin="the batch")
