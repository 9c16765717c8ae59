"""`open_source` and the kinds that it asks: ambiguity, unknown data, kinds of one's own."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, StoreError
from multiaug.store import Candidate, RowSource, Structure, _kinds
from multiaug.testing import check_source
from tests.store import foreign
from tests.store.foreign import RGB, H, W, images, spec_of

SPEC = spec_of(image=RGB)


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.setattr(_kinds, "KINDS", known := dict(_kinds.KINDS))
    for module in ("multiaug.store._open",):
        monkeypatch.setattr(sys.modules[module], "KINDS", known)
    return known


def raw(**changes):
    """A kind of one's own: files of bytes."""

    class RawSource(RowSource):
        traits = ma.SourceTraits(
            **{"name": "raw", "what": "raw dumps", "suffixes": (".raw",), **changes}
        )

        def __init__(self, data, spec, *, width: int = W):
            self.file = data
            count = self.file.stat().st_size // (H * width * 3)
            whole = Structure((count, H, width, 3), np.dtype(np.uint8))
            super().__init__(spec, {"image": whole}, str(data), chunk=2)

        def rows(self, name, start, stop):
            return np.fromfile(self.file, np.uint8).reshape(-1, *self.structure[name].shape)[
                start:stop
            ]

        @property
        def fingerprint(self):
            return str(self.file.stat().st_size)

    return RawSource


@pytest.fixture
def dump(tmp_path):
    images().tofile(tmp_path / "a.raw")
    return tmp_path / "a.raw"


def test_a_kind_of_ones_own(dump, tmp_path):
    with pytest.raises(StoreError, match=r"nor a file of another kind that is read"):
        ma.open_source(dump, SPEC)
    kind = ma.register_source(raw())
    source = ma.open_source(dump, SPEC)
    assert type(source) is kind
    np.testing.assert_array_equal(source.read([9, 0])["image"], images()[[9, 0]])
    check_source(source, pickles=False)  # its class is a local one
    with pytest.raises(ParameterError, match=r"raw dumps have no setting 'height'.*\['width'\]"):
        ma.open_source(dump, SPEC, height=3)
    with pytest.raises(ParameterError, match=r"raw dumps carry no spec"):
        ma.open_source(dump)
    path = ma.convert(dump, tmp_path / "a.zarr", SPEC, progress=False)
    np.testing.assert_array_equal(ma.open_source(path).read(range(10))["image"], images())


def test_the_same_class_again_takes_the_place_and_namesakes_are_refused(dump):
    ma.register_source(raw())
    again = ma.register_source(raw())
    assert type(ma.open_source(dump, SPEC)) is again

    class Other(RowSource):
        traits = ma.SourceTraits("raw", "other dumps")

    with pytest.raises(ParameterError, match=r"'raw' of .*Other has the name of .*RawSource"):
        ma.register_source(Other)
    with pytest.raises(ParameterError, match=r"has the name of one that is registered"):
        ma.register_source(raw(name="zarr"))
    with pytest.raises(ParameterError, match=r"`object.traits` must be SourceTraits, got None"):
        ma.register_source(object)
    with pytest.raises(ParameterError, match=r"must be a kind of source that is registered"):
        ma.register_source(raw(name="inner", within="nothing"))
    with pytest.raises(ParameterError, match=r"suffixes. must begin with a dot"):
        raw(suffixes=("RAW",))


def test_two_kinds_that_recognise_the_same(tmp_path):
    ma.register_source(raw(suffixes=(".h5",), what="dumps of ours"))
    path = foreign.hdf5(tmp_path / "a.h5", image=images())
    said = r"read as HDF5 files and as dumps of ours.*kind='hdf5' or kind='raw'.*Seen: 1 .h5"
    with pytest.raises(StoreError, match=said):
        ma.open_source(path, SPEC)
    assert len(ma.open_source(path, SPEC, kind="hdf5")) == 10
    with pytest.raises(ParameterError, match=r"`open_source.kind` must be one of .*'hdf5'"):
        ma.open_source(path, SPEC, kind="hdf")


def test_a_kind_within_another_goes_before_it(tmp_path):
    inner = raw(name="ours", within="hdf5", suffixes=(".ours.h5",))
    ma.register_source(inner)
    path = tmp_path / "a.ours.h5"
    images().tofile(path)
    assert type(ma.open_source(path, SPEC)) is inner
    other = foreign.hdf5(tmp_path / "b.h5", image=images())
    assert type(ma.open_source(other, SPEC)) is _kinds.KINDS["hdf5"]


def test_what_is_unknown_is_told_with_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    for name in ("a.fancy", "b.fancy", "notes.md"):
        (tmp_path / name).write_bytes(b"x")
    said = (
        r"nothing else that is known. Seen: 2 .fancy, 1 .md. Known are .*"
        r"HDF5 files \(.h5.*pip install 'multiaug\[hdf5\]'.*tar shards"
    )
    with pytest.raises(StoreError, match=said):
        ma.open_source(tmp_path, SPEC)
    with pytest.raises(StoreError, match=r"a.fancy: .*Known are .*folders of images"):
        ma.open_source(tmp_path / "a.fancy", SPEC)
    for data in (tmp_path / "gone", str(tmp_path / "gone.h5"), [tmp_path / "gone.tar"]):
        with pytest.raises(StoreError, match=r"gone.*there is nothing there. Check the path"):
            ma.open_source(data, SPEC)
    with pytest.raises(StoreError, match=r"the files are of several kinds"):
        ma.open_source([tmp_path / "a.fancy", tmp_path / "notes.md"], SPEC)
    with pytest.raises(ParameterError, match=r"`open_source.data` must be a path, a list"):
        ma.open_source(3, SPEC)
    with pytest.raises(ParameterError, match=r"a list of this content is of no kind"):
        ma.open_source([{"image": images()[0]}], SPEC)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("a.h5", "h5py", r"multiaug\[hdf5\]"),
        ("a.parquet", "pyarrow.parquet", r"multiaug\[parquet\]"),
        ("a.nc", "xarray", r"multiaug\[xarray\]"),
        ("a.tif", "tifffile", "tifffile"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch, name, package, extra):
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StoreError, match=rf"{name}: .* are read by .*pip install '?{extra}"):
        ma.open_source(tmp_path / name, SPEC)


@pytest.mark.parametrize("ending", [".tar", ".parquet"])
def test_parts_of_a_data_set_are_not_read_together(tmp_path, ending):
    for name in ("train-000", "train-001", "test-000"):
        (tmp_path / f"{name}{ending}").write_bytes(b"")
    said = rf"holds the parts test, train of a data set.*train\*{ending}"
    with pytest.raises(StoreError, match=said):
        ma.open_source(tmp_path, SPEC)
    assert len(Candidate(f"{tmp_path}/train*{ending}", {}).files) == 2


def test_every_kind_is_in_the_docs_and_every_extra_in_the_project():
    root = Path(__file__).parents[2]
    page = (root / "docs" / "data.md").read_text(encoding="utf-8")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    tested = next(line for line in extras["test"] if line.startswith("multiaug["))
    for name, kind in _kinds.KINDS.items():
        assert f"| `{name}` |" in page
        extra, packages = kind.traits.extra, kind.traits.packages
        if extra:
            assert extra in tested
            assert f"multiaug[{extra}]" in page
            assert extras[extra][0].startswith(packages[0].partition(".")[0])


def test_patterns(tmp_path):
    for number in range(3):
        (tmp_path / f"a-{number:02d}.tar").write_bytes(b"")
    given = Candidate(f"{tmp_path}/a-{{00..02}}.tar", {})
    assert [file.name for file in given.files] == ["a-00.tar", "a-01.tar", "a-02.tar"]
    assert [f.name for f in Candidate(str(tmp_path / "a-*1.tar"), {}).files] == ["a-01.tar"]
    for bad in ("a-{00..03}.tar", "b-*.tar"):
        with pytest.raises(StoreError, match=r"there is no such file. Check the pattern"):
            ma.open_source(tmp_path / bad, SPEC)
