"""Writing: what comes back is what went in, and a store is whole or not there."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import zarr

from multiaug.errors import ParameterError, RecordError, StoreError
from multiaug.store import ZarrSource, open_source, write_zarr


def cut(arrays, *lengths) -> Iterator[dict[str, np.ndarray]]:
    """Batches of these lengths."""
    start = 0
    for length in lengths:
        yield {name: array[start : start + length] for name, array in arrays.items()}
        start += length


def same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("lengths", [[11], [1] * 11, [4, 4, 3], [3, 0, 8], [9, 2]])
@pytest.mark.parametrize("chunk", [1, 4, 16])
def test_round_trip(tmp_path, spec, records, lengths, chunk):
    arrays = records(11)
    path = write_zarr(cut(arrays, *lengths), spec, tmp_path / "a.zarr", chunk=chunk)
    source = open_source(path)
    assert len(source) == 11
    assert source.spec == spec
    same(source.read(range(11)), arrays)
    assert names(tmp_path) == ["a.zarr"]


def test_the_store_does_not_depend_on_how_the_batches_were_cut(tmp_path, spec, records):
    stores = []
    for number, lengths in enumerate([[11], [5, 6], [1] * 11]):
        path = tmp_path / str(number)
        write_zarr(cut(records(11), *lengths), spec, path, chunk=4)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        stores.append({str(file.relative_to(path)): file.read_bytes() for file in files})
    assert stores[0] == stores[1] == stores[2]
    assert len(stores[0]) == 1 + 4 + 4 * 3


def test_the_marker(tmp_path, spec, records):
    arrays = records(5)
    path = write_zarr([arrays], spec, tmp_path / "a.zarr", chunk=2)
    marker = json.loads((path / "zarr.json").read_text())["attributes"]["multiaug"]
    assert marker["schema"] == "multiaug.store/1"
    assert marker["complete"] is True
    assert marker["records"] == 5
    assert marker["spec"] == spec.to_dict()
    assert marker["sha256"] == {
        n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in arrays.items()
    }


def test_chunks_of_zeros_are_written_and_records_are_not_split(tmp_path, spec):
    zeros = {"image": np.zeros((4, 6, 8, 3), np.uint8), "depth": np.zeros((4, 6, 8), np.float32)}
    path = write_zarr([zeros], spec, tmp_path / "a.zarr", chunk=2)
    assert names(path / "image" / "c") == ["0", "1"]
    assert zarr.open_group(path, mode="r")["image"].chunks == (2, 6, 8, 3)


def test_a_damaged_byte_is_noticed_whatever_the_compression(tmp_path, spec, records):
    path = write_zarr([records(4)], spec, tmp_path / "a.zarr", chunk=4)
    chunk = path / "image" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 16
    chunk.write_bytes(content)
    with pytest.raises(StoreError, match="image/c/0/0/0/0 cannot be decoded"):
        ZarrSource(path).read([0])


def test_a_buffer_that_is_used_again(tmp_path, spec, records):
    arrays = records(6)

    def batches():
        buffer = {name: np.empty_like(array[:1]) for name, array in arrays.items()}
        for row in range(6):
            for name, array in arrays.items():
                buffer[name][0] = array[row]
            yield buffer

    same(open_source(write_zarr(batches(), spec, tmp_path / "a", chunk=4)).read(range(6)), arrays)


def test_what_a_pipeline_adds_is_written_and_left_alone_by_sources(tmp_path, spec, records):
    arrays = records(5) | {"depth_valid": np.ones((5, 6, 8), bool)}
    path = write_zarr([arrays], spec, tmp_path / "a.zarr")
    source = ZarrSource(path)
    assert set(source.read([0])) == set(records(5))
    assert source.group["depth_valid"][:].all()


def test_byte_order_becomes_native(tmp_path, spec, records):
    arrays = records(5)
    swapped = arrays | {"depth": arrays["depth"].astype(">f4")}
    path = write_zarr([swapped], spec, tmp_path / "a.zarr")
    same(open_source(path).read(range(5)), arrays)


def test_an_existing_destination(tmp_path, spec, records):
    path = write_zarr([records(3)], spec, tmp_path / "a.zarr")
    with pytest.raises(StoreError, match=r"a\.zarr already exists"):
        write_zarr([records(5)], spec, path)
    assert len(open_source(path)) == 3
    write_zarr([records(5)], spec, path, overwrite=True)
    assert len(open_source(path)) == 5
    assert names(tmp_path) == ["a.zarr"]


def test_overwrite_does_not_remove_what_is_no_store(tmp_path, spec, records):
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter1.tex").write_text("words")
    with pytest.raises(StoreError, match="thesis is not a zarr store"):
        write_zarr([records(3)], spec, precious, overwrite=True)
    assert names(precious) == ["chapter1.tex"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_interrupted_write_leaves_nothing(tmp_path, spec, records, error, overwrite):
    if overwrite:
        write_zarr([records(3)], spec, tmp_path / "a.zarr")
    before = names(tmp_path)

    def batches():
        yield records(40)
        raise error

    with pytest.raises(error):
        write_zarr(batches(), spec, tmp_path / "a.zarr", overwrite=overwrite)
    assert names(tmp_path) == before
    if overwrite:
        assert len(open_source(tmp_path / "a.zarr")) == 3


def test_a_folder_of_a_killed_write_is_refused(tmp_path, spec, records):
    def batches():
        yield records(40)
        (staged,) = tmp_path.glob("a.zarr.tmp-*")
        with pytest.raises(StoreError, match=r"not complete.*Write it again"):
            open_source(staged, spec)

    write_zarr(batches(), spec, tmp_path / "a.zarr")


def refused(tmp_path, spec, batches, error, message, **settings):
    with pytest.raises(error, match=message):
        write_zarr(batches, spec, tmp_path / "a.zarr", **settings)
    assert names(tmp_path) == []


def test_no_records(tmp_path, spec, records):
    refused(tmp_path, spec, [], StoreError, "no records")
    empty = {name: array[:0] for name, array in records(3).items()}
    refused(tmp_path, spec, [empty], StoreError, "no records")


def test_a_chunk_of_no_records(tmp_path, spec, records):
    refused(
        tmp_path,
        spec,
        [records(3)],
        ParameterError,
        "chunk` must be a whole number, at least 1",
        chunk=0,
    )


def test_bfloat16(tmp_path, spec, records):
    arrays = records(3) | {"depth": records(3)["depth"].astype(ml_dtypes.bfloat16)}
    message = "batch 0: 'depth' is bfloat16, which zarr cannot hold.*float32"
    refused(tmp_path, spec, [arrays], StoreError, message)


def test_a_missing_entry(tmp_path, spec, records):
    arrays = records(3)
    del arrays["depth"]
    refused(tmp_path, spec, [arrays], RecordError, r"batch 0: .*\n  depth: found nothing")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("image", lambda a: a.astype(np.float32), "image: found dtype float32, expected uint8"),
        ("image", lambda a: a[..., :2], "image: found shape"),
        ("depth", lambda a: a[0], "depth: found shape"),
    ],
)
def test_a_batch_that_is_not_what_the_spec_says(tmp_path, spec, records, name, change, message):
    arrays = records(3)
    arrays[name] = change(arrays[name])
    refused(tmp_path, spec, [arrays], RecordError, message)


def test_batches_that_change(tmp_path, spec, records):
    extra = records(3) | {"extra": np.zeros(3, np.float32)}
    message = "batch 1: found the entries .*expected"
    refused(tmp_path, spec, [records(3), extra], RecordError, message)
    other = records(3) | {"extra": np.zeros(3, np.int32)}
    message = r"batch 1: 'extra' is int32 \(n\), expected float32 \(n\) as in the first batch"
    refused(tmp_path, spec, [extra, other], RecordError, message)
    wide = records(3) | {"extra": np.zeros((3, 2), np.float32)}
    message = r"batch 2: 'extra' is float32 \(n, 2\), expected float32 \(n\)"
    refused(tmp_path, spec, [extra, extra, wide], RecordError, message)


def test_entries_of_different_length(tmp_path, spec, records):
    arrays = records(3) | {"extra": np.zeros(2, np.float32)}
    refused(tmp_path, spec, [arrays], StoreError, "the arrays differ in length: .*'extra' 2")


@pytest.mark.parametrize("name", ["../outside", "a/b", "", "zarr.json/x", ".hidden"])
def test_names_that_are_no_names(tmp_path, spec, records, name):
    arrays = records(3) | {name: np.zeros(3, np.float32)}
    refused(tmp_path, spec, [arrays], RecordError, "cannot be the name of an array")


def test_tables_without_rows(tmp_path, spec, records):
    arrays = records(3) | {"boxes": np.zeros((3, 0, 4), np.float32)}
    path = write_zarr([arrays], spec, tmp_path / "a.zarr")
    assert zarr.open_group(path, mode="r")["boxes"].shape == (3, 0, 4)
