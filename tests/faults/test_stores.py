"""The fault matrix: every kind of damage to every kind of store is noticed, or changes nothing.

A reader may raise, or give the values that were written. It must never give others, whatever
stands in the buffer that it decodes to.
"""

import itertools
import json
import shutil
from pathlib import Path

import hypothesis
import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec

from multiaug.errors import CorruptChunkError, MissingChunkError, StoreError
from multiaug.spec import DataSpec
from multiaug.store import open_source

SPEC = DataSpec.from_dict(
    {
        "name": "faults",
        "entries": {"image": {"role": "intensity", "dtype": "uint16", "channels": 2}},
    }
)
COUNT, CHUNK, SHARD = 12, 2, 6
VALUES = np.random.default_rng(0).integers(1, 2**16, (COUNT, 6, 5, 2)).astype(np.uint16)
VALUES[:, :3] = 7  # something to compress

CODECS = {
    "none": [],
    "crc32c": [Crc32cCodec()],
    "lz4": [BloscCodec(cname="lz4")],
    "lz4, crc32c": [BloscCodec(cname="lz4"), Crc32cCodec()],
    "zstd": [ZstdCodec()],
    "zstd, checksum": [ZstdCodec(checksum=True)],
    "gzip": [GzipCodec()],
}
# These notice every flipped bit; the others cannot, as no checksum is stored with the values.
CHECKED = {"crc32c", "lz4, crc32c", "zstd, checksum", "gzip"}
KINDS = ["plain", "sharded", "sharded, index first", "version 2"]
VERSION_2 = {
    "none": None, "lz4": numcodecs.Blosc("lz4"), "zstd": numcodecs.Zstd(),
    "zstd, checksum": numcodecs.Zstd(checksum=True), "gzip": numcodecs.GZip(),
}  # fmt: skip
STORES = [
    (kind, codec) for kind, codec in itertools.product(KINDS, CODECS)
    if kind != "version 2" or codec in VERSION_2
]  # fmt: skip


def write(path: Path, kind: str, codec: str) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2 if kind == "version 2" else 3)
    settings = {"chunks": (CHUNK, 6, 5, 2), "config": {"write_empty_chunks": True}}
    if kind == "version 2":
        settings["compressors"] = VERSION_2[codec]
    elif kind == "plain":
        settings["compressors"] = CODECS[codec]
    else:
        settings["chunks"] = (SHARD, 6, 5, 2)
        settings["compressors"] = None
        settings["serializer"] = ShardingCodec(
            chunk_shape=(CHUNK, 6, 5, 2),
            codecs=[BytesCodec(), *CODECS[codec]],
            index_location="start" if kind.endswith("first") else "end",
        )
    array = group.create_array("image", shape=VALUES.shape, dtype=VALUES.dtype, **settings)
    array[:] = VALUES


def objects(path: Path) -> list[Path]:
    """Files with values in them."""
    names = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
    return sorted(f for f in (path / "image").rglob("*") if f.is_file() and f.name not in names)


def damages(content: bytes, draw: np.random.Generator, flips: int):
    """(kind, what stands in the file afterwards; None for no file) for many kinds of damage."""
    size = len(content)
    yield "missing", None
    for cut in {0, 1, size // 2, size - 1, int(draw.integers(0, size))}:
        yield "truncated", content[:cut]
    yield "longer", content + b"\0" * 16
    yield "zeros", b"\0" * size
    yield "noise", draw.integers(0, 256, size, np.uint8).tobytes()
    for _ in range(flips):
        changed = bytearray(content)
        place = int(draw.integers(0, size))
        changed[place] ^= 1 << int(draw.integers(0, 8))
        yield "flipped", bytes(changed)


def outcome(path: Path, read) -> str:
    """What a reader does: raises, or gives the right values, or others."""
    out = {"image": np.full((COUNT, 6, 5, 2), 0xDEAD, np.uint16)}  # as a used buffer would be
    try:
        source = open_source(path, SPEC)
        read(source, out)
    except (MissingChunkError, CorruptChunkError) as error:
        return type(error).__name__ if "image/" in str(error) else "an error without a place"
    except StoreError:
        return "StoreError"
    return "right" if (out["image"] == VALUES).all() else "wrong"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("multiaug.store.zarr._reader._FIRST_WAIT", 0)


def by_range(source, out) -> None:
    source.read_range(0, COUNT, out)


def by_rows(source, out) -> None:
    source.read(np.arange(COUNT), out=out)


def by_scan(source, out) -> None:
    for block in source.scan():
        out["image"][block.index] = block["image"]


@pytest.mark.parametrize(("kind", "codec"), STORES, ids=lambda value: str(value))
def test_no_damage_gives_wrong_values(tmp_path, kind, codec):
    flips = 60 if hypothesis.settings().max_examples >= 100 else 6
    draw = np.random.default_rng(len(kind) * 31 + len(codec))
    path = tmp_path / "a"
    write(path, kind, codec)
    assert outcome(path, by_range) == "right"
    seen = []
    for file in objects(path)[:: 3 if kind in ("plain", "version 2") else 1]:
        content = file.read_bytes()
        for number, (damage, changed) in enumerate(damages(content, draw, flips)):
            file.unlink()
            if changed is not None:
                file.write_bytes(changed)
            found = outcome(path, (by_range, by_rows, by_scan)[number % 3])
            seen.append((damage, found))
            file.write_bytes(content)
    # Without a checksum a flipped bit can look like a value, and noise like many values.
    blind = {"none": {"flipped", "zeros", "noise"}, "lz4": {"flipped"}, "zstd": {"flipped"}}
    allowed = set() if codec in CHECKED else blind[codec]
    wrong = [damage for damage, found in seen if found == "wrong" and damage not in allowed]
    assert wrong == []
    assert {found for damage, found in seen if damage == "missing"} == {"MissingChunkError"}
    assert not any(found == "an error without a place" for _, found in seen)
    assert len(seen) >= 20
    print(f"{len(seen)} cases")


def test_a_chunk_of_another_store(tmp_path):
    """Sound bytes in the wrong place: of another shape, they are refused."""
    for codec in CODECS:
        write(tmp_path / codec, "plain", codec)
        other = zarr.open_group(tmp_path / "other", mode="w").create_array(
            "image", shape=(1, 6, 5, 2), dtype="u2", chunks=(1, 6, 5, 2), compressors=CODECS[codec]
        )
        other[:] = 9
        (file,) = objects(tmp_path / "other")
        shutil.copy(file, objects(tmp_path / codec)[1])
        assert outcome(tmp_path / codec, by_range) == "CorruptChunkError"


def test_a_shape_that_grew_in_the_metadata(tmp_path):
    """zarr gives zeros for rows that were never written."""
    for kind, codec in (("plain", "zstd"), ("sharded", "lz4")):
        path = tmp_path / kind
        write(path, kind, codec)
        metadata = path / "image" / "zarr.json"
        document = json.loads(metadata.read_text())
        document["shape"][0] += SHARD
        metadata.write_text(json.dumps(document))
        source = open_source(path, SPEC)
        with pytest.raises(MissingChunkError):
            source.read([COUNT])
        with pytest.raises(MissingChunkError):
            source.check()


@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_metadata_that_were_cut(tmp_path, cut):
    write(tmp_path / "a", "plain", "zstd")
    metadata = tmp_path / "a" / "image" / "zarr.json"
    metadata.write_bytes(metadata.read_bytes()[:cut])
    with pytest.raises(StoreError, match="metadata cannot be read"):
        open_source(tmp_path / "a", SPEC)


def test_an_unknown_codec(tmp_path):
    write(tmp_path / "a", "plain", "zstd")
    metadata = tmp_path / "a" / "image" / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"zstd"', '"of the future"'))
    with pytest.raises(StoreError, match="of the future"):
        open_source(tmp_path / "a", SPEC)


def test_an_error_that_passes(tmp_path, monkeypatch):
    """Reading is repeated when the network fails, and when a chunk was being replaced."""
    from multiaug.store.zarr import _objects

    write(tmp_path / "a", "plain", "zstd")
    read, calls = _objects._read_file, []

    def flaky(path, *arguments):
        calls.append(path)
        if len(calls) in (1, 3):
            raise ConnectionResetError("gone for a moment")
        found = read(path, *arguments)
        return found[: found.size // 2] if len(calls) == 5 else found

    monkeypatch.setattr(_objects, "_read_file", flaky)
    monkeypatch.setattr(_objects, "_FIRST_WAIT", 0.001)
    assert outcome(tmp_path / "a", by_range) == "right"


@pytest.mark.parametrize("name", ["../secret", "a/b", "/etc/passwd", ".."])
def test_names_that_lead_elsewhere(tmp_path, name):
    """The name of an entry becomes a path."""
    from multiaug.errors import SpecError

    with pytest.raises(SpecError):
        DataSpec.from_dict({"name": "x", "entries": {name: {"role": "intensity", "channels": 1}}})
