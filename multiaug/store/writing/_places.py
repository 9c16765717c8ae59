"""Where a store grows: beside a folder that gets its name at the end, or behind zarr's store API.

Both keep a log of the blocks that are done. Until the marker of the store is complete, last of
all, readers refuse it.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

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
from ..zarr._group import Destination, is_store, only_stores
from ..zarr._objects import FileObjects, Objects, StoreObjects, patiently

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

_LOG = ".multiaug-log"
# Of the root of a store; in the order in which they may go.
_ROOTS = (".zattrs", ".zgroup", "zarr.json")
# What zarr's store of a folder leaves of these when it is killed.
_HALF_WRITTEN = re.compile(r"\.?z[a-z]+\.[0-9a-f]{32}\.partial")
_T = TypeVar("_T")
Entry = Mapping[str, Any]


class Place(Protocol):
    """Where a store grows. Goes through pickle: workers write blocks."""

    @property
    def dest(self) -> Any:
        """The destination, as the user named it."""

    @property
    def objects(self) -> Objects:
        """What is stored so far."""

    def begin(self, *, overwrite: bool) -> bool:
        """Refuse a destination that is taken; returns whether an unfinished store stands there.

        Raises:
            StoreError: something stands there that may not be replaced.
        """

    def found(self) -> Any:
        """The marker of what stands there; None where it has none."""

    def clear(self) -> None:
        """Remove the unfinished store."""

    def create(self, fill: Callable[[zarr.Group], None], zarr_version: int) -> None:
        """Make a group, and fill it; it is there when all of it is."""

    def group(self) -> zarr.Group:
        """The unfinished store, to write to."""

    def forget(self, keys: Iterable[str]) -> None:
        """Remove what an earlier attempt has left of some objects."""

    def flush(self, keys: Iterable[str]) -> dict[str, int]:
        """Force objects to the disk, where that can be; returns their sizes."""

    def log(self, entry: Entry) -> None:
        """Count a block as done."""

    def done(self, blocks: int) -> dict[int, Entry]:
        """The log: block -> its entry; without those whose objects are not there any more."""

    def commit(self, blocks: Iterable[int]) -> None:
        """Give the store its name, and remove the log."""

    def do(self, attempt: Callable[[], _T]) -> _T:
        """Try a few times, as disks and networks fail; then say what can be done."""


class FolderPlace:
    """A folder, which grows as ``<name>.partial``.

    The caller holds the destination (`multiaug.files.claimed`).

    Args:
        dest: the folder that it becomes.
    """

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
        if not (self.partial / _LOG).is_file() and not _incomplete(self.found()):
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
            fill(_new_group(staged, zarr_version))

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
        with self._failing(), (self.partial / _LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry, sort_keys=True) + "\n")
            log.flush()
            os.fsync(log.fileno())

    def done(self, blocks: int) -> dict[int, Entry]:
        """See `Place`; the log is written anew without what is not there any more."""
        path = self.partial / _LOG
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
            (self.dest / _LOG).unlink()

    def do(self, attempt: Callable[[], _T]) -> _T:
        """See `Place`."""
        with self._failing():
            return patiently(attempt)

    def _remove_remains(self) -> None:
        """What was being written, beside its own name, when a process was killed."""
        by_zarr, by_us = self.partial.rglob("*.partial"), self.partial.glob(f"{_LOG}.tmp-*")
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


class StorePlace:
    """An open store of zarr's: on another machine, in an archive or in memory.

    There is nothing to rename, so it grows in its place, and no lock: who comes second is told at
    the end.

    Args:
        dest: the store, writable; for workers of a cluster it must go through pickle.
    """

    def __init__(self, dest: Store) -> None:
        self.dest = dest

    @property
    def objects(self) -> Objects:
        """See `Place`."""
        return StoreObjects(self.dest)

    def begin(self, *, overwrite: bool) -> bool:
        """See `Place`."""
        if self.do(lambda: bool(_sync(_is_bare(self.dest)))):
            return False
        found = self.found()
        if _incomplete(found):
            return True
        what = "it is complete" if isinstance(found, Mapping) else "it carries no marker"
        if not overwrite:
            raise StoreError(
                f"{self.dest} is not empty, and not an unfinished store of the same: {what}. "
                "Choose another place, or ask for it to be replaced (overwrite=True)."
            )
        if not isinstance(found, Mapping):
            raise StoreError(
                f"{self.dest} holds something that multiaug did not write, so overwrite=True does "
                "not remove it. Choose another place, or remove it yourself."
            )
        self.clear()
        return False

    def found(self) -> Any:
        """See `Place`."""
        import zarr

        def attempt() -> Any:
            return zarr.open_group(self.dest, mode="r").attrs.get(ATTRIBUTE)

        try:
            return patiently(attempt, foreign=True)
        except Exception:  # something else stands there
            return None

    def clear(self) -> None:
        """See `Place`.

        First it is marked as unfinished, and the mark goes last: whenever this is cut short,
        readers refuse what is left, and the next writer knows whose it was.
        """
        import zarr

        found = self.found()
        if isinstance(found, Mapping):
            unfinished = {**found, "complete": False}
            group = self.do(lambda: zarr.open_group(self.dest, mode="r+"))
            self.do(lambda: group.attrs.__setitem__(ATTRIBUTE, unfinished))
        self.do(lambda: _sync(_clear(self.dest)))

    def create(self, fill: Callable[[zarr.Group], None], zarr_version: int) -> None:
        """See `Place`."""
        self.do(lambda: fill(_new_group(self.dest, zarr_version)))

    def group(self) -> zarr.Group:
        """See `Place`."""
        import zarr

        return self.do(lambda: zarr.open_group(self.dest, mode="r+"))

    def forget(self, keys: Iterable[str]) -> None:
        """See `Place`; an object is there whole or not at all."""

    def flush(self, keys: Iterable[str]) -> dict[str, int]:
        """See `Place`; the store has what it has accepted."""
        return {}

    def log(self, entry: Entry) -> None:
        """See `Place`; an object for each block."""
        from zarr.core.buffer import default_buffer_prototype

        text = json.dumps(entry, sort_keys=True).encode()
        buffer = default_buffer_prototype().buffer.from_bytes(text)
        self.do(lambda: _sync(self.dest.set(f"{_LOG}/{entry['block']}.json", buffer)))

    def done(self, blocks: int) -> dict[int, Entry]:
        """See `Place`."""
        from zarr.core.buffer import default_buffer_prototype

        prototype = default_buffer_prototype()
        found = {}
        for block in range(blocks):
            key = f"{_LOG}/{block}.json"
            text = self.do(lambda k=key: _sync(self.dest.get(k, prototype)))  # type: ignore[misc]
            if text is not None:
                found[block] = json.loads(text.to_bytes())
        return found

    def commit(self, blocks: Iterable[int]) -> None:
        """See `Place`; the marker was the commit."""
        for block in blocks:
            self.do(lambda b=block: _sync(self.dest.delete(f"{_LOG}/{b}.json")))  # type: ignore[misc]

    def do(self, attempt: Callable[[], _T]) -> _T:
        """See `Place`."""
        try:
            return patiently(attempt, foreign=True)
        except StoreError:
            raise
        except Exception as error:  # every store has errors of its own
            raise StoreError(
                f"{self.dest} cannot be written: {type(error).__name__}: {error}. Run the same "
                "command again: finished blocks are kept."
            ) from error


@contextmanager
def staged_group(dest: Destination, *, overwrite: bool) -> Iterator[tuple[zarr.Group, Objects]]:
    """A new group for what is written in one go, and cannot be resumed.

    Args:
        dest: a folder, which gets its name at the end; or an open store of zarr's, where the
            marker that the caller completes is the commit.
        overwrite: replace what multiaug wrote there before.

    Yields:
        The group, and the objects below it.

    Raises:
        StoreError: something stands there that may not be replaced, or it cannot be written.
    """
    if is_store(dest):
        place = StorePlace(dest)
        if place.begin(overwrite=overwrite):
            if not overwrite:
                raise StoreError(
                    f"{dest} holds an unfinished store. Finish it by the command that began it, "
                    "choose another place, or ask for it to be replaced (overwrite=True)."
                )
            place.clear()
        yield place.do(lambda: _new_group(dest, 3)), place.objects
        return
    target = Path(dest)
    with staged_directory(target, may_replace=only_stores if overwrite else None) as staged:
        with writing(target):
            group = _new_group(staged, 3)
        yield group, FileObjects(staged)


def _new_group(store: Any, zarr_version: int) -> zarr.Group:
    import zarr

    return zarr.open_group(store, mode="w", zarr_format=3 if zarr_version == 3 else 2)


def _incomplete(marker: Any) -> bool:
    return isinstance(marker, Mapping) and marker.get("complete") is False


def _flush(path: Path) -> int:
    """Force a file to the disk; returns its size."""
    # A file object and no bare handle, which an interrupt before its first use would leave open.
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


async def _is_bare(store: Store) -> bool:
    """Whether there is nothing, or a group that holds nothing: what a kill in `create` leaves."""
    async for key in store.list():
        if key not in _ROOTS and not _HALF_WRITTEN.fullmatch(key):
            return False
    attributes = json.loads(await _text_of(store, ".zattrs") or "{}")
    group = json.loads(await _text_of(store, "zarr.json") or "{}")
    return not attributes and not group.get("attributes")


async def _clear(store: Store) -> None:
    """Remove all, the metadata of the root last, and of these the one with the marker."""
    names = [name async for name in store.list_dir("")]
    for name in names:
        if name in _ROOTS:
            continue
        if await store.exists(name):
            await store.delete(name)
        else:
            await store.delete_dir(name)
    for name in _ROOTS:
        if name in names:
            await store.delete(name)


async def _text_of(store: Store, key: str) -> str | None:
    from zarr.core.buffer import default_buffer_prototype

    found = await store.get(key, default_buffer_prototype())
    return None if found is None else found.to_bytes().decode(errors="replace")


def _sync(work: Any) -> Any:
    from zarr.core.sync import sync

    return sync(work)
