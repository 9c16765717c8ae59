"""A store that grows beside the folder that it becomes."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import StoreError
from ...files import (
    ATTRIBUTE,
    MayReplace,
    claimed,
    discard,
    put_in_place,
    refuse_existing,
    remove_remains,
    replace_file,
    staged_directory,
    writing,
)
from ..zarr._group import only_stores
from ..zarr._objects import FileObjects, Objects, patiently
from ._place import LOG, Entry, is_incomplete, new_group

if TYPE_CHECKING:
    import zarr

_T = TypeVar("_T")


class FolderPlace:
    """A folder, which grows as ``<name>.partial``.

    The caller holds the destination (`multiaug.files.claimed`).

    Args:
        dest: the folder that it becomes.
    """

    held = True

    def __init__(self, dest: Path) -> None:
        self.dest = dest
        self.partial = dest.with_name(f"{dest.name}.partial")
        self._may_replace: MayReplace | None = None

    @property
    def objects(self) -> Objects:
        """See `Place`."""
        return FileObjects(self.partial)

    def begin(self, *, overwrite: bool) -> bool:
        """See `Place`."""
        self._may_replace = only_stores if overwrite else None
        # The claim of the partial store takes away the lock that a killed process has left.
        with claimed(self.partial), writing(self.dest):
            remove_remains(self.dest)
            remove_remains(self.partial)
        refuse_existing(self.dest, self._may_replace)
        if not os.path.lexists(self.partial):
            return False
        if not (self.partial / LOG).is_file() and not is_incomplete(self.found()):
            raise StoreError(
                f"{self.partial} is where the store would grow, but something stands there "
                "that is no unfinished store of ours. Move it away, or choose another name."
            )
        self._remove_remains()
        return True

    def found(self) -> Any:
        """See `Place`."""
        import zarr

        try:
            return zarr.open_group(self.partial, mode="r").attrs.get(ATTRIBUTE)
        except Exception:  # whatever stands there
            return None

    def clear(self) -> None:
        """See `Place`."""
        self.do(lambda: discard(self.partial, self.dest))

    def create(self, fill: Callable[[zarr.Group], None], zarr_version: int) -> None:
        """See `Place`."""
        with self._failing(), staged_directory(self.partial) as staged:
            fill(new_group(staged, zarr_version))

    def group(self) -> zarr.Group:
        """See `Place`."""
        import zarr

        return self.do(lambda: zarr.open_group(self.partial, mode="r+"))

    def forget(self, keys: Iterable[str]) -> None:
        """See `Place`; zarr would read them, to write a part of a shard."""
        with self._failing():
            for key in keys:
                (self.partial / key).unlink(missing_ok=True)

    def flush(self, keys: Iterable[str]) -> dict[str, int]:
        """See `Place`."""
        with self._failing():
            return {key: _flush(self.partial / key) for key in keys}

    def log(self, entry: Entry) -> None:
        """See `Place`."""
        with self._failing(), (self.partial / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry, sort_keys=True) + "\n")
            log.flush()
            os.fsync(log.fileno())

    def done(self, blocks: int) -> dict[int, Entry]:
        """See `Place`; the log is written anew without what is not there any more."""
        path = self.partial / LOG
        found: dict[int, Entry] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the process ended in the middle of it: the block is written again
            if all(_size(self.partial / key) == size for key, size in entry["sizes"].items()):
                found[int(entry["block"])] = entry
        lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in found.values())
        replace_file(path, lines.encode())
        return found

    def commit(self, blocks: Iterable[int]) -> None:
        """See `Place`."""
        self._remove_remains()
        try:
            put_in_place(self.partial, self.dest, self._may_replace)
        except StoreError as error:
            raise StoreError(f"{error} The finished store is kept as {self.partial}.") from error
        with self._failing():
            # Not before: without it a kill in between would have everything made again.
            (self.dest / LOG).unlink()

    def do(self, attempt: Callable[[], _T]) -> _T:
        """See `Place`."""
        with self._failing():
            return patiently(attempt)

    def _remove_remains(self) -> None:
        """What was being written, beside its own name, when a process was killed."""
        by_zarr, by_us = self.partial.rglob("*.partial"), self.partial.glob(f"{LOG}.tmp-*")
        for path in [*by_zarr, *by_us]:
            if path.is_file():
                path.unlink(missing_ok=True)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
            raise StoreError(
                f"{self.dest} cannot be written: {error.strerror or error}. "
                f"{'Make room and run' if full else 'Run'} the same command again: finished "
                f"blocks are kept in {self.partial.name}."
            ) from error


def _flush(path: Path) -> int:
    """Force a file to the disk; returns its size."""
    # A file object and no bare handle, which an interrupt before its first use would leave open.
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
