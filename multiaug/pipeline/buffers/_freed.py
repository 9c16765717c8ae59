"""Large blocks of memory of results that are gone, for the next ones.

malloc gives blocks of more than 32 MB back to the system as soon as they are free, and the system
clears every page of a new one: that takes as long as to augment what fills it. A few of these
blocks are kept here instead: batches of 39 and 77 MB take 0.6 of the time that they took.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ...typing import NDArray

# malloc keeps smaller ones itself.
LARGE = 32 << 20
# A block serves for results that need at least this share of it.
_SHARE = 0.75


def _limit() -> int:
    """Bytes that are kept at most: 512 MB, and no more than 1/32 of the machine's memory."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no such question on this system
        return 0
    return int(min(1 << 29, memory // 32))


class FreedMemory:
    """Blocks that nobody uses.

    Args:
        limit: bytes that are kept at most; the oldest blocks go first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # By identity, in the order in which they came. Every step is one operation of a dict, so
        # that threads need no lock: a block may come back at any time, even during a search.
        self._blocks: dict[int, NDArray] = {}

    def take(self, size: int) -> NDArray:
        """(>= size,) bytes of any content, which come back when the last view of them is gone."""
        for key, block in list(self._blocks.items()):
            if size <= block.nbytes and size >= _SHARE * block.nbytes:
                found = self._blocks.pop(key, None)
                if found is not None:
                    return np.asarray(_Loan(self, found))
        return np.asarray(_Loan(self, np.empty(size, np.uint8)))

    def give_back(self, block: NDArray) -> None:
        """Nobody uses a block any more."""
        self._blocks[id(block)] = block
        held = list(self._blocks.items())
        total = sum(each.nbytes for _, each in held)
        for key, oldest in held:
            if total <= self._limit:
                return
            if self._blocks.pop(key, None) is not None:
                total -= oldest.nbytes


class _Loan:
    """Memory in use; arrays that NumPy makes of it hold on to it."""

    def __init__(self, owner: FreedMemory, block: NDArray) -> None:
        self._owner, self._block = owner, block
        self.__array_interface__: dict[str, Any] = block.__array_interface__

    def __del__(self) -> None:
        self._owner.give_back(self._block)


FREED = FreedMemory(_limit())
