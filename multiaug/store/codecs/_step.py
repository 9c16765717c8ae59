"""What a codec is here: a function that decodes the bytes of a chunk, found by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..._arguments import TEXT, checked
from ...typing import NDArray


class DamageError(Exception):
    """Stored bytes do not decode to what the metadata promises."""


Step = Callable[[NDArray, "NDArray | None"], NDArray]
"""Takes stored bytes and the place for what comes out, which is None for all steps of a chain but
the last. Returns the place where it has filled it, else the bytes that it made."""

Codec = Callable[[Mapping[str, Any]], "Step | None"]
"""From the configuration that the metadata of an array hold to the step; None for a configuration
that only zarr-python can read."""

F = TypeVar("F", bound=Codec)

_CODECS: dict[str, Codec] = {}


@checked(name=TEXT)
def register_codec(name: str) -> Callable[[F], F]:
    """Decorate a function that makes the decoding step of a codec, so that chunks decode in place.

    Arrays of codecs that are not registered are read by zarr-python, which must know them in any
    case: it is what writes them. A name that is registered again gets the new function.

    Args:
        name: of the codec in metadata: ``id`` in version 2, ``name`` in version 3, without
            ``numcodecs.``.

    Example:
        >>> import numpy as np
        >>> @register_codec("inverted")
        ... def inverted(config):
        ...     return lambda stored, out: np.invert(stored, out=out)
        >>> step_of("inverted", {})(np.array([0, 255], np.uint8), None).tolist()
        [255, 0]
    """

    def register(codec: F) -> F:
        _CODECS[name] = codec
        return codec

    return register


def step_of(name: str, config: Mapping[str, Any]) -> Step | None:
    """The decoding step of a codec by its name; None for what only zarr-python can read."""
    codec = _CODECS.get(name)
    return None if codec is None else codec(config)


def decode_into(
    decompress: Callable[..., Any], stored: NDArray, out: NDArray | None, size: int
) -> NDArray:
    """Decode to a place of exactly the stated size.

    Args:
        decompress: (bytes, place) or (bytes) -> bytes.
        stored: what to decode.
        out: the place, or None.
        size: what the header says that comes out, in bytes.

    Raises:
        DamageError: the place has another size, or the size cannot be true.
    """
    if out is None:
        # An inner step of a chain. A lying header must not allocate the machine.
        if size > max(1024 * stored.size, 1 << 20):
            raise DamageError(f"says that {stored.size} bytes decode to {size}")
        return np.frombuffer(decompress(stored), np.uint8)
    if size != out.size:
        raise DamageError(f"decodes to {size} bytes, expected {out.size}")
    decompress(stored, out)
    return out
