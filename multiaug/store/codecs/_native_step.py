"""Steps that C takes as well, of many chunks at a time: the same library, the interpreter apart."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from ...typing import NDArray
from ._step import Step

# Numbers of chunks.h.
PLAIN, ZSTD, LZ4, BLOSC = range(4)


@dataclass(frozen=True)
class NativeStep:
    """A step, and the functions of C that do the same.

    Args:
        step: takes the bytes of one chunk.
        codec: its number in chunks.h.
        functions: pointers to what chunks.c calls, in its order.
    """

    step: Step
    codec: int
    functions: ctypes.Array[ctypes.c_void_p]

    def __call__(self, stored: NDArray, out: NDArray | None) -> NDArray:
        """See `Step`."""
        return self.step(stored, out)


@cache
def _say_once(sentence: str) -> None:
    logging.getLogger("multiaug").info(sentence)


def native_step(step: Step, codec: int, module: ModuleType, *names: str) -> Step:
    """The step with functions of the library that a module of numcodecs is linked with.

    Where a build of numcodecs keeps them to itself, the step as it is: it gives the same bits, one
    chunk at a time. The logger ``multiaug`` says so, as it is the slower way.

    Args:
        step: what calls the module.
        codec: its number in chunks.h.
        module: compiled, of numcodecs.
        names: of the functions that chunks.c calls, in its order.
    """
    try:
        library = ctypes.CDLL(str(module.__file__))  # it is loaded already; this only finds it
        found = [ctypes.cast(getattr(library, name), ctypes.c_void_p) for name in names]
    except (AttributeError, OSError) as error:
        _say_once(
            f"{module.__name__} does not hand over the functions of its library ({error}), so "
            "Python decodes chunk by chunk, up to twice as slowly. The wheels of numcodecs on PyPI "
            "do: pip install --force-reinstall numcodecs."
        )
        return step
    return NativeStep(step, codec, (ctypes.c_void_p * len(names))(*found))
