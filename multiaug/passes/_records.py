"""What a pass reads: blocks of a source, augmented where asked, cut into channel groups."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal, NamedTuple

import numpy as np

from ..errors import ParameterError, RecordError
from ..pipeline import Pipeline, record_keys
from ..spec import ChannelGroup, EntrySpec, is_sound
from ..statistics import ChunkId
from ..store import Block, BlockSource, ChunkedSource
from ..typing import NDArray
from ._joined import joined, runs_of

InvalidPolicy = Literal["raise", "skip", "mask"]


@dataclass(frozen=True)
class Target:
    """A channel group of an entry, as it is read.

    Args:
        label: ``image``, or ``rgbxyz[0:3]`` where the entry holds several groups.
        entry: name of the entry.
        group: the channels, with what marks pixels without data in this dtype.
        record_shape: (H, W, C); of T frames, one below the other, (T H, W, C).
        dtype: NumPy name.
        frames: the entry has time.
    """

    label: str
    entry: str
    group: ChannelGroup
    record_shape: tuple[int, ...]
    dtype: str
    frames: bool = False

    @property
    def size(self) -> int:
        """Numbers per record, d."""
        return int(np.prod(self.record_shape))


class Piece(NamedTuple):
    """Neighbouring blocks, as many as lay together in memory.

    Args:
        chunks: their ids; (copy, block) under augmentation in several copies.
        starts: of each block, where its first record stands in the whole pass.
        position: of its records in the whole pass, before any is left out; int64 (n,).
        parts: label -> (n, H, W, C).
        dropped: how many records were left out for NaN or infinity.
    """

    chunks: Sequence[ChunkId]
    starts: Sequence[int]
    position: NDArray
    parts: dict[str, NDArray]
    dropped: int

    def chunk_of(self, position: int) -> ChunkId:
        """The block of a record."""
        return self.chunks[bisect_right(self.starts, position) - 1]


class Records:
    """Blocks of a source, again and again the same.

    Args:
        source: the records.
        pipeline: applied to them; None leaves them as they are.
        copies: how often each record is seen, each time augmented anew.
        seed: of the augmentation.
        invalid: what is done about NaN and infinity that the spec does not declare.
    """

    def __init__(
        self,
        source: ChunkedSource,
        pipeline: Pipeline | None,
        copies: int,
        seed: int,
        invalid: InvalidPolicy,
    ) -> None:
        self.source, self.pipeline = source, pipeline
        self._seed, self._invalid = seed, invalid
        self.n = len(source) * copies
        blocks = list(source.blocks)
        self.chunks: list[ChunkId] = [
            block if copies == 1 else (number, *np.atleast_1d(block).tolist())
            for number in range(copies)
            for block in blocks
        ]
        self._blocks = blocks
        self.rows_per_block = -(-len(source) // max(1, len(blocks)))
        self.first = self._augment(source.read([0]), np.zeros(1, np.int64), 0)

    def targets(self) -> list[Target]:
        """The channel groups of all pictures that there are."""
        found = []
        for name, entry in self.source.spec.entries.items():
            if name not in self.first or entry.kind != "spatial":
                continue
            array = _as_images(entry, self.first[name])
            for group in entry.groups:
                part = array[..., group.channel_slice()]
                last = group.start + part.shape[-1]
                label = name if len(entry.groups) == 1 else f"{name}[{group.start}:{last}]"
                dtype = part.dtype.name
                adapted, frames = group.for_dtype(dtype), entry.time is not None
                found.append(Target(label, name, adapted, part.shape[1:], dtype, frames))
        return found

    def read(self, groups: Iterable[Sequence[int]], targets: Sequence[Target]) -> Iterator[Piece]:
        """Read blocks by their place in ``chunks``, some of them ahead of the consumer.

        Args:
            groups: blocks that may come together in one piece; a piece ends where one of these
                does. Augmented blocks come one by one, of one length: each is a program of its own.
            targets: the channels.

        Raises:
            RecordError: NaN or infinity, with the chunk and the record, unless they are skipped.
        """
        count = len(self._blocks)
        cut = [list(part) for group in groups for _, part in groupby(group, lambda p: p // count)]
        for number, spans in groupby(cut, lambda part: part[0] // count):
            asked = list(spans)
            scan = self.source.scan([self._blocks[p % count] for part in asked for p in part])
            most = [1] * sum(map(len, asked)) if self.pipeline else [len(part) for part in asked]
            following = (self.chunks[p] for part in asked for p in part)
            with closing(scan):  # type: ignore[type-var]
                for blocks in runs_of(scan, most):
                    together = joined(blocks)
                    for run in [blocks] if together is not None else [[b] for b in blocks]:
                        yield self._piece(
                            run[0] if together is None else together,
                            number,
                            list(islice(following, len(run))),
                            [int(block.index[0]) for block in run if len(block.index)],
                            targets,
                        )
                    del blocks, together, run  # their memory is used again when nobody holds it

    def read_here(
        self, groups: Iterable[Sequence[int]], targets: Sequence[Target]
    ) -> Iterator[Piece]:
        """As `read`, none of them ahead and each in the thread that asks.

        The source is a `multiaug.store.BlockSource`, and there is no pipeline, so that every
        block is seen once.
        """
        source = self.source
        assert isinstance(source, BlockSource)
        for group in groups:
            left = iter(group)
            for count, block in source.read_here([self._blocks[place] for place in group]):
                chunks = [self.chunks[place] for place in islice(left, count)]
                first = int(block.index[0])
                starts = range(first, first + count * self.rows_per_block, self.rows_per_block)
                yield self._piece(block, 0, chunks, starts, targets)
                del block  # its memory is used again when nobody holds it

    def _piece(
        self,
        block: Block,
        number: int,
        chunks: Sequence[ChunkId],
        starts: Sequence[int],
        targets: Sequence[Target],
    ) -> Piece:
        arrays = dict(block)
        before = number * len(self.source)
        piece = Piece(chunks, [start + before for start in starts], np.zeros(0, np.int64), {}, 0)
        keep = self._sound(block, piece, before, targets)
        dropped = int((~keep).sum())
        index = block.index
        if dropped:
            arrays = {name: array[keep] for name, array in arrays.items()}
            index = index[keep]
        if len(index):
            arrays = self._augment(arrays, index, number)
        parts = {}
        for target in targets:
            array = _as_images(self.source.spec.entries[target.entry], arrays[target.entry])
            part = np.ascontiguousarray(array[..., target.group.channel_slice()])
            if len(index):
                _check_part(target, part, chunks[0])
            parts[target.label] = part
        return piece._replace(position=index + before, parts=parts, dropped=dropped)

    def _augment(
        self, arrays: Mapping[str, NDArray], index: NDArray, number: int
    ) -> dict[str, NDArray]:
        if self.pipeline is None:
            return dict(arrays)
        keys = record_keys(self._seed, number, index)
        done = self.pipeline.batch(keys, arrays, check=False)
        return {name: np.asarray(array) for name, array in done.items()}

    def _sound(self, block: Block, piece: Piece, before: int, targets: Sequence[Target]) -> NDArray:
        """Records without NaN or infinity that the spec does not declare."""
        keep = np.ones(len(block.index), bool)
        for name in {target.entry for target in targets}:
            entry, array = self.source.spec.entries[name], block[name]
            if is_sound(entry, array):
                continue
            bad = _undeclared(array, entry.groups)
            if not bad.any():
                continue
            if self._invalid != "skip":
                at = np.unravel_index(int(np.argmax(bad)), bad.shape)
                record = int(block.index[at[0]])
                chunk = piece.chunk_of(record + before)
                raise RecordError(
                    f"fit: found {array[at]} in {name!r}, chunk {chunk}, record "
                    f"{record}, position {tuple(int(i) for i in at[1:])}, expected "
                    'finite numbers. Repair the record, declare "invalid": "nan" if it means '
                    "no data, or leave such records out: invalid='skip'."
                )
            keep &= ~bad.reshape(len(bad), -1).any(1)
        return keep


def _as_images(entry: EntrySpec, array: NDArray) -> NDArray:
    """(n, H, W, C) of the records (n, ...) of an entry; frames one below the other."""
    image = entry.image_shape(array.shape[1:])
    if len(image) < 2:
        return array
    rows = image[0] if entry.time is None else array.shape[1] * image[0]
    return array.reshape(len(array), rows, image[1], *(image[2:] or (1,)))


def _undeclared(array: NDArray, groups: Sequence[ChannelGroup]) -> NDArray:
    bad = np.zeros(array.shape, bool)
    for group in groups:
        # A single group may lack the channel axis.
        where = ... if len(groups) == 1 else (..., group.channel_slice())
        part = array[where]
        bad[where] = np.isinf(part) if group.invalid == "nan" else ~np.isfinite(part)
    return bad


def _check_part(target: Target, part: NDArray, chunk: ChunkId) -> None:
    if (part.shape[1:], part.dtype.name) != (target.record_shape, target.dtype):
        raise RecordError(
            f"fit: chunk {chunk} holds {target.label!r} as {part.dtype.name} {part.shape[1:]}, the "
            f"first record as {target.dtype} {target.record_shape}. One statistic is about "
            "records of one shape and dtype."
        )


def holes(target: Target, part: NDArray) -> NDArray | None:
    """Where pixels have no data, as the spec declares it; None when nowhere."""
    mark = target.group.invalid
    if mark is None:
        return None
    found: NDArray = np.isnan(part) if mark == "nan" else part == part.dtype.type(mark)
    return found if found.any() else None


def check_copies(copies: int, pipeline: Pipeline | None) -> None:
    """Refuse copies that would all be the same."""
    if copies > 1 and pipeline is None:
        raise ParameterError(
            f"`fit.copies` must be 1 without a pipeline, got {copies}: every copy would be the "
            "same. Pass pipeline=.."
        )
