"""Which record comes where in an epoch: index arithmetic, without state.

Chunks are put into a random order. Every record gets a key, its chunk's position plus a random
number of a window of chunks, and comes out in the order of the keys. So a reader that holds as
many chunks as the window is wide meets each chunk once, and neighbouring records come from all
over the window. At both ends of an epoch keys that would fall outside are reflected, so the first
batch is as mixed as any other.

A stream is a share of the chunks. Hosts read whole streams, so nobody decodes another's chunks,
and the same streams can be shared between 1, 2 or 4 hosts without a record changing its place.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from ..typing import NDArray
from ._random import Permutation, derive, hashed, uniform

Shuffle = Literal["block", "full"]

# What keys are made for, so that no two uses share random numbers.
_CHUNKS, _RECORDS, _DRAWS = 1, 2, 3
_KEPT_SPANS = 3
_SHORTEST_SPAN = 32
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Order:
    """The order of all epochs.

    Args:
        count: records in the source.
        chunk: neighbouring records that are read together.
        window: chunks that are mixed at a time, of each stream.
        seed: of everything random.
        shuffle: ``block`` as above; ``full`` for a random order of single records; None keeps
            the order of the source.
        copies: how often every record comes.
        streams: shares of the chunks.
        draws: int64 (count,), how often each record comes before copies; None for once.
        weights: float64 (count,), in the place of ``draws``: how often a record comes is drawn
            anew for every epoch, with these relative expectations and ``count`` in total.
    """

    count: int
    chunk: int
    window: int
    seed: int
    shuffle: Shuffle | None
    copies: int = 1
    streams: int = 1
    draws: NDArray | None = None
    weights: NDArray | None = None

    def epoch(self, number: int) -> Epoch:
        """The order of one epoch."""
        draws = self.draws
        if self.weights is not None:
            draws = draw_counts(self.weights, uniform_of(self.seed, number))
        return Epoch(self, number, draws)


def uniform_of(seed: int, epoch: int) -> float:
    """One number in [0, 1) for the drawing of an epoch."""
    words = np.array([derive(seed, epoch, _DRAWS)], np.uint64)
    return float(uniform(words)[0])


def draw_counts(weights: NDArray, offset: float) -> NDArray:
    """How often each record comes when ``len(weights)`` are drawn: systematic sampling.

    A record of relative weight w comes floor(w) or ceil(w) times and w times on average, which
    varies less than independent draws do.

    Args:
        weights: float64 (n,), not negative, not all 0.
        offset: in [0, 1), random.

    References:
        Kitagawa, "Monte Carlo filter and smoother", 1996 (systematic resampling).
    """
    ends = np.cumsum(weights, dtype=np.float64)
    ends *= len(weights) / ends[-1]
    # Not one less by rounding; and what comes after the last weight above 0 gets nothing of it.
    ends[np.flatnonzero(weights)[-1] :] = len(weights)
    # In steps that the sums below can hold: just below 1 it would round the last one up.
    # And never 0, where a sum that is rounded down from a whole number counts as one less.
    offset = max(np.floor(offset * 2**20), 0.5) / 2**20
    counts: NDArray = np.diff(np.floor(ends + offset), prepend=0).astype(np.int64)
    return counts


@dataclass(frozen=True, eq=False)
class Epoch:
    """The order of one epoch.

    Args:
        order: of all epochs.
        number: of this one, from 0.
        draws: int64 (count,), how often each record comes before copies; None for once.
    """

    order: Order
    number: int
    draws: NDArray | None

    @property
    def total(self) -> int:
        """Records of the epoch, each copy counted."""
        records = self.order.count if self.draws is None else int(self.draws.sum())
        return records * self.order.copies

    @property
    def chunk_count(self) -> int:
        """Chunks of the source."""
        return -(-self.order.count // self.order.chunk)

    def length(self, stream: int) -> int:
        """Records of a stream; those of two streams differ by one at most."""
        return len(range(stream, self.total, self.order.streams))

    def stream(self, number: int) -> Stream:
        """One of the streams."""
        if self.order.shuffle == "full":
            return Stream(self, [(_Scattered(self, number), 0, self.length(number))])
        own = [self.own_length(s) for s in range(self.order.streams)]
        wanted = [self.length(s) for s in range(self.order.streams)]
        parts: list[Part] = []
        if own[number]:
            parts.append((_Windowed(self, number), 0, min(own[number], wanted[number])))
        # Whole chunks do not divide evenly: what streams have too much goes to the others.
        surplus = [(s, wanted[s], own[s]) for s in range(len(own)) if own[s] > wanted[s]]
        before = sum(max(0, wanted[s] - own[s]) for s in range(number))
        need = max(0, wanted[number] - own[number])
        for stream, low, high in surplus:
            skipped = min(before, high - low)
            before -= skipped
            taken = min(need, high - low - skipped)
            need -= taken
            if taken:
                source = _Windowed(self, stream)
                parts.append((source, low + skipped, low + skipped + taken))
        return Stream(self, parts)

    def own_length(self, stream: int) -> int:
        """Records of the chunks that are dealt to a stream."""
        return _Windowed(self, stream).before_chunk(len(self.dealt(stream)))

    def dealt(self, stream: int) -> NDArray:
        """The chunks of a stream, in their random order."""
        chunks: NDArray = self._chunks[stream :: self.order.streams]
        return chunks

    @cached_property
    def _chunks(self) -> NDArray:
        numbers = np.arange(self.chunk_count)
        if self.order.shuffle is None:
            return numbers
        key = derive(self.order.seed, self.number, _CHUNKS)
        order: NDArray = np.argsort(hashed(key, numbers), kind="stable")
        return order

    @cached_property
    def record_key(self) -> int:
        """Key of what is drawn for each record."""
        return derive(self.order.seed, self.number, _RECORDS)

    @cached_property
    def ends(self) -> NDArray | None:
        """Draws up to and with each record."""
        return None if self.draws is None else np.cumsum(self.draws)

    @cached_property
    def chunk_draws(self) -> NDArray | None:
        """Draws of every chunk."""
        if self.draws is None:
            return None
        starts = np.arange(0, self.order.count, self.order.chunk)
        totals: NDArray = np.add.reduceat(self.draws, starts)
        return totals

    def entries(self, chunks: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """All that comes of some chunks: (place in ``chunks``, record, copy), each (n,)."""
        order = self.order
        records = chunks[:, None] * order.chunk + np.arange(order.chunk)
        inside = records < order.count
        places = np.broadcast_to(np.arange(len(chunks))[:, None], records.shape)[inside]
        records = records[inside]
        counts = order.copies if self.draws is None else self.draws[records] * order.copies
        copies = _runs(np.broadcast_to(counts, records.shape))
        return np.repeat(places, counts), np.repeat(records, counts), copies


def _runs(counts: NDArray) -> NDArray:
    """0 .. count - 1 for every count, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    runs: NDArray = np.arange(total) - np.repeat(ends - counts, counts)
    return runs


class _Scattered:
    """Single records in random order; each stream takes every so-many-th."""

    def __init__(self, epoch: Epoch, stream: int) -> None:
        self._epoch, self._stream = epoch, stream
        self._place = Permutation(epoch.total, derive(epoch.order.seed, epoch.number, _RECORDS))
        self._latest: tuple[int, NDArray] = -1, np.zeros(0, np.int64)

    def take(self, start: int, stop: int) -> tuple[NDArray, NDArray]:
        """Records and copies at places start .. stop - 1 of the stream."""
        order, ends = self._epoch.order, self._epoch.ends
        numbers = range(start // _BLOCK, -(-stop // _BLOCK))
        whole = np.concatenate([self._block(number) for number in numbers])
        entries = whole[start - numbers.start * _BLOCK : stop - numbers.start * _BLOCK]
        drawn, copy = np.divmod(entries, order.copies)
        if ends is None:
            return drawn, copy
        record = np.searchsorted(ends, drawn, side="right")
        before = ends[record] - self._epoch.draws[record]  # type: ignore[index]
        return record, (drawn - before) * order.copies + copy

    def _block(self, number: int) -> NDArray:
        """The permutation is asked for many places at once, which costs little more than a few."""
        if self._latest[0] != number:
            end = min((number + 1) * _BLOCK, self._epoch.length(self._stream))
            places = np.arange(number * _BLOCK, end)
            order = self._epoch.order
            self._latest = number, self._place(places * order.streams + self._stream)
        return self._latest[1]


@dataclass(eq=False)
class _Windowed:
    """The chunks of a stream in order, or mixed over a window."""

    epoch: Epoch
    number: int
    _spans: OrderedDict[int, tuple[int, NDArray, NDArray]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._chunks = self.epoch.dealt(self.number)
        order = self.epoch.order
        self._mixed = order.shuffle is not None
        self._width = min(order.window, len(self._chunks)) if self._mixed else 0
        self._span_length = max(self._width, _SHORTEST_SPAN)
        last = np.flatnonzero(self._chunks == self.epoch.chunk_count - 1)
        self._short = int(last[0]) if len(last) else len(self._chunks)
        missing = self.epoch.chunk_count * order.chunk - order.count
        self._short_by = missing * order.copies

    def before_chunk(self, position: int) -> int:
        """Records of the first chunks of the stream."""
        order = self.epoch.order
        if self._totals is not None:
            return int(self._totals[position - 1]) * order.copies if position else 0
        short = self._short_by if self._short < position else 0
        return position * order.chunk * order.copies - short

    @cached_property
    def _totals(self) -> NDArray | None:
        draws = self.epoch.chunk_draws
        return None if draws is None else np.cumsum(draws[self._chunks])

    def take(self, start: int, stop: int) -> tuple[NDArray, NDArray]:
        """Records and copies at places start .. stop - 1."""
        parts = []
        while start < stop:
            first, records, copies = self._span(self._span_at(start))
            high = min(stop - first, len(records))
            parts.append((records[start - first : high], copies[start - first : high]))
            start = first + high
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _span_at(self, place: int) -> int:
        """The last span that begins at or before a place."""
        for number, (first, records, _) in self._spans.items():
            if first <= place < first + len(records):
                return number
        low, high = 0, -(-len(self._chunks) // self._span_length)
        while high - low > 1:
            middle = (low + high) // 2
            if self._before(middle * self._span_length) <= place:
                low = middle
            else:
                high = middle
        return low

    def _span(self, number: int) -> tuple[int, NDArray, NDArray]:
        """Place of the first record, records and copies between two bounds of the keys."""
        if number in self._spans:
            self._spans.move_to_end(number)
            return self._spans[number]
        low = number * self._span_length
        high = min(low + self._span_length, len(self._chunks))
        keys, records, copies = self._keyed(*self._reach(low, high))
        inside = np.flatnonzero((keys >= low) & (keys < high))
        inside = inside[np.argsort(keys[inside], kind="stable")]
        self._spans[number] = self._before(low), records[inside], copies[inside]
        while len(self._spans) > _KEPT_SPANS:
            self._spans.popitem(last=False)
        return self._spans[number]

    def _reach(self, low: int, high: int) -> tuple[int, int]:
        """The positions of chunks that may have keys in [low, high)."""
        half = -(-self._width // 2)
        if self._width == len(self._chunks):
            return 0, len(self._chunks)
        return max(0, low - half), min(len(self._chunks), high + half)

    def _before(self, bound: int) -> int:
        """Records with keys below a bound."""
        if not self._mixed:
            return self.before_chunk(bound)
        if bound >= len(self._chunks):
            return self.before_chunk(len(self._chunks))
        low, high = self._reach(bound, bound)
        keys, _, _ = self._keyed(low, high)
        return self.before_chunk(low) + int((keys < bound).sum())

    def _keyed(self, low: int, high: int) -> tuple[NDArray, NDArray, NDArray]:
        """Keys, records and copies of all that comes of the chunks at some positions."""
        places, records, copies = self.epoch.entries(self._chunks[low:high])
        positions = (places + low).astype(np.float64)
        if not self._mixed:
            return positions, records, copies
        words = hashed(self.epoch.record_key, records)
        words = hashed(int(self.epoch.record_key), words ^ copies.astype(np.uint64))
        unit = uniform(words)
        count = len(self._chunks)
        if self._width == count:  # all chunks are held at once
            # The last of the random numbers times some counts is rounded up to the count.
            return np.minimum(unit * count, np.nextafter(count, 0)), records, copies
        keys = positions + 0.5 + (unit - 0.5) * self._width
        keys = np.where(keys < 0, -keys, keys)
        # The bound itself belongs to the last position.
        keys = np.minimum(np.where(keys >= count, 2 * count - keys, keys), np.nextafter(count, 0))
        return keys, records, copies


Part = tuple["_Windowed | _Scattered", int, int]


class Stream:
    """The records of one stream of an epoch, at any places.

    Args:
        epoch: that it is of.
        parts: what it is made of, with the places there.
    """

    def __init__(self, epoch: Epoch, parts: list[Part]) -> None:
        self.epoch = epoch
        self._parts = parts

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self._parts)

    def take(self, start: int, stop: int) -> tuple[NDArray, NDArray]:
        """Records and copies at places start .. stop - 1, int64; fewer at the end."""
        found, first = [], 0
        for part, low, high in self._parts:
            begin, end = max(start, first), min(stop, first + high - low)
            if begin < end:
                found.append(part.take(low + begin - first, low + end - first))
            first += high - low
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
