"""What the machine has: cores, a byte order, and amounts of memory as people write them."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from .errors import ParameterError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?\s*", re.IGNORECASE)


def core_count() -> int:
    """How many cores the process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def native(array: Any) -> Any:
    """A NumPy array in the byte order of this machine, which JAX and C ask for.

    FITS, PFM and IDX files, and maps of them, have the other one. What is in order already, or no
    NumPy array, is handed through.
    """
    if isinstance(array, np.ndarray) and not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def parse_memory(memory: int | str, name: str) -> int:
    """Bytes, of a number or of text such as "512MB" or "2GiB".

    Args:
        memory: bytes, at least 1, or text.
        name: of the argument, for the error.

    Raises:
        ParameterError: neither.

    Example:
        >>> parse_memory("1.5 GiB", "memory")
        1610612736
    """
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    found = _AMOUNT.fullmatch(memory) if isinstance(memory, str) else None
    if found is None:
        raise ParameterError(
            f"`{name}` must be bytes, or text such as '4GB' or '512MiB', got {memory!r}."
        )
    unit = found[2].upper()
    return int(float(found[1]) * (_BINARY[unit] if found[3] and unit else _UNITS[unit]))


def bytes_text(count: float) -> str:
    """An amount to read: ``1.5 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= 0.95 * scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def aligned_bytes(size: int, alignment: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Memory whose address is a multiple, with whatever stands in it."""
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]
