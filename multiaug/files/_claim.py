"""A destination belongs to one writer at a time, who is known by name.

The lock is a hidden file beside the destination. The system lets go of it when its process ends,
however that ends, so a lock of the dead is never in the way; what stands in it says who holds it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import StoreError

try:
    import fcntl
except ImportError as missing:  # Windows, whose Python has neither these locks nor `os.preadv`
    raise ImportError(
        "multiaug runs on Linux and macOS. On Windows, install it in the Windows Subsystem for "
        "Linux."
    ) from missing

_SCHEMA = "multiaug.lock/1"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextmanager
def claimed(dest: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold a destination, so that no other process or thread writes to it meanwhile.

    A symbolic link is followed: what it points to is the destination, and the link stays.

    Args:
        dest: the file or folder that will be written. Missing parents are made.

    Yields:
        The path to write to: ``dest``, or what it points to.

    Raises:
        StoreError: somebody else holds it, it names nothing, it is a link to nothing, or its
            folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with claimed(Path(folder, "run")) as target:
        ...         target.name, [path.name for path in Path(folder).iterdir()]
        ('run', ['.run.lock'])
    """
    target = _followed(Path(dest))
    path = target.with_name(f".{target.name}.lock")
    handle = _take(path, target)
    try:
        yield target
    finally:
        try:
            # While it is held: whoever has opened it meanwhile sees that its name is gone.
            with suppress(OSError):
                path.unlink()
        finally:
            os.close(handle)


def _followed(path: Path) -> Path:
    if path.name in ("", ".."):
        raise StoreError(f"{str(path)!r} names no file or folder. Add a name to the path.")
    if not path.is_symlink():
        return path
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"{path} is a symbolic link to {os.readlink(path)}, which is not there. Mount or make "  # noqa: PTH115
            "what it should point to, or remove the link."
        ) from error
    return real


def _take(path: Path, target: Path) -> int:
    """Open and lock the file; returns its handle."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if _lock(handle, path, target):
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error} ({path.parent})."
        ) from error


def _lock(handle: int, path: Path, target: Path) -> bool:
    """Lock an open file and write our name; False when it has been removed meanwhile."""
    locked = True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(path, target, _owner(handle), "It is") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        locked = False  # the names in the file must do
    try:
        if os.fstat(handle).st_ino != path.stat().st_ino:
            return False
    except FileNotFoundError:
        return False
    owner = _owner(handle)
    if owner is None and os.fstat(handle).st_size:
        raise StoreError(
            f"{path} is where multiaug keeps the lock of {target}, but something else stands in "
            "it. Move it away, or choose another name."
        )
    if owner and owner["host"] != socket.gethostname():
        # Not every network file system tells one host of the locks of another.
        raise _refusal(path, target, owner, "It may be")
    if owner and not locked and _started(owner["pid"]) == owner["started"]:
        raise _refusal(path, target, owner, "It is")
    own = {
        "schema": _SCHEMA,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": _started(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(own).encode(), 0)
    return True


def _owner(handle: int) -> dict[str, Any] | None:
    """Who has written their name into the file; None when nobody has."""
    try:
        found = json.loads(os.pread(handle, 4096, 0))
        return found if found["schema"] == _SCHEMA else None
    except (ValueError, KeyError, TypeError):
        return None


def _refusal(path: Path, target: Path, owner: dict[str, Any] | None, verb: str) -> StoreError:
    who = "another process"
    if owner:
        who = f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    remedy = "Wait until it has ended, or choose another name."
    if verb != "It is":
        remedy = f"If that process is gone, remove {path}."
    return StoreError(f"{target} is taken. {verb} being written by {who}. {remedy}")


def _started(pid: int) -> str | None:
    """When a process was started, as the system counts it; None when there is no such process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:  # no /proc: that it is there must do
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""
