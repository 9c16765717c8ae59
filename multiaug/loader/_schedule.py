"""How the streams of a host are cut into batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ._order import Epoch, Order
from ._read import Plan

# Looking up many records of an order at once costs little more than looking up a few.
_TOGETHER = 1024


@dataclass(frozen=True, eq=False)
class Schedule:
    """The batches of one host.

    Args:
        order: of all records.
        shard: (i, n), host i of n.
        batch_size: records per batch, a multiple of the host's streams.
        drop_last: leave out a last batch that is not full.
    """

    order: Order
    shard: tuple[int, int]
    batch_size: int
    drop_last: bool

    @property
    def streams(self) -> range:
        """The streams of this host."""
        each = self.order.streams // self.shard[1]
        return range(self.shard[0] * each, (self.shard[0] + 1) * each)

    @property
    def share(self) -> int:
        """Records of a batch that come from each stream."""
        return self.batch_size // len(self.streams)

    def steps(self, epoch: Epoch, start: int = 0) -> int:
        """Batches from a position of the streams on; the same for all hosts."""
        if self.drop_last:
            return max(0, epoch.length(self.order.streams - 1) - start) // self.share
        return -(-max(0, epoch.length(0) - start) // self.share)

    def has_ended(self, number: int, position: int) -> bool:
        """Whether no batch of an epoch is left."""
        return position > 0 and not self.steps(self.order.epoch(number), position)

    def plans(self, epoch: Epoch, first: int) -> Iterator[Plan]:
        """The batches from a position on."""
        streams = [epoch.stream(number) for number in self.streams]
        share, steps = self.share, self.steps(epoch, first)
        together = max(1, _TOGETHER // self.batch_size)
        for begin in range(0, steps, together):
            low, high = first + begin * share, first + min(begin + together, steps) * share
            taken = [stream.take(low, high) for stream in streams]
            for step in range(begin, min(begin + together, steps)):
                part = slice((step - begin) * share, (step - begin + 1) * share)
                index = np.concatenate([index[part] for index, _ in taken])
                yield Plan(step, index, np.concatenate([copy[part] for _, copy in taken]))

    def expected(self, epoch: Epoch, firsts: Sequence[int]) -> Callable[[int], int]:
        """Chunk -> how many of its records come from positions of the host's streams on.

        Chunks of several streams, at their ends, have fewer in each.
        """
        draws, order = epoch.chunk_draws, epoch.order
        done: Counter[int] = Counter()
        if any(firsts):
            # Older chunks are spent: none reaches further than its window.
            reach = 2 * (order.window + 2) * order.chunk * order.copies
            for stream, first in zip(self.streams, firsts, strict=True):
                index, _ = epoch.stream(stream).take(max(0, first - reach), first)
                done.update((index // order.chunk).tolist())

        def expected(chunk: int) -> int:
            if draws is not None:
                return int(draws[chunk]) * order.copies - done[chunk]
            start = chunk * order.chunk
            records = min(start + order.chunk, order.count) - start
            return records * order.copies - done[chunk]

        return expected
