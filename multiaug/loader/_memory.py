"""How a given amount of memory is divided: batches that are being filled, room to decode in."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from ..errors import ParameterError, warn

_REMEDY = "Raise memory, or lower {}batch_size or prefetch; or write the data with shorter chunks."
# Chunks that are being read while the window is in use.
_AHEAD = 4
# Bytes that are noted of each record of a window (where it comes in the order, and where it goes),
# of each chunk, and of each batch that is being filled. They matter where records are small.
_NOTES, _NOTES_OF_CHUNK, _NOTES_OF_BATCH = 128, 512, 2048
# How far the number of records in a window may be above its mean, in standard deviations.
_DEVIATIONS = 3


@dataclass(frozen=True)
class Needs:
    """What a loader holds.

    Args:
        records: of a chunk, as many as come of it in an epoch.
        record: bytes of one as it is read.
        batch_size: records that are read together: of a batch, or of a group.
        result: bytes of a batch as it is handed out, where a pipeline makes another one of what
            is read; else 0.
        decoder: bytes that each thread that reads holds.
        threads: how many they are.
        prefetch: batches that are ready before they are asked for.
        augmenters: batches that are augmented at a time.
        groups: bytes of groups, where batches are cut from them, but for those that are being
            read; else 0.
        travelling: bytes of a far store that are on their way, or wait to be decoded; else 0.
    """

    records: float
    record: int
    batch_size: int
    result: int
    decoder: int
    threads: int
    prefetch: int
    augmenters: int
    groups: int = 0
    travelling: int = 0

    @property
    def named(self) -> str:
        """What `fixed` is of."""
        return "batches, groups of mix_among records" if self.groups else "batches"

    @property
    def remedy(self) -> str:
        """What to do where it does not fit."""
        return _REMEDY.format("mix_among, " if self.groups else "")

    @property
    def chunk(self) -> int:
        """Bytes of what comes of a chunk, with what is noted of it."""
        return math.ceil(self.records * (self.record + _NOTES)) + _NOTES_OF_CHUNK

    @property
    def batch(self) -> int:
        """Bytes of a batch, or of a group, as it is read."""
        return self.batch_size * self.record

    @property
    def begun(self) -> int:
        """Bytes of a batch that is being filled, with what is noted of it and its records."""
        notes = _NOTES_OF_BATCH + self.batch_size * (_NOTES + _NOTES_OF_CHUNK / self.records)
        return self.batch + math.ceil(notes)

    @property
    def fixed(self) -> int:
        """Bytes of everything but the batches that are being filled: whatever the window is."""
        # Ready ones, one in the making, one in use, and the one that the caller has just left.
        live = self.prefetch + 3
        reading = self.threads * self.decoder + self.travelling
        if not self.result:
            return live * self.batch + self.groups + reading
        # One that was just filled, one that is ready, and a copy where records are left out.
        raw = self.augmenters + 3
        made = live * self.result + self.groups
        return raw * self.batch + made + reading


@dataclass(frozen=True)
class Budget:
    """The division of a loader's memory.

    Args:
        window: chunks that are mixed at a time, of each stream.
        batches: that are being filled at a time.
        total: bytes of everything.
        group: records of a group, where batches are cut from groups; else 0.
        travelling: bytes of a far store that are on their way, or wait to be decoded; else 0.
    """

    window: int
    batches: int
    total: int
    group: int = 0
    travelling: int = 0


def held(window: int, needs: Needs, *, streams: int, most: int) -> int:
    """Batches from the first one that needs a chunk to the last one that does.

    All records of a chunk are among those of one window. These are a random number where the
    window is not all there is: each chunk near its ends has only some of its records there. The
    variance of their number is a third of its mean (of the chunks at a distance of u windows a
    share of 1 - u, independently; 2 u (1 - u) in all).

    Args:
        window: chunks.
        needs: what records and batches are.
        streams: as many windows are held by this process.
        most: chunks of a stream.
    """
    count = window * needs.records
    if 1 < window < most:
        count += _DEVIATIONS * math.sqrt(count / 3)
    if needs.groups:  # each is of one stream
        return streams * (1 + math.ceil(count / needs.batch_size))
    return 1 + math.ceil(streams * count / needs.batch_size)


def divide(
    memory: int,
    needs: Needs,
    *,
    window: int | None,
    streams: int,
    most: int,
    ahead: int,
) -> Budget:
    """Choose the window, or see that a given one fits.

    Args:
        memory: bytes, the contract.
        needs: what is held.
        window: chunks; None takes as many as half of the memory holds.
        streams: as many windows are held by this process.
        most: chunks of a stream; a window need not be wider.
        ahead: chunks that are read before they are needed.

    Raises:
        ParameterError: it is too little for two chunks, or for the given window.
    """
    left = memory - needs.fixed
    if left < min(2, streams * most) * needs.chunk or left < needs.begun:
        raise ParameterError(
            f"`memory` is {memory:,} bytes, but {needs.named} and decoders take {needs.fixed:,}, "
            f"another one {needs.begun:,} and a chunk of all entries {needs.chunk:,}: two chunks "
            f"must fit. {needs.remedy}"
        )
    fitting = left // needs.begun

    def batches_of(window: int) -> int:
        return held(window, needs, streams=streams, most=most)

    if window is None:
        widest = min(most, memory // 2 // (streams * needs.chunk))
        room = fitting - math.ceil(needs.records / needs.batch_size)  # for a chunk to come
        window = max(1, bisect_right(range(1, widest + 1), room, key=batches_of))
        if widest == most and batches_of(most) <= fitting:
            window = most
    window = min(window, most)
    if window > 1 and batches_of(window) > fitting:
        total = batches_of(window) * needs.begun + needs.fixed
        raise ParameterError(
            f"`window` is {window} chunks in each of {streams} streams, which take {total:,} bytes "
            f"with batches and decoders, but memory is {memory:,}. Lower window, or raise memory."
        )
    further = math.ceil(max(_AHEAD, ahead) * needs.records / needs.batch_size)
    batches = min(batches_of(window) + further, fitting, batches_of(most))
    return Budget(window, batches, batches * needs.begun + needs.fixed)


def divide_for_rows(memory: int, needs: Needs, ahead: int) -> Budget:
    """The division where single records are read: there is no window.

    Args:
        memory: bytes, the contract.
        needs: what is held.
        ahead: records that are read before they are asked for, where memory holds them.

    Raises:
        ParameterError: it is too little.
    """
    batches = 1 + needs.prefetch
    total = needs.fixed + batches * needs.batch
    if memory < total:
        raise ParameterError(
            f"`memory` is {memory:,} bytes, but {needs.named} and decoders take {total:,}. "
            f"{needs.remedy}"
        )
    further = max(0, -(-ahead // needs.batch_size) - needs.prefetch)
    further = min(further, (memory - total) // max(1, needs.batch))
    return Budget(1, batches + further, total + further * needs.batch)


def warn_of_narrow_window(window: int, batch_size: int, most: int) -> None:
    """Say what a window that holds fewer chunks than a batch has records does to batches."""
    if window >= min(batch_size, most):
        return
    inflation = 1 + (batch_size - 1) / window
    warn(
        f"The window holds {window} chunks, fewer than the {batch_size} records of a batch. If "
        "records of a chunk are alike (sorted by class, say), means over a batch vary "
        f"{math.ceil(10 * inflation) / 10:.1f} times as much as with a full shuffle. Raise memory "
        "or window, or write the data with shorter chunks or in random order."
    )
