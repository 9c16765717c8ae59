""".npy files as sources."""

import pickle

import numpy as np
import pytest

from multiaug.errors import ParameterError, RecordError, StoreError
from multiaug.spec import DataSpec
from multiaug.store import NpySource, open_source


@pytest.fixture
def folder(tmp_path, records):
    for name, array in records(10).items():
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


def test_a_folder_and_a_mapping(folder, spec, records):
    for data in (folder, {name: folder / f"{name}.npy" for name in records(10)}):
        source = open_source(data, spec)
        assert isinstance(source, NpySource)
        for name, array in source.read([7, 0]).items():
            np.testing.assert_array_equal(array, records(10)[name][[7, 0]])
        again = pickle.loads(pickle.dumps(source))
        assert again.fingerprint == source.fingerprint
        assert len(pickle.dumps(source)) < 4000


def test_channels_first(tmp_path):
    spec = DataSpec.from_dict(
        {"name": "four", "entries": {"image": {"role": "intensity", "channels": 4}}}
    )
    stored = np.random.default_rng(0).integers(0, 256, (20, 4, 10, 10), np.uint8)
    np.save(tmp_path / "four.npy", stored)
    with pytest.raises(RecordError, match=r"found shape \(20, 4, 10, 10\)"):
        open_source(tmp_path / "four.npy", spec)
    source = open_source(tmp_path / "four.npy", spec, channels="first")
    assert source.structure["image"].shape == (10, 10, 4)
    np.testing.assert_array_equal(source.read([3])["image"][0], np.moveaxis(stored[3], 0, -1))
    out = {"image": np.empty((4, 10, 10, 4), np.uint8)}
    source.read_range(2, 6, out)
    np.testing.assert_array_equal(out["image"], np.moveaxis(stored[2:6], 1, -1))


def test_fingerprints(folder, spec, records):
    before = open_source(folder, spec).fingerprint
    np.save(folder / "mask.npy", records(10)["mask"] + 1)
    assert open_source(folder, spec).fingerprint != before


def test_what_is_refused(folder, spec):
    content = (folder / "image.npy").read_bytes()
    for bad in (content[:-1], content[:20], b"", b"no array"):
        (folder / "image.npy").write_bytes(bad)
        with pytest.raises(StoreError, match=r"image.npy cannot be read as .npy"):
            open_source(folder, spec)
    np.save(folder / "image.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(StoreError, match="without pickled objects"):
        open_source(folder, spec)
    (folder / "image.npy").unlink()
    with pytest.raises(StoreError, match=r"image.npy is not there"):
        open_source(folder, spec)
    with pytest.raises(ParameterError, match="one file cannot hold"):
        open_source(folder / "depth.npy", spec)
    with pytest.raises(ParameterError, match="'last' or 'first'"):
        NpySource(folder, spec, channels="middle")
    with pytest.raises(ParameterError, match="have no setting 'on_missing'"):
        open_source(folder, spec, on_missing="fill")
