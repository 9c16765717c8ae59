"""Zstandard."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...typing import NDArray
from ._native_step import ZSTD, native_step
from ._step import DamageError, Step, decode_into, register_codec

_MAGIC = 0xFD2FB528


@register_codec("zstd")
def zstd(config: Mapping[str, Any]) -> Step:
    """The header of a frame mostly says its size."""
    from numcodecs import zstd as library

    decompress = library.decompress

    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        size = _size(stored)
        if size is None:  # written as a stream: only decoding tells the size
            return np.frombuffer(decompress(stored), np.uint8)
        return decode_into(decompress, stored, out, size)

    functions = "ZSTD_createDCtx", "ZSTD_freeDCtx", "ZSTD_decompressDCtx"
    return native_step(decode, ZSTD, library, *functions)


def _size(stored: NDArray) -> int | None:
    """Content size in the header of a frame; None where it is left out.

    References:
        RFC 8878, section 3.1.1.1.
    """
    if stored.size < 5 or struct.unpack_from("<I", stored.data)[0] != _MAGIC:
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
