"""Decoding chunks here gives the same bits as zarr-python, whatever the codec and the layout."""

import itertools
import struct

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

from multiaug.errors import CorruptChunkError, MissingChunkError
from multiaug.store.zarr._objects import FileObjects, StoreObjects
from multiaug.store.zarr._reader import ArrayReader

SHAPE = (11, 5, 3)
DTYPES = ["u1", "b1", "i2", "u2", "f2", "i4", "f4", "i8", "f8", "c8"]

VERSION_3 = {
    "none": [],
    "zstd": [ZstdCodec()],
    "zstd, checksum": [ZstdCodec(checksum=True)],
    "lz4": [BloscCodec(cname="lz4", shuffle="noshuffle")],
    "blosc zstd": [BloscCodec(cname="zstd", shuffle="bitshuffle")],
    "gzip": [GzipCodec()],
    "crc32c": [Crc32cCodec()],
    "lz4, crc32c": [BloscCodec(cname="lz4"), Crc32cCodec()],
    "gzip, zstd": [GzipCodec(), ZstdCodec()],
}
VERSION_2 = {
    "none": None,
    "zstd": numcodecs.Zstd(3),
    "lz4": numcodecs.LZ4(),
    "blosc": numcodecs.Blosc("lz4hc", shuffle=numcodecs.Blosc.BITSHUFFLE),
    "gzip": numcodecs.GZip(),
    "zlib": numcodecs.Zlib(),
}
# Records whole, records split, one row, chunks wider than the array.
GRIDS = [(4, 5, 3), (4, 2, 2), (1, 5, 3), (16, 5, 3), (4, 8, 3), (11, 5, 3)]


def values(dtype: str, shape=SHAPE) -> np.ndarray:
    width = np.dtype(dtype).itemsize
    raw = np.random.default_rng(0).integers(0, 256, (*shape, width), np.uint8)
    array = raw.view("u1" if dtype == "b1" else dtype)[..., 0]
    return (
        np.nan_to_num(array) if array.dtype.kind == "c" else array > 0 if dtype == "b1" else array
    )


def reader(array, root=None, on_missing="raise", *, vouched=False) -> ArrayReader:
    store = array.store_path.store
    objects = StoreObjects(store) if root is None else FileObjects(root)
    return ArrayReader(array, objects, "here", on_missing, vouched=vouched)


def bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def check_same(array, root=None, *, direct=True, on_missing="raise") -> None:
    """Ranges and rows in any order are, bit for bit, what zarr-python reads; in C and without."""
    ours = reader(array, root, on_missing)
    assert ours.direct is direct
    check_values(ours, array)
    if ours._many is not None:
        ours._many = None
        check_values(ours, array)


def check_values(ours, array) -> None:
    expected = np.asarray(array[:])
    expected = expected.astype(expected.dtype.newbyteorder("="))
    count = len(expected)
    for start, stop in [(0, count), (0, 4), (3, 9), (count - 1, count), (5, 6)]:
        for room in (0, 20):
            out = np.full((stop - start + room, *expected.shape[1:]), 1, expected.dtype)
            ours.read(start, stop, out)
            assert bits(out[: stop - start]) == bits(expected[start:stop])
    rows = np.random.default_rng(1).integers(0, count, 15)
    out = np.full((15, *expected.shape[1:]), 1, expected.dtype)
    ours.take(rows, out)
    assert bits(out) == bits(expected[rows])


@pytest.mark.parametrize("codecs", VERSION_3.values(), ids=VERSION_3)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_version_3(tmp_path, codecs, grid):
    for number, dtype in enumerate(DTYPES if grid == GRIDS[0] else ["f4"]):
        array = zarr.create_array(
            tmp_path, name=f"a{number}", shape=SHAPE, dtype=dtype, chunks=grid, compressors=codecs
        )
        array[:] = values(dtype)
        check_same(array, tmp_path)


@pytest.mark.parametrize("codec", VERSION_2.values(), ids=VERSION_2)
@pytest.mark.parametrize("order", ["C", "F"])
def test_version_2(tmp_path, codec, order):
    layouts = [
        (GRIDS[0], "u1", "."), (GRIDS[0], ">f4", "/"), (GRIDS[1], ">i8", "."),
        (GRIDS[2], "<f4", "."), (GRIDS[3], "<f4", "/"),
    ]  # fmt: skip
    for number, (grid, dtype, separator) in enumerate(layouts):
        array = zarr.create_array(
            tmp_path,
            name=f"a{number}",
            shape=SHAPE,
            dtype=dtype,
            chunks=grid,
            zarr_format=2,
            compressors=codec,
            order=order,
            chunk_key_encoding={"name": "v2", "separator": separator},
        )
        array[:] = values(dtype)
        check_same(array, tmp_path)


@pytest.mark.parametrize("codecs", VERSION_3.values(), ids=VERSION_3)
@pytest.mark.parametrize("place", ["start", "end"])
def test_shards(tmp_path, codecs, place):
    layouts = [((6, 5, 3), (2, 5, 3)), ((4, 6, 4), (2, 3, 2)), ((11, 5, 3), (1, 5, 3))]
    for number, (shard, inner) in enumerate(layouts):
        for dtype in ("u1", "f4"):
            array = zarr.create_array(
                tmp_path,
                name=f"{dtype}{number}",
                shape=SHAPE,
                dtype=dtype,
                chunks=shard,
                compressors=None,
                serializer=ShardingCodec(
                    chunk_shape=inner, codecs=[BytesCodec(), *codecs], index_location=place
                ),
            )
            array[:] = values(dtype)
            check_same(array, tmp_path)


def test_big_endian_and_one_axis(tmp_path):
    array = zarr.create_array(
        tmp_path,
        name="a",
        shape=(11,),
        dtype="f4",
        chunks=(4,),
        serializer=BytesCodec(endian="big"),
    )
    array[:] = np.arange(11)
    check_same(array, tmp_path)


@pytest.mark.parametrize("version", [2, 3])
def test_what_is_left_to_zarr(tmp_path, version):
    settings = (
        {"filters": [numcodecs.Delta("f4")], "compressors": numcodecs.BZ2()}
        if version == 2
        else {"filters": [TransposeCodec(order=(2, 0, 1))]}
    )
    array = zarr.create_array(
        tmp_path,
        name="a",
        shape=SHAPE,
        dtype="f4",
        chunks=(4, 5, 3),
        zarr_format=version,
        **settings,
    )
    array[:] = values("f4")
    check_same(array, tmp_path, direct=False)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("fill", [0, 7])
def test_filling_what_was_left_out(tmp_path, version, fill):
    array = zarr.create_array(
        tmp_path, name="a", shape=SHAPE, dtype=">i2" if version == 2 else "i2", chunks=(4, 5, 3),
        zarr_format=version, fill_value=fill,
    )  # fmt: skip
    array[:4] = 3
    check_same(array, tmp_path, on_missing="fill")
    with pytest.raises(MissingChunkError, match="rows 4 to 7"):
        reader(array, tmp_path).read(4, 6, np.empty((2, 5, 3), "i2"))


def test_stores_that_are_no_folder():
    store = zarr.storage.MemoryStore()
    for name, shards in [("plain", None), ("sharded", (6, 5, 3))]:
        array = zarr.create_array(
            store, name=name, shape=SHAPE, dtype="f4", chunks=(2, 5, 3), shards=shards
        )
        array[:] = values("f4")
        check_same(array)
    with pytest.raises(MissingChunkError, match="plain/c/1/0/0, which holds rows 2 to 3"):
        del store._store_dict["plain/c/1/0/0"]
        reader(zarr.open_array(store, path="plain")).read(3, 4, np.empty((1, 5, 3), "f4"))


@given(
    count=st.integers(1, 40),
    chunk=st.integers(1, 12),
    shard=st.none() | st.integers(1, 4),
    data=st.data(),
)
def test_any_length_and_range(count, chunk, shard, data):
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store,
        shape=(count, 2),
        dtype="u2",
        chunks=(chunk, 2),
        shards=None if shard is None else (chunk * shard, 2),
        config={"write_empty_chunks": True},
    )
    expected = np.arange(2 * count, dtype="u2").reshape(count, 2)
    array[:] = expected
    start = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(start + 1, count))
    out = np.zeros((stop - start + data.draw(st.integers(0, chunk)), 2), "u2")
    ours = reader(array)
    ours.keeps_chunks = data.draw(st.booleans())
    ours.read(start, stop, out)
    np.testing.assert_array_equal(out[: stop - start], expected[start:stop])


class TestSizes:
    """A chunk that decodes to another size is refused, and never leaves old bytes in a buffer."""

    @pytest.mark.parametrize("codec", VERSION_3, ids=VERSION_3)
    @pytest.mark.parametrize("count", [0, 1, 3, 5, 9])
    def test_another_length(self, tmp_path, codec, count):
        for name, length in (("good", 4), ("other", count or 4)):
            array = zarr.create_array(
                tmp_path, name=name, shape=(length, 50), dtype="u1", chunks=(length, 50),
                compressors=VERSION_3[codec], config={"write_empty_chunks": True},
            )  # fmt: skip
            array[:] = 7
        stored = (tmp_path / "other" / "c" / "0" / "0").read_bytes() if count else b""
        (tmp_path / "good" / "c" / "0" / "0").write_bytes(stored)
        ours = reader(zarr.open_array(tmp_path, path="good"), tmp_path)
        with pytest.raises(CorruptChunkError, match="good/c/0/0 cannot be decoded"):
            ours.read(0, 4, np.empty((4, 50), "u1"))

    @pytest.mark.parametrize("codec", ["blosc", "lz4", "zstd"])
    def test_headers_that_lie(self, tmp_path, codec):
        array = zarr.create_array(
            tmp_path, name="a", shape=(4, 50), dtype="u1", chunks=(4, 50), zarr_format=2,
            compressors=VERSION_2[codec],
        )  # fmt: skip
        array[:] = 7
        path = tmp_path / "a" / "0.0"
        good = path.read_bytes()
        for start, value in itertools.product(range(0, 12, 4), (0, 1, 2**31 - 1, 2**32 - 1)):
            path.write_bytes(good[:start] + struct.pack("<I", value) + good[start + 4 :])
            out = np.empty((4, 50), "u1")
            try:
                reader(array, tmp_path).read(0, 4, out)
            except CorruptChunkError:
                continue
            assert (out == 7).all()
