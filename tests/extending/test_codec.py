"""A codec of one's own: zarr-python writes it, and a function of a few lines decodes in place."""

from dataclasses import dataclass

import numpy as np
import pytest
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import register_codec as register_with_zarr

import multiaug as ma
from multiaug.store.codecs import DamageError, register_codec
from multiaug.store.codecs import _step as registry

IMAGES = np.random.default_rng(0).integers(0, 255, (7, 6, 5, 3)).astype(np.uint8)


@dataclass(frozen=True)
class Inverted(BytesBytesCodec):
    """Every bit turned around, and a byte in front that says so."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data):
        return cls()

    def to_dict(self):
        return {"name": "inverted"}

    def compute_encoded_size(self, input_byte_length, chunk_spec):
        return input_byte_length + 1

    async def _encode_single(self, chunk_bytes, chunk_spec):
        turned = np.invert(chunk_bytes.as_numpy_array())
        return chunk_spec.prototype.buffer.from_array_like(np.concatenate([[np.uint8(7)], turned]))

    async def _decode_single(self, chunk_bytes, chunk_spec):
        turned = np.invert(chunk_bytes.as_numpy_array()[1:])
        return chunk_spec.prototype.buffer.from_array_like(turned)


register_with_zarr("inverted", Inverted)


@pytest.fixture
def store(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    array = group.create_array(
        "image", shape=IMAGES.shape, chunks=(2, 6, 5, 3), dtype="uint8", compressors=[Inverted()]
    )
    array[:] = IMAGES
    return tmp_path / "a.zarr"


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(registry, "_CODECS", dict(registry._CODECS))
    found = []

    @register_codec("inverted")
    def inverted(config):
        def decode(stored, out):
            if stored[0] != 7:
                raise DamageError("does not begin with 7")
            found.append(stored.size)
            return np.invert(stored[1:], out=out)

        return decode

    return found


def read(store):
    return ma.open_source(store, ma.load_spec("rgb-segmentation")).read(range(7))["image"]


def test_zarr_reads_what_is_not_registered(store):
    np.testing.assert_array_equal(read(store), IMAGES)


def test_a_registered_codec_decodes_every_chunk(store, calls):
    np.testing.assert_array_equal(read(store), IMAGES)
    assert calls == [2 * 6 * 5 * 3 + 1] * 4


def test_damage_that_it_finds_names_the_chunk(store, calls):
    path = next(path for path in (store / "image" / "c").rglob("*") if path.is_file())
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    with pytest.raises(ma.CorruptChunkError, match="does not begin with 7"):
        read(store)
