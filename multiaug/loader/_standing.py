"""Where a loader stands in its stream, for itself and for worker processes that read for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np

from ..typing import NDArray

_EPOCH, _POSITION, _STARTED, _SKIPPED = range(4)
_HEAD = 4
# Of an epoch that workers read: what they all know it by, and how far they are.
_SEED, _TURN, _NUMBER, _FIRST, _WORKERS, _BEGUN, _ENDED = range(7)
_WIDTH = 7
_KEPT = 16  # epochs of workers; several loops may run at a time
_UNKNOWN = -1
_PATIENCE = 5.0  # seconds; a worker may have been killed while it held the lock


class Turn(NamedTuple):
    """An epoch that several workers read together.

    Args:
        row: of the table.
        epoch: its number.
        first: records of each stream that come before it.
    """

    row: int
    epoch: int
    first: int


class Standing:
    """Epoch, and records of each stream that have been handed out in it.

    Args:
        epoch: from 0.
        position: see above.
        started: the epoch is being read, or was broken off.
    """

    def __init__(self, epoch: int = 0, position: int = 0, started: bool = False) -> None:
        self._numbers: NDArray = np.zeros(_HEAD + _KEPT * _WIDTH, np.int64)
        self._lock: Any = threading.Lock()
        self._shared: Any = None
        self.set(epoch, position, started=started)

    def share(self) -> None:
        """Stand in memory that processes which are spawned from now on have a part in."""
        if self._shared is None:
            context = get_context("spawn")
            held, lock = context.RawArray("q", self._numbers.tolist()), context.Lock()
            self._take(held, lock)

    def __getstate__(self) -> tuple[Any, Any]:
        return self._shared, self._lock

    def __setstate__(self, state: tuple[Any, Any]) -> None:
        self._take(*state)

    def _take(self, held: Any, lock: Any) -> None:
        self._shared, self._lock = held, lock
        self._numbers = np.frombuffer(held, np.int64)

    @property
    def epoch(self) -> int:
        """The epoch that is being read, or comes next."""
        return int(self._numbers[_EPOCH])

    @property
    def position(self) -> int | None:
        """None while workers read, whose batches nobody here has counted."""
        found = int(self._numbers[_POSITION])
        return None if found == _UNKNOWN else found

    @property
    def started(self) -> bool:
        """The epoch is being read, or was broken off."""
        return bool(self._numbers[_STARTED])

    @property
    def skipped(self) -> int:
        """Records that were left out of the epoch."""
        return int(self._numbers[_SKIPPED])

    def set(self, epoch: int, position: int, *, started: bool) -> None:
        """Stand somewhere else."""
        with self._held():
            self._numbers[:_HEAD] = epoch, position, started, 0

    def reach(self, epoch: int, position: int, skipped: int) -> None:
        """Say how far this process has read, unless another loop has gone on."""
        if self._numbers[_EPOCH] == epoch:
            self._numbers[[_POSITION, _SKIPPED]] = position, skipped

    def begin(self) -> tuple[int, int]:
        """Begin what comes next, in this process: the number of the epoch, and a position."""
        with self._held():
            return self._next()

    def join(self, seed: int, turn: int, workers: int) -> Turn:
        """Begin what comes next, with other workers; each of them calls this once.

        Args:
            seed: that the workers of a loop have in common.
            turn: how many loops these workers have read before.
            workers: how many they are.
        """
        with self._held():
            table = self._table
            same = (table[:, [_SEED, _TURN, _WORKERS]] == (seed, turn, workers)).all(1)
            open_ones = np.flatnonzero(same & (table[:, _BEGUN] < workers))
            if len(open_ones):
                row = int(open_ones[0])
            else:
                epoch, first = self._next()
                row = epoch % _KEPT
                table[row] = seed, turn, epoch, first, workers, 0, 0
                self._numbers[_POSITION] = _UNKNOWN
            table[row, _BEGUN] += 1
            return Turn(row, int(table[row, _NUMBER]), int(table[row, _FIRST]))

    def leave(self, turn: Turn, skipped: int, length: int) -> None:
        """A worker has read its share to the end.

        Args:
            turn: what it joined.
            skipped: records that it left out.
            length: records of each stream in the epoch.
        """
        with self._held():
            own = self._table[turn.row]
            own[_ENDED] += 1
            if (own[_NUMBER], self._numbers[_EPOCH]) != (turn.epoch, turn.epoch):
                return  # another loop has gone on
            self._numbers[_SKIPPED] += skipped
            if own[_ENDED] == own[_WORKERS] and self._numbers[_POSITION] == _UNKNOWN:
                self._numbers[_POSITION] = length

    @property
    def _table(self) -> NDArray:
        table: NDArray = self._numbers[_HEAD:].reshape(_KEPT, _WIDTH)
        return table

    def _next(self) -> tuple[int, int]:
        if self._numbers[_STARTED]:
            self._numbers[_EPOCH] += 1
            self._numbers[_POSITION] = 0
        self._numbers[[_STARTED, _SKIPPED]] = 1, 0
        return int(self._numbers[_EPOCH]), int(self._numbers[_POSITION])

    @contextmanager
    def _held(self) -> Iterator[None]:
        taken = self._lock.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            if taken:
                self._lock.release()
