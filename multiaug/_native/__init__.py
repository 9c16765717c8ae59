"""The compiled library, where there is one."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from ..errors import warn

_ABI = 19
_LIBRARY = Path(__file__).parent / "libmultiaug.so"


_SLOWER = (
    "Batches on CPUs are run by XLA, several times slower. Install multiaug again "
    "(pip install --force-reinstall multiaug), or set MULTIAUG_COMPILED=0 if that is meant."
)
_LAYOUTS: dict[str, int] = {}
T = TypeVar("T", bound=type[ctypes.Structure])


def layout(name: str) -> Callable[[T], T]:
    """Class decorator of a structure that a header declares under this name: sizes must agree."""

    def remember(structure: T) -> T:
        _LAYOUTS[name] = ctypes.sizeof(structure)
        return structure

    return remember


@cache
def library() -> ctypes.CDLL | None:
    """The compiled code; None where it could not be compiled, or is switched off."""
    if os.environ.get("MULTIAUG_COMPILED", "1") == "0" or not _LIBRARY.exists():
        return None
    try:
        found = ctypes.CDLL(str(_LIBRARY))
    except OSError as error:
        warn(f"{_LIBRARY.name} cannot be loaded ({error}). {_SLOWER}")
        return None
    if found.multiaug_abi() != _ABI:
        warn(f"{_LIBRARY.name} was compiled for another version of multiaug. {_SLOWER}")
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    found.multiaug_sizeof.argtypes, found.multiaug_sizeof.restype = [ctypes.c_char_p], size
    for name, expected in _LAYOUTS.items():
        bytes_there = found.multiaug_sizeof(name.encode())
        if bytes_there != expected:
            raise ImportError(
                f"{_LIBRARY.name} and the Python side of multiaug disagree on the structure "
                f"{name}: {bytes_there} bytes there, {expected} here. Compile the library again: "
                "pip install --force-reinstall multiaug."
            )
    found.multiaug_opcode.argtypes = [ctypes.c_char_p]
    found.multiaug_elements.argtypes = [ctypes.c_int, ctypes.c_int]
    found.multiaug_elements.restype = size
    for name, arguments in {
        "blend": [pointer],
        "ffi_version": [pointer],
        "fill": [pointer],
        "finish": [pointer, size],
        "means": [pointer],
        "moments": [pointer],
        "noise": [pointer],
        "pointwise": [pointer],
        "scatter": [pointer, size, pointer, pointer, size],
        "start": [pointer, ctypes.c_int],
    }.items():
        function = getattr(found, f"multiaug_{name}")
        function.argtypes, function.restype = arguments, None
    found.multiaug_chunks.argtypes, found.multiaug_chunks.restype = [pointer], size
    return found


def compiled_is_available() -> bool:
    """Whether C does on CPUs what it can.

    Not where no compiler was found when the package was installed, nor with the environment
    variable ``MULTIAUG_COMPILED=0``.
    """
    return library() is not None
