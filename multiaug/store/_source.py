"""What every source of records offers, whatever it reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from .._arguments import NUMBERS, RECORD, check_argument, shown
from .._machine import native
from ..errors import ParameterError
from ..typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec

BlockId: TypeAlias = int | tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """Shape and dtype of something that need not be in memory.

    Args:
        shape: the length of every axis.
        dtype: of the values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the values, in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Run:
    """Neighbouring blocks that were read together.

    Args:
        index: int64 (n,), the positions of all their records.
        arrays: name -> (n, ...), of which those of the blocks are views.
    """

    index: NDArray
    arrays: Mapping[str, NDArray]


class Block(Mapping[str, NDArray]):
    """Neighbouring records that are read together: entry name -> array with leading n.

    Args:
        id: the block's place in the source; the same in every process and on every run.
        index: int64 (n,), the positions of the records in the source.
        arrays: name -> (n, ...), read-only where they are views of the user's own arrays; copied
            into this machine's byte order where they have the other one.
        ready: how many of the blocks that follow in a scan are in memory already, behind this
            one, so that nobody waits who takes them together.
        run: the blocks that it was read together with, in this machine's byte order.
    """

    def __init__(
        self,
        id: BlockId,
        index: NDArray,
        arrays: Mapping[str, NDArray],
        *,
        ready: int = 0,
        run: Run | None = None,
    ) -> None:
        self.id = id
        self.index = index
        self.ready = ready
        self.run = run
        self._arrays: dict[str, NDArray] = {name: native(array) for name, array in arrays.items()}

    def __getitem__(self, name: str) -> NDArray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Block(id={self.id}, records={len(self.index)}, entries={list(self)})"


@runtime_checkable
class Source(Protocol):
    """Records that can be read by position: what a data set must offer, and no more than that.

    Loaders, passes and exports take any object with these four members. What else they use where
    it is there is optional:

    - ``blocks`` and ``scan(blocks)``, both of them: neighbouring records that are best read
      together, each as a `Block`. Without them records are read 64 at a time.
    - ``chunk``, ``structure``, ``remote``, ``read_range(start, stop, out)`` and ``read(.., out=)``
      beside these: a `ChunkedSource`, which reads into memory that is used again.
    - ``row_access``: True where a single record costs no more than its own bytes; a loader then
      reads large records one by one. Taken as False where it is missing.
    - ``check(*, deep=False)``: look for damage in the whole data set, and with ``deep`` decode all.
    - ``read_records(indices)``: records each of its own size, as a list; a loader uses it for
      pipelines that bring images of several sizes to one.
    - ``roots``: the folders that are read, into which nothing may be written meanwhile.
    - pickling, for processes of a cluster and workers of a `DataLoader`.

    `multiaug.testing.check_source` tries all that a source has.
    """

    @property
    def spec(self) -> DataSpec:
        """What the entries of the records are."""

    @property
    def fingerprint(self) -> str:
        """Differs when the data set differs; saved beside whatever was computed from it."""

    def __len__(self) -> int:
        """Return the number of records."""

    def read(self, indices: ArrayLike) -> dict[str, NDArray]:
        """Read records by position, in any order, repeats allowed."""


@runtime_checkable
class ChunkedSource(Source, Protocol):
    """A source that reads into memory that is there already, which loaders use where they can.

    All sources of this package but those that are a `SequentialSource` are of this kind.
    """

    @property
    def blocks(self) -> Sequence[BlockId]:
        """The id of every block, in the order of the records."""

    def scan(self, blocks: Iterable[BlockId] | None = None) -> Iterator[Block]:
        """Read blocks, all of them by default, in the order given."""

    @property
    def chunk(self) -> int:
        """How many neighbouring records are best read together."""

    @property
    def structure(self) -> Mapping[str, Structure]:
        """Entry name -> shape of one record, and dtype."""

    @property
    def remote(self) -> bool:
        """Whether reading waits for something else than this machine's own disk."""

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """Read records start .. stop - 1; rows of ``out`` past them are room for the decoder."""

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """Read records by position, into ``out`` where it is given."""


@runtime_checkable
class SequentialSource(Protocol):
    """Records that come in an order of their own, as from an archive that is read front to end.

    `multiaug.convert` writes one as a store whose records can be read in any order, which is what
    loaders and passes need. Iterating again begins again, with the same records. Optional:
    ``__len__``, where the number of records is known, and ``check(*, deep=False)``.
    """

    @property
    def spec(self) -> DataSpec:
        """What the entries of the records are."""

    @property
    def fingerprint(self) -> str:
        """Differs when the data set differs."""

    def __iter__(self) -> Iterator[Mapping[str, NDArray]]:
        """Give the records, each a mapping from entry name to array."""


def check_indices(indices: ArrayLike, count: int) -> NDArray:
    """Return record positions as int64 (n,); raises ParameterError for any that do not exist."""
    check_argument("Source.read.indices", indices, NUMBERS)
    asked = np.asarray(indices)
    if asked.size == 0:
        return np.zeros(0, np.int64)
    if asked.ndim != 1 or asked.dtype.kind not in "iu":
        raise ParameterError(
            "Source.read: indices must be one-dimensional integers, got "
            f"{asked.dtype} of shape {asked.shape}."
        )
    outside = (asked < 0) | (asked >= count)
    if outside.any():
        raise ParameterError(
            f"Source.read: indices must be in [0, {count}), got {asked[outside][0]}. Negative "
            "positions do not count from the end."
        )
    return asked.astype(np.int64)


def check_blocks(blocks: Iterable[BlockId] | None, count: int) -> list[int]:
    """Return ids of blocks numbered from 0; raises ParameterError for any that do not exist."""
    if blocks is None:
        return list(range(count))
    if not hasattr(type(blocks), "__iter__") or getattr(blocks, "ndim", 1) == 0:
        raise ParameterError(f"`Source.scan.blocks` must be ids of blocks, got {shown(blocks)}.")
    asked = list(blocks)
    for block in asked:
        if not isinstance(block, int | np.integer) or not 0 <= block < count:
            raise ParameterError(
                f"Source.scan: blocks must be ids from source.blocks, 0 to {count - 1}, "
                f"got {block!r}."
            )
    return [int(block) for block in asked]  # type: ignore[arg-type]


def check_out(
    out: Mapping[str, NDArray] | None, structure: Mapping[str, Structure], count: int
) -> dict[str, NDArray]:
    """Return the arrays to read ``count`` records to, new ones when none are given.

    Raises:
        ParameterError: an array that is given is not of the shape and dtype of the records.
    """
    if out is None:
        return {n: np.empty((count, *s.shape), s.dtype) for n, s in structure.items()}
    check_argument("Source.read.out", out, RECORD)
    for name, array in out.items():
        wanted = structure.get(name)
        if wanted is None:
            raise ParameterError(f"Source.read: out has {name!r}, expected only {list(structure)}.")
        shape = (count, *wanted.shape)
        fits = isinstance(array, np.ndarray) and array.flags.c_contiguous
        if not fits or (array.shape, array.dtype) != (shape, wanted.dtype):
            raise ParameterError(
                f"Source.read: out[{name!r}] must be a contiguous {wanted.dtype} array {shape}, "
                f"got {shown(array)}."
            )
    return dict(out)


def read_records(source: Source, indices: ArrayLike) -> list[dict[str, NDArray]]:
    """Read records one by one: each of its own size, where a source holds several.

    Args:
        source: what to read.
        indices: integers (n,), positions of the records.

    Returns:
        Entry name -> array without a leading n, of each record.
    """
    if hasattr(source, "read_records"):
        return [dict(record) for record in source.read_records(indices)]
    batch = {name: np.asarray(array) for name, array in source.read(indices).items()}
    count = np.size(indices)
    return [{name: array[i] for name, array in batch.items()} for i in range(count)]
