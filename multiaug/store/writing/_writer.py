"""Writing a store block by block, in any order and by several processes, so that it can go on.

What has been written, flushed to the disk and counted in the log is not written again. Last of
all the marker is completed and the store gets its name, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ...errors import StoreError
from ...files import array_bytes, claimed, sha256_of
from ...typing import NDArray
from ..zarr._group import Destination, is_store
from ..zarr._layout import Layout
from ..zarr._marker import Marker
from ._contents import Contents
from ._folder_place import FolderPlace
from ._formats import Format, Plain, check_name
from ._place import Place, is_incomplete
from ._store_place import StorePlace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import zarr


class Writer(Protocol):
    """A data set in the making. Goes through pickle: workers write blocks."""

    contents: Contents

    @property
    def block_count(self) -> int:
        """How many blocks the data set has."""

    def rows(self, block: int) -> tuple[int, int]:
        """First record of a block, and the one after its last."""

    def begin(self, *, overwrite: bool) -> set[int]:
        """Make the unfinished data set, or find it again; returns the blocks that are done.

        Args:
            overwrite: an existing destination is replaced at the end, and an unfinished data set
                of something else is removed now.

        Raises:
            StoreError: something stands there that may not be replaced.
        """

    def write(self, block: int, arrays: Mapping[str, NDArray]) -> Mapping[str, Any]:
        """Write one block, whole; called from any process, for different blocks at a time.

        Args:
            block: its number.
            arrays: name -> the records of the block.

        Returns:
            What `finish_block` puts into the log, JSON-ready.

        Raises:
            StoreError: it cannot be written; what was written before is kept.
        """

    def finish_block(self, entry: Mapping[str, Any]) -> None:
        """Count a block as done; called by one process only."""

    def finish(self) -> None:
        """Complete the data set, and give it its name.

        Raises:
            StoreError: a block is missing, or the destination has appeared meanwhile.
        """


@runtime_checkable
class Sink(Protocol):
    """What `export` writes to: another format, another kind of store.

    Paths and open stores of zarr's need none: they become a sharded zarr store. A sink is one
    class; `OmeSink` is an example.
    """

    dest: Destination

    def open(self, contents: Contents) -> AbstractContextManager[Writer]:
        """The writer of what `Contents` says; the destination is held until the block ends.

        Raises:
            StoreError: somebody else writes to the destination.
            ParameterError: the format has no place for an entry.
        """


class BlockWriter:
    """A zarr store in the making.

    Args:
        place: where it grows.
        contents: what it will hold.
        format: which arrays it has.
    """

    def __init__(self, place: Place, contents: Contents, format: Format | None = None) -> None:
        self.place = place
        self.contents = contents
        self._format: Format = Plain() if format is None else format
        for name, entry in contents.structure.items():
            check_name(name, entry, str(place.dest))

    @property
    def block_count(self) -> int:
        """See `Writer`."""
        return -(-self.contents.records // self.contents.block)

    def rows(self, block: int) -> tuple[int, int]:
        """See `Writer`."""
        size = self.contents.block
        return block * size, min((block + 1) * size, self.contents.records)

    def begin(self, *, overwrite: bool) -> set[int]:
        """See `Writer`."""
        if self.place.begin(overwrite=overwrite):
            different = self._difference(self.place.found())
            if different is None:
                done = set(self.place.done(self.block_count))
                if done:
                    return done
                # Arrays may be missing, where not all of it appears at once.
            elif not overwrite and not self._is_bare():
                raise StoreError(
                    f"{self.place.dest}: there is an unfinished store of something else: "
                    f"{different}. Finish it as it was begun, remove it, or pass overwrite=True."
                )
            self.place.clear()
        self.place.create(self._create, self._format.zarr_version)
        return set()

    def abandon(self) -> None:
        """After a failure: remove the unfinished store if no block of it is done."""
        if self._is_bare():
            self.place.clear()

    def _is_bare(self) -> bool:
        """Whether an unfinished store of ours is all that may be there, and it holds nothing."""
        mine = self.place.held and is_incomplete(self.place.found())
        return mine and not self.place.done(self.block_count)

    def write(self, block: int, arrays: Mapping[str, NDArray]) -> dict[str, Any]:
        """See `Writer`."""
        start, stop = self.rows(block)
        digests: dict[str, str] = {}
        sizes: dict[str, int] = {}
        group = self.place.group()
        for name, values in arrays.items():
            for path, part in self._format.parts(name, values, self.contents):
                array = self._array(group, path)
                layout = Layout(array, self.place.objects, vouch=False)
                keys = [layout.key(position) for position in layout.objects(start, stop)]
                self.place.forget(keys)
                self.place.do(lambda a=array, v=part: a.__setitem__(slice(start, stop), v))  # type: ignore[misc]
                digests[path] = hashlib.sha256(array_bytes(part)).hexdigest()
                sizes |= self.place.flush(keys)
        return {"block": block, "sha256": digests, "sizes": sizes}

    def finish_block(self, entry: Mapping[str, Any]) -> None:
        """See `Writer`."""
        self.place.log(entry)

    def finish(self) -> None:
        """See `Writer`."""
        entries = self.place.done(self.block_count)
        different = self._difference(self.place.found())
        if different is not None:
            raise StoreError(
                f"{self.place.dest} is not what was begun here any more, another process writes to "
                f"it: {different}. Give every process a place of its own."
            )
        missing = sorted(set(range(self.block_count)) - set(entries))
        if missing:
            raise StoreError(f"{self.place.dest}: block {missing[0]} was never written.")
        group = self.place.group()
        paths = list(entries[0]["sha256"])
        for path in paths:
            refuse_missing(self._array(group, path), self.place.objects, self.contents.records)
        sha256 = {
            path: sha256_of(*(entries[b]["sha256"][path] for b in range(self.block_count)))
            for path in paths
        }
        self.place.do(lambda: self._marker(sha256, complete=True).write(group))
        self.place.commit(entries)

    def _create(self, group: zarr.Group) -> None:
        """The marker of an unfinished store, and its empty arrays."""
        self._marker({}, complete=False).write(group)
        self._format.create(group, self.contents)

    def _array(self, group: zarr.Group, path: str) -> zarr.Array[Any]:
        import zarr

        array = self.place.do(lambda: group[path])
        assert isinstance(array, zarr.Array)
        # How it writes is not kept with an array; it is decided when one is opened.
        return array.with_config({"write_empty_chunks": True})

    def _marker(self, sha256: Mapping[str, str], *, complete: bool) -> Marker:
        held = self.contents
        return Marker(
            held.records, held.spec, held.chunk, sha256, complete, held.block, held.provenance
        )

    def _difference(self, found: Any) -> str | None:
        """What a marker says otherwise than ours would; None when it is ours."""
        expected = json.loads(json.dumps(self._marker({}, complete=False).to_dict()))
        if not isinstance(found, Mapping):
            return "it carries no marker"
        # A marker that was completed just before the rename is the same store.
        skipped = {"complete", "sha256", "provenance"}
        for part, one, two in [
            *((k, expected.get(k), found.get(k)) for k in expected if k not in skipped),
            *_pairs(expected.get("provenance", {}), found.get("provenance", {})),
        ]:
            if one != two:
                return f"its {part} is {_short(two)}, expected {_short(one)}"
        return None


@contextmanager
def open_writer(
    dest: Destination | Sink, contents: Contents, format: Format | None = None
) -> Iterator[Writer]:
    """The writer of a destination, which is held until the block ends.

    Args:
        dest: a folder, an open store of zarr's, or a `Sink`.
        contents: what it will hold.
        format: of the arrays, where ``dest`` is no `Sink`.

    Raises:
        StoreError: somebody else writes to it.
    """
    if isinstance(dest, Sink):
        with dest.open(contents) as writer:
            yield writer
    elif is_store(dest):
        yield BlockWriter(StorePlace(dest), contents, format)
    else:
        with claimed(dest) as target:
            writer = BlockWriter(FolderPlace(target), contents, format)
            try:
                yield writer
            except Exception:
                with suppress(OSError, StoreError):  # what has failed is what is to be said
                    writer.abandon()
                raise


def refuse_missing(array: zarr.Array[Any], objects: Any, records: int) -> None:
    """See that every chunk of an array was written.

    Raises:
        StoreError: one is not there.
    """
    lost = next(Layout(array, objects).missing(0, records), None)
    if lost is not None:
        raise StoreError(f"{array.store}: chunk {lost.key} was written and is not there.")


def _pairs(one: Any, two: Any, path: str = "provenance") -> Iterable[tuple[str, Any, Any]]:
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in sorted(set(one) | set(two)):
            yield from _pairs(one.get(key), two.get(key), f"{path}.{key}")
    else:
        yield path, one, two


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
