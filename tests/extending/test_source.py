"""A kind of source, added from outside the package: images in files of bytes."""

from pathlib import Path

import numpy as np
import pytest

import multiaug as ma
from multiaug.store import _kinds, _open
from multiaug.testing import check_source

SPEC = ma.DataSpec.from_dict(
    {
        "name": "small",
        "entries": {"image": {"role": "intensity", "dtype": "uint8", "channels": 3}},
    }
)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)


class FrameDumps(ma.RecordSource):
    """Images of 4 x 6 in files of bytes, one for each record."""

    traits = ma.SourceTraits("dumps", "frame dumps", suffixes=(".frame",), folders=True)

    def __init__(self, data, spec, *, channels: int = 3):
        self.files, self.channels = sorted(Path(data).glob("*.frame")), channels
        super().__init__(spec, [file.name for file in self.files], str(data))

    def read_record(self, number):
        values = np.fromfile(self.files[number], np.uint8)
        return {"image": values.reshape(4, 6, self.channels)}

    @property
    def fingerprint(self):
        return "".join(f"{file.name}{file.stat().st_size}" for file in self.files)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(_kinds, "KINDS", known := dict(_kinds.KINDS))
    monkeypatch.setattr(_open, "KINDS", known)
    ma.register_source(FrameDumps)
    for number, image in enumerate(IMAGES):
        image.tofile(tmp_path / f"{number}.frame")
    return tmp_path


def test_it_is_opened_read_and_converted(folder, tmp_path):
    source = ma.open_source(folder, SPEC)
    assert type(source) is FrameDumps
    np.testing.assert_array_equal(source.read([3, 0])["image"], IMAGES[[3, 0]])
    check_source(lambda: ma.open_source(folder, SPEC))
    path = ma.convert(folder, tmp_path / "a.zarr", SPEC, progress=False)
    np.testing.assert_array_equal(ma.open_source(path).read(range(5))["image"], IMAGES)


def test_a_folder_without_records(folder):
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(ma.StoreError, match="there are no records in it"):
        ma.open_source(folder, SPEC, kind="dumps")
