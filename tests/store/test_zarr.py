"""Reading zarr: versions, layouts, damage, and what is refused on opening."""

import json
import pickle
import shutil

import numpy as np
import pytest
import zarr
from zarr.codecs import ShardingCodec, TransposeCodec

from multiaug.errors import (
    CorruptChunkError,
    MissingChunkError,
    ParameterError,
    RecordError,
    StoreError,
)
from multiaug.store import Source, ZarrSource, open_source, write_zarr


def same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def check_reads(source, arrays) -> None:
    """Scanning and reading give what was written."""
    assert isinstance(source, Source)
    count = len(arrays["image"])
    assert len(source) == count
    blocks = list(source.scan())
    assert [block.id for block in blocks] == list(source.blocks)
    np.testing.assert_array_equal(np.concatenate([b.index for b in blocks]), np.arange(count))
    assert {block.index.dtype for block in blocks} == {np.dtype(np.int64)}
    same({name: np.concatenate([block[name] for block in blocks]) for name in arrays}, arrays)
    order = np.random.default_rng(0).integers(0, count, 2 * count)
    same(source.read(order), {name: array[order] for name, array in arrays.items()})


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_versions(foreign, spec, records, version, chunk):
    arrays = records(10)
    source = open_source(foreign(arrays, version=version, chunk=chunk), spec)
    check_reads(source, arrays)
    assert len(source.blocks) == -(-10 // chunk)


def test_layouts_of_version_2(foreign, spec, records):
    arrays = records(6)
    path = foreign(
        {n: a.astype(a.dtype.newbyteorder(">")) for n, a in arrays.items()},
        version=2,
        order="F",
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    source = open_source(path, spec)
    check_reads(source, arrays)
    block = next(iter(source.scan()))
    assert all(array.flags.c_contiguous for array in block.values())


def test_chunks_that_split_a_record(tmp_path, spec, records):
    arrays = records(7)
    group = zarr.open_group(tmp_path / "a", mode="w")
    for name, array in arrays.items():
        chunks = (3, 4, 3, 2)[: array.ndim]
        group.create_array(name, data=array, chunks=chunks)
    check_reads(open_source(tmp_path / "a", spec), arrays)
    (tmp_path / "a" / "image" / "c" / "1" / "0" / "2" / "1").unlink()
    with pytest.raises(MissingChunkError, match="chunk image/c/1/0/2/1, which holds rows 3 to 5"):
        open_source(tmp_path / "a", spec).read([4])


@pytest.mark.parametrize("index", ["start", "end"])
def test_shards(tmp_path, spec, records, index):
    arrays = records(11)
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w")
    for name, array in arrays.items():
        inner = (2, *array.shape[1:])
        made = group.create_array(
            name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=(6, *array.shape[1:]),
            serializer=ShardingCodec(chunk_shape=inner, index_location=index),
            compressors=None,
        )
        made[:] = array
    source = open_source(path, spec)
    assert len(source.blocks) == 2
    check_reads(source, arrays)


def test_an_inner_chunk_that_is_missing(tmp_path, spec, records):
    arrays = records(11)
    arrays["image"][2:4] = 0  # zarr leaves this chunk out of the shard
    group = zarr.open_group(tmp_path / "a", mode="w")
    for name, array in arrays.items():
        chunks, shards = (2, *array.shape[1:]), (6, *array.shape[1:])
        made = group.create_array(
            name, shape=array.shape, dtype=array.dtype, chunks=chunks, shards=shards
        )
        made[:] = array
    source = open_source(tmp_path / "a", spec)
    message = r"array 'image' lacks chunk image/c/0/0/0/0 \(inner chunk \(1, 0, 0, 0\)\), .* 2 to 3"
    with pytest.raises(MissingChunkError, match=message):
        source.read([0, 3])
    same(source.read([1, 0]), {name: array[[1, 0]] for name, array in arrays.items()})
    same(source.read([7]), {name: array[[7]] for name, array in arrays.items()})


def test_shards_of_an_unusual_kind(tmp_path, spec, records):
    arrays = records(4)
    group = zarr.open_group(tmp_path / "a", mode="w")
    for name, array in arrays.items():
        shape = array.shape
        nested = ShardingCodec(chunk_shape=shape, codecs=[ShardingCodec(chunk_shape=shape)])
        made = group.create_array(
            name, shape=shape, dtype=array.dtype, chunks=shape, serializer=nested, compressors=None
        )
        made[:] = array
    with pytest.raises(StoreError, match=r"cannot be told from zeros. Pass on_missing='fill'"):
        open_source(tmp_path / "a", spec)
    check_reads(open_source(tmp_path / "a", spec, on_missing="fill"), arrays)


def test_transposed_shards(tmp_path, spec, records):
    arrays = records(4)
    path = write_zarr([arrays], spec, tmp_path / "a")
    group = zarr.open_group(path, mode="a")
    del group.attrs["multiaug"], group["depth"]
    shape = arrays["depth"].shape
    with pytest.warns(UserWarning, match="sharding_indexed"):
        made = group.create_array(
            "depth",
            shape=shape,
            dtype="f4",
            chunks=shape,
            filters=[TransposeCodec(order=(0, 1, 2))],
            serializer=ShardingCodec(chunk_shape=(1, 6, 8)),
            compressors=None,
        )
    made[:] = arrays["depth"]
    with (
        pytest.warns(UserWarning, match="sharding_indexed"),
        pytest.raises(StoreError, match=r"cannot be told from zeros"),
    ):
        open_source(path, spec)


@pytest.mark.parametrize("version", [2, 3])
def test_a_missing_chunk(foreign, spec, records, version):
    arrays = records(10)
    arrays["mask"][4:8] = 0  # zarr does not write this chunk
    path = foreign(arrays, version=version)
    source = ZarrSource(path, spec)
    message = r"foreign\.zarr: array 'mask' lacks chunk mask/\S+, which holds rows 4 to 7"
    with pytest.raises(MissingChunkError, match=message + r".*on_missing='fill'"):
        source.read([5])
    with pytest.raises(MissingChunkError, match=message):
        list(source.scan())
    with pytest.raises(MissingChunkError, match=message):
        source.check()
    assert [block.id for block in source.scan([0, 2])] == [0, 2]
    same(source.read([9, 0]), {name: array[[9, 0]] for name, array in arrays.items()})
    check_reads(open_source(path, spec, on_missing="fill"), arrays)


@pytest.mark.parametrize("on_missing", ["raise", "fill"])
def test_a_store_of_ours_is_never_filled(tmp_path, spec, records, on_missing):
    path = write_zarr([records(10)], spec, tmp_path / "a.zarr", chunk=4)
    shutil.rmtree(path / "image" / "c" / "1")
    source = open_source(path, on_missing=on_missing)
    with pytest.raises(MissingChunkError, match=r"rows 4 to 7\. The store was complete"):
        source.read([4])
    same(source.read([0]), {name: array[:1] for name, array in records(10).items()})


@pytest.mark.parametrize("content", [b"", b"\x00" * 9])
def test_a_truncated_chunk(tmp_path, spec, records, content):
    path = write_zarr([records(10)], spec, tmp_path / "a.zarr", chunk=4)
    (path / "image" / "c" / "1" / "0" / "0" / "0").write_bytes(content)
    source = open_source(path)
    with pytest.raises(CorruptChunkError, match=r"a.zarr: chunk image/c/1/0/0/0 cannot be decoded"):
        list(source.scan())
    with pytest.raises(CorruptChunkError, match="image/c/1/0/0/0"):
        source.read([0, 5])
    same(source.read([0]), {name: array[:1] for name, array in records(10).items()})


def test_a_truncated_shard(foreign, spec, records):
    arrays = records(8)
    path = foreign({"depth": arrays["depth"], "image": arrays["image"]}, shards=None)
    group = zarr.open_group(path, mode="a")
    made = group.create_array(
        "mask", shape=(8, 6, 8), dtype="u1", chunks=(2, 6, 8), shards=(4, 6, 8)
    )
    made[:] = arrays["mask"]
    shard = path / "mask" / "c" / "1" / "0" / "0"
    for length in (3, 40):
        shard.write_bytes(shard.read_bytes()[-length:-1])
        with pytest.raises(CorruptChunkError, match="mask/c/1/0/0 cannot be decoded"):
            open_source(path, spec).read([6])


def test_a_folder_in_the_place_of_a_chunk(foreign, spec, records):
    path = foreign(records(3))
    chunk = path / "image" / "c" / "0" / "0" / "0" / "0"
    chunk.unlink()
    chunk.mkdir()
    with pytest.raises(MissingChunkError, match="image/c/0/0/0/0"):
        open_source(path, spec).read([0])


def test_a_chunk_that_may_not_be_read(tmp_path, spec, records, monkeypatch):
    source = open_source(write_zarr([records(3)], spec, tmp_path / "a.zarr"))

    def refuse(*_arguments, **_settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("multiaug.store.zarr._objects._read_file", refuse)
    message = "image/c/0/0/0/0 cannot be read: .*Permission denied"
    with pytest.raises(StoreError, match=message) as caught:
        source.read([0])
    assert not isinstance(caught.value, CorruptChunkError)


@pytest.mark.parametrize("bad", [[-1], [10], [0, 3, 11]])
def test_an_index_out_of_range(foreign, spec, records, bad):
    for source in (open_source(foreign(records(10)), spec), open_source(records(10), spec)):
        with pytest.raises(ParameterError, match=rf"must be in \[0, 10\), got {bad[-1]}"):
            source.read(bad)


@pytest.mark.parametrize("bad", [3, [[1]], [0.5], [True]])
def test_an_index_that_is_none(foreign, spec, records, bad):
    source = open_source(foreign(records(10)), spec)
    with pytest.raises(ParameterError, match="one-dimensional integers"):
        source.read(bad)


@pytest.mark.parametrize("bad", [[3], [-1], [(0,)], ["0"]])
def test_a_block_that_does_not_exist(foreign, spec, records, bad):
    for source in (open_source(foreign(records(10)), spec), open_source(records(10), spec)):
        with pytest.raises(ParameterError, match=r"must be ids from source.blocks"):
            list(source.scan(bad))


def test_no_records_asked_for(foreign, spec, records):
    found = open_source(foreign(records(10)), spec).read([])
    assert {name: array.shape for name, array in found.items()} == {
        "image": (0, 6, 8, 3),
        "depth": (0, 6, 8),
        "mask": (0, 6, 8),
        "weight": (0,),
    }


def test_optional_entries_may_be_absent_and_others_are_left_alone(foreign, spec, records):
    arrays = records(10)
    del arrays["mask"], arrays["weight"]
    source = ZarrSource(foreign(arrays | {"notes": np.zeros(3, np.int64)}), spec)
    check_reads(source, arrays)
    assert source.group["notes"].shape == (3,)


class TestOpening:
    """What cannot be opened, and what the error says about it."""

    def refused(self, path, spec, message, error=StoreError):
        with pytest.raises(error, match=message) as caught:
            open_source(path, spec)
        assert str(path) in str(caught.value)

    def test_nothing_there(self, tmp_path, spec):
        self.refused(tmp_path / "absent", spec, "nothing there")

    def test_not_a_zarr(self, tmp_path, spec):
        self.refused(tmp_path, spec, "not a zarr store.*zarr.json")
        (tmp_path / "file").write_text("words")
        self.refused(tmp_path / "file", spec, "not a zarr store")

    @pytest.mark.parametrize("version", [2, 3])
    def test_a_single_array(self, foreign, spec, records, version):
        path = foreign(records(4), version=version)
        self.refused(path / "image", spec, "single zarr array.*folder above")

    @pytest.mark.parametrize("content", ["", "{", '{"zarr_format": 9, "node_type": "group"}'])
    def test_broken_metadata(self, foreign, spec, records, content):
        path = foreign(records(4))
        (path / "zarr.json").write_text(content)
        self.refused(path, spec, "metadata cannot be read")

    def test_broken_metadata_of_an_array(self, foreign, spec, records):
        path = foreign(records(4))
        (path / "image" / "zarr.json").write_text("{")
        self.refused(path, spec, "metadata cannot be read")

    def test_a_group_for_an_array(self, foreign, spec, records):
        arrays = records(4)
        image = arrays.pop("image")
        path = foreign(arrays)
        zarr.open_group(path, mode="a").create_group("image").create_array("x", data=image)
        self.refused(path, spec, "image: this is a group. Expected an array")

    def test_a_required_array_is_missing(self, foreign, spec, records):
        arrays = records(4)
        del arrays["depth"]
        self.refused(foreign(arrays), spec, "no array 'depth'.*found .*'image', 'mask'")

    def test_different_lengths(self, foreign, spec, records):
        arrays = records(4)
        arrays["depth"] = arrays["depth"][:3]
        self.refused(foreign(arrays), spec, "differ in length: 'image' 4, 'depth' 3")

    def test_no_axis(self, foreign, spec, records):
        path = foreign(records(4))
        group = zarr.open_group(path, mode="a")
        del group["weight"]
        group.create_array("weight", shape=(), dtype="f4")
        self.refused(path, spec, "'weight' has no axis")

    def test_no_records(self, foreign, spec, records):
        path = foreign({name: array[:0] for name, array in records(4).items()})
        self.refused(path, spec, "hold no records")

    def test_a_dtype_that_is_not_as_the_spec_says(self, foreign, spec, records):
        arrays = records(4)
        arrays["image"] = arrays["image"].astype(np.float32)
        message = "image: found dtype float32, expected uint8"
        self.refused(foreign(arrays), spec, message, RecordError)

    def test_a_shape_that_is_not_as_the_spec_says(self, foreign, spec, records):
        arrays = records(4)
        arrays["image"] = np.moveaxis(arrays["image"], -1, 1)
        self.refused(foreign(arrays), spec, "image: found shape.*channels go last", RecordError)

    def test_no_spec(self, foreign, records):
        self.refused(foreign(records(4)), None, "no spec of its own. Pass one")

    def test_a_bad_choice(self, foreign, spec, records):
        with pytest.raises(ParameterError, match="on_missing` must be 'raise' or 'fill'"):
            open_source(foreign(records(4)), spec, on_missing="zeros")


class TestMarker:
    """What a store says about itself is believed only when it is whole."""

    @pytest.fixture
    def path(self, tmp_path, spec, records):
        return write_zarr([records(10)], spec, tmp_path / "a.zarr", chunk=4)

    def change(self, path, **changes):
        document = json.loads((path / "zarr.json").read_text())
        document["attributes"]["multiaug"] |= changes
        (path / "zarr.json").write_text(json.dumps(document))

    @pytest.mark.parametrize("value", [False, None, "yes"])
    def test_incomplete(self, path, spec, value):
        self.change(path, complete=value)
        with pytest.raises(StoreError, match="not complete: writing it was cut short"):
            open_source(path, spec, on_missing="fill")

    def test_another_schema(self, path, spec):
        self.change(path, schema="multiaug.store/2")
        with pytest.raises(StoreError, match=r"schema 'multiaug.store/2', expected"):
            open_source(path, spec)

    @pytest.mark.parametrize("change", [{"records": None}, {"spec": {"entries": {}}}])
    def test_damaged(self, path, change):
        self.change(path, **change)
        with pytest.raises(StoreError, match="is damaged"):
            open_source(path)

    def test_not_an_object(self, path):
        document = json.loads((path / "zarr.json").read_text())
        document["attributes"]["multiaug"] = "complete"
        (path / "zarr.json").write_text(json.dumps(document))
        with pytest.raises(StoreError, match="schema 'complete'"):
            open_source(path)

    def test_records_that_were_added_by_hand(self, path):
        for array in zarr.open_group(path, mode="a").arrays():
            array[1].resize((11, *array[1].shape[1:]))
        with pytest.raises(StoreError, match="hold 11 records, expected 10 by the completion"):
            open_source(path)

    def test_a_spec_of_the_users_own_comes_first(self, path, spec, records):
        source = open_source(path, spec)
        assert source.spec is spec


class TestFingerprint:
    """It differs when the data differ, and only then."""

    def test_it_is_stable(self, tmp_path, spec, records):
        paths = [write_zarr([records(10)], spec, tmp_path / name, chunk=4) for name in "ab"]
        first, second = (open_source(path).fingerprint for path in paths)
        assert first == second
        assert len(first) == 64
        moved = (tmp_path / "a").rename(tmp_path / "moved")
        assert open_source(moved).fingerprint == first

    def test_values_and_layout_count(self, tmp_path, spec, records):
        arrays = records(10)
        other = arrays | {"mask": arrays["mask"] + 1}
        paths = [
            write_zarr([arrays], spec, tmp_path / "a", chunk=4),
            write_zarr([other], spec, tmp_path / "b", chunk=4),
            write_zarr([arrays], spec, tmp_path / "c", chunk=5),
        ]
        assert len({open_source(path).fingerprint for path in paths}) == 3


class TestBlocks:
    """Block lengths follow the chunk grids."""

    def lengths(self, path, spec):
        return [len(block.index) for block in open_source(path, spec).scan()]

    def test_the_common_length(self, tmp_path, spec, records):
        arrays = records(20)
        group = zarr.open_group(tmp_path / "a", mode="w")
        for (name, array), chunk in zip(arrays.items(), [2, 4, 6, 20], strict=True):
            group.create_array(name, data=array, chunks=(chunk, *array.shape[1:]))
        assert self.lengths(tmp_path / "a", spec) == [12, 8]
        check_reads(open_source(tmp_path / "a", spec), arrays)

    def test_a_common_length_too_large_for_memory(self, tmp_path, spec, records, monkeypatch):
        monkeypatch.setattr("multiaug.store.zarr._zarr._BLOCK_BYTES", 4000)
        arrays = records(20)
        group = zarr.open_group(tmp_path / "a", mode="w")
        for (name, array), chunk in zip(arrays.items(), [4, 3, 7, 5], strict=True):
            group.create_array(name, data=array, chunks=(chunk, *array.shape[1:]))
        assert self.lengths(tmp_path / "a", spec) == [3, 3, 3, 3, 3, 3, 2]
        check_reads(open_source(tmp_path / "a", spec), arrays)


def test_a_source_goes_to_another_process(tmp_path, spec, records):
    path = write_zarr([records(10)], spec, tmp_path / "a.zarr", chunk=4)
    source = pickle.loads(pickle.dumps(open_source(path)))
    check_reads(source, records(10))


def test_blocks_say_what_they_are(foreign, spec, records):
    source = open_source(foreign(records(10)), spec)
    (block,) = source.scan([2])
    assert repr(block) == "Block(id=2, records=2, entries=['image', 'depth', 'mask', 'weight'])"
    assert "records=10" in repr(source)
    with pytest.raises(KeyError):
        block["absent"]
