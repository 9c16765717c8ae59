"""A temporary name in the same folder, then a rename: nothing half-written is ever seen.

The temporary name is made beside the destination because a rename is atomic only within one
file system.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from ..errors import StoreError
from ._claim import claimed

MayReplace: TypeAlias = Callable[[Path], None]
"""Raises StoreError where what stands at a destination must not be removed."""

# Of Linux: a path is relative to the working directory; two names change places.
_HERE, _RENAME_EXCHANGE = -100, 2


def replace_file(path: str | os.PathLike[str], content: bytes | bytearray | memoryview) -> Path:
    """Write a file under a temporary name and rename it over ``path``.

    Whoever opens ``path`` meanwhile sees the old content or the new, never a part of it. The
    content is flushed to the disk before the rename, so this also holds after a power cut.

    Args:
        path: the file to make or replace; its folder must exist.
        content: the bytes of the file.

    Returns:
        ``path``.

    Raises:
        StoreError: the folder does not exist, or ``path`` is a folder or cannot be written.
            ``path`` is then as it was, and no temporary file is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     replace_file(Path(folder, "notes.txt"), b"kept").read_bytes()
        b'kept'
    """
    target = Path(path)
    staged = _staged_name(target)
    try:
        with staged.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {_reason(error)}.") from error
    finally:
        with suppress(OSError):  # the error that led here says more
            staged.unlink(missing_ok=True)
    _flush_folder(target.parent)
    return target


@contextmanager
def staged_directory(
    dest: str | os.PathLike[str], *, may_replace: MayReplace | None = None
) -> Iterator[Path]:
    """Fill a folder under a temporary name; it gets its own name when the block succeeds.

    The destination is claimed meanwhile (see `claimed`). When the block raises, the temporary
    folder is removed and ``dest`` is as it was. A process killed outright leaves a folder
    ``<dest>.tmp-<uuid>``, which the next one to write to ``dest`` removes.

    Args:
        dest: the folder to make, or a link to one. Missing parents are made.
        may_replace: called with what stands at the destination, on entering and again when the new
            folder is complete; raises StoreError where that must not be removed. None refuses
            everything.

    Yields:
        The temporary folder ``<dest>.tmp-<uuid>``, empty.

    Raises:
        StoreError: ``dest`` exists and may not be replaced, another process writes to it, or the
            folder cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with staged_directory(Path(folder, "run")) as staged:
        ...         _ = Path(staged, "a.txt").write_text("all or nothing")
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['run']
    """
    with claimed(dest) as target:
        remove_remains(target)
        refuse_existing(target, may_replace)
        staged = _staged_name(target)
        try:
            staged.mkdir()
        except OSError as error:
            raise StoreError(f"{staged} cannot be made: {_reason(error)}.") from error
        try:
            yield staged
            put_in_place(staged, target, may_replace)
        finally:
            shutil.rmtree(staged, ignore_errors=True)  # after success the name is gone already


def put_in_place(staged: Path, target: Path, may_replace: MayReplace | None) -> None:
    """Give a finished folder its name; what may be replaced is removed afterwards.

    At every moment either the old or the new stands there, where the file system can exchange two
    names (Linux); elsewhere there is a moment between two renames, after which `remove_remains`
    puts the old back.

    Args:
        staged: the folder, beside ``target``.
        target: its name, claimed by the caller.
        may_replace: see `staged_directory`.

    Raises:
        StoreError: something stands there that may not be replaced, or renaming fails. ``staged``
            and ``target`` are then as they were.
    """
    refuse_existing(target, may_replace)
    try:
        if os.path.lexists(target):
            _exchange(staged, target)
        else:
            staged.rename(target)  # fails where a folder with anything in it appears just now
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {_reason(error)}.") from error
    _flush_folder(target.parent)


def refuse_existing(target: Path, may_replace: MayReplace | None) -> None:
    """Raise StoreError where something stands that may not be replaced."""
    if not os.path.lexists(target):
        return
    if may_replace is None:
        raise StoreError(
            f"{target} already exists. Choose another name, remove it, or ask for it to be "
            "replaced (overwrite=True)."
        )
    may_replace(target)


def remove_remains(target: Path) -> None:
    """Remove what killed processes have left beside a destination that the caller has claimed.

    Only names that this module makes up are touched. Where the destination is missing and the old
    one had been moved aside to be replaced, it gets its name back.
    """
    pattern = re.compile(re.escape(target.name) + r"\.(tmp|old)-[0-9a-f]{32}")
    remains = [path for path in target.parent.iterdir() if pattern.fullmatch(path.name)]
    old = [path for path in remains if path.name.startswith(f"{target.name}.old-")]
    if len(old) == 1 and not os.path.lexists(target):
        old[0].rename(target)
        remains.remove(old[0])
    for path in remains:
        _remove(path)


def discard(path: Path, target: Path) -> None:
    """Remove a folder beside a destination; a kill in between leaves what `remove_remains` knows.

    Args:
        path: the folder.
        target: the destination, claimed by the caller.
    """
    aside = _staged_name(target)
    path.rename(aside)
    _remove(aside)


@contextmanager
def writing(target: Path, remedy: str = "") -> Iterator[None]:
    """Name the destination, and what can be done, in errors of the system such as a full disk."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        text = remedy or ("Make room and try again." if full else "")
        raise StoreError(
            f"{target} cannot be written: {_reason(error)}. {text}".rstrip()
        ) from error


def _exchange(staged: Path, target: Path) -> None:
    """Let two folders change names, then remove the one that stood at ``target``."""
    aside = _staged_name(target)
    staged.rename(aside)  # under this name either of the two is known as a remain
    try:
        if _swap(aside, target):
            old = aside
        else:
            old = target.with_name(f"{target.name}.old-{uuid.uuid4().hex}")
            target.rename(old)
            try:
                aside.rename(target)
            except BaseException:
                if not os.path.lexists(target):
                    old.rename(target)
                raise
    except OSError:  # nothing has changed places
        aside.rename(staged)
        raise
    _remove(old)


def _swap(one: Path, two: Path) -> bool:
    """Exchange two names in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = [os.fsencode(path.absolute()) for path in (one, two)]
    return bool(rename(_HERE, names[0], _HERE, names[1], ctypes.c_uint(_RENAME_EXCHANGE)) == 0)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _staged_name(target: Path) -> Path:
    if not target.name:
        raise StoreError(f"{str(target)!r} names no file or folder. Add a name to the path.")
    return target.with_name(f"{target.name}.tmp-{uuid.uuid4().hex}")


def _flush_folder(folder: Path) -> None:
    """Make a rename durable. Where folders cannot be opened (Windows) there is no need."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
