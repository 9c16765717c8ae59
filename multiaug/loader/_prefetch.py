"""Threads that make things ahead, and end with the loop that wants them."""

from __future__ import annotations

import atexit
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ..errors import ParameterError

_T = TypeVar("_T")

_POLL = 0.1  # seconds between looks at whether the consumer has gone
_END = object()


class Prefetcher(Generic[_T]):
    """Makes things in threads of its own, and hands them out in order.

    At most ``ahead`` + 1 things that were not asked for exist, ready or in the making.

    Args:
        items: what things are made of; taken in these threads, by one of them at a time, and
            closed when they end.
        ahead: how many things may be ready; 0 makes them in the caller's thread.
        make: item -> thing, called by several threads at a time; None hands out the items.
        threads: how many things are in the making at a time.
    """

    def __init__(
        self,
        items: Iterator[Any],
        ahead: int,
        make: Callable[[Any], _T] | None = None,
        threads: int = 1,
    ) -> None:
        self._work = work = _Work(items, make, ahead + 1)
        self._threads: list[threading.Thread] = []
        if ahead:
            # Threads must not hold on to this object, or a forgotten loop would never end.
            self._threads = [
                threading.Thread(
                    target=_run, args=(work,), name=f"multiaug-prefetch-{i}", daemon=True
                )
                for i in range(threads)
            ]
            _register(self)
            # Whoever makes one may be interrupted before there is anybody to close it.
            weakref.finalize(self, work.end, threads)
            for thread in self._threads:
                thread.start()

    def __iter__(self) -> Iterator[_T]:
        work = self._work
        if not self._threads:
            for item in work.items:
                thing = work.made(item)
                del item
                yield thing
                del thing
            if work.stop.is_set():
                raise self._ended()
            return
        while True:
            place = self._get(work.places)
            work.room.release()
            thing = self._get(place)
            if thing is _END:
                return
            if isinstance(thing, _Failure):
                raise thing.error
            yield thing
            del thing

    def _get(self, source: queue.SimpleQueue[Any]) -> Any:
        while not self._work.stop.is_set():
            try:
                return source.get(timeout=_POLL)
            except queue.Empty:
                continue
        raise self._ended()

    def _ended(self) -> ParameterError:
        return ParameterError(
            "This loop over a Loader was ended: the loader was closed, or another loop over it "
            "has begun. Make a loader for each of them."
        )

    def close(self) -> None:
        """End the threads, and wait for them."""
        work = self._work
        work.end(max(1, len(self._threads)))
        for thread in self._threads:
            thread.join()
        work.close()

    def __enter__(self) -> Prefetcher[_T]:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Work:
    """What the threads of a `Prefetcher` share with it.

    Args:
        items: as in `Prefetcher`.
        make: as in `Prefetcher`.
        room: how many things may exist.
    """

    def __init__(self, items: Iterator[Any], make: Callable[[Any], Any] | None, room: int) -> None:
        self.items, self._make = items, make
        self.stop = threading.Event()
        self.room = threading.Semaphore(room)
        self.places: queue.SimpleQueue[Any] = queue.SimpleQueue()  # of things, in order
        self._taking = threading.Lock()
        self._over = False

    def end(self, threads: int) -> None:
        """Have nothing more made; none of the threads waits for room any more."""
        self.stop.set()
        self.room.release(threads)

    def goes_on(self) -> bool:
        """Wait until there is room for another thing; False where none is wanted."""
        while not (self.stop.is_set() or self._over):
            if self.room.acquire(timeout=_POLL):
                return not (self.stop.is_set() or self._over)
        return False

    def next(self, place: queue.SimpleQueue[Any]) -> Any:
        """The next item, for a thing that will be put to a place; `_END` after the last one."""
        with self._taking:
            self.places.put(place)
            try:
                item = next(self.items, _END)
            except BaseException:
                self._over = True
                raise
            self._over = item is _END
            return item

    def made(self, item: Any) -> Any:
        """The thing that an item becomes."""
        return item if self._make is None or item is _END else self._make(item)

    def close(self) -> None:
        """Close the items, once nobody takes one."""
        with self._taking:
            self._over = True
            self.items.close()  # type: ignore[attr-defined]


def _run(work: _Work) -> None:
    try:
        while work.goes_on():
            place: queue.SimpleQueue[Any] = queue.SimpleQueue()
            try:
                # No names for the item and the thing: whoever takes the thing may see that
                # nobody else refers to it.
                place.put(work.made(work.next(place)))
            except BaseException as error:
                place.put(_Failure(error))
                return
    finally:
        work.close()


_OPEN: weakref.WeakSet[Prefetcher[Any]] = weakref.WeakSet()
_WATCHED = threading.Event()


def _register(prefetcher: Prefetcher[Any]) -> None:
    """See that threads end before the interpreter does."""
    if not _WATCHED.is_set():
        _WATCHED.set()
        atexit.register(_close_all)
    _OPEN.add(prefetcher)


def _close_all() -> None:
    for prefetcher in list(_OPEN):
        prefetcher.close()
