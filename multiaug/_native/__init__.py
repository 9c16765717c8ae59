"""The compiled library, where there is one."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path

_ABI = 12
_LIBRARY = Path(__file__).parent / "libmultiaug.so"


@cache
def library() -> ctypes.CDLL | None:
    """The compiled code; None where it could not be compiled, or is switched off."""
    if os.environ.get("MULTIAUG_COMPILED", "1") == "0" or not _LIBRARY.exists():
        return None
    try:
        found = ctypes.CDLL(str(_LIBRARY))
    except OSError:  # made for another machine
        return None
    if found.multiaug_abi() != _ABI:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    for name, arguments in {
        "ffi_version": [pointer],
        "finish": [pointer, size],
        "pointwise": [pointer],
        "scatter": [pointer, size, pointer, pointer, size],
        "start": [pointer, ctypes.c_int],
    }.items():
        function = getattr(found, f"multiaug_{name}")
        function.argtypes, function.restype = arguments, None
    return found


def compiled_is_available() -> bool:
    """Whether C does on CPUs what it can.

    Not where no compiler was found when the package was installed, nor with the environment
    variable ``MULTIAUG_COMPILED=0``.
    """
    return library() is not None
