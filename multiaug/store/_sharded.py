"""Writing a store block by block, in any order and by several processes, so that it can go on.

The store grows beside its destination, as ``<name>.partial``, whose marker says that it is not
complete. A block is one shard of every array; what has been written, flushed to the disk and
counted in the log is not written again. Last of all the marker is completed and the folder gets
its name, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..files import (
    MayReplace,
    array_bytes,
    discard,
    put_in_place,
    refuse_existing,
    remove_remains,
    replace_file,
    sha256_of,
    staged_directory,
)
from ..typing import NDArray
from ._group import only_stores
from ._layout import Layout
from ._marker import ATTRIBUTE, Marker
from ._objects import FileObjects, Objects, patiently
from ._source import Structure
from ._write import check_name

if TYPE_CHECKING:
    import zarr

    from ..spec import DataSpec

_LOG = ".multiaug-log"
# zarr's settings are those of the process: threads that change them take turns.
_OPENING = threading.Lock()
_AXES = ("y", "x", "channel")


class ShardedWriter:
    """A store in the making.

    Args:
        dest: the folder that it becomes.
        spec: what the entries are.
        structure: array name -> shape of one record, and dtype.
        records: in the finished store.
        chunk: records per chunk.
        block: records per shard, a multiple of ``chunk``.
        provenance: what the records are made from, and how; must be the same on resuming.
    """

    def __init__(
        self,
        dest: Path,
        spec: DataSpec,
        structure: Mapping[str, Structure],
        records: int,
        chunk: int,
        block: int,
        provenance: Mapping[str, Any],
    ) -> None:
        self.dest = dest
        self.partial = dest.with_name(f"{dest.name}.partial")
        self.spec = spec
        self.structure = dict(structure)
        self.records = records
        self.chunk = chunk
        self.block = block
        self.provenance = json.loads(json.dumps(provenance))
        self._may_replace: MayReplace | None = None
        for name, entry in structure.items():
            check_name(name, entry, str(dest))

    @property
    def block_count(self) -> int:
        """How many blocks the store has."""
        return -(-self.records // self.block)

    def rows(self, block: int) -> tuple[int, int]:
        """First record of a block, and the one after its last."""
        return block * self.block, min((block + 1) * self.block, self.records)

    def begin(self, *, overwrite: bool) -> set[int]:
        """Make the unfinished store, or find it again; returns the blocks that are done.

        The caller holds the destination (`multiaug.files.claimed`) from here to `finish`.

        Args:
            overwrite: an existing destination is replaced at the end, and an unfinished store of
                something else is removed now.

        Raises:
            StoreError: the destination exists, or is no store; an unfinished store was made from
                something else.
        """
        self._may_replace = only_stores if overwrite else None
        remove_remains(self.dest)
        refuse_existing(self.dest, self._may_replace)
        if os.path.lexists(self.partial):
            if not self._is_unfinished():
                raise StoreError(
                    f"{self.partial} is where the store would grow, but something stands there "
                    "that is no unfinished store of ours. Move it away, or choose another name."
                )
            different = self._difference(self._found())
            if different is None:
                return self._find_done()
            if not overwrite:
                raise StoreError(
                    f"{self.partial} is an unfinished store of something else: {different}. "
                    "Finish it as it was begun, remove it, or pass overwrite=True."
                )
            discard(self.partial, self.dest)
        self._create()
        return set()

    def write(self, block: int, arrays: Mapping[str, NDArray]) -> dict[str, Any]:
        """Write one block, whole; called from any process, for different blocks at a time.

        Args:
            block: its number.
            arrays: name -> the records of the block.

        Returns:
            What `finish_block` puts into the log, JSON-ready.

        Raises:
            StoreError: it cannot be written; what was written before is kept.
        """
        import zarr

        start, stop = self.rows(block)
        digests: dict[str, str] = {}
        sizes: dict[str, int] = {}
        try:
            for name, values in arrays.items():
                # How it writes is not kept with an array; it is decided when one is opened.
                with _OPENING, zarr.config.set({"array.write_empty_chunks": True}):
                    array = zarr.open_array(self.partial, path=name, mode="r+")
                assert isinstance(array, zarr.Array)
                keys = [
                    f"{name}/{array.metadata.encode_chunk_key(position)}"
                    for position in Layout(array, FileObjects(self.partial)).objects(start, stop)
                ]
                for key in keys:  # zarr would read what an earlier attempt has left
                    (self.partial / key).unlink(missing_ok=True)
                patiently(lambda a=array, v=values: a.__setitem__(slice(start, stop), v))  # type: ignore[misc]
                digests[name] = hashlib.sha256(array_bytes(values)).hexdigest()
                sizes |= {key: _flush(self.partial / key) for key in keys}
        except OSError as error:
            raise self._failed(error) from error
        return {"block": block, "sha256": digests, "sizes": sizes}

    def finish_block(self, entry: Mapping[str, Any]) -> None:
        """Count a block as done; called by one process only."""
        try:
            with (self.partial / _LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry, sort_keys=True) + "\n")
                log.flush()
                os.fsync(log.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def _complete_group(self, store: Any, objects: Objects, entries: Iterable[int]) -> zarr.Group:
        """The group in a store, all of whose blocks and chunks must be there.

        Raises:
            StoreError: one is not.
        """
        import zarr

        missing = sorted(set(range(self.block_count)) - set(entries))
        if missing:
            raise StoreError(f"{store}: block {missing[0]} was never written.")
        group = zarr.open_group(store, mode="r+")
        for name in self.structure:
            array = group[name]
            assert isinstance(array, zarr.Array)
            lost = next(Layout(array, objects).missing(0, self.records), None)
            if lost is not None:
                raise StoreError(f"{store}: chunk {lost.key} was written and is not there.")
        return group

    def finish(self) -> Path:
        """Complete the marker and give the store its name.

        Raises:
            StoreError: a block is missing, or the destination has appeared meanwhile.
        """
        entries = self._log()
        self._remove_remains()
        group = self._complete_group(self.partial, FileObjects(self.partial), entries)
        self._marker(self._digests(entries), complete=True).write(group)
        try:
            put_in_place(self.partial, self.dest, self._may_replace)
        except StoreError as error:
            raise StoreError(f"{error} The finished store is kept as {self.partial}.") from error
        try:
            # Not before: without it a kill in between would have everything made again.
            (self.dest / _LOG).unlink()
        except OSError as error:
            raise self._failed(error) from error
        return self.dest

    def _remove_remains(self) -> None:
        """What was being written, beside its own name, when a process was killed."""
        by_zarr, by_us = self.partial.rglob("*.partial"), self.partial.glob(f"{_LOG}.tmp-*")
        for path in [*by_zarr, *by_us]:
            if path.is_file():
                path.unlink(missing_ok=True)

    def _digests(self, entries: Mapping[int, Mapping[str, Any]]) -> dict[str, str]:
        """Array name -> digest of the digests of its blocks, from the log."""
        return {
            name: sha256_of(*(entries[b]["sha256"][name] for b in range(self.block_count)))
            for name in self.structure
        }

    def _marker(self, sha256: Mapping[str, str], *, complete: bool) -> Marker:
        return Marker(
            self.records, self.spec, self.chunk, sha256, complete, self.block, self.provenance
        )

    def _create(self) -> None:
        import zarr

        try:
            with staged_directory(self.partial) as staged:
                self._create_in(zarr.open_group(staged, mode="w", zarr_format=3))
        except OSError as error:
            raise self._failed(error) from error

    def _create_in(self, group: zarr.Group) -> None:
        """The marker of an unfinished store, and its empty arrays."""
        from zarr.codecs import ZstdCodec

        self._marker({}, complete=False).write(group)
        for name, entry in self.structure.items():
            sides = [max(1, side) for side in entry.shape]  # a table may have no rows
            group.create_array(
                name,
                shape=(self.records, *entry.shape),
                chunks=(self.chunk, *sides),
                shards=(self.block, *sides),
                dtype=entry.dtype.newbyteorder("="),
                compressors=ZstdCodec(level=3, checksum=True),
                dimension_names=_axes(name, entry, self.spec),
                config={"write_empty_chunks": True},
            )

    def _is_unfinished(self) -> bool:
        """Whether what stands at ``partial`` is ours, and nobody has finished it."""
        return (self.partial / _LOG).is_file() or _incomplete(self._found())

    def _found(self) -> Any:
        import zarr

        try:
            return zarr.open_group(self.partial, mode="r").attrs.get(ATTRIBUTE)
        except Exception:  # whatever stands there
            return None

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

    def _find_done(self) -> set[int]:
        """Blocks in the log whose files are there, at their size."""
        done = {
            block: entry
            for block, entry in self._log().items()
            if all(_size(self.partial / key) == size for key, size in entry["sizes"].items())
        }
        # Without what is not there any more, and without a line that was cut off.
        lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in done.values())
        replace_file(self.partial / _LOG, lines.encode())
        return set(done)

    def _log(self) -> dict[int, dict[str, Any]]:
        path = self.partial / _LOG
        entries: dict[int, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the process ended in the middle of it: the block is written again
            entries[int(entry["block"])] = entry
        return entries

    def _failed(self, error: OSError) -> StoreError:
        if isinstance(error, StoreError):
            return error
        remedy = "Make room and run" if error.errno in (errno.ENOSPC, errno.EFBIG) else "Run"
        return StoreError(
            f"{self.dest} cannot be written: {error.strerror or error}. {remedy} the same command "
            f"again: finished blocks are kept in {self.partial.name}."
        )


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


def _axes(name: str, entry: Structure, spec: DataSpec) -> tuple[str, ...]:
    """Names by which xarray tells axes apart; those of different sizes differ."""
    timed = {n for n, e in spec.entries.items() if e.time is not None}
    axes = ("time", *_AXES) if {name, name.removesuffix("_valid")} & timed else _AXES
    named = [f"{name}_{axis}" for axis in axes]
    known = entry.ndim <= len(axes)
    return ("record", *(named[: entry.ndim] if known else map(str, range(entry.ndim))))


def _pairs(one: Any, two: Any, path: str = "provenance") -> Iterable[tuple[str, Any, Any]]:
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in sorted(set(one) | set(two)):
            yield from _pairs(one.get(key), two.get(key), f"{path}.{key}")
    else:
        yield path, one, two


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
