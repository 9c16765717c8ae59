"""Blosc: blocks of shuffled bytes, compressed by one of several codecs."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from ...typing import NDArray
from ._native_step import BLOSC, native_step
from ._step import DamageError, Step, decode_into, register_codec


@register_codec("blosc")
def blosc(config: Mapping[str, Any]) -> Step:
    """The header says all."""
    # The function below the codec, here and in the other files: the codec's checks of arrays take
    # as long as a small chunk.
    from numcodecs import blosc as library

    decompress = library.decompress

    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        if stored.size < 16:
            raise DamageError(f"holds {stored.size} bytes, too few for a header")
        # The library reads as far as the header says, also past the end of the buffer.
        size, _, written = struct.unpack_from("<III", stored.data, 4)
        if written != stored.size:
            raise DamageError(f"holds {stored.size} bytes, but its header says {written}")
        return decode_into(decompress, stored, out, size)

    return native_step(decode, BLOSC, library, "blosc_decompress_ctx")
