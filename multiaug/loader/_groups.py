"""Groups of records whose partners are drawn among them, and batches that are cut from groups.

What a mix makes of a record depends on the records that it is run with. Groups are stretches of
the order, which batches, threads, hosts and restarts do not change; so a pipeline that is run on
whole groups makes the same of every record, whatever the batches are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..store import BufferPool
from ..typing import Array, NDArray
from ._order import Epoch
from ._read import Losses, Plan
from ._schedule import Schedule


class Made(NamedTuple):
    """A group as it comes out of the pipeline.

    Args:
        plan: the records that could be read, with their places in the stream.
        results: name -> array, leading n; nothing where there are no records.
    """

    plan: Plan
    results: dict[str, Any]


class Piece(NamedTuple):
    """Some records of a group, one after the other.

    Args:
        group: that they are of.
        start: the first of them.
        stop: the one behind the last.
    """

    group: Made
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many they are."""
        return self.stop - self.start


def joined_plan(step: int, pieces: list[Piece]) -> Plan:
    """Which records a batch has that is joined of some pieces."""
    parts = [(p.group.plan, slice(p.start, p.stop)) for p in pieces]
    index = np.concatenate([plan.index[part] for plan, part in parts])
    return Plan(step, index, np.concatenate([plan.copy[part] for plan, part in parts]))


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of a host's streams, and how batches are cut from them.

    Group g of a stream is its records g * size .. (g + 1) * size - 1. The last one takes what is
    left over, too, so that none is a record by itself while the stream has another one.

    Args:
        schedule: of the batches.
        size: records of a group.
    """

    schedule: Schedule
    size: int

    def bounds(self, length: int, number: int) -> tuple[int, int]:
        """The first record of a group and the one behind its last, in a stream of some length."""
        last = self._last(length)
        return number * self.size, length if number == last else (number + 1) * self.size

    def starts(self, epoch: Epoch, first: int) -> list[int]:
        """For every stream, where the group begins that a position lies in."""
        lengths = (epoch.length(stream) for stream in self.schedule.streams)
        return [min(first // self.size, self._last(length)) * self.size for length in lengths]

    def plans(self, epoch: Epoch, first: int, part: int = 0, parts: int = 1) -> Iterator[Plan]:
        """The groups, in the order in which batches need them.

        Args:
            epoch: what is read.
            first: position of the streams.
            part: which of several readers this is: they take turns at the batches.
            parts: how many they are.
        """
        streams = {number: epoch.stream(number) for number in self.schedule.streams}
        begun = dict.fromkeys(streams, -1)
        for step, needs in self._needs(epoch, first, part, parts):
            for stream, low, high in needs:
                length = epoch.length(stream)
                for number in self._numbers(length, low, high):
                    if number <= begun[stream]:
                        continue
                    begun[stream] = number
                    start, stop = self.bounds(length, number)
                    index, copy = streams[stream].take(start, stop)
                    yield Plan(step, index, copy, np.arange(start, stop))

    def cut(
        self,
        epoch: Epoch,
        first: int,
        made: Iterator[Made],
        losses: Losses,
        part: int = 0,
        parts: int = 1,
    ) -> Iterator[tuple[int, list[Piece]]]:
        """The step of every batch, and the pieces that it is joined of.

        A group is held until no batch needs it any more.

        Args:
            epoch: as of `plans`.
            first: as of `plans`.
            made: the groups, in the order of `plans`; closed at the end.
            losses: is told how many records the batches lack.
            part: as of `plans`.
            parts: as of `plans`.
        """
        held: dict[int, dict[int, Made]] = {stream: {} for stream in self.schedule.streams}
        losses.missing = 0
        with closing(made):  # type: ignore[type-var]
            for step, needs in self._needs(epoch, first, part, parts):
                # Nothing here refers to a group that a batch was the last one to need.
                pieces = self._pieces(epoch, needs, held, made, parts)
                losses.missing += sum(high - low for _, low, high in needs)
                losses.missing -= sum(piece.size for piece in pieces)
                yield step, pieces
                del pieces

    def _pieces(
        self,
        epoch: Epoch,
        needs: list[tuple[int, int, int]],
        held: dict[int, dict[int, Made]],
        made: Iterator[Made],
        parts: int,
    ) -> list[Piece]:
        found = []
        for stream, low, high in needs:
            groups, length = held[stream], epoch.length(stream)
            for number in self._numbers(length, low, high):
                if number not in groups:
                    groups[number] = next(made)
                places = groups[number].plan.places
                start, stop = np.searchsorted(places, (low, high)).tolist()
                if start < stop:
                    found.append(Piece(groups[number], start, stop))
            then = low + parts * self.schedule.share  # where the next batch begins
            for number in [n for n in groups if self.bounds(length, n)[1] <= then]:
                del groups[number]
        return found

    def _needs(
        self, epoch: Epoch, first: int, part: int, parts: int
    ) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
        """The step of every batch, and (stream, first place, place behind the last) of it."""
        share = self.schedule.share
        for step in range(part, self.schedule.steps(epoch, first), parts):
            low = first + step * share
            ends = [(s, min(low + share, epoch.length(s))) for s in self.schedule.streams]
            yield step, [(stream, low, high) for stream, high in ends if low < high]

    def _numbers(self, length: int, low: int, high: int) -> range:
        """The groups that places low .. high - 1 lie in."""
        last = self._last(length)
        return range(min(low // self.size, last), min((high - 1) // self.size, last) + 1)

    def _last(self, length: int) -> int:
        return max(1, length // self.size) - 1


class Joiner:
    """Joins pieces of groups to batches.

    On CPUs they are copied to memory that comes back when nobody refers to it any more.

    Args:
        batch_size: records of the largest batch.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._pools: dict[str, BufferPool] = {}

    def __call__(self, pieces: list[Piece]) -> dict[str, Any]:
        """Name -> array of all their records; of a whole group, its own arrays.

        Args:
            pieces: at least one.
        """
        first = pieces[0]
        if len(pieces) == 1 and first.size == len(first.group.plan.index):
            return dict(first.group.results)
        here = {n for n, array in first.group.results.items() if _is_on_host(array)}
        there = first.group.results.keys() - here
        joined: dict[str, Any] = {n: self._copied(n, pieces) for n in here}
        if there:
            joined |= _cut_and_joined(
                [{n: piece.group.results[n] for n in there} for piece in pieces],
                np.array([piece.start for piece in pieces], np.int32),
                tuple(piece.size for piece in pieces),
            )
        return {n: joined[n] for n in first.group.results}

    def _copied(self, name: str, pieces: list[Piece]) -> NDArray:
        views = [np.asarray(p.group.results[name])[p.start : p.stop] for p in pieces]
        shape, dtype = views[0].shape[1:], views[0].dtype
        each = int(np.prod(shape)) * dtype.itemsize
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = BufferPool(self._batch_size * each)
        count = sum(map(len, views))
        memory = pool.lend((count * each,), np.dtype(np.uint8))
        joined: NDArray = memory.view(dtype).reshape(count, *shape)
        np.concatenate(views, out=joined)
        return joined


def _is_on_host(array: Any) -> bool:
    return isinstance(array, np.ndarray) or all(d.platform == "cpu" for d in array.devices())


@partial(jax.jit, static_argnames="sizes")
def _cut_and_joined(
    groups: list[dict[str, Array]], starts: Array, sizes: tuple[int, ...]
) -> dict[str, Array]:
    """Pieces of groups on an accelerator; compiled for every combination of their sizes."""
    cut = partial(jax.lax.dynamic_slice_in_dim, axis=0)
    pieces = [
        {name: cut(array, starts[i], size) for name, array in group.items()}
        for i, (group, size) in enumerate(zip(groups, sizes, strict=True))
    ]
    return {name: jnp.concatenate([piece[name] for piece in pieces]) for name in groups[0]}
