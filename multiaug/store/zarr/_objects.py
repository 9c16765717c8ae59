"""The objects of a zarr store: files of a folder, or whatever zarr's own store API reaches."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ...errors import MultiaugError, StoreError
from ...typing import NDArray
from .._pool import scratch
from ._requests import Part, take_supply

if TYPE_CHECKING:
    from zarr.abc.store import Store

_T = TypeVar("_T")

# Errors that pass by themselves: of networks, network file systems and busy machines.
_TRANSIENT = {
    errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET,
    errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EINTR, errno.EIO, errno.ENETDOWN, errno.ENETRESET,
    errno.ENETUNREACH, errno.EPIPE, errno.ESTALE, errno.ETIMEDOUT, socket.EAI_AGAIN,
}  # fmt: skip
_TRIES = 4
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_FIRST_WAIT = 0.05  # seconds; doubled from try to try


# Errors that the next try meets again: of the object, of the account, or of a program.
_LASTING = (
    FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError,
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError,
    NameError, NotImplementedError, SyntaxError, TypeError, UnicodeError,
)  # fmt: skip
_LASTING_NAMES = (
    "AlreadyExists", "Auth", "Certificate", "Credential", "Denied", "Forbidden", "Invalid",
    "NotFound", "NotImplemented", "NotModified", "NotSupported", "Permission", "Precondition",
    "Profile", "Unauth", "UnknownConfig",
)  # fmt: skip


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
        return self._get(key, 0, None)

    def part(self, key: str, start: int, size: int, place: NDArray | None = None) -> NDArray | None:
        """See `Objects`."""
        return self._get(key, start, size)

    async def fetch(self, key: str, start: int, size: int | None) -> tuple[Part, NDArray | None]:
        """Bytes for a thread that will ask for the same; on zarr's event loop.

        Args:
            key: of the object.
            start: the first byte.
            size: how many; None takes all.
        """
        for number in range(_TRIES - 1):
            try:
                return self._part(key, start, size), await self._ask(key, start, size)
            except Exception as error:
                if not _passes(error, foreign=True):
                    raise
            await asyncio.sleep(_wait(number))
        return self._part(key, start, size), await self._ask(key, start, size)

    def size(self, key: str) -> int | None:
        """See `Objects`."""
        from zarr.core.sync import sync

        return self._do(key, lambda: int(sync(self._store.getsize(key))))

    def forget(self, key: str) -> None:
        """See `Objects`; nothing is held open."""

    def _get(self, key: str, start: int, size: int | None) -> NDArray | None:
        from zarr.core.sync import sync

        here, found = take_supply(self._part(key, start, size))
        return found if here else self._do(key, lambda: sync(self._ask(key, start, size)))

    def _part(self, key: str, start: int, size: int | None) -> Part:
        return id(self), key, start, size

    async def _ask(self, key: str, start: int, size: int | None) -> NDArray | None:
        from zarr.abc.store import RangeByteRequest, SuffixByteRequest
        from zarr.core.buffer import default_buffer_prototype

        part: Any = None
        if size is not None:
            part = SuffixByteRequest(-start) if start < 0 else RangeByteRequest(start, start + size)
        found = await self._store.get(key, default_buffer_prototype(), byte_range=part)
        return None if found is None else np.asarray(found.as_numpy_array()).view(np.uint8)

    def _do(self, key: str, attempt: Callable[[], _T]) -> _T | None:
        """Try a few times, as networks fail; None where there is no such object."""
        try:
            return patiently(attempt, foreign=True)
        except FileNotFoundError:
            return None
        except (MemoryError, StoreError):
            raise
        except Exception as error:  # every store has errors of its own
            remedy = "Try again later." if may_pass(error) else "Check the address and the rights."
            raise StoreError(
                f"{self._store}: {key} cannot be read: {type(error).__name__}: {error}. {remedy}"
            ) from error


def patiently(attempt: Callable[[], _T], *, foreign: bool = False) -> _T:
    """Repeat what fails for a reason that may pass, each time after a longer, random wait.

    Args:
        attempt: what to do.
        foreign: through a library of somebody else's (aiohttp, botocore, gcsfs, obstore), whose
            errors are of any kind; see `may_pass`.
    """
    for number in range(_TRIES - 1):
        try:
            return attempt()
        except Exception as error:
            if not _passes(error, foreign=foreign):
                raise
        time.sleep(_wait(number))
    return attempt()


def _passes(error: Exception, *, foreign: bool) -> bool:
    """Whether an error may pass; see `patiently`."""
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if isinstance(error, OSError) and error.errno in _TRANSIENT:
        return True
    return foreign and may_pass(error)


def _wait(number: int) -> float:
    """Seconds; random, so that many readers of a server that fails do not come back together."""
    wait: float = _FIRST_WAIT * 2**number * (0.5 + random.random())
    return wait


def may_pass(error: BaseException) -> bool:
    """Whether an error of a library that talks to servers may be gone on the next try.

    What the server says counts: 408, 425, 429 and 5xx may pass, other codes do not. Without a
    code everything may, but for what is known to stay: missing objects, refused permission,
    lacking credentials, and mistakes in a program.
    """
    if isinstance(error, (MultiaugError, *_LASTING)):
        return False
    status = _status(error)
    if status is not None:
        return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))
    if any(word in type(error).__name__ for word in _LASTING_NAMES):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _TRANSIENT
    return True


def _status(error: BaseException) -> int | None:
    """The code of HTTP in an error of aiohttp, botocore, gcsfs, google, azure or requests."""
    response = getattr(error, "response", None)
    meta = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    found = (
        getattr(error, "status", None),
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        meta.get("HTTPStatusCode") if isinstance(meta, dict) else None,
        getattr(response, "status_code", None),
    )
    for code in found:
        try:
            if code is not None and 100 <= int(code) < 600:
                return int(code)
        except (TypeError, ValueError):
            continue
    return None


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
