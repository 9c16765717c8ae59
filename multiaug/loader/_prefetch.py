"""A thread that makes batches ahead, and ends with the loop that wants them."""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from ..errors import ParameterError

_T = TypeVar("_T")

_POLL = 0.1  # seconds between looks at whether the consumer has gone
_END = object()


class Prefetcher(Generic[_T]):
    """Iterates over something in a thread of its own.

    Args:
        items: what to iterate over; closed in the thread, when it ends or is ended.
        ahead: how many items wait at most; 0 iterates in the caller's thread.
    """

    def __init__(self, items: Iterator[_T], ahead: int) -> None:
        self._items = items
        self._stop = threading.Event()
        self._queue: queue.Queue[Any] = queue.Queue(max(1, ahead))
        self._thread: threading.Thread | None = None
        if ahead:
            # The thread must not hold on to this object, or a forgotten loop would never end.
            self._thread = threading.Thread(
                target=_run,
                args=(items, self._queue, self._stop),
                name="multiaug-prefetch",
                daemon=True,
            )
            _register(self)
            self._thread.start()

    def __iter__(self) -> Iterator[_T]:
        if self._thread is None:
            yield from self._items
            return
        while True:
            item = self._get()
            if item is _END:
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item
            del item

    def _get(self) -> Any:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=_POLL)
            except queue.Empty:
                continue
        raise ParameterError(
            "This loop over a Loader was ended: the loader was closed, or another loop over it "
            "has begun. Make a loader for each of them."
        )

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._stop.set()
        if self._thread is None:
            self._items.close()  # type: ignore[attr-defined]
            return
        while self._thread.is_alive():
            try:
                while True:
                    self._queue.get_nowait()
            except queue.Empty:
                pass
            self._thread.join(_POLL)

    def __enter__(self) -> Prefetcher[_T]:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _run(items: Iterator[Any], out: queue.Queue[Any], stop: threading.Event) -> None:
    try:
        for item in items:
            _put(out, item, stop)
            del item
            if stop.is_set():
                return
        _put(out, _END, stop)
    except BaseException as error:
        _put(out, _Failure(error), stop)
    finally:
        items.close()  # type: ignore[attr-defined]


def _put(out: queue.Queue[Any], item: Any, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            out.put(item, timeout=_POLL)
            return
        except queue.Full:
            continue


_OPEN: weakref.WeakSet[Prefetcher[Any]] = weakref.WeakSet()
_WATCHED: set[str] = set()
_FORKED = threading.Event()


def _register(prefetcher: Prefetcher[Any]) -> None:
    """See that threads end before the interpreter does, and that forks are noticed."""
    watch_forks()
    if "exit" not in _WATCHED:
        _WATCHED.add("exit")
        atexit.register(_close_all)
    _OPEN.add(prefetcher)


def _close_all() -> None:
    for prefetcher in list(_OPEN):
        prefetcher.close()


def watch_forks() -> None:
    """From now on a forked child knows that it is one."""
    if "fork" not in _WATCHED and hasattr(os, "register_at_fork"):
        _WATCHED.add("fork")
        os.register_at_fork(after_in_child=_FORKED.set)


def refuse_forked_child() -> None:
    """Raise in a process that was forked off after a loader was made.

    Raises:
        ParameterError: JAX and zarr run threads, of which only one lives on in a fork; the locks
            of the others stay locked.
    """
    watch_forks()
    if _FORKED.is_set():
        raise ParameterError(
            "A Loader cannot run in a forked child: threads of JAX and zarr do not survive a "
            "fork, and their locks stay locked. Start processes with the method 'spawn' or "
            "'forkserver' (DataLoader(..., multiprocessing_context='spawn'))."
        )
