"""Memory that is used again: aligned buffers that come back when nobody looks at them."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np

from .._machine import aligned_bytes
from ..typing import NDArray

# A page: what the kernel hands out at once, and a multiple of what XLA and SIMD ask for.
_ALIGNMENT = 4096


def aligned(size: int) -> NDArray:
    """Bytes (size,) that begin on a page, all of them in memory already."""
    buffer = aligned_bytes(size, _ALIGNMENT)
    buffer[::_ALIGNMENT] = 0  # page faults now, not in the middle of an epoch
    return buffer


class _Owner:
    """What arrays hold on to; when it dies, its buffer goes back."""

    def __init__(self, buffer: NDArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.buffer = buffer
        self.__array_interface__ = {
            "shape": shape,
            "typestr": dtype.str,
            "data": (buffer.ctypes.data, False),
            "version": 3,
        }


class BufferPool:
    """Lends arrays of at most a given size.

    An array, and everything that shares its memory (views, JAX arrays that alias it, tensors made
    through DLPack), holds on to an owner object. The buffer is lent again only after the owner
    has died, so nobody ever sees memory change under their hands.

    Args:
        size: the most that an array may take, in bytes.
        keep: as many idle buffers are kept at most; None keeps all.
    """

    def __init__(self, size: int, keep: int | None = None) -> None:
        self.size = max(size, 1)
        self.made = 0
        self._idle: deque[NDArray] = deque(maxlen=keep)

    def lend(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
        """An array on a buffer that nobody uses; what stands in it is left over from before."""
        try:
            buffer = self._idle.pop()  # the latest to come back is the likeliest in the cache
        except IndexError:
            buffer = aligned(self.size)
            self.made += 1
        owner = _Owner(buffer, shape, np.dtype(dtype))
        array = np.asarray(owner)
        weakref.finalize(owner, self._idle.append, buffer).atexit = False
        return array


# Scratch of threads that have ended: the next ones need not touch fresh pages.
_LEFT: deque[NDArray] = deque(maxlen=8)


class _Buffers:
    """A thread's buffers by their use."""

    def __init__(self) -> None:
        self.by_use: dict[str, NDArray] = {}

    # The default argument is still there when the interpreter is taking modules apart.
    def __del__(self, left: deque[NDArray] = _LEFT) -> None:
        left.extend(self.by_use.values())


class _Scratch(threading.local):
    def __init__(self) -> None:
        self.buffers = _Buffers()


_SCRATCH = _Scratch()


def scratch(size: int, use: str) -> NDArray:
    """Bytes (size,) of the calling thread, valid until its next call for the same use."""
    buffers = _SCRATCH.buffers.by_use
    buffer = buffers.get(use)
    if buffer is None or buffer.size < size:
        buffers[use] = buffer = _left_over(size)
    view: NDArray = buffer[:size]
    return view


def _left_over(size: int) -> NDArray:
    """A buffer of an ended thread if it is large enough, else a new one."""
    with suppress(IndexError):
        buffer = _LEFT.pop()
        if buffer.size >= size:
            return buffer
    return aligned(max(size + size // 8, 1 << 16))
