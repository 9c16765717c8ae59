"""Things made by several threads at a time: in order, not more than asked for, errors in place."""

import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest

from multiaug.errors import ParameterError
from multiaug.loader import Recycler
from multiaug.loader._prefetch import Prefetcher


class Items:
    """Numbers from 0; says whether they were closed, and refuses to be taken twice at a time."""

    def __init__(self, count: int | None = None, fails_at: int | None = None) -> None:
        self.count, self.fails_at, self.taken, self.closed = count, fails_at, 0, False
        self._taking = threading.Lock()

    def __iter__(self):
        return self

    def __next__(self) -> int:
        assert self._taking.acquire(blocking=False)
        try:
            time.sleep(1e-4)
            if self.closed or self.taken == self.count:
                raise StopIteration
            if self.taken == self.fails_at:
                raise OSError("no such item")
            self.taken += 1
            return self.taken - 1
        finally:
            self._taking.release()

    def close(self) -> None:
        self.closed = True


def square(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number**2


@pytest.mark.parametrize(("ahead", "threads"), [(0, 1), (1, 1), (1, 2), (2, 2), (5, 4)])
def test_order_and_end(ahead, threads):
    items = Items(40)
    with Prefetcher(items, ahead, square, threads) as found:
        assert list(found) == [n**2 for n in range(40)]
    assert items.closed


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_no_more_is_made_than_there_is_room_for(threads):
    items = Items()
    with Prefetcher(items, 3, square, threads) as found:
        each = iter(found)
        for asked in range(1, 5):
            next(each)
            deadline = time.monotonic() + 5
            while items.taken < asked + 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.05)
            assert items.taken == asked + 4
    assert items.closed


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_an_error_comes_in_its_place(ahead):
    def make(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return square(number)

    for items, make_one, error, count in [
        (Items(40), make, ValueError, 7),
        (Items(40, fails_at=9), square, OSError, 9),
    ]:
        got = []
        with (
            pytest.raises(error),
            Prefetcher(items, ahead, make_one, 2 if ahead else 1) as found,
        ):
            for thing in found:
                got.append(thing)  # noqa: PERF402  what came before the error counts
        assert got == [n**2 for n in range(count)]
        assert items.closed


def test_closing_ends_who_waits():
    going = threading.Event()

    def make(number: int) -> int:
        if number:
            going.wait(5)
        return number

    prefetcher = Prefetcher(Items(), 2, make, 2)
    errors: list[BaseException] = []

    def consume() -> None:
        try:
            list(prefetcher)
        except ParameterError as error:
            errors.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    time.sleep(0.05)
    closer = threading.Thread(target=prefetcher.close)
    closer.start()
    consumer.join(5)
    assert errors
    going.set()
    closer.join(5)
    assert not closer.is_alive()


def test_results_are_given_to_one_of_several_threads():
    recycler, given = Recycler(keep=8), []
    together = threading.Barrier(4)

    def fresh() -> dict[str, object]:
        return {"a": jnp.zeros(4)}

    def run(out):
        given.append(None if out is None else id(out["a"]))
        together.wait(5)
        return fresh() if out is None else dict(out)

    def work() -> None:
        recycler(4, run)

    for _ in range(6):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for first in range(0, len(given), 4):
        found = [place for place in given[first : first + 4] if place is not None]
        assert len(set(found)) == len(found)
    assert np.sum([place is not None for place in given]) >= 16
