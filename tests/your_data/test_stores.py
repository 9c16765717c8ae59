"""Stores of others, other files and sources of one's own: what is understood and refused."""

import asyncio
import base64
import json
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import TransposeCodec
from zarr.storage import MemoryStore, WrapperStore

import multiaug as ma
from multiaug.errors import CorruptChunkError, MultiaugWarning, RecordError, StoreError
from multiaug.store import Block

GREY = {"role": "intensity", "channels": 1}


def spec_of(**entries) -> ma.DataSpec:
    return ma.DataSpec.from_dict({"name": "mine", "entries": entries})


def store_of(path: Path, version: int = 3, attributes=None, **arrays) -> Path:
    """A group as others write it; attributes are of every array."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    for name, values in arrays.items():
        settings = {"config": {"write_empty_chunks": True}, "chunks": (2, *values.shape[1:])}
        group.create_array(name, data=values, **settings).attrs.update(attributes or {})
    return path


def read(path, spec, **settings) -> np.ndarray:
    return ma.open_source(path, spec, **settings).read([0, 1, 2, 3])["image"]


STORED = np.arange(48, dtype=np.int16).reshape(4, 3, 4)
HOLED = np.where(STORED == 5, np.int16(-32768), STORED)
KELVIN = {"scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
NAN = {**GREY, "invalid": "nan"}


@pytest.mark.row("`scale_factor`, `add_offset`")
@pytest.mark.parametrize("version", [2, 3])
def test_packed_numbers(tmp_path, version):
    path = store_of(tmp_path / "a", version, KELVIN, image=HOLED)
    expected = np.where(HOLED == -32768, np.nan, STORED * 0.01 + 280.0).astype(np.float32)
    source = ma.open_source(path, spec_of(image=NAN))
    np.testing.assert_array_equal(source.read(range(4))["image"], expected)
    scanned = np.concatenate([block["image"].copy() for block in source.scan()])
    np.testing.assert_array_equal(scanned, expected)
    np.testing.assert_array_equal(source.read([3, 0])["image"], expected[[3, 0]])
    fitted = ma.fit(source, ma.Moments(), progress=False)["image"].moments
    np.testing.assert_allclose(fitted.channel_mean()[0], np.nanmean(expected), rtol=1e-6)
    assert source.fingerprint != ma.open_source(
        store_of(tmp_path / "b", version, KELVIN | {"add_offset": 0.0}, image=HOLED),
        spec_of(image=NAN),
    ).fingerprint  # fmt: skip


def test_packed_numbers_that_are_wanted_as_they_are(tmp_path):
    path = store_of(tmp_path / "a", 3, {"scale_factor": 0.0001}, image=STORED)
    with pytest.warns(MultiaugWarning, match="the spec declares int16, so they are read as they"):
        found = read(path, spec_of(image={**GREY, "dtype": "int16"}))
    np.testing.assert_array_equal(found, STORED)
    with pytest.raises(RecordError, match="values of label cannot be float32"):
        ma.open_source(path, spec_of(image={"role": "label"}))


@pytest.mark.row("`_FillValue`, `missing_value`, `valid_range`")
def test_marks_of_no_data(tmp_path):
    base = base64.b64encode(struct.pack("<d", -9999.0)).decode()  # xarray in zarr version 3
    floats = np.where(STORED == 5, -9999, STORED).astype(np.float32)
    expected = np.where(STORED == 5, np.nan, STORED).astype(np.float32)
    for attributes in ({"_FillValue": base}, {"missing_value": [-9999.0]}, {"valid_min": 0}):
        path = store_of(tmp_path / "a", 3, attributes, image=floats)
        np.testing.assert_array_equal(read(path, spec_of(image=NAN)), expected)
        with pytest.raises(RecordError, match=r"record 0 of 'image' holds -9999.0.*\"invalid\": "):
            read(path, spec_of(image=GREY))
    # Of integers, into the number that the spec declares; or the label that is ignored.
    path = store_of(tmp_path / "a", 3, {"_FillValue": -32768, "valid_range": [0, 40]}, image=HOLED)
    found = read(path, spec_of(image={**GREY, "invalid": -1}))
    np.testing.assert_array_equal(found, np.where((HOLED < 0) | (HOLED > 40), -1, HOLED))
    path = store_of(tmp_path / "a", 3, {"_FillValue": 5}, image=STORED.astype(np.uint8))
    mask = spec_of(image={"role": "label", "ignore": 255})
    np.testing.assert_array_equal(read(path, mask), np.where(STORED == 5, 255, STORED))


def test_marks_that_say_nothing_new(tmp_path):
    """No refusal, no warning and no detour for data that are fine."""
    for attributes, values, entry in (
        ({"_FillValue": float("nan")}, STORED.astype(np.float32), GREY),
        ({"_FillValue": -32768}, HOLED, {**GREY, "invalid": -32768}),
        ({"units": "K", "long_name": "t", "valid_range": [0, 99]}, STORED, GREY),
        ({"scale_factor": 1, "add_offset": 0}, STORED, GREY),
        ({"_FillValue": 99}, STORED, GREY),  # it does not occur
    ):
        path = store_of(tmp_path / "a", 3, attributes, image=values)
        np.testing.assert_array_equal(read(path, spec_of(image=entry)), values)
    with pytest.raises(StoreError, match="scale_factor must be one finite number"):
        read(
            store_of(tmp_path / "a", 3, {"scale_factor": [1, 2]}, image=STORED), spec_of(image=NAN)
        )


def test_unsigned_and_fill_value_of_version_2(tmp_path):
    path = store_of(tmp_path / "a", 3, {"_Unsigned": "true"}, image=np.full((4, 2, 2), -1, np.int8))
    assert read(path, spec_of(image={**GREY, "dtype": "uint8"})).max() == 255
    group = zarr.open_group(tmp_path / "b", mode="w", zarr_format=2)
    made = group.create_array("image", shape=(4, 2, 2), dtype="f4", chunks=(1, 2, 2), fill_value=-1)
    made[1:] = 3
    made.attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
    found = read(tmp_path / "b", spec_of(image=NAN), on_missing="fill")
    assert np.isnan(found[0]).all()
    assert (found[1:] == 3).all()


def test_units_of_angles(tmp_path):
    angles = np.zeros((4, 2, 2), np.float32)
    path = store_of(tmp_path / "a", 3, {"units": "radians"}, image=angles)
    with pytest.raises(RecordError, match='Declare "unit": "radians"'):
        ma.open_source(path, spec_of(image={"role": "orientation", "channels": 1}))
    ma.open_source(path, spec_of(image={"role": "orientation", "channels": 1, "unit": "radians"}))


@pytest.mark.row("axes in another order: (T, C, H, W), (H, W, T)")
@pytest.mark.parametrize("version", [2, 3])
def test_axes(tmp_path, version):
    values = np.zeros((4, 3, 6, 5), np.uint8)
    rgb = spec_of(image={"role": "intensity", "channels": 3})
    with pytest.raises(RecordError, match=r"looks like \(N, C, H, W\), channels first"):
        ma.open_source(store_of(tmp_path / "a", version, image=values), rgb)
    loose = spec_of(image={"role": "intensity"})
    for names, shape in (
        (["time", "band", "y", "x"], (4, 3, 6, 5)),
        (["lat", "lon", "time"], (6, 5, 4)),
        (["band", "y", "x"], (3, 6, 5)),
    ):
        attributes = {"_ARRAY_DIMENSIONS": names}
        path = store_of(tmp_path / "a", version, attributes, image=np.zeros(shape, np.uint8))
        with pytest.raises(RecordError, match=rf"the axes of 'image' are \({names[0]}, {names[1]}"):
            ma.open_source(path, loose)
    attributes = {"_ARRAY_DIMENSIONS": ["time", "y", "x", "band"]}
    path = store_of(tmp_path / "a", version, attributes, image=np.zeros((4, 6, 5, 3), np.uint8))
    assert len(ma.open_source(path, rgb)) == 4


@pytest.mark.row("clips, (N, T, H, W, C)")
def test_clips_are_entries_with_frames(tmp_path):
    clips = np.arange(4 * 2 * 3 * 4 * 1, dtype=np.uint8).reshape(4, 2, 3, 4, 1)
    path = store_of(tmp_path / "clips.zarr", image=clips)
    with pytest.raises(RecordError, match=r'second axis counts frames, declare "time": true'):
        read(path, spec_of(image=GREY))
    for time_ in (True, 2):
        np.testing.assert_array_equal(read(path, spec_of(image={**GREY, "time": time_})), clips)
    with pytest.raises(RecordError, match=r"expected \(N, 3, H, W, 1\).*; it has 2 frames"):
        read(path, spec_of(image={**GREY, "time": 3}))


@pytest.mark.row("arrays of dates, text, objects, complex numbers")
def test_arrays_that_are_no_numbers(tmp_path):
    for values, kind in (
        (STORED.astype("M8[s]"), "dates"),
        (STORED.astype(complex), "complex numbers"),
        (STORED.astype("S3"), "bytes"),
        (np.zeros((4, 3, 4), [("r", "u1"), ("g", "u1")]), "structured values"),
    ):
        path = store_of(tmp_path / "a", 2, image=values)
        with pytest.raises(RecordError, match=f"'image' holds {kind}"):
            ma.open_source(path, spec_of(image=GREY))


@pytest.mark.row("times and coordinates beside the data")
def test_coordinates_are_left_alone(tmp_path):
    path = store_of(tmp_path / "a", 2, image=STORED, time=np.arange(4), lat=np.arange(3.0))
    source = ma.open_source(path, spec_of(image=GREY))
    assert set(source.read([0])) == {"image"}
    assert "left alone: ['lat', 'time']" in repr(source)
    two = spec_of(image=GREY, mask={"role": "label", "optional": True})
    store_of(tmp_path / "a", 2, image=STORED, masks=STORED)
    with pytest.warns(MultiaugWarning, match=r"no 'mask', which is optional.*\['masks'\]"):
        ma.open_source(path, two)
    store_of(tmp_path / "a", 2, image=STORED, time=np.arange(4))
    ma.open_source(path, two)  # nothing there that could be meant


@pytest.mark.row("consolidated metadata")
def test_consolidated_metadata_that_are_old(tmp_path):
    path = store_of(tmp_path / "a", 2, image=STORED[:2], mask=STORED)
    zarr.consolidate_metadata(path, zarr_format=2)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    group["image"].resize((4, 3, 4))
    group["image"][2:] = STORED[2:]
    np.testing.assert_array_equal(read(path, spec_of(image=GREY)), STORED)
    shutil.rmtree(path / "mask")  # still listed
    with pytest.raises(StoreError, match="there is no array 'mask'"):
        ma.open_source(path, spec_of(image=GREY, mask={"role": "label"}))


@pytest.mark.row(".npz, .mat, TFRecord, LMDB, .las, one picture")
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a.npz", r"dict\(numpy.load\(path\)\)"),
        ("a.mat", r"file\['image'\]\[:\].*kind='hdf5'"),
        ("a.tfrecord", "multiaug.convert"),
        ("a.las", "Project the points"),
        ("a.zip", "ZipStore"),
        ("a.png", "Give the folder"),
        ("a.unheard", "nor a file of another kind that is read"),
    ],
)
def test_files_of_other_kinds(tmp_path, name, remedy):
    (tmp_path / name).write_bytes(b"some")
    with pytest.raises(StoreError, match=remedy):
        ma.open_source(tmp_path / name, spec_of(image=GREY))


@pytest.mark.row("`.npy` in Fortran order")
def test_npy(tmp_path):
    np.save(tmp_path / "image.npy", np.asfortranarray(STORED))
    found = ma.open_source(tmp_path / "image.npy", spec_of(image=GREY)).read(range(4))["image"]
    np.testing.assert_array_equal(found, STORED)
    np.save(tmp_path / "image.npy", STORED.astype(object), allow_pickle=True)
    with pytest.raises(StoreError, match="without pickled objects"):
        ma.open_source(tmp_path / "image.npy", spec_of(image=GREY))


HEADER = (
    "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 4\nHEIGHT 3\n"
    "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 12\nDATA ascii\n"
)
POINTS = [f"{i % 4 - 1.5} {i // 4 - 1} 2" for i in range(12)]
XYZ = {"role": "position", "channels": ["x", "y", "z"]}


def cloud(folder: Path, header: str = HEADER, points=POINTS, name: str = "a.pcd") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(header + "\n".join(points) + "\n")
    return folder


@pytest.mark.row("`.PCD`, `TYPE f`, `COUNT 0`")
def test_pcd_as_others_write_it(tmp_path):
    expected = np.array([row.split() for row in POINTS], np.float32).reshape(3, 4, 3)
    padded = HEADER.replace("x y z\n", "x y z _\n").replace("4 4 4\n", "4 4 4 1\n")
    padded = padded.replace("F F F\n", "F F F U\n").replace("1 1 1\n", "1 1 1 0\n")
    cloud(tmp_path / "d", name="a.PCD")
    cloud(tmp_path / "d", HEADER.replace("F F F", "f f f"), name="b.pcd")
    cloud(tmp_path / "d", padded, name="c.pcd")
    cloud(tmp_path / "d", HEADER.replace("x y z", "X Y Z"), name="d.pcd")
    (tmp_path / "d" / "._a.pcd").write_bytes(b"\0\5\26\7")
    found = ma.open_source(tmp_path / "d", spec_of(xyz=XYZ)).read(range(4))["xyz"]
    np.testing.assert_array_equal(found, np.stack([expected] * 4))


def test_pcd_padding_is_no_field_and_colours_are_bits(tmp_path):
    header = HEADER.replace("x y z\n", "x y z rgb _ normal_x\n").replace("4 4 4\n", "4 4 4 4 1 4\n")
    header = header.replace("F F F\n", "F F F F U F\n").replace("1 1 1\n", "1 1 1 1 3 1\n")
    rows = [f"{row} {255 << 16 | 7 << 8 | 9} 0 0 0 0.5" for row in POINTS]
    colours = {"role": "intensity", "channels": ["r", "g", "b"], "dtype": "uint8"}
    folder = cloud(tmp_path / "d", header, rows)
    record = ma.open_source(folder, spec_of(xyz=XYZ, rgb=colours)).read([0])
    assert (record["rgb"] == [255, 7, 9]).all()
    wide = header.replace("4 4 4 4 1 4", "4 4 4 8 1 4")
    with pytest.raises(RecordError, match="expected one number of 4 bytes"):
        ma.open_source(cloud(tmp_path / "d", wide, rows), spec_of(xyz=XYZ, rgb=colours))
    nx = header.replace("normal_x", "nx")
    normal = {"role": "depth", "channels": ["normal_x"]}
    record = ma.open_source(cloud(tmp_path / "d", nx, rows), spec_of(xyz=XYZ, n=normal)).read([0])
    assert (record["n"] == 0.5).all()


@pytest.mark.row("points at 0 0 0, or NaN")
def test_pcd_no_data(tmp_path):
    folder = cloud(tmp_path / "d", points=["0 0 0", "nan nan nan", *POINTS[2:]])
    with pytest.warns(MultiaugWarning, match="1 values of 'xyz' are at the origin"):
        found = ma.open_source(folder, spec_of(xyz={**XYZ, "invalid": "nan"})).read([0])["xyz"]
    assert np.isnan(found[0, 0, :2]).all()
    assert np.isfinite(found[0, 0, 2:]).all()
    found = ma.open_source(folder, spec_of(xyz={**XYZ, "invalid": 0})).read([0])["xyz"]
    assert not found[0, 0, :2].any()


@pytest.mark.row("`VIEWPOINT` other than the origin")
def test_pcd_viewpoint(tmp_path):
    header = HEADER.replace("VIEWPOINT 0 0 0", "VIEWPOINT 1 2 3")
    with pytest.warns(MultiaugWarning, match=r"VIEWPOINT is 1 2 3 1 0 0 0.*as they are stored"):
        ma.open_source(cloud(tmp_path / "d", header), spec_of(xyz=XYZ))


@pytest.mark.row("coordinates in double precision")
def test_pcd_doubles(tmp_path):
    header = HEADER.replace("SIZE 4 4 4", "SIZE 8 8 8")
    found = ma.open_source(cloud(tmp_path / "d", header), spec_of(xyz=XYZ)).read([0])["xyz"]
    assert found.dtype == np.float32
    far = [f"{5_000_000 + i * 0.01} {i // 4} 2" for i in range(12)]
    with pytest.raises(RecordError, match=r"moves points by up to .* Subtract where the camera is"):
        ma.open_source(cloud(tmp_path / "d", header, far), spec_of(xyz=XYZ))


@pytest.mark.row("an unorganised cloud (`HEIGHT 1`)")
def test_pcd_unorganised(tmp_path):
    flat = HEADER.replace("WIDTH 4\nHEIGHT 3", "WIDTH 12\nHEIGHT 1")
    with pytest.raises(StoreError, match=r"not organised.*Project it onto a camera"):
        ma.open_source(cloud(tmp_path / "d", flat), spec_of(xyz=XYZ))
    no_xyz = spec_of(image={**GREY, "channels": ["z"]}, K={"role": "intrinsics", "of": "image"})
    other = HEADER.replace("x y z", "a b z")
    with pytest.raises(RecordError, match="no fields x, y and z to estimate the intrinsics"):
        ma.open_source(cloud(tmp_path / "d", other), no_xyz)


RGB = ma.load_spec("rgb-segmentation")


class Mine:
    """The least that a source is."""

    spec, fingerprint = RGB, "1"
    pictures = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3)).astype(np.uint8)

    def __len__(self):
        return 100

    def read(self, indices):
        return {"image": self.pictures[np.asarray(indices)]}


class Blocks(Mine):
    """With blocks of its own."""

    blocks = range(10)

    def scan(self, blocks=None):
        for i in self.blocks if blocks is None else blocks:
            rows = np.arange(10 * i, 10 * i + 10)
            yield Block(i, rows, {"image": self.pictures[rows]})


class Deaf(Blocks):
    """Gives all blocks whatever it is asked for."""

    def scan(self, blocks=None):
        yield from reversed(list(super().scan()))


@pytest.mark.row("a class of your own")
@pytest.mark.parametrize("kind", [Mine, Blocks])
def test_a_class_of_ones_own(tmp_path, kind):
    source = kind()
    found = {}
    for batch in ma.Loader(source, batch_size=32, memory="64MB"):
        found |= dict(
            zip(np.asarray(batch["index"]).tolist(), np.asarray(batch["image"]), strict=True)
        )
    np.testing.assert_array_equal(np.stack([found[i] for i in range(100)]), Mine.pictures)
    moments = ma.fit(source, ma.Moments(), progress=False)["image"].moments
    np.testing.assert_allclose(moments.channel_mean(), Mine.pictures.mean((0, 1, 2)), rtol=1e-12)
    for write in (
        lambda dest: ma.export(source, None, dest, progress=False),
        lambda dest: ma.convert(source, dest, progress=False),
        lambda dest: ma.write_ome(source, dest),
    ):
        path = write(tmp_path / "a.zarr")
        found = ma.open_source(path).read(range(100))["image"]
        np.testing.assert_array_equal(found, Mine.pictures)
        shutil.rmtree(path)


def test_a_class_that_is_no_source(tmp_path):
    class Lacking:
        spec, fingerprint, __len__ = RGB, "1", Mine.__len__

    class Changing(Mine):
        def read(self, indices):
            rows = super().read(indices)
            return rows if len(indices) < 2 else {"image": rows["image"].astype(np.float32)}

    with pytest.raises(ma.errors.ParameterError, match="which has no read"):
        ma.fit(Lacking(), ma.Moments(), progress=False)
    with pytest.raises(ma.errors.ParameterError, match="got the class Mine itself"):
        ma.Loader(Mine, batch_size=2)
    with pytest.raises(ma.errors.ParameterError, match="must be a source, got a int"):
        ma.export(7, None, tmp_path / "a")
    with pytest.raises(RecordError, match=r"read gave float32 .* for 'image', expected uint8"):
        ma.export(Changing(), None, tmp_path / "a", progress=False)
    with pytest.raises(RecordError, match=r"scan\(blocks\) gave block 9, expected block 0"):
        ma.fit(Deaf(), ma.Moments(), progress=False)


def test_no_data_set_is_read_to_see_that_it_is_one(tmp_path):
    """Python 3.11 computes properties for ``isinstance`` with a protocol."""
    asked = []

    class Counting(ma.store.ArraySource):
        @property
        def fingerprint(self):
            asked.append(1)
            return "1"

    source = Counting({"image": Mine.pictures}, RGB)
    ma.Loader(source, batch_size=32, memory="64MB")
    assert not asked
    ma.export(source, None, tmp_path / "a", progress=False)
    ma.fit(source, ma.Moments(), progress=False)
    assert len(asked) == 2


class Far(WrapperStore):
    """A store that fails as it is told, and counts how many reads are under way.

    Reads wait a while until `company` of them have been under way at once: how many a caller has
    under way is then no question of who is given a core when.
    """

    error, fails, calls, now, peak, company = None, 0, 0, 0, 0, 0

    def with_read_only(self, read_only=False):
        return self

    async def get(self, key, prototype=None, byte_range=None):
        if "/c/" in key:
            self.calls += 1
            self.now += 1
            self.peak = max(self.peak, self.now)
            await asyncio.sleep(0.002)
            end = time.monotonic() + 0.15
            while self.peak < self.company and time.monotonic() < end:
                await asyncio.sleep(0.002)
            self.now -= 1
            if key.endswith("/5/0/0/0") and self.fails:
                self.fails -= 1
                raise self.error
        return await self._store.get(key, prototype, byte_range)


@pytest.fixture
def far(monkeypatch) -> Far:
    monkeypatch.setattr("multiaug.store.zarr._objects._FIRST_WAIT", 0.0)
    inner = MemoryStore()
    made = zarr.open_group(inner, mode="w")
    settings = {"chunks": (1, 8, 8, 3), "config": {"write_empty_chunks": True}}
    made.create_array("image", data=Mine.pictures[:32], **settings)
    return Far(inner)


class PayloadError(Exception):
    """As aiohttp's: no OSError."""


class ResponseError(Exception):
    def __init__(self, status: int):
        super().__init__(f"status {status}")
        self.status = status


class ClientError(Exception):
    """As botocore's."""

    def __init__(self, code: int):
        super().__init__(f"code {code}")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": code}, "Error": {"Code": "x"}}


class NotFoundError(Exception):
    """As obstore's: no FileNotFoundError."""


@pytest.mark.row("errors of a network")
@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (PayloadError("cut off"), True),
        (ResponseError(503), True),
        (ResponseError(429), True),
        (ClientError(500), True),
        (ConnectionResetError("reset"), True),
        (OSError("no number"), True),
        (ResponseError(403), False),
        (ClientError(404), False),
        (PermissionError(13, "no"), False),
        (type("UnauthenticatedError", (Exception,), {})("who?"), False),
        (NotFoundError("gone"), False),
        (KeyError("a mistake"), False),
    ],
    ids=str,
)
def test_errors_of_networks(far, error, passes):
    source = ma.open_source(far, spec_of(image={**GREY, "channels": 3}))
    far.error, far.fails, far.calls = error, 2, 0
    if passes:
        np.testing.assert_array_equal(source.read(range(32))["image"], Mine.pictures[:32])
        assert far.calls == 34
        far.fails = 99
    with pytest.raises(StoreError, match="image/c/5/0/0/0 cannot be read") as raised:
        source.read([5])
    assert not isinstance(raised.value, CorruptChunkError)
    assert far.calls == (38 if passes else 1)


def test_networks_through_zarr_itself(far):
    """Codecs that zarr-python reads: an error of the network is none of the data."""
    group = zarr.open_group(far._store, mode="w")
    settings = {"chunks": (1, 8, 8, 3), "filters": [TransposeCodec(order=(0, 2, 1, 3))]}
    group.create_array("image", data=Mine.pictures[:8], **settings)
    source = ma.open_source(far, spec_of(image={**GREY, "channels": 3}), on_missing="fill")
    assert not source.direct["image"]
    far.error, far.fails = PayloadError("cut off"), 2
    np.testing.assert_array_equal(source.read(range(8))["image"], Mine.pictures[:8])
    far.fails = 99
    with pytest.raises(StoreError, match="image/c/5/0/0/0 cannot be read") as raised:
        source.read(range(8))
    assert not isinstance(raised.value, CorruptChunkError)


@pytest.mark.row("a store far away")
def test_many_reads_at_a_time(tmp_path, far):
    source = ma.open_source(far, spec_of(image={**GREY, "channels": 3, "dtype": "uint8"}))
    for do in (
        lambda: ma.fit(source, ma.Moments(), progress=False),
        lambda: ma.export(source, None, tmp_path / "a", progress=False),
        lambda: ma.export(source, None, tmp_path / "b", shuffle_seed=1, progress=False),
        lambda: ma.write_ome(source, tmp_path / "c"),
    ):
        far.peak, far.company = 0, 8
        do()
        assert 8 <= far.peak <= 48
    found = ma.open_source(tmp_path / "a").read(range(32))["image"]
    np.testing.assert_array_equal(found, Mine.pictures[:32])
    meta = json.loads((tmp_path / "b" / "zarr.json").read_text())
    assert meta["attributes"]["multiaug"]["complete"]
