"""Decoding chunks straight into memory that is used again.

zarr-python decodes into fresh memory and copies from there, which costs more than many codecs
do. Here the last step of a chain writes into the place where the values are wanted. What is not
known here is left to zarr-python, which stays the reference: both give the same bits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..typing import NDArray

if TYPE_CHECKING:
    import zarr


class DamageError(Exception):
    """Stored bytes do not decode to what the metadata promises."""


# A step takes stored bytes and, where it is the last, the place for what comes out.
Step = Callable[[NDArray, "NDArray | None"], NDArray]

_ZSTD_MAGIC = 0xFD2FB528
_CRC_BYTES = 4


@dataclass(frozen=True)
class Chain:
    """How chunks of one array are stored.

    Args:
        steps: bytes to bytes, in the order of decoding; empty for values stored as they are.
        dtype: of the stored values, with their byte order.
        order: ``C`` or ``F``, the order of the axes of a chunk.
    """

    steps: tuple[Step, ...]
    dtype: np.dtype[Any]
    order: str = "C"

    @property
    def plain(self) -> bool:
        """Whether stored values are what memory holds, so that reading is all there is to do."""
        return not self.steps and self.dtype.isnative

    def decode(self, stored: NDArray, out: NDArray) -> None:
        """Decode a chunk.

        Args:
            stored: uint8, the object's bytes.
            out: uint8, the place of the values; of native byte order afterwards.

        Raises:
            DamageError: the bytes are broken, or decode to another size.
        """
        for step in self.steps[:-1]:
            stored = step(stored, None)
        if self.steps:
            stored = self.steps[-1](stored, out)
        if stored is not out:
            if stored.size != out.size:
                raise DamageError(f"decodes to {stored.size} bytes, expected {out.size}")
            out[:] = stored
        if not self.dtype.isnative:
            out.view(self.dtype.newbyteorder("=")).byteswap(inplace=True)


@dataclass(frozen=True)
class Sharding:
    """How shards of one array are stored: chunks in any order, and an index of them.

    Args:
        shard: shape of a shard.
        at_end: where the index stands.
        checked: whether a crc32c follows the index.
    """

    shard: tuple[int, ...]
    at_end: bool
    checked: bool


def read_chain(array: zarr.Array[Any]) -> tuple[Chain, Sharding | None] | None:
    """The chain of an array, and its shards; None for what only zarr-python can read."""
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "biufc":
        return None
    if array.metadata.zarr_format == 2:
        return _version_2(array.metadata, dtype)
    document: dict[str, Any] = dict(array.metadata.to_dict())
    codecs = document["codecs"]
    if document.get("storage_transformers"):
        return None
    if codecs and codecs[0]["name"] == "sharding_indexed":
        return _sharded(array, dtype, codecs)
    chain = _version_3(dtype, codecs)
    return None if chain is None else (chain, None)


def _version_2(metadata: Any, dtype: np.dtype[Any]) -> tuple[Chain, None] | None:
    if metadata.filters:
        return None
    steps: tuple[Step, ...] = ()
    if metadata.compressor is not None:
        config = dict(metadata.compressor.get_config())
        step = _step(config.pop("id"), config)
        if step is None:
            return None
        steps = (step,)
    return Chain(steps, dtype, metadata.order), None


def _version_3(dtype: np.dtype[Any], codecs: Sequence[dict[str, Any]]) -> Chain | None:
    if not codecs or codecs[0]["name"] != "bytes":
        return None
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    steps = []
    for codec in reversed(codecs[1:]):
        name = codec["name"].removeprefix("numcodecs.")
        step = _step(name, codec.get("configuration", {}))
        if step is None:
            return None
        steps.append(step)
    return Chain(tuple(steps), dtype.newbyteorder("<" if endian == "little" else ">"))


def _sharded(
    array: zarr.Array[Any], dtype: np.dtype[Any], codecs: Sequence[dict[str, Any]]
) -> tuple[Chain, Sharding] | None:
    settings = codecs[0]["configuration"]
    chain = _version_3(dtype, settings["codecs"])
    index = [codec["name"] for codec in settings["index_codecs"]]
    little = settings["index_codecs"][0].get("configuration", {}).get("endian") == "little"
    known = index in (["bytes"], ["bytes", "crc32c"]) and little
    if chain is None or len(codecs) > 1 or not known or array.shards is None:
        return None
    at_end = settings.get("index_location", "end") == "end"
    return chain, Sharding(tuple(array.shards), at_end, checked="crc32c" in index)


def _step(name: str, config: dict[str, Any]) -> Step | None:
    """The decoding step of a codec by its name; None for an unknown one."""
    import numcodecs

    if name == "crc32c":
        # zarr-python writes the checksum behind the bytes; other places are left to it.
        return _crc32c if config.get("location", "end") == "end" else None
    # The functions below the codecs: their checks of arrays take as long as a small chunk.
    if name == "blosc":
        return _blosc(numcodecs.blosc.decompress)
    if name == "zstd":
        return _zstd(numcodecs.zstd.decompress)
    if name == "lz4":
        return _lz4(numcodecs.lz4.decompress)
    if name == "gzip":
        return _to_fresh_memory(numcodecs.GZip().decode)
    if name == "zlib":
        return _to_fresh_memory(numcodecs.Zlib().decode)
    return None


def _blosc(decompress: Callable[..., Any]) -> Step:
    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        if stored.size < 16:
            raise DamageError(f"holds {stored.size} bytes, too few for a header")
        # The library reads as far as the header says, also past the end of the buffer.
        size, _, written = struct.unpack_from("<III", stored.data, 4)
        if written != stored.size:
            raise DamageError(f"holds {stored.size} bytes, but its header says {written}")
        return _into(decompress, stored, out, size)

    return decode


def _zstd(decompress: Callable[..., Any]) -> Step:
    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        size = _zstd_size(stored)
        if size is None:  # written as a stream: only decoding tells the size
            return np.frombuffer(decompress(stored), np.uint8)
        return _into(decompress, stored, out, size)

    return decode


def _lz4(decompress: Callable[..., Any]) -> Step:
    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        if stored.size < 4:
            raise DamageError(f"holds {stored.size} bytes, too few for a header")
        return _into(decompress, stored, out, struct.unpack_from("<I", stored.data)[0])

    return decode


def _to_fresh_memory(decompress: Callable[..., Any]) -> Step:
    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        if not stored.size:
            raise DamageError("holds no bytes")
        return np.frombuffer(decompress(stored), np.uint8)

    return decode


def _into(
    decompress: Callable[..., Any], stored: NDArray, out: NDArray | None, size: int
) -> NDArray:
    """Decode to a place of exactly the stated size."""
    if out is None:
        # An inner step of a chain. A lying header must not allocate the machine.
        if size > max(1024 * stored.size, 1 << 20):
            raise DamageError(f"says that {stored.size} bytes decode to {size}")
        return np.frombuffer(decompress(stored), np.uint8)
    if size != out.size:
        raise DamageError(f"decodes to {size} bytes, expected {out.size}")
    decompress(stored, out)
    return out


def _zstd_size(stored: NDArray) -> int | None:
    """Content size in the header of a frame; None where it is left out.

    References:
        RFC 8878, section 3.1.1.1.
    """
    if stored.size < 5 or struct.unpack_from("<I", stored.data)[0] != _ZSTD_MAGIC:
        raise DamageError("does not begin with a zstd frame")
    descriptor = int(stored[4])
    flag, single_segment = descriptor >> 6, descriptor >> 5 & 1
    start = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    length = (1 if single_segment else 0, 2, 4, 8)[flag]
    if not length:
        return None
    if stored.size < start + length:
        raise DamageError(f"holds {stored.size} bytes, too few for a header")
    size = int.from_bytes(stored[start : start + length].tobytes(), "little")
    return size + 256 if length == 2 else size


def _crc32c(stored: NDArray, out: NDArray | None) -> NDArray:
    content = strip_crc32c(stored)
    if out is None:
        return content
    if content.size != out.size:
        raise DamageError(f"decodes to {content.size} bytes, expected {out.size}")
    out[:] = content
    return out


def strip_crc32c(stored: NDArray) -> NDArray:
    """Bytes without the checksum behind them.

    Raises:
        DamageError: the checksum is another one.
    """
    if stored.size < _CRC_BYTES:
        raise DamageError(f"holds {stored.size} bytes, too few for a checksum")
    content: NDArray = stored[:-_CRC_BYTES]
    expected = int.from_bytes(stored[-_CRC_BYTES:].tobytes(), "little")
    if _checksum()(content) != expected:
        raise DamageError("has another checksum (crc32c) than was stored with it")
    return content


@cache
def _checksum() -> Callable[[NDArray], int]:
    """crc32c of an array, which both libraries take without a copy; zarr brings one of them."""
    try:
        found: Any = import_module("google_crc32c").value
    except ImportError:
        found = import_module("crc32c").crc32c
    checksum: Callable[[NDArray], int] = found
    return checksum
