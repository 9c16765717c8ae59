"""Stored bytes of another machine, asked for before a thread decodes them: many at a time.

A thread that waits for a server decodes nothing, and one that decodes needs memory for a whole
chunk, so threads for both are either too few for the network or too many for the memory. Here
requests are made on zarr's event loop, where one that waits takes no more than the bytes that it
is for. A job is handed to a thread when all that it decodes has come.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...typing import NDArray

# On their way at a time. At 20 ms and 100 kB each they carry 640 MB a second.
MOST_REQUESTS = 128
# Bytes that are on their way, or wait for a thread, where nobody says how many may be.
USUAL_BYTES = 64 * 2**20
# Of one job: few, so that the next one may begin when these have come.
_OF_A_JOB = 8
_PATIENCE = 10.0  # seconds for requests to end that are given up

Job = Callable[[], object]
# The store, a key, the first byte and the number of them; all bytes are (0, None).
Part = tuple[int, str, int, int | None]


@dataclass(frozen=True)
class Request:
    """Something to ask a store for.

    Args:
        size: bytes that are expected.
        get: asks for it, and gives what was asked for with what came; None where it was not.
    """

    size: int
    get: Callable[[], Coroutine[Any, Any, tuple[Part, NDArray | None] | None]]


# Positions of records, int64 (n,), in any order -> what is asked for them.
RequestsFor = Callable[[NDArray], Sequence[Request]]


class _Supply(threading.local):
    found: dict[Part, NDArray | None] | None = None


_SUPPLY = _Supply()


@contextmanager
def _supplied(found: dict[Part, NDArray | None]) -> Iterator[None]:
    before, _SUPPLY.found = _SUPPLY.found, found
    try:
        yield
    finally:
        _SUPPLY.found = before


def take_supply(part: Part) -> tuple[bool, NDArray | None]:
    """Whether a part was fetched for the job of this thread, and what it is; only once.

    Whoever asks again, as for a chunk that did not decode, wants it from the store.
    """
    if _SUPPLY.found is None or part not in _SUPPLY.found:
        return False, None
    return True, _SUPPLY.found.pop(part)


def chunks_of_a_job(requests: int) -> int:
    """How many chunks a job has, each of which takes so many requests."""
    return max(1, _OF_A_JOB // max(1, requests))


class Requests:
    """Makes requests of jobs, in the order of the jobs, and runs each job when its bytes are here.

    What fails is not told here: the job reads again, as if nothing had been asked for, and raises
    the error of that.

    Args:
        run: hands a job to a thread.
        memory: bytes that are on their way or wait for their job, at most; a single job may take
            more than that. Sizes of requests are expectations until they have come.
    """

    def __init__(self, run: Callable[[Job], object], memory: int = USUAL_BYTES) -> None:
        from zarr.core.sync import _get_loop

        self._run, self._memory = run, memory
        self._loop: asyncio.AbstractEventLoop = _get_loop()
        self._waiting: deque[tuple[Sequence[Request], Job]] = deque()
        # All of these belong to the loop's thread.
        self._tasks: set[asyncio.Task[None]] = set()
        self._travelling = self._held = 0
        self._closed = False

    def put(self, requests: Sequence[Request], job: Job) -> None:
        """Make requests, and run a job when all of them have been answered."""
        self._waiting.append((requests, job))
        self._loop.call_soon_threadsafe(self._begin)

    def close(self) -> None:
        """Make no further requests, give up those that were made, and run nothing more."""
        with suppress(RuntimeError, TimeoutError):  # the interpreter has ended the loop
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_PATIENCE)

    def _begin(self) -> None:
        while self._waiting and not self._closed:
            requests, job = self._waiting[0]
            size, count = sum(request.size for request in requests), len(requests)
            if self._travelling or self._held:  # else one that never fits would wait for ever
                many = self._travelling + count > MOST_REQUESTS
                if many or self._held + size > self._memory:
                    return
            self._waiting.popleft()
            self._held += size
            self._travelling += count
            task = self._loop.create_task(self._carry(requests, size, job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, requests: Sequence[Request], size: int, job: Job) -> None:
        answers = await asyncio.gather(*(r.get() for r in requests), return_exceptions=True)
        found = dict(answer for answer in answers if isinstance(answer, tuple))
        come = sum(0 if stored is None else stored.size for stored in found.values())
        self._travelling -= len(requests)
        self._held += come - size
        if not self._closed:
            self._run(partial(self._do, found, come, job))
            self._begin()

    def _do(self, found: dict[Part, NDArray | None], size: int, job: Job) -> None:
        try:
            with _supplied(found):
                job()
        finally:
            found.clear()
            with suppress(RuntimeError):  # as in `close`
                self._loop.call_soon_threadsafe(self._release, size)

    def _release(self, size: int) -> None:
        self._held -= size
        self._begin()

    async def _end(self) -> None:
        self._closed = True
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Fetching:
    """`submit` of an executor, of a far source when what is to be decoded has come.

    Args:
        executor: whose threads decode.
        requests: what is asked for rows; None where threads wait for the source themselves.
        memory: as of `Requests`.
    """

    def __init__(
        self, executor: Executor, requests: RequestsFor | None, memory: int = USUAL_BYTES
    ) -> None:
        self._executor, self._requests_for = executor, requests
        self._requests = None if requests is None else Requests(executor.submit, memory)

    def submit(self, rows: NDArray, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function in a thread.

        Args:
            rows: int64 (n,), positions of the records that it reads.
            function: what to call.
            arguments: of it.
        """
        if self._requests is None or self._requests_for is None:
            return self._executor.submit(function, *arguments)
        future: Future[Any] = Future()
        self._requests.put(self._requests_for(rows), partial(_settle, future, function, arguments))
        return future

    def close(self) -> None:
        """Give up all requests; what has not been begun is never done."""
        if self._requests is not None:
            self._requests.close()


def _settle(future: Future[Any], function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*arguments)
    except BaseException as error:  # whatever it is, somebody waits for it
        future.set_exception(error)
    else:
        future.set_result(result)
