"""What sources share whose blocks are all of one length, and are read by several threads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..typing import NDArray
from ._report import ReportedSource
from ._scan import HERE_BYTES, Pools, read_here, scan_in_threads
from ._source import Block, BlockId, Structure, check_blocks

if TYPE_CHECKING:
    from ._scan import Span
    from .zarr._requests import RequestsFor


class BlockSource(ReportedSource, ABC):
    """Neighbouring records are a block: block i holds those from i times the block length.

    What is read is said in ``read_range``, which several threads call at a time.
    """

    remote: bool = False
    chunk: int
    structure: Mapping[str, Structure]
    _length: int  # in records
    _block: int  # the length of a block, in records

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Differs when the data set differs."""

    @property
    def blocks(self) -> range:
        """Block i holds the records from ``i`` times the block length."""
        return range(-(-self._length // self._block))

    def __len__(self) -> int:
        return self._length

    @abstractmethod
    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """Read neighbouring records into arrays that are there already.

        Args:
            start: position of the first record.
            stop: the position after the last one.
            out: entry name -> contiguous (n, ...) with n at least ``stop - start``. Rows past
                ``stop`` are room for the decoder; what they hold afterwards means nothing.
        """

    def scan(self, blocks: Iterable[BlockId] | None = None) -> Iterator[Block]:
        """Read blocks, all of them by default.

        They are read by several threads, one or two blocks ahead of the consumer. A block's
        memory is used again once nothing refers to its arrays.

        Args:
            blocks: ids out of ``blocks``, in the order wanted.

        Raises:
            ParameterError: an id does not exist.
            StoreError: what `read_range` raises, such as CorruptChunkError, when it is met.
        """
        return scan_in_threads(
            self._spans(blocks), self.structure, self.chunk, self.read_range, self._pools,
            remote=self.remote, requests=self._requests(),
        )  # fmt: skip

    def read_here(self, blocks: Iterable[BlockId]) -> Iterator[tuple[int, Block]]:
        """Read blocks in the thread that asks, none of them ahead.

        For those who read in several threads at a time: what was read is still near a core when
        it is used, and the cores are busy without further threads.

        Args:
            blocks: ids out of ``blocks``, in the order wanted.

        Yields:
            How many neighbouring blocks have been read, about 8 MB, and all of them as one.

        Raises:
            ParameterError: an id does not exist.
            StoreError: what `read_range` raises, such as CorruptChunkError.
        """
        return read_here(self._spans(blocks), self.structure, self.chunk, self.read_range)

    @property
    def bytes_here(self) -> int:
        """What a thread holds at most that reads with `read_here`, in bytes."""
        record = sum(s.nbytes for s in self.structure.values())
        rows = min(max(self._block, HERE_BYTES // max(1, record)), self._length)
        return -(-rows // self.chunk) * self.chunk * record

    def _spans(self, blocks: Iterable[BlockId] | None) -> list[Span]:
        numbers = check_blocks(blocks, len(self.blocks))
        length, count = self._block, self._length
        return [(n, n * length, min((n + 1) * length, count)) for n in numbers]

    def _requests(self) -> RequestsFor | None:
        """What is asked of another machine before records are read; None where threads wait."""
        return None

    @cached_property
    def _pools(self) -> Pools:
        """Memory that scans leave for the next ones; it does not go to other processes."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pools"}
