"""LZ4, as numcodecs writes it: the size, then a block."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from ...typing import NDArray
from ._native_step import LZ4, native_step
from ._step import DamageError, Step, decode_into, register_codec


@register_codec("lz4")
def lz4(config: Mapping[str, Any]) -> Step:
    """The first four bytes say the size."""
    from numcodecs import lz4 as library

    decompress = library.decompress

    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        if stored.size < 4:
            raise DamageError(f"holds {stored.size} bytes, too few for a header")
        return decode_into(decompress, stored, out, struct.unpack_from("<I", stored.data)[0])

    return native_step(decode, LZ4, library, "LZ4_decompress_safe")
