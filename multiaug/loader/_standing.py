"""Where a loader stands in its stream, for itself and for worker processes that read for it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from ..typing import NDArray

_EPOCH, _POSITION, _STARTED, _SKIPPED, _FROM, _LOOPS, _LATEST, _EMPTY, _FIRST_EMPTY = range(9)
_HEAD = 9
# Of an epoch that workers read: what they all know it by, how far they are, how many batches they
# have made, and how many of these have been received.
_SEED, _TURN, _NUMBER, _FIRST, _WORKERS, _BEGUN, _ENDED, _MADE, _RECEIVED, _LOOP = range(10)
_WIDTH = 10
_KEPT = 16  # epochs of workers; several loops may run at a time
_UNKNOWN = -1
_LOOK = 0.002  # seconds between looks at what other workers have made
_SENDING = 0.02  # seconds in which a batch that was made is sent
_LONGEST = 60.0  # seconds; another worker may have been killed
_PATIENCE = 5.0  # seconds; a worker may have been killed while it held the lock


class Turn(NamedTuple):
    """An epoch that several workers read together.

    Args:
        row: of the table.
        epoch: its number.
        first: records of each stream that come before it.
        loop: number of the loop; an epoch may be read again after `Loader.restore`.
    """

    row: int
    epoch: int
    first: int
    loop: int


class Ticket(NamedTuple):
    """Of which epoch a batch is that a worker sends.

    Args:
        of: names the `Standing`, in the process that receives the batch.
        turn: the epoch.
        length: records of each stream in it.
        steps: batches in it.
    """

    of: str
    turn: Turn
    length: int
    steps: int


_SHARED: WeakValueDictionary[str, Standing] = WeakValueDictionary()


def received(ticket: Ticket, step: int) -> None:
    """Note that a batch of a worker has come, if it was sent to this process."""
    standing = _SHARED.get(ticket.of)
    if standing is not None:
        standing.receive(ticket, step)


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
        self.name = ""
        # Steps of the latest loop of this process that handed out nothing, ascending.
        self._empty: list[int] = []
        self.reader: int | None = None
        """The thread that asks a DataLoader for batches; another one only fetches them early."""
        self.set(epoch, position, started=started)

    def share(self) -> None:
        """Stand in memory that processes which are spawned from now on have a part in."""
        if self._shared is None:
            context = get_context("spawn")
            held, lock = context.RawArray("q", self._numbers.tolist()), context.Lock()
            self._take(held, lock, uuid.uuid4().hex)
            _SHARED[self.name] = self

    def __getstate__(self) -> tuple[Any, Any, str]:
        return self._shared, self._lock, self.name

    def __setstate__(self, state: tuple[Any, Any, str]) -> None:
        self._empty = []
        self._take(*state)

    def _take(self, held: Any, lock: Any, name: str) -> None:
        self._shared, self._lock, self.name, self.reader = held, lock, name, None
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
    def begun_at(self) -> int:
        """Records of each stream that come before what the latest loop reads."""
        return int(self._numbers[_FROM])

    @property
    def started(self) -> bool:
        """The epoch is being read, or was broken off."""
        return bool(self._numbers[_STARTED])

    @property
    def skipped(self) -> int:
        """Records that were left out of the epoch."""
        return int(self._numbers[_SKIPPED])

    @property
    def empty(self) -> int:
        """Batches of the latest loop, as far as it was read, whose records were all left out."""
        return int(self._numbers[_EMPTY])

    def step_after(self, batches: int, steps: int) -> int | None:
        """The step of the latest loop that comes after so many batches were handed out.

        Where one had no records that workers of a DataLoader read, that worker sent its next one
        in its place: order and steps have nothing more to do with each other until all are here.

        Args:
            batches: how many, at most ``steps`` less `empty`.
            steps: of the loop.

        Returns:
            None where it is not known.
        """
        if batches + self.empty == steps:
            return steps
        if self._numbers[_LATEST]:
            return None if 0 <= self.first_empty < batches else batches
        step = batches
        for empty in self._empty:
            step += empty <= step
        return step

    @property
    def first_empty(self) -> int:
        """The first step whose records were all left out; -1 where there is none."""
        return int(self._numbers[_FIRST_EMPTY])

    def set(self, epoch: int, position: int, *, started: bool) -> None:
        """Stand somewhere else."""
        with self._held():
            self._forget_empty()
            self._numbers[:_LOOPS] = epoch, position, started, 0, position
            self._numbers[_LATEST] = 0

    def reach(self, epoch: int, position: int, skipped: int) -> None:
        """Say how far this process has read, unless another loop has gone on."""
        if self._numbers[_EPOCH] == epoch:
            self._numbers[[_POSITION, _SKIPPED]] = position, skipped

    def leave_out(self, step: int) -> None:
        """This process hands out nothing at a step: all its records were left out."""
        self._empty.append(step)
        self._numbers[[_EMPTY, _FIRST_EMPTY]] = len(self._empty), self._empty[0]

    def _forget_empty(self) -> None:
        self._empty = []
        self._numbers[[_EMPTY, _FIRST_EMPTY]] = 0, -1

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
                self._numbers[_LOOPS] += 1
                self._numbers[[_POSITION, _LATEST]] = _UNKNOWN, self._numbers[_LOOPS]
                table[row] = seed, turn, epoch, first, workers, 0, 0, 0, 0, self._numbers[_LATEST]
            table[row, _BEGUN] += 1
            return Turn(row, *table[row, [_NUMBER, _FIRST, _LOOP]].tolist())

    def make(self, ticket: Ticket, step: int, *, empty: bool = False) -> None:
        """A worker has made a batch, and sends it when this returns.

        The last one of an epoch waits until all others are on their way: they do not wait for
        anybody, since PyTorch has asked for them before. So it is the last one to be received.

        Args:
            ticket: of the batch.
            step: its number in the loop, from 0.
            empty: all its records were left out, so it is not sent.
        """
        own = self._table[ticket.turn.row]
        if step == ticket.steps - 1:
            until = time.monotonic() + _LONGEST
            while self._misses_others(own, ticket) and time.monotonic() < until:
                time.sleep(_LOOK)
            if own[_WORKERS] > 1:
                time.sleep(_SENDING)
        with self._held():
            if own[_LOOP] == ticket.turn.loop:
                own[_MADE] += 1
            if empty and self._numbers[_LATEST] == ticket.turn.loop:
                first = self.first_empty
                self._numbers[_EMPTY] += 1
                self._numbers[_FIRST_EMPTY] = step if first < 0 else min(step, first)
                own[_RECEIVED] += 1  # nobody will

    def _misses_others(self, own: NDArray, ticket: Ticket) -> bool:
        working = own[_MADE] < ticket.steps - 1 and own[_ENDED] < own[_WORKERS] - 1
        return bool(working and own[_LOOP] == ticket.turn.loop)

    def leave(self, ticket: Ticket, skipped: int) -> None:
        """A worker has read its share to the end, which it may do long before it is asked for.

        Args:
            ticket: of its batches.
            skipped: records that it left out.
        """
        with self._held():
            own = self._table[ticket.turn.row]
            if own[_LOOP] == ticket.turn.loop:
                own[_ENDED] += 1
            if self._numbers[_LATEST] == ticket.turn.loop:
                self._numbers[_SKIPPED] += skipped

    def receive(self, ticket: Ticket, step: int) -> None:
        """A batch of a worker has come.

        PyTorch looks for batches while one that has not come is asked for. So the last one, where
        it comes last, is handed out at once, and the epoch is over. A thread that only fetches
        batches, such as the one that pins memory, tells nothing.
        """
        if threading.get_ident() != self.reader:
            return
        with self._held():
            own = self._table[ticket.turn.row]
            if own[_LOOP] != ticket.turn.loop:
                return
            own[_RECEIVED] += 1
            ended = step == ticket.steps - 1 and own[_RECEIVED] == ticket.steps
            if ended and self._numbers[_LATEST] == ticket.turn.loop:
                self._numbers[_POSITION] = ticket.length

    @property
    def _table(self) -> NDArray:
        table: NDArray = self._numbers[_HEAD:].reshape(_KEPT, _WIDTH)
        return table

    def _next(self) -> tuple[int, int]:
        self._forget_empty()
        if self._numbers[_STARTED]:
            self._numbers[_EPOCH] += 1
            self._numbers[_POSITION] = 0
        self._numbers[[_STARTED, _SKIPPED, _FROM, _LATEST]] = 1, 0, self._numbers[_POSITION], 0
        return int(self._numbers[_EPOCH]), int(self._numbers[_POSITION])

    @contextmanager
    def _held(self) -> Iterator[None]:
        # Whose holder was killed is taken over, and given back: nobody waits for it again.
        self._lock.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            with suppress(ValueError, RuntimeError):  # two took it over
                self._lock.release()
