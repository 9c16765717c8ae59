"""Decoding chunks straight into memory that is used again.

zarr-python decodes into fresh memory and copies from there, which costs more than many codecs
do. Here the last step of a chain writes into the place where the values are wanted. What is not
known here is left to zarr-python, which stays the reference: both give the same bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...typing import NDArray
from ._native_step import PLAIN, NativeStep
from ._step import DamageError, Step, step_of

if TYPE_CHECKING:
    import zarr


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

    @property
    def native(self) -> tuple[int, int] | None:
        """The codec's number in chunks.h and where its functions are; None where C has no part."""
        if self.plain:
            return PLAIN, 0
        step = self.steps[0] if len(self.steps) == 1 and self.dtype.isnative else None
        if not isinstance(step, NativeStep):
            return None
        return step.codec, ctypes.addressof(step.functions)

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
        step = step_of(config.pop("id"), config)
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
        step = step_of(name, codec.get("configuration", {}))
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
