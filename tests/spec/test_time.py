"""Entries with a leading axis of frames: specs, structure and values."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import RecordError, SpecError
from multiaug.spec import DataSpec, EntrySpec, check_structure, check_values


def entry(**settings) -> EntrySpec:
    return EntrySpec.from_dict("video", {"role": "intensity", "dtype": "uint8", **settings})


def spec_of(**entries) -> DataSpec:
    return DataSpec.from_dict({"name": "test", "entries": entries})


SPEC = spec_of(
    video={"role": "intensity", "dtype": "uint8", "channels": 3, "time": True},
    masks={"role": "label", "dtype": "uint8", "time": 4, "optional": True},
    image={"role": "intensity", "dtype": "uint8", "channels": 3, "optional": True},
    boxes={"role": "boxes", "of": "video", "optional": True},
)


def array(*shape, dtype="uint8"):
    return SimpleNamespace(shape=shape, dtype=np.dtype(dtype))


@pytest.mark.parametrize(
    ("written", "found"), [(True, "any"), (8, 8), (1, 1), (8.0, 8), (False, None), (None, None)]
)
def test_frames_are_any_number_or_so_many(written, found):
    read = entry(**({} if written is None else {"time": written}))
    assert (read.time, type(read.time)) == (found, type(found))
    assert read == EntrySpec.of_role("video", "intensity", dtype="uint8", time=found)
    assert EntrySpec("video", read.groups, time=written).time == found
    document = read.to_dict()
    assert document.get("time") == (True if found == "any" else found)
    assert EntrySpec.from_dict("video", document) == read
    spec = DataSpec("one", [read])
    assert DataSpec.from_dict(spec.to_dict()) == spec == pickle.loads(pickle.dumps(spec))
    assert eval(repr(spec), {"DataSpec": DataSpec}) == spec


def test_any_number_of_frames_is_not_one_frame():
    some, one = entry(time=True), entry(time=1)
    assert some != one
    assert DataSpec("x", [some]) != DataSpec("x", [one])


def test_a_spec_of_images_has_no_frames():
    still = SPEC.of_images()
    assert all(e.time is None for e in still.entries.values())
    assert DataSpec.from_dict(still.to_dict()) == still
    assert still.of_images() is still


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"time": 0}, r"\$.entries.video.time: found 0, expected at least 1"),
        ({"time": -2}, "found -2, expected at least 1"),
        ({"time": 1.5}, "found 1.5, expected true or false or a whole number"),
        ({"time": "any"}, 'found "any", expected true or false or a whole number'),
        ({"role": "keypoints", "time": True, "dtype": "float32"}, "only images have frames"),
        ({"role": "extrinsics", "time": 4, "dtype": "float32"}, "one for each record"),
        ({"role": "scalar", "time": 4, "dtype": "float32"}, "a scalar may have any axes"),
        ({"channels": [{"channels": 3, "time": 2}]}, "it at the entry"),
    ],
)
def test_bad_documents(changed, text):
    with pytest.raises(SpecError, match=text):
        entry(**changed)


@pytest.mark.parametrize("batch", [False, True])
def test_good_structure(batch):
    lead = (5,) * batch
    good = {
        "video": array(*lead, 6, 8, 10, 3),
        "masks": array(*lead, 4, 4, 5),
        "image": array(*lead, 8, 10, 3),
        "boxes": array(*lead, 7, 4, dtype="float32"),
    }
    assert check_structure(SPEC, good, batch=batch) == (8, 10)
    good["masks"] = array(*lead, 4, 8, 10, 1)
    good["video"] = array(*lead, 1, 8, 10, 3)
    assert check_structure(SPEC, good, batch=batch) == (8, 10)


@pytest.mark.parametrize(
    ("batch", "name", "bad", "text"),
    [
        (False, "video", (8, 10, 3), r"\(T, H, W, 3\); it has no axis of frames: add one in front"),
        (True, "video", (2, 8, 10, 3), r"\(N, T, H, W, 3\); it has no axis of frames"),
        (False, "video", (2, 5, 8, 10, 3), "it looks like a batch, but one record"),
        (True, "video", (5, 8, 10), r"found shape \(5, 8, 10\), expected \(N, T, H, W, 3\)"),
        (False, "video", (5, 3, 8, 10), "channels go last"),
        (False, "video", (0, 8, 10, 3), "expected at least one frame"),
        (False, "video", (5, 0, 10, 3), "expected at least one pixel"),
        (False, "masks", (5, 8, 10), r"\(4, H, W\); it has 5 frames: declare \"time\": true"),
        (False, "masks", (8, 10), 'leave "time" out of the spec'),
        (False, "masks", (4, 7, 4), "found 7 x 4 pixels, expected the proportions of video"),
        (False, "image", (5, 8, 10, 3), 'If its first axis counts frames, declare "time": true'),
        (True, "image", (2, 5, 8, 10, 3), 'if its second axis counts frames, declare "time": true'),
    ],
)
def test_bad_structure(batch, name, bad, text):
    lead = (2,) * batch
    record = {"video": array(*lead, 6, 8, 10, 3), name: array(*bad)}
    with pytest.raises(RecordError, match=f"(?s){name}: .*{text}"):
        check_structure(SPEC, record, batch=batch)


def test_channels_first_are_recognised_behind_the_frames():
    spec = spec_of(video={"role": "intensity", "time": True})
    with pytest.raises(RecordError, match=r"np.moveaxis\(array, 2, -1\)"):
        check_structure(spec, {"video": array(2, 5, 3, 64, 64)}, batch=True)


def test_bad_values_are_named_with_their_frame():
    spec = spec_of(
        video={"role": "intensity", "dtype": "float32", "channels": 2, "time": True},
        heat={"role": "density", "dtype": "float32", "channels": 1, "time": True},
    )
    record = {
        "video": np.zeros((3, 4, 5, 2), np.float32),
        "heat": np.zeros((3, 4, 5), np.float32),
    }
    check_values(spec, record, batch=False)
    record["video"][2, 1, 3, 1] = np.nan
    record["heat"][1, 0, 4] = np.inf
    with pytest.raises(RecordError) as caught:
        check_values(spec, record, batch=False)
    assert "video: found nan at frame 2, y 1, x 3, channel 1" in str(caught.value)
    assert "heat: found inf at frame 1, y 0, x 4, channel 0" in str(caught.value)
    batch = {name: values[np.newaxis] for name, values in record.items()}
    with pytest.raises(RecordError, match="record 0, frame 2, y 1, x 3, channel 1"):
        ma.Pipeline([ma.Flip("x")], spec).batch(ma.record_keys(0, 0, np.arange(1)), batch)
