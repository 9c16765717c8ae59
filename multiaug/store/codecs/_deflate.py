"""DEFLATE in the wrappings of gzip and zlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...typing import NDArray
from ._step import DamageError, Step, register_codec


@register_codec("gzip")
def gzip(config: Mapping[str, Any]) -> Step:
    """With a checksum, which is looked at."""
    from numcodecs import GZip

    return _to_fresh_memory(GZip().decode)


@register_codec("zlib")
def zlib(config: Mapping[str, Any]) -> Step:
    """The same with another header."""
    from numcodecs import Zlib

    return _to_fresh_memory(Zlib().decode)


def _to_fresh_memory(decompress: Callable[..., Any]) -> Step:
    def decode(stored: NDArray, out: NDArray | None) -> NDArray:
        if not stored.size:
            raise DamageError("holds no bytes")
        return np.frombuffer(decompress(stored), np.uint8)

    return decode
