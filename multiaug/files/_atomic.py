"""A temporary name in the same folder, then a rename: nothing half-written is ever seen.

The temporary name is made beside the destination because a rename is atomic only within one
file system.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StoreError


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
        staged.unlink(missing_ok=True)
    _flush_folder(target.parent)
    return target


@contextmanager
def staged_directory(dest: str | os.PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder under a temporary name; it gets its own name when the block succeeds.

    When the block raises, the temporary folder is removed and ``dest`` is as it was. A process
    killed outright leaves a folder ``<dest>.tmp-<uuid>``, which can be deleted.

    Args:
        dest: the folder to make. Missing parents are made.
        replace: an existing ``dest`` is removed once the new one is complete. Between the two
            renames of the exchange there is a moment without ``dest``; if the second fails,
            the old one is put back.

    Yields:
        The temporary folder ``<dest>.tmp-<uuid>``, empty.

    Raises:
        StoreError: ``dest`` exists and ``replace`` is False, or the folder cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with staged_directory(Path(folder, "run")) as staged:
        ...         _ = Path(staged, "a.txt").write_text("all or nothing")
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['run']
    """
    target = Path(dest)
    _refuse_existing(target, replace=replace)
    staged = _staged_name(target)
    try:
        staged.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"{staged} cannot be made: {_reason(error)}.") from error
    try:
        yield staged
        _refuse_existing(target, replace=replace)  # it may have appeared in the meantime
        _exchange(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)  # after success the name is gone already


def _exchange(staged: Path, target: Path) -> None:
    """Rename ``staged`` to ``target``; what stood there is moved aside first, then removed."""
    aside = target.with_name(f"{target.name}.old-{uuid.uuid4().hex}")
    moved = os.path.lexists(target)
    if moved:
        target.rename(aside)
    try:
        staged.rename(target)
    except BaseException:
        if moved:
            aside.rename(target)
        raise
    _flush_folder(target.parent)
    if moved:
        _remove(aside)


def _refuse_existing(target: Path, *, replace: bool) -> None:
    if not replace and os.path.lexists(target):
        raise StoreError(
            f"{target} already exists. Choose another name, remove it, or ask for it to be "
            "replaced (overwrite=True)."
        )


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
