"""Turning an order of records into batches in memory: chunks are read ahead by threads."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..errors import CorruptChunkError, StoreError
from ..store import BufferPool, ChunkedSource, aligned
from ..typing import NDArray

# Where all chunks fit into memory nothing else ends the looking ahead.
_PIECES_AHEAD = 32


@dataclass(frozen=True, eq=False)
class Plan:
    """One batch before it is read.

    Args:
        step: its number in the epoch.
        index: int64 (n,), positions in the source.
        copy: int64 (n,).
    """

    step: int
    index: NDArray
    copy: NDArray


@dataclass(frozen=True, eq=False)
class RawBatch:
    """One batch as it was read; its arrays go back to a pool when nobody holds them."""

    plan: Plan
    arrays: dict[str, NDArray]


@dataclass
class Losses:
    """Records that could not be decoded.

    Args:
        allowed: whether they may be left out.
        limit: more than as many are an error.
        records: how many were left out in this epoch.
    """

    allowed: bool
    limit: int
    records: int = 0
    first: CorruptChunkError | None = None

    def add(self, records: int, error: CorruptChunkError) -> None:
        """Count records that are left out.

        Raises:
            CorruptChunkError: they may not be, or there are too many.
            StoreError: there are too many.
        """
        if not self.allowed:
            raise error
        self.records += records
        self.first = self.first or error
        if self.records > self.limit:
            raise StoreError(
                f"{self.records} records of this epoch are in chunks that cannot be decoded, more "
                f"than the {self.limit} that skip_limit allows. The first was: {self.first}"
            ) from error


class ChunkReader:
    """Reads whole chunks into slots, and gathers batches from them.

    Args:
        source: what to read.
        slots: chunks that are held.
        batch_size: records of the largest batch.
        threads: that read.
    """

    def __init__(self, source: ChunkedSource, slots: int, batch_size: int, threads: int) -> None:
        self._source = source
        self.length = source.chunk
        self.slot_count = slots
        self._threads = threads
        self._slots = {
            n: aligned(slots * self.length * s.nbytes)
            .view(s.dtype)
            .reshape(slots * self.length, *s.shape)
            for n, s in source.structure.items()
        }
        self._pools = _pools(source, batch_size)

    def read(self, plans: Iterator[Plan], history: History, losses: Losses) -> Iterator[RawBatch]:
        """Yield batches; chunks of later ones are read meanwhile.

        Args:
            plans: the batches.
            history: how much comes of every chunk, and how much has come before the first plan.
            losses: keeps count of what cannot be decoded.
        """
        run = _Run(self, plans, history)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="multiaug-read") as executor:
            try:
                while (piece := run.advance(executor)) is not None:
                    plan = piece.plan
                    if piece.low == 0:
                        arrays = self._lend(len(plan.index))
                        lost: list[int] = []
                    lost += self._gather(piece, run, arrays, losses)
                    if piece.high < len(plan.index):
                        continue
                    raw = _without(plan, arrays, lost) if lost else RawBatch(plan, arrays)
                    del arrays, piece, plan
                    yield raw
                    del raw
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def _lend(self, count: int) -> dict[str, NDArray]:
        return {
            n: self._pools[n].lend((count, *a.shape[1:]), a.dtype) for n, a in self._slots.items()
        }

    def _gather(
        self, piece: _Piece, run: _Run, arrays: Mapping[str, NDArray], losses: Losses
    ) -> list[int]:
        """Copy records to their place in the batch; returns the places of those that are lost."""
        index = piece.plan.index[piece.low : piece.high]
        chunks, inside = np.divmod(index, self.length)
        numbers = chunks.tolist()
        lost: list[int] = []
        for chunk in run.wait(piece):
            error = run.broken[chunk]
            found = [piece.low + place for place, c in enumerate(numbers) if c == chunk]
            losses.add(len(found), error)
            lost += found
        places = np.array([run.slot[c] for c in numbers], np.int64) * self.length + inside
        for name, slots in self._slots.items():
            # The default mode, "raise", copies to a buffer first.
            out = arrays[name][piece.low : piece.high]
            np.take(slots, places, axis=0, out=out, mode="clip")
        run.finish(piece)
        return lost

    def load(self, chunk: int, slot: int) -> None:
        """Read one chunk to its slot."""
        start = chunk * self.length
        stop = min(start + self.length, len(self._source))
        rows = slice(slot * self.length, (slot + 1) * self.length)
        self._source.read_range(start, stop, {n: a[rows] for n, a in self._slots.items()})


@dataclass(frozen=True, eq=False)
class History:
    """What an epoch asks of its chunks.

    Args:
        total: chunk -> records that come of it in the whole epoch.
        done: chunk -> records that came before the first batch that is read.
    """

    total: Callable[[int], int]
    done: Mapping[int, int]


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some neighbouring records of a batch, of no more chunks than there are slots."""

    plan: Plan
    low: int
    high: int
    counts: dict[int, int]


class _Run:
    """Which chunk is in which slot, and who still needs it.

    Args:
        reader: that owns the slots.
        plans: batches to come.
        history: of the epoch.
    """

    def __init__(self, reader: ChunkReader, plans: Iterator[Plan], history: History) -> None:
        self._reader = reader
        self._pieces = (piece for plan in plans for piece in self._cut(plan, 0, len(plan.index)))
        self._total = history.total
        self._done = Counter(history.done)
        self._free = list(range(reader.slot_count))
        self.slot: dict[int, int] = {}
        self.broken: dict[int, CorruptChunkError] = {}
        self._loading: dict[int, Future[None]] = {}  # until it has been waited for
        self._ahead: deque[_Piece] = deque()  # looked at already
        self._uses: Counter[int] = Counter()  # pieces in sight that need a chunk
        self._unused: OrderedDict[int, None] = OrderedDict()  # the longest unused chunk first
        self._missing: deque[int] = deque()  # needed in this order, and not yet being read

    def advance(self, executor: ThreadPoolExecutor) -> _Piece | None:
        """Begin to read what fits, the next piece's chunks in any case; return that piece."""
        self._load(executor)
        while not self._missing and len(self._ahead) < _PIECES_AHEAD and self._look_ahead():
            self._load(executor)
        if not self._ahead:
            return None
        piece = self._ahead.popleft()
        while any(chunk not in self.slot for chunk in piece.counts):
            # The oldest of what nobody in sight needs goes; it is read again if it must.
            if not self._free:
                self._release(next(iter(self._unused)))
            self._load(executor)
        return piece

    def wait(self, piece: _Piece) -> list[int]:
        """Until the chunks of a piece are read; returns those that cannot be decoded."""
        for chunk in [c for c in piece.counts if c in self._loading]:
            try:
                self._loading.pop(chunk).result()
            except CorruptChunkError as error:
                self.broken[chunk] = error
        return [chunk for chunk in piece.counts if chunk in self.broken] if self.broken else []

    def finish(self, piece: _Piece) -> None:
        """A piece has been copied; its chunks may be spent."""
        for chunk, count in piece.counts.items():
            self._uses[chunk] -= 1
            self._done[chunk] += count
            if self._uses[chunk]:
                continue
            del self._uses[chunk]
            self._unused[chunk] = None
            if self._done[chunk] >= self._total(chunk):
                self._release(chunk)

    def _cut(self, plan: Plan, low: int, high: int) -> Iterator[_Piece]:
        """A batch in halves of halves, until each can be read while another one is held."""
        # Not np.unique: it lets go of the interpreter, and gets it back late.
        counts = Counter((plan.index[low:high] // self._reader.length).tolist())
        if len(counts) > max(1, 3 * self._reader.slot_count // 4):
            middle = (low + high) // 2
            yield from self._cut(plan, low, middle)
            yield from self._cut(plan, middle, high)
        else:
            yield _Piece(plan, low, high, dict(counts))

    def _look_ahead(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._ahead.append(piece)
        for chunk in piece.counts:
            if chunk not in self.slot and not self._uses[chunk]:
                self._missing.append(chunk)
            self._uses[chunk] += 1
            self._unused.pop(chunk, None)
        return True

    def _load(self, executor: ThreadPoolExecutor) -> None:
        while self._missing and self._free:
            chunk, slot = self._missing.popleft(), self._free.pop()
            self.slot[chunk] = slot
            self._loading[chunk] = executor.submit(self._reader.load, chunk, slot)

    def _release(self, chunk: int) -> None:
        self._unused.pop(chunk)
        self.broken.pop(chunk, None)
        self._free.append(self.slot.pop(chunk))


class RowReader:
    """Reads single records straight into their place in the batch.

    Args:
        source: what to read.
        batch_size: records of the largest batch.
        threads: that read.
        ahead: batches that are read before they are asked for.
    """

    def __init__(self, source: ChunkedSource, batch_size: int, threads: int, ahead: int) -> None:
        self._source = source
        self._threads = threads
        self._ahead = ahead
        self._pools = _pools(source, batch_size)

    def read(self, plans: Iterator[Plan], history: History, losses: Losses) -> Iterator[RawBatch]:
        """Yield batches while later ones are being read; see `ChunkReader.read`."""
        waiting: deque[tuple[Plan, dict[str, NDArray], list[Future[list[int]]]]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="multiaug-read") as executor:
            try:
                while True:
                    while len(waiting) <= self._ahead and (plan := next(plans, None)) is not None:
                        waiting.append(self._start(executor, plan, losses))
                    if not waiting:
                        return
                    plan, arrays, futures = waiting.popleft()
                    lost = [place for future in futures for place in future.result()]
                    del futures
                    raw = RawBatch(plan, arrays) if not lost else _without(plan, arrays, lost)
                    del arrays, plan
                    yield raw
                    del raw
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def _start(
        self, executor: ThreadPoolExecutor, plan: Plan, losses: Losses
    ) -> tuple[Plan, dict[str, NDArray], list[Future[list[int]]]]:
        count = len(plan.index)
        arrays = {
            n: self._pools[n].lend((count, *s.shape), s.dtype)
            for n, s in self._source.structure.items()
        }
        step = max(1, -(-count // self._threads))
        futures = [
            executor.submit(
                self._read_rows, plan.index, low, min(low + step, count), arrays, losses
            )
            for low in range(0, count, step)
        ]
        return plan, arrays, futures

    def _read_rows(
        self, index: NDArray, low: int, high: int, arrays: Mapping[str, NDArray], losses: Losses
    ) -> list[int]:
        """Read some records; returns the places of those that cannot be decoded."""
        try:
            self._source.read(index[low:high], out={n: a[low:high] for n, a in arrays.items()})
        except CorruptChunkError as error:
            if high - low == 1 or not losses.allowed:
                losses.add(1, error)
                return [low]
            found = (self._read_rows(index, at, at + 1, arrays, losses) for at in range(low, high))
            return [place for places in found for place in places]
        return []


def _without(plan: Plan, arrays: Mapping[str, NDArray], lost: Sequence[int] | NDArray) -> RawBatch:
    keep = np.setdiff1d(np.arange(len(plan.index)), lost)
    rest = Plan(plan.step, plan.index[keep], plan.copy[keep])
    return RawBatch(rest, {n: a[keep] for n, a in arrays.items()})


def _pools(source: ChunkedSource, batch_size: int) -> dict[str, BufferPool]:
    return {n: BufferPool(batch_size * s.nbytes) for n, s in source.structure.items()}
