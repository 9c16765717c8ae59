"""A checksum behind the bytes, as zarr writes it behind chunks and indices of shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from ...typing import NDArray
from ._step import DamageError, Step, register_codec

_BYTES = 4


@register_codec("crc32c")
def crc32c(config: Mapping[str, Any]) -> Step | None:
    """zarr-python writes the checksum behind the bytes; other places are left to it."""
    return _crc32c if config.get("location", "end") == "end" else None


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
    if stored.size < _BYTES:
        raise DamageError(f"holds {stored.size} bytes, too few for a checksum")
    content: NDArray = stored[:-_BYTES]
    expected = int.from_bytes(stored[-_BYTES:].tobytes(), "little")
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
