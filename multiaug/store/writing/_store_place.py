"""A store that grows behind zarr's store API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import StoreError
from ...files import ATTRIBUTE
from ..zarr._objects import Objects, StoreObjects, patiently
from ._place import LOG, Entry, is_incomplete, new_group

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

# Of the root of a store; in the order in which they may go.
_ROOTS = (".zattrs", ".zgroup", "zarr.json")
# What zarr's store of a folder leaves of these when it is killed.
_HALF_WRITTEN = re.compile(r"\.?z[a-z]+\.[0-9a-f]{32}\.partial")
_T = TypeVar("_T")


class StorePlace:
    """An open store of zarr's: on another machine, in an archive or in memory.

    There is nothing to rename, so it grows in its place, and no lock: who comes second is told at
    the end.

    Args:
        dest: the store, writable; for workers of a cluster it must go through pickle.
    """

    held = False

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
        if is_incomplete(found):
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
        self.do(lambda: fill(new_group(self.dest, zarr_version)))

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
        self.do(lambda: _sync(self.dest.set(f"{LOG}/{entry['block']}.json", buffer)))

    def done(self, blocks: int) -> dict[int, Entry]:
        """See `Place`."""
        from zarr.core.buffer import default_buffer_prototype

        prototype = default_buffer_prototype()
        found = {}
        for block in range(blocks):
            key = f"{LOG}/{block}.json"
            text = self.do(lambda k=key: _sync(self.dest.get(k, prototype)))  # type: ignore[misc]
            if text is not None:
                found[block] = json.loads(text.to_bytes())
        return found

    def commit(self, blocks: Iterable[int]) -> None:
        """See `Place`; the marker was the commit."""
        for block in blocks:
            self.do(lambda b=block: _sync(self.dest.delete(f"{LOG}/{b}.json")))  # type: ignore[misc]

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
