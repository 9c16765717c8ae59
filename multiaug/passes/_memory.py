"""Amounts of memory, as people write them."""

from __future__ import annotations

import re

from ..errors import ParameterError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_memory(value: int | str, owner: str) -> int:
    """Bytes of ``"4GB"``, ``"512MiB"`` or a number.

    Raises:
        ParameterError: neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", str(value), re.IGNORECASE)
    if not found or isinstance(value, bool | int):
        raise ParameterError(
            f"`{owner}.memory` must be bytes, or text such as '4GB' or '512MiB', got {value!r}."
        )
    unit = found[2].upper()
    scale = _BINARY[unit] if found[3] and unit else _UNITS[unit]
    return int(float(found[1]) * scale)


def bytes_text(count: float) -> str:
    """An amount to read: ``1.5 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= 0.95 * scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"
