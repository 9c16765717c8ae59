"""Batches of records whose chunks are decoded as a whole, each of them once.

A chunk's records go to batches all over the window. So batches are begun long before they are
handed out, and a thread that has decoded a chunk copies the records to their places in all of
them, while the chunk is still in the processor's cache. No decoded chunk is kept.
"""

from __future__ import annotations

import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np

from .._native import library
from ..errors import CorruptChunkError
from ..store import ChunkedSource, Requests, aligned, requests_of
from ..typing import NDArray
from ._read import Losses, Plan, Pools, RawBatch, without
from ._workers import Job, Workers

# Number of a batch, place in the chunk and in the batch, for one record after the other: int64. A
# list of Python's would take as much memory as small records do.
Moves: TypeAlias = "array.array[int]"
# Chunk -> how many records come of it.
Expected = Callable[[int], int]
# A chunk that was read, and why it could not be.
Outcomes = SimpleQueue[tuple[int, BaseException | None]]
# Has a job done that reads a chunk.
Put = Callable[[int, Job], None]


class ChunkReader:
    """Reads whole chunks, and hands their records out to batches.

    Args:
        source: what to read.
        batch_size: records of a batch, as of `Pools`.
        threads: that read.
        most: batches that are begun at a time.
        travelling: bytes of a far store that are asked for before they are decoded.
    """

    def __init__(
        self, source: ChunkedSource, batch_size: int, threads: int, most: int, travelling: int
    ) -> None:
        self.source = source
        self.requests = requests_of(source)
        self._travelling = travelling
        self.pools = Pools(source, batch_size)
        self.most = most
        self._threads = threads
        self._idle: list[_Room] = []

    def read(self, plans: Iterator[Plan], expected: Expected, losses: Losses) -> Iterator[RawBatch]:
        """Yield batches; chunks of later ones are read meanwhile.

        Args:
            plans: the batches.
            expected: how many records of each chunk they have.
            losses: keeps count of what cannot be decoded.
        """
        with Workers(self._threads, "multiaug-read") as workers, self._asking(workers) as put:
            run = _Run(self, plans, expected, put)
            while (batch := self._first(run)) is not None:
                raw = batch.wait(losses, self.source.chunk)
                run.drop()
                del batch
                yield raw
                del raw

    @contextmanager
    def _asking(self, workers: Workers) -> Iterator[Put]:
        """What has a chunk read, by its position: at once, or when what is stored has come."""
        if self.requests is None:
            yield lambda _, job: workers.put(job)
            return
        asked, rows = self.requests, np.arange(self.source.chunk)
        requests = Requests(workers.put, self._travelling)

        def put(chunk: int, job: Job) -> None:
            first = chunk * self.source.chunk
            requests.put(asked(first + rows[: len(self.source) - first]), job)

        try:
            yield put
        finally:
            requests.close()

    def _first(self, run: _Run) -> _Batch | None:
        """The batch that comes next, whose chunks are being read; None after the last one."""
        while len(run.begun) < self.most and run.begin():
            pass
        if not run.begun:
            return None
        run.submit()
        return run.begun[0]

    def load(
        self, chunk: int, moves: Moves, targets: _Targets, outcomes: Sequence[Outcomes]
    ) -> None:
        """Read one chunk, copy its records to batches, and tell them."""
        failure: BaseException | None = None
        try:
            self._load(chunk, moves, targets)
        except CorruptChunkError as error:
            failure = error.with_traceback(None)  # which would hold on to the batches
        except BaseException as error:  # whatever it is, somebody waits for it
            failure = error
        for outcome in outcomes:
            outcome.put((chunk, failure))

    def _load(self, chunk: int, moves: Moves, targets: _Targets) -> None:
        length, count = self.source.chunk, len(self.source)
        try:
            room = self._idle.pop()
        except IndexError:
            room = _Room(self.source)
        try:
            self.source.read_range(chunk * length, min((chunk + 1) * length, count), room.rows)
            targets.fill(room, moves)
        finally:
            self._idle.append(room)


class _Room:
    """Memory that a chunk is decoded in.

    Args:
        source: of the chunk.
    """

    def __init__(self, source: ChunkedSource) -> None:
        self.rows = {
            n: aligned(source.chunk * s.nbytes).view(s.dtype).reshape(source.chunk, *s.shape)
            for n, s in source.structure.items()
        }
        # int64 (entries, 2), for C: where the records of an entry are, and the size of one. Not
        # their strides, which NumPy keeps above zero where a record has no bytes.
        sizes = [s.nbytes for s in source.structure.values()]
        places = [_address(rows) for rows in self.rows.values()]
        self.entries = np.array([places, sizes], np.int64).T.copy()


class _Targets:
    """The batches that are being filled, each with a number below ``count``.

    Args:
        count: of batches.
        entries: of each of them.
    """

    def __init__(self, count: int, entries: int) -> None:
        self.batches: list[_Batch | None] = [None] * count
        # Where the arrays of a batch are, for C.
        self._addresses = np.zeros((count, entries), np.int64)
        self._library = library()

    def add(self, batch: _Batch) -> None:
        """Its number is one that no other has at this time."""
        self.batches[batch.number] = batch
        self._addresses[batch.number] = [_address(array) for array in batch.arrays.values()]

    def fill(self, room: _Room, moves: Moves) -> None:
        """Copy records.

        Args:
            room: with a chunk's records.
            moves: which of them, and where to.
        """
        table = np.frombuffer(moves, np.int64)
        if self._library is not None:
            self._library.multiaug_scatter(
                _address(room.entries), len(room.entries), _address(self._addresses),
                _address(table), len(moves) // 3,
            )  # fmt: skip
            return
        numbers, inside, places = table.reshape(-1, 3).T
        for number in np.unique(numbers):
            chosen = numbers == number
            batch = self.batches[number]
            assert batch is not None  # it waits for these records
            for name, rows in batch.arrays.items():
                rows[places[chosen]] = room.rows[name][inside[chosen]]


@dataclass(eq=False)
class _Batch:
    """A batch that is being filled.

    Args:
        number: among those that are.
        plan: which records it has.
        arrays: their places.
        chunks: that they come of, each once.
    """

    number: int
    plan: Plan
    arrays: dict[str, NDArray]
    chunks: NDArray

    def __post_init__(self) -> None:
        self.outcomes: Outcomes = SimpleQueue()

    def wait(self, losses: Losses, length: int) -> RawBatch:
        """The batch when all of it has been read, without what cannot be decoded.

        Args:
            losses: keeps count of it.
            length: of chunks.
        """
        lost: list[int] = []
        for _ in range(len(self.chunks)):
            chunk, error = self.outcomes.get()
            if error is None:
                continue
            if not isinstance(error, CorruptChunkError):
                raise error
            found = np.flatnonzero(self.plan.index // length == chunk)
            losses.add(len(found), error)
            lost += found.tolist()
        if lost:
            return without(self.plan, self.arrays, lost)
        return RawBatch(self.plan, self.arrays)


class _Run:
    """The batches of an epoch that have been begun.

    A chunk is read as soon as everything that is expected of it is wanted by some of them; at the
    latest when the first of them needs it. What is wanted of it after that has it read again.

    Args:
        reader: of their chunks.
        plans: of all batches.
        expected: how many records of each chunk they have.
        put: has a chunk read.
    """

    def __init__(
        self, reader: ChunkReader, plans: Iterator[Plan], expected: Expected, put: Put
    ) -> None:
        self._reader, self._plans, self._expected = reader, plans, expected
        self._put = put
        self.begun: deque[_Batch] = deque()
        self._count = 0  # of all that were ever begun
        self._targets = _Targets(reader.most, len(reader.source.structure))
        self._wanted: dict[int, Moves] = {}  # chunk -> moves that nobody makes yet
        self._over = False  # there is no further batch
        self._all_submitted = False

    def begin(self) -> bool:
        """Begin another batch; False when there is none."""
        plan = next(self._plans, None)
        if plan is None:
            self._over = True
            return False
        # As many numbers as there may be batches, in turns: the first of them is handed out first.
        number = self._count % self._reader.most
        self._count += 1
        chunks, inside = np.divmod(plan.index, self._reader.source.chunk)
        listed = chunks.tolist()
        for place, (chunk, row) in enumerate(zip(listed, inside.tolist(), strict=True)):
            moves = self._wanted.get(chunk)
            if moves is None:
                self._wanted[chunk] = moves = array.array("q")
            moves.extend((number, row, place))
        arrays = self._reader.pools.lend(len(listed))
        batch = _Batch(number, plan, arrays, np.unique(chunks))
        self._targets.add(batch)
        self.begun.append(batch)
        for chunk in batch.chunks.tolist():
            if len(self._wanted[chunk]) == 3 * self._expected(chunk):
                self._submit(chunk)
        return True

    def submit(self) -> None:
        """Have all chunks read that the first batch needs; at the end, that any of them needs."""
        if self._over and not self._all_submitted:
            self._all_submitted = True
            for chunk in list(self._wanted):
                self._submit(chunk)
        if self._over:
            return
        first = self.begun[0]
        for chunk in first.chunks.tolist():
            # It has been waiting for longest.
            moves = self._wanted.get(chunk)
            if moves is not None and moves[0] == first.number:
                self._submit(chunk)

    def _submit(self, chunk: int) -> None:
        moves = self._wanted.pop(chunk)
        outcomes = []
        for number in set(moves[::3]):
            batch = self._targets.batches[number]
            assert batch is not None  # it is not handed out before it has these records
            outcomes.append(batch.outcomes)
        self._put(chunk, partial(self._reader.load, chunk, moves, self._targets, outcomes))

    def drop(self) -> None:
        """The first batch has been filled."""
        batch = self.begun.popleft()
        self._targets.batches[batch.number] = None


def _address(array: NDArray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
