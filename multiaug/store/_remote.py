"""Writing a store block by block where there are no folders to rename: behind zarr's store API.

The marker is the commit: until it is completed, last of all, readers refuse the store. What has
been written is told by an object for each block.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..files import array_bytes
from ..typing import NDArray
from ._marker import ATTRIBUTE
from ._objects import StoreObjects, patiently
from ._sharded import ShardedWriter
from ._source import Structure

if TYPE_CHECKING:
    from zarr.abc.store import Store

    from ..spec import DataSpec

_LOG = ".multiaug-log"


class RemoteWriter(ShardedWriter):
    """A store in the making, on another machine, in an archive or in memory.

    Args:
        store: an open store of zarr's, writable; for workers of a cluster it must go through
            pickle.
        settings: of `ShardedWriter`.
    """

    def __init__(
        self,
        store: Store,
        spec: DataSpec,
        structure: Mapping[str, Structure],
        records: int,
        chunk: int,
        block: int,
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(Path(str(store)), spec, structure, records, chunk, block, provenance)
        self.store = store

    def begin(self, *, overwrite: bool) -> set[int]:
        """See `ShardedWriter.begin`."""
        if self._is_empty():
            self._create()
            return set()
        found = self._found()
        complete = isinstance(found, Mapping) and found.get("complete") is True
        different = "it is complete" if complete else self._difference(found)
        if different is None:
            return set(self._entries())
        if not overwrite:
            raise StoreError(
                f"{self.store} is not empty, and not an unfinished store of the same: {different}. "
                "Choose another place, or ask for it to be replaced (overwrite=True)."
            )
        if not isinstance(found, Mapping):
            raise StoreError(
                f"{self.store} holds something that multiaug did not write, so overwrite=True does "
                "not remove it. Choose another place, or remove it yourself."
            )
        self._do(lambda: _sync(self.store.clear()))
        self._create()
        return set()

    def write(self, block: int, arrays: Mapping[str, NDArray]) -> dict[str, Any]:
        """See `ShardedWriter.write`; a shard is one object, so it is there whole or not at all."""
        import zarr

        start, stop = self.rows(block)
        digests: dict[str, str] = {}
        group = self._do(lambda: zarr.open_group(self.store, mode="r+"))
        for name, values in arrays.items():
            array = group[name]
            assert isinstance(array, zarr.Array)
            array = array.with_config({"write_empty_chunks": True})
            self._do(lambda a=array, v=values: a.__setitem__(slice(start, stop), v))
            digests[name] = hashlib.sha256(array_bytes(values)).hexdigest()
        return {"block": block, "sha256": digests}

    def finish_block(self, entry: Mapping[str, Any]) -> None:
        """See `ShardedWriter.finish_block`."""
        self._put(f"{_LOG}/{entry['block']}.json", json.dumps(entry, sort_keys=True))

    def finish(self) -> Any:
        """See `ShardedWriter.finish`; returns the store."""
        entries = self._entries()
        different = self._difference(self._found())
        if different is not None:
            raise StoreError(
                f"{self.store} is not what was begun here any more, another process writes to it: "
                f"{different}. Give every process a place of its own."
            )
        group = self._complete_group(self.store, StoreObjects(self.store), entries)
        self._do(lambda: self._marker(self._digests(entries), complete=True).write(group))
        for block in entries:
            self._do(lambda b=block: _sync(self.store.delete(f"{_LOG}/{b}.json")))
        return self.store

    def _found(self) -> Any:
        import zarr

        def attempt() -> Any:
            return zarr.open_group(self.store, mode="r").attrs.get(ATTRIBUTE)

        try:
            return patiently(attempt, foreign=True)
        except Exception:  # something else stands there
            return None

    def _create(self) -> None:
        import zarr

        self._do(lambda: self._create_in(zarr.open_group(self.store, mode="w", zarr_format=3)))

    def _is_empty(self) -> bool:
        return bool(self._do(lambda: _sync(self.store.is_empty(""))))

    def _entries(self) -> dict[int, dict[str, Any]]:
        """The log: block -> its entry."""
        found = {}
        for block in range(self.block_count):
            text = self._get(f"{_LOG}/{block}.json")
            if text is not None:
                found[block] = json.loads(text)
        return found

    def _get(self, key: str) -> bytes | None:
        from zarr.core.buffer import default_buffer_prototype

        prototype = default_buffer_prototype()
        found = self._do(lambda: _sync(self.store.get(key, prototype)))
        return None if found is None else bytes(found.to_bytes())

    def _put(self, key: str, text: str) -> None:
        from zarr.core.buffer import default_buffer_prototype

        buffer = default_buffer_prototype().buffer.from_bytes(text.encode())
        self._do(lambda: _sync(self.store.set(key, buffer)))

    def _do(self, attempt: Any) -> Any:
        """Try a few times, as networks fail; then say what can be done."""
        try:
            return patiently(attempt, foreign=True)
        except StoreError:
            raise
        except Exception as error:  # every store has errors of its own
            raise StoreError(
                f"{self.store} cannot be written: {type(error).__name__}: {error}. Run the same "
                "command again: finished blocks are kept."
            ) from error


def _sync(work: Any) -> Any:
    from zarr.core.sync import sync

    return sync(work)
