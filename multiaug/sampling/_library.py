"""The compiled library of the sampler, where there is one."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path

_ABI = 9
_LIBRARY = Path(__file__).parent / "_native" / "libmultiaug.so"


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
    for name in ("multiaug_finish", "multiaug_recolour"):
        function = getattr(found, name)
        function.argtypes, function.restype = [ctypes.c_void_p], None
    found.multiaug_start.argtypes, found.multiaug_start.restype = (
        [ctypes.c_void_p, ctypes.c_int],
        None,
    )
    return found


def compiled_is_available() -> bool:
    """Whether batches on CPUs run in C where they can.

    Not where no compiler was found when the package was installed, nor with the environment
    variable ``MULTIAUG_COMPILED=0``.
    """
    return library() is not None
