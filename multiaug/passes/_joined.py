"""Neighbouring blocks that were read together, taken as one without a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import RecordError
from ..store import Block


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
    """One block of all records; None where they were not read together."""
    first, run = blocks[0], blocks[0].run
    if len(blocks) == 1:
        return first
    if run is None or any(block.run is not run for block in blocks):
        return None
    start = int(first.index[0] - run.index[0])
    rows = slice(start, start + sum(len(block.index) for block in blocks))
    return Block(first.id, run.index[rows], {n: array[rows] for n, array in run.arrays.items()})
