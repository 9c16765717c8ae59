"""Chunks decoded in C, many at a time: as many as are whole, and what is said of the others."""

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from multiaug._native import compiled_is_available
from multiaug.errors import StoreError
from multiaug.store.codecs import Chain, read_chain
from multiaug.store.codecs._native_step import ZSTD, native_step
from multiaug.store.zarr._objects import FileObjects
from multiaug.store.zarr._reader import ArrayReader

pytestmark = pytest.mark.skipif(not compiled_is_available(), reason="needs the compiled library")

CODECS = {
    "none": {"compressors": None},
    "zstd": {"compressors": ZstdCodec(checksum=True)},
    "blosc": {"compressors": BloscCodec(cname="lz4", shuffle="shuffle")},
    "lz4": {"compressors": numcodecs.LZ4(), "zarr_format": 2},
    "zstd, version 2": {"compressors": numcodecs.Zstd(), "zarr_format": 2},
}
GRIDS = {"chunks": {"chunks": (3, 4, 2)}, "rows": {"chunks": (1, 4, 2)}}
SHARDS = {name: {**grid, "shards": (6, 4, 2)} for name, grid in GRIDS.items()}
COUNT = 20
# What does not compress well, and so holds bytes of all kinds.
VALUES = np.random.default_rng(3).integers(0, 2000, (COUNT, 4, 2)).astype(np.int16)


def array_of(root, codec="zstd", grid=GRIDS["chunks"]):
    array = zarr.create_array(
        root, name="a", shape=VALUES.shape, dtype="i2",
        **grid, **CODECS[codec], config={"write_empty_chunks": True},
    )  # fmt: skip
    array[:] = VALUES
    return array


def reader(root, on_missing="raise", *, many=True):
    array = zarr.open_array(root, path="a", mode="r")
    found = ArrayReader(array, FileObjects(root), "here", on_missing, vouched=False)
    if not many:
        found._many = None
    return found


def all_rows(found):
    out = np.full((COUNT + 4, 4, 2), -1, np.int16)
    found.read(0, COUNT, out)
    return out[:COUNT]


def file_of(root, number):
    """The file of a chunk, or of the shard that it is in."""
    for key in (f"c/{number}/0/0", f"{number}.0.0"):
        if (root / "a" / key).exists():
            return root / "a" / key
    raise AssertionError(number)


def no_python(monkeypatch):
    def refuse(self, chunk, out):
        raise AssertionError(f"chunk {chunk} was read by Python")

    monkeypatch.setattr(ArrayReader, "_decode_chunk", refuse)


@pytest.mark.parametrize("grid", [*GRIDS.values(), *SHARDS.values()], ids=str)
@pytest.mark.parametrize("codec", CODECS)
def test_python_decodes_none_of_the_usual_codecs(tmp_path, monkeypatch, codec, grid):
    if "shards" in grid and "zarr_format" in CODECS[codec]:
        grid = GRIDS["rows"]  # version 2 has no shards
    array_of(tmp_path, codec, grid)
    found = reader(tmp_path)
    no_python(monkeypatch)
    np.testing.assert_array_equal(all_rows(found), VALUES)
    if grid["chunks"][0] == 1:
        rows = np.array([5, 0, 19, 5, 7])
        out = np.empty((5, 4, 2), np.int16)
        found.take(rows, out)
        np.testing.assert_array_equal(out, VALUES[rows])


def test_what_is_not_for_c(tmp_path):
    """Other codecs, chains of two, foreign byte order, other machines' stores: Python."""
    for number, settings in enumerate(
        [
            {"compressors": GzipCodec()},
            {"compressors": [ZstdCodec(), Crc32cCodec()]},
            {"compressors": ZstdCodec(), "serializer": zarr.codecs.BytesCodec(endian="big")},
            {"compressors": ZstdCodec(), "chunks": (3, 2, 2)},
        ]
    ):
        array = zarr.create_array(
            tmp_path, name=f"b{number}", shape=VALUES.shape, dtype="i2",
            **{"chunks": (3, 4, 2), **settings},
        )  # fmt: skip
        array[:] = VALUES
        found = ArrayReader(array, FileObjects(tmp_path), "here", "raise", vouched=False)
        assert found._many is None
        np.testing.assert_array_equal(all_rows(found), VALUES)


def test_a_library_that_keeps_its_functions_to_itself(tmp_path, caplog):
    def step(stored, out):
        raise AssertionError("is not called")

    names = "ZSTD_createDCtx", "no_such_function"
    with caplog.at_level("INFO", "multiaug"):
        for _ in range(2):
            assert native_step(step, ZSTD, numcodecs.zstd, *names) is step
    (said,) = caplog.messages
    assert "numcodecs.zstd does not hand over the functions" in said
    assert "no_such_function" in said
    chain, _ = read_chain(array_of(tmp_path))
    assert chain.native is not None
    assert Chain((step,), chain.dtype).native is None


def damage(root, kind, codec):
    """Change what is stored of the chunk in the middle."""
    path = file_of(root, 2)
    good = path.read_bytes()
    if kind == "gone":
        path.unlink()
    elif kind == "a folder":
        path.unlink()
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(good[: len(good) // 2])
    elif kind == "longer":
        path.write_bytes(good + b"\0" * 7)
    elif kind == "of another size":
        other = root / "other"
        zarr.create_array(
            other, name="a", data=VALUES[:2], chunks=(2, 4, 2), **CODECS[codec]
        )  # fmt: skip
        path.write_bytes(file_of(other, 0).read_bytes())
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(len(good)))
    elif kind == "much":
        path.write_bytes(good + bytes(5000))


DAMAGE = ["gone", "a folder", "empty", "cut", "longer", "of another size", "noise", "much"]


# Without a codec, noise is values as good as others.
PAIRS = [(c, k) for c in CODECS for k in DAMAGE if (c, k) != ("none", "noise")]


@pytest.mark.parametrize(("codec", "kind"), PAIRS)
def test_damage_is_said_as_python_says_it(tmp_path, codec, kind):
    array_of(tmp_path, codec)
    damage(tmp_path, kind, codec)
    said = []
    for many in (True, False):
        found = reader(tmp_path, many=many)
        if many:
            out = np.empty((21, 4, 2), np.int16)
            assert found._many.decode(np.arange(7), out) == 2
            np.testing.assert_array_equal(out[:6], VALUES[:6])
        with pytest.raises(StoreError) as caught:
            all_rows(found)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]
    assert "2" in said[0][1]


@pytest.mark.parametrize("kind", ["gone", "cut", "empty"])
@pytest.mark.parametrize("grid", SHARDS.values(), ids=str)
def test_damage_of_shards(tmp_path, kind, grid):
    array_of(tmp_path, grid=grid)
    damage(tmp_path, kind, "zstd")
    said = []
    for many in (True, False):
        with pytest.raises(StoreError) as caught:
            all_rows(reader(tmp_path, many=many))
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize("grid", [*GRIDS.values(), *SHARDS.values()], ids=str)
@given(missing=st.sets(st.integers(0, COUNT - 1)))
def test_filling_between_chunks_that_are_there(tmp_path_factory, grid, missing):
    root = tmp_path_factory.mktemp("fill")
    array = zarr.create_array(
        root, name="a", shape=VALUES.shape, dtype="i2", **grid, fill_value=0,
        config={"write_empty_chunks": False},
    )  # fmt: skip
    values = VALUES + 1
    for row in missing:
        step = grid["chunks"][0]
        values[row // step * step : (row // step + 1) * step] = 0
    array[:] = values
    np.testing.assert_array_equal(all_rows(reader(root, "fill")), values)
    rows = np.random.default_rng(0).integers(0, COUNT, 9)
    out = np.full((9, 4, 2), -1, np.int16)
    reader(root, "fill").take(rows, out)
    np.testing.assert_array_equal(out, values[rows])


def test_a_chunk_that_is_replaced_while_it_is_read(tmp_path, monkeypatch):
    """Python waits and reads again, and C goes on behind it."""
    array_of(tmp_path)
    path = file_of(tmp_path, 2)
    good = path.read_bytes()
    path.write_bytes(good[:9])
    found, waits = reader(tmp_path), []

    def replaced(seconds):
        waits.append(seconds)
        path.write_bytes(good)

    monkeypatch.setattr("multiaug.store.zarr._reader.time.sleep", replaced)
    np.testing.assert_array_equal(all_rows(found), VALUES)
    assert len(waits) == 1
