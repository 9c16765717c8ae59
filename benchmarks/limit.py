"""What the machine can decode: the yardstick of readers.

Threads that do nothing else read files into warm memory and decode them, in no order, in C that is
compiled here and shares nothing with the library. So neither the interpreter nor fresh memory is in
the figure; what is, is opening, the kernel's copy, and the libraries that numcodecs brings.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_CODECS = ("none", "zstd", "lz4")
_THREADS = 2


@dataclass(frozen=True)
class Files:
    """The chunks of an array, in files by number.

    Args:
        before: path up to the number.
        after: what follows it.
        count: of chunks.
        size: of a decoded one, in bytes.
    """

    before: str
    after: str
    count: int
    size: int


class DecodeLimit:
    """Reads and decodes all chunks.

    Args:
        arrays: a thread takes its share of one after the other.
        codec: ``zstd``, ``lz4`` (in blosc's frame) or ``none``.
        chunks: of memory for each array; None is as many as there are, each with its place.

    Raises:
        subprocess.CalledProcessError: there is no C compiler.
    """

    def __init__(self, arrays: Sequence[Files], codec: str, chunks: int | None = None) -> None:
        self._arrays, self._codec = arrays, _CODECS.index(codec)
        self._functions = _functions(codec)
        self._places = [np.ones((chunks or files.count, files.size), np.uint8) for files in arrays]
        # On pages, as files are in the page cache: 16 bytes past that the kernel's copy takes a
        # fifth longer, and where memory happens to begin would decide what the limit is.
        room = 2 * max(files.size for files in arrays)
        self._stored = [on_pages(room) for _ in range(_THREADS)]

    def __call__(self) -> None:
        """All of them, once."""
        with ThreadPoolExecutor(_THREADS) as executor:
            list(executor.map(self._work, range(_THREADS)))

    def _work(self, thread: int) -> None:
        stored = self._stored[thread]
        for files, places in zip(self._arrays, self._places, strict=True):
            done = _library().decode_files(
                files.before.encode(), files.after.encode(), thread, files.count, _THREADS,
                places.ctypes.data, len(places), files.size, stored.ctypes.data, stored.size,
                self._codec, *self._functions,
            )  # fmt: skip
            expected = len(range(thread, files.count, _THREADS)) * files.size
            assert done == expected, f"{files.before}*{files.after} does not decode"


def on_pages(size: int) -> np.ndarray[Any, Any]:
    """Bytes that begin on a page."""
    memory = np.zeros(size + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    return memory[start : start + size]


def _functions(codec: str) -> list[Any]:
    """What makes, releases and uses a context, of the library that numcodecs calls."""
    import numcodecs.blosc
    import numcodecs.zstd

    if codec == "none":
        return [None, None, None]
    if codec == "lz4":
        return [None, None, _address(numcodecs.blosc, "blosc_decompress_ctx")]
    names = "ZSTD_createDCtx", "ZSTD_freeDCtx", "ZSTD_decompressDCtx"
    return [_address(numcodecs.zstd, name) for name in names]


def _address(module: Any, name: str) -> ctypes.c_void_p:
    return ctypes.cast(getattr(ctypes.CDLL(module.__file__), name), ctypes.c_void_p)


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "limit.so")
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", source, "-o", target], check=True)
        library = ctypes.CDLL(str(target))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.decode_files.argtypes = [
        ctypes.c_char_p, ctypes.c_char_p, *[number] * 3, pointer, number, number, pointer, number,
        ctypes.c_int, *[pointer] * 3,
    ]  # fmt: skip
    library.decode_files.restype = number
    return library
