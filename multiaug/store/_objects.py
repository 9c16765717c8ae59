"""The objects of a zarr store: files of a folder, or whatever zarr's own store API reaches."""

from __future__ import annotations

import errno
import os
import random
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ..typing import NDArray
from ._pool import scratch

if TYPE_CHECKING:
    from zarr.abc.store import Store

_T = TypeVar("_T")

# Errors that pass by themselves: of networks, network file systems and busy machines.
_TRANSIENT = {
    errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNRESET, errno.EHOSTUNREACH,
    errno.EINTR, errno.EIO, errno.ENETDOWN, errno.ENETUNREACH, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
_TRIES = 4
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_FIRST_WAIT = 0.05  # seconds; doubled from try to try


class Objects(Protocol):
    """Reading objects by key. What is not there is None; other failures are errors.

    The bytes returned are valid until the thread's next call.
    """

    remote: bool

    def whole(self, key: str, place: NDArray | None = None) -> NDArray | None:
        """All bytes; read to ``place`` (uint8) when it has exactly their size."""

    def part(self, key: str, start: int, size: int, place: NDArray | None = None) -> NDArray | None:
        """``size`` bytes from ``start``, or fewer at the object's end; from the end if negative."""

    def size(self, key: str) -> int | None:
        """The object's size in bytes."""

    def forget(self, key: str) -> None:
        """Open the object afresh when it is read next."""


class FileObjects:
    """Objects that are files.

    Args:
        root: the folder that keys are relative to.
    """

    remote = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = f"{root}/"

    def whole(self, key: str, place: NDArray | None = None) -> NDArray | None:
        """See `Objects`."""
        return self._read(key, 0, None, place)

    def part(self, key: str, start: int, size: int, place: NDArray | None = None) -> NDArray | None:
        """See `Objects`."""
        return self._read(key, start, size, place)

    def size(self, key: str) -> int | None:
        """See `Objects`."""
        try:
            found = patiently(lambda: os.stat(self.root / key))  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def forget(self, key: str) -> None:
        """See `Objects`; files are opened for every read."""

    def _read(
        self, key: str, start: int, size: int | None, place: NDArray | None
    ) -> NDArray | None:
        path = f"{self._prefix}{key}"
        try:
            try:
                return _read_file(path, start, size, place)
            except (FileNotFoundError, NotADirectoryError):
                raise
            except OSError:
                return patiently(lambda: _read_file(path, start, size, place))
        except (FileNotFoundError, NotADirectoryError):
            return None


class StoreObjects:
    """Objects behind zarr's store API: remote ones through obstore or fsspec, archives, memory.

    Args:
        store: an open store.
    """

    remote = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def whole(self, key: str, place: NDArray | None = None) -> NDArray | None:
        """See `Objects`."""
        return self._get(key, None)

    def part(self, key: str, start: int, size: int, place: NDArray | None = None) -> NDArray | None:
        """See `Objects`."""
        from zarr.abc.store import RangeByteRequest, SuffixByteRequest

        return self._get(
            key, SuffixByteRequest(-start) if start < 0 else RangeByteRequest(start, start + size)
        )

    def size(self, key: str) -> int | None:
        """See `Objects`."""
        from zarr.core.sync import sync

        try:
            return patiently(lambda: int(sync(self._store.getsize(key))))
        except FileNotFoundError:
            return None

    def forget(self, key: str) -> None:
        """See `Objects`; nothing is held open."""

    def _get(self, key: str, part: Any) -> NDArray | None:
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        prototype = default_buffer_prototype()
        found = patiently(lambda: sync(self._store.get(key, prototype, byte_range=part)))
        return None if found is None else np.asarray(found.as_numpy_array()).view(np.uint8)


def patiently(attempt: Callable[[], _T]) -> _T:
    """Repeat what fails for a reason that may pass, each time after a longer, random wait."""
    for number in range(_TRIES - 1):
        try:
            return attempt()
        except (TimeoutError, ConnectionError):
            pass
        except OSError as error:
            if error.errno not in _TRANSIENT:
                raise
        # Random, so that many readers of a server that fails do not come back together.
        time.sleep(_FIRST_WAIT * 2**number * (0.5 + random.random()))
    return attempt()


def _read_file(path: str, start: int, size: int | None, place: NDArray | None) -> NDArray | None:
    handle = os.open(path, _FLAGS)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):  # zarr takes a folder of that name for nothing, too
            return None
        begin = max(found.st_size + start, 0) if start < 0 else start
        length = max(found.st_size - begin, 0)
        if size is not None:
            length = min(length, size)
        return read_at(handle, begin, length, place)
    finally:
        os.close(handle)


def read_at(handle: int, start: int, size: int, place: NDArray | None) -> NDArray:
    """Bytes of an open file, to ``place`` when it has their size, else to the thread's scratch."""
    target = place if place is not None and place.size == size else scratch(size, "stored")
    done = os.preadv(handle, [target.data], start) if size else 0
    while done < size:
        got = os.preadv(handle, [target[done:].data], start + done)
        if not got:  # cut while it was read: the decoder will see it
            return target[:done]
        done += got
    return target
