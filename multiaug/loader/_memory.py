"""How a given amount of memory is divided: chunks that are mixed, batches, room to decode in."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from ..errors import ParameterError

# Chunks that are being read while the window is in use.
_AHEAD = 4


@dataclass(frozen=True)
class Needs:
    """What a loader holds, in bytes.

    Args:
        chunk: all entries of the records that are read together, decoded.
        batch: a batch as it is read.
        result: a batch as it is handed out, where a pipeline makes another one of it; else 0.
        decoder: what each thread that reads holds besides.
        threads: how many they are.
        prefetch: batches that are ready before they are asked for.
        augmenters: batches that are augmented at a time.
    """

    chunk: int
    batch: int
    result: int
    decoder: int
    threads: int
    prefetch: int
    augmenters: int

    @property
    def fixed(self) -> int:
        """Everything but the chunks: it does not depend on the window."""
        # Ready ones, one in the making, one in use, and the one that the caller has just left.
        live = self.prefetch + 3
        if not self.result:
            return live * self.batch + self.threads * self.decoder
        # One in the making, one that is ready, and a copy where records are left out of one.
        raw = self.augmenters + 3
        return raw * self.batch + live * self.result + self.threads * self.decoder


@dataclass(frozen=True)
class Budget:
    """The division of a loader's memory.

    Args:
        window: chunks that are mixed at a time, of each stream.
        slots: chunks that are held in all.
        total: bytes of everything.
    """

    window: int
    slots: int
    total: int


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
        needs: what else is held.
        window: chunks; None takes as many as half of the memory holds.
        streams: as many windows are held by this process.
        most: chunks of a stream; a window need not be wider.
        ahead: chunks that are read before they are needed.

    Raises:
        ParameterError: it is too little for two chunks, or for the given window.
    """
    ahead = max(_AHEAD, ahead)
    left = memory - needs.fixed
    fitting = left // needs.chunk
    if fitting < min(2, streams * most):
        raise ParameterError(
            f"`memory` is {memory:,} bytes, but batches and decoders take {needs.fixed:,} and a "
            f"chunk of all entries {needs.chunk:,}: two chunks must fit. Raise memory, or lower "
            "batch_size or prefetch; or write the data with shorter chunks."
        )
    if window is None:
        half = memory // 2 // needs.chunk
        window = max(1, min(half, fitting - 1) // streams - 1)
        window = min(window, most)
        if streams * most <= fitting and streams * most * needs.chunk <= memory // 2:
            window = most
    window = min(window, most)
    # A window slides over one chunk more than its width, unless it holds all there are.
    held = streams * (window if window == most else window + 1)
    if held > fitting:
        raise ParameterError(
            f"`window` is {window} chunks in each of {streams} streams, which take "
            f"{held * needs.chunk + needs.fixed:,} bytes with batches and decoders, but memory is "
            f"{memory:,}. Lower window, or raise memory."
        )
    slots = min(held + ahead, fitting, streams * most)
    return Budget(window, slots, slots * needs.chunk + needs.fixed)


def warn_of_narrow_window(window: int, batch_size: int, most: int, *, stacklevel: int) -> None:
    """Say what a window that holds fewer chunks than a batch has records does to batches."""
    if window >= min(batch_size, most):
        return
    inflation = 1 + (batch_size - 1) / window
    warnings.warn(
        f"The window holds {window} chunks, fewer than the {batch_size} records of a batch. If "
        "records of a chunk are alike (sorted by class, say), means over a batch vary "
        f"{math.ceil(10 * inflation) / 10:.1f} times as much as with a full shuffle. Raise memory "
        "or window, or write the data with shorter chunks or in random order.",
        stacklevel=stacklevel,
    )
