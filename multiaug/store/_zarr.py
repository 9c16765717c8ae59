"""Records in a zarr group: one array per entry, the records on the first axis."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import CorruptChunkError, MissingChunkError, ParameterError, StoreError
from ..files import sha256_of
from ..typing import NDArray
from ._group import open_arrays, open_group
from ._layout import Layout
from ._marker import read_marker
from ._source import Block, BlockId, check_blocks, check_indices
from ._structure import Structure, check_entries, common_length

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike

    from ..spec import DataSpec

OnMissing = Literal["raise", "fill"]

# A block is held in memory at once; the length that all chunk grids have in common may be huge.
_BLOCK_BYTES = 64 * 2**20


class ZarrSource:
    """Records in a zarr group on disk, version 2 or 3, sharded or not.

    The arrays that the spec declares are read; others in the group are left alone and can be
    reached through ``group``. A block is the common length of the chunks (of the shards, where
    there are any) of the arrays along the records, unless that is more than 64 MiB: then the
    array with the largest records decides.

    Args:
        path: the folder of the group.
        spec: what the entries are; None takes the spec that the store carries.
        on_missing: ``raise`` makes a missing chunk an error; ``fill`` reads it as the array's
            fill value, for stores whose writer left out chunks of nothing but zeros. A store
            that carries our completion marker is never filled.

    Raises:
        StoreError: the path is not a zarr group, a required entry is not in it, the arrays
            differ in length, or the store is not complete.
        RecordError: an array is not what the spec says.
        ParameterError: ``on_missing`` is neither ``raise`` nor ``fill``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        spec: DataSpec | None = None,
        *,
        on_missing: OnMissing = "raise",
    ) -> None:
        if on_missing not in ("raise", "fill"):
            raise ParameterError(
                f"ZarrSource.on_missing must be 'raise' or 'fill', got {on_missing!r}."
            )
        self.path = Path(path)
        self.group = open_group(self.path)
        self._marker = read_marker(self.group, str(self.path))
        self._spec = self._choose_spec(spec)
        self.on_missing: OnMissing = "raise" if self._marker else on_missing
        arrays = open_arrays(self.group, self._spec, self.path)
        self._length = common_length(arrays, str(self.path))
        self._check_length()
        structures = {n: Structure(a.shape, np.dtype(a.dtype)) for n, a in arrays.items()}
        check_entries(self._spec, structures, str(self.path))
        vouch = self.on_missing == "raise"
        self._layouts = {n: Layout(a, self.path / n, vouch=vouch) for n, a in arrays.items()}
        self._block = _block_length(self._layouts, self._length)

    @property
    def spec(self) -> DataSpec:
        """What the entries of the records are."""
        return self._spec

    @property
    def blocks(self) -> range:
        """Block i holds the records from ``i`` times the block length."""
        return range(-(-self._length // self._block))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, shapes, dtypes, chunks and codecs, and of the marker's digests.

        The values themselves are covered only in stores that carry our marker.
        """
        parts: list[bytes | str] = [f"multiaug.zarr/1 {self._block}"]
        for name, layout in sorted(self._layouts.items()):
            metadata = {**layout.array.metadata.to_dict(), "attributes": {}}
            parts.append(json.dumps([name, metadata], sort_keys=True, default=str))
            parts.append(self._marker.sha256.get(name, "") if self._marker else "")
        return sha256_of(*parts)

    def __len__(self) -> int:
        return self._length

    def scan(self, blocks: Iterable[BlockId] | None = None) -> Iterator[Block]:
        """Read blocks, all of them by default.

        Args:
            blocks: ids out of ``blocks``, in the order wanted.

        Raises:
            ParameterError: an id does not exist.
            MissingChunkError: a chunk is not in the store and is not to be filled.
            CorruptChunkError: a chunk cannot be decoded.
        """
        for number in check_blocks(blocks, len(self.blocks)):
            start, stop = self._rows(number)
            arrays = {name: self._rows_of(name, start, stop) for name in self._layouts}
            yield Block(number, np.arange(start, stop, dtype=np.int64), arrays)

    def read(self, indices: ArrayLike) -> dict[str, NDArray]:
        """Read records by position; each block is read once, however often it is asked for.

        Args:
            indices: integers (n,) in [0, N), in any order, repeats allowed.

        Raises:
            ParameterError: an index is negative or past the end.
            MissingChunkError: a chunk is not in the store and is not to be filled.
            CorruptChunkError: a chunk cannot be decoded.
        """
        rows = check_indices(indices, self._length)
        out = {
            name: np.empty((len(rows), *layout.array.shape[1:]), _native(layout.array.dtype))
            for name, layout in self._layouts.items()
        }
        for block in np.unique(rows // self._block):
            places = np.flatnonzero(rows // self._block == block)
            start, stop = int(rows[places].min()), int(rows[places].max()) + 1
            for name, array in out.items():
                array[places] = self._rows_of(name, start, stop)[rows[places] - start]
        return out

    def check(self) -> None:
        """Look for missing chunks in the whole store, without decoding anything.

        Raises:
            MissingChunkError: a chunk is not in the store, whatever ``on_missing`` says.
        """
        for name in self._layouts:
            self._refuse_missing(name, 0, self._length)

    def __repr__(self) -> str:
        return f"ZarrSource({str(self.path)!r}, records={self._length}, entries={[*self._layouts]})"

    def _choose_spec(self, spec: DataSpec | None) -> DataSpec:
        if spec is not None:
            return spec
        if self._marker is None:
            raise StoreError(
                f"{self.path}: the store carries no spec of its own. Pass one: "
                "open_source(path, multiaug.load_spec('name'))."
            )
        return self._marker.spec

    def _check_length(self) -> None:
        if self._marker and self._marker.records != self._length:
            raise StoreError(
                f"{self.path}: the arrays hold {self._length} records, expected "
                f"{self._marker.records} by the completion marker. The store was changed after "
                "it was written: write it again."
            )

    def _rows(self, number: int) -> tuple[int, int]:
        return number * self._block, min((number + 1) * self._block, self._length)

    def _rows_of(self, name: str, start: int, stop: int) -> NDArray:
        """Rows of one array, in memory, contiguous and of native byte order."""
        layout = self._layouts[name]
        if self.on_missing == "raise":
            self._refuse_missing(name, start, stop)
        try:
            values = np.asarray(layout.array[start:stop])
        except MemoryError:
            raise
        except Exception as error:
            raise self._explain(layout, start, stop, error) from error
        return np.ascontiguousarray(values, dtype=_native(values.dtype))

    def _refuse_missing(self, name: str, start: int, stop: int) -> None:
        chunk = next(self._layouts[name].missing(start, stop), None)
        if chunk is None:
            return
        remedy = (
            "The store was complete when it was written, so this is damage: restore it from a "
            "copy, or write it again."
            if self._marker
            else "If its writer leaves chunks of nothing but zeros out, pass on_missing='fill'; "
            "otherwise restore the chunk."
        )
        raise MissingChunkError(
            f"{self.path}: array {name!r} lacks chunk {chunk.key}, which holds rows "
            f"{chunk.rows[0]} to {chunk.rows[1] - 1}. {remedy}"
        )

    def _explain(self, layout: Layout, start: int, stop: int, error: Exception) -> StoreError:
        """Find the object that fails; the error of a whole slice does not name it."""
        for position in layout.objects(start, stop):
            try:
                layout.array.get_block_selection(position)
            except Exception as found:
                where = f"{self.path}: chunk {layout.key(position)}"
                if isinstance(found, OSError):
                    return StoreError(f"{where} cannot be read: {found}.")
                return CorruptChunkError(
                    f"{where} cannot be decoded: {type(found).__name__}: {found}. Restore it "
                    "from a copy, or write the store again."
                )
        return StoreError(
            f"{self.path}: rows {start} to {stop - 1} of {layout.array.path!r} cannot be read: "
            f"{error}."
        )


def _block_length(layouts: Mapping[str, Layout], count: int) -> int:
    """Records per block; see `ZarrSource`."""
    # A whole-array chunk (labels, coordinates) goes with any grid, so it has no say.
    lengths = [lay.stored[0] for lay in layouts.values() if lay.stored[0] < count]
    length = math.lcm(*lengths) if lengths else count
    size = sum(layout.record_bytes for layout in layouts.values())
    if length * size > _BLOCK_BYTES:
        largest = max(layouts.values(), key=lambda layout: layout.record_bytes)
        length = largest.stored[0]
    return min(length, count)


def _native(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(dtype).newbyteorder("=")
