"""Neighbouring blocks that lie behind one another in memory, taken as one without a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import RecordError
from ..store import Block
from ..typing import NDArray


def runs_of(scan: Iterator[Block], most: Sequence[int]) -> Iterator[list[Block]]:
    """Blocks of a scan, together where later ones are there already; nobody waits for them.

    Args:
        scan: yields as many blocks as ``most`` adds up to.
        most: of neighbours that may be taken together, the next ones first: a run ends where one
            of these does.
    """
    for count in most:
        left = count
        while left:
            run = [_next(scan)]
            while len(run) < left and run[-1].ready:
                run.append(_next(scan))
            left -= len(run)
            yield run
            del run  # its memory is used again when nobody holds it


def _next(scan: Iterator[Block]) -> Block:
    found = next(scan, None)
    if found is None:
        raise RecordError(
            "The source's scan(blocks) gave fewer blocks than it was asked for. It must give all "
            "of them, in order."
        )
    return found


def joined(blocks: Sequence[Block]) -> Block | None:
    """One block of all records; None where they do not lie behind one another."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    index = np.concatenate([block.index for block in blocks])
    if not np.array_equal(index, index[0] + np.arange(len(index))):
        return None
    arrays = {}
    for name in first:
        found = _joined([block[name] for block in blocks])
        if found is None:
            return None
        arrays[name] = found
    return Block(first.id, index, arrays)


def _joined(parts: Sequence[NDArray]) -> NDArray | None:
    """The rows of all parts, as a view of the array that all of them are views of."""
    first, whole = parts[0], parts[0].base
    if not isinstance(whole, np.ndarray) or not whole.flags.c_contiguous or not first.nbytes:
        return None
    if (whole.dtype, whole.shape[1:]) != (first.dtype, first.shape[1:]):
        return None
    row = first.nbytes // len(first)
    start = following = _address(first)
    for part in parts:
        like_first = part.dtype == first.dtype and part.shape[1:] == first.shape[1:]
        if part.base is not whole or not like_first or _address(part) != following:
            return None
        following += len(part) * row
    offset = (start - _address(whole)) // row
    found: NDArray = whole[offset : offset + (following - start) // row]
    return found


def _address(array: NDArray) -> int:
    return int(array.__array_interface__["data"][0])
