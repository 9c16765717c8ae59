"""What a loader of given settings holds in memory."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np

from .._machine import core_count
from ..pipeline import Pipeline
from ..store import MOST_REQUESTS, ChunkedSource, Source, requests_of
from ._memory import Budget, Needs, divide, divide_for_rows, warn_of_narrow_window
from ._order import Shuffle
from ._views import Maker, pipelines_of

# One fills what another leaves of the cores; a third one finds nothing left.
_AUGMENTERS = 2
# Bytes of a batch below which two of them wait for the interpreter: 6 % more time for 130 kB, the
# same for 500 kB, 5 % less for 1.2 MB.
_SMALL_BATCH = 1 << 20
# Groups that are made before they are asked for: while one waits, another one is computed.
GROUPS_AHEAD = 1
# The share of the memory, 1 / n, for what has come from a far store and is not decoded.
_TRAVELLING = 8

_LOG = logging.getLogger("multiaug.loader")


def budget_of(
    source: Source,
    chunked: ChunkedSource,
    pipeline: Maker | None,
    memory: int,
    *,
    batch_size: int,
    mix_among: int | None,
    window: int | None,
    shuffle: Shuffle | None,
    rows: bool,
    total: int,
    streams: int,
    local: int,
    prefetch: int,
    threads: int,
) -> Budget:
    """Divide the memory, and say what a narrow window does.

    Args:
        source: of the records.
        chunked: the same, read by chunks.
        pipeline: what is done to them.
        memory: bytes.
        batch_size: as in `Loader`.
        mix_among: records of a group, where batches are cut from groups; else None.
        window: as in `Loader`.
        shuffle: as in `Loader`.
        rows: single records are picked, so no window is held.
        total: records of an epoch of all hosts, each copy counted.
        streams: of all hosts.
        local: those of this host.
        prefetch: as in `Loader`.
        threads: that read.

    Raises:
        ParameterError: memory does not hold two chunks, or not the window.
    """
    inside = chunked.structure
    record = sum(s.nbytes for s in inside.values())
    chunk = chunked.chunk
    chunks = -(-len(source) // chunk)
    most = -(-chunks // streams)
    # What each thread holds: the stored bytes of an array's chunk, and a whole one of those whose
    # chunks are not in the order of memory. Those that read whole chunks decode all entries first.
    decoder = (9 if rows else 13) * chunk * record // 4 + (1 << 18)
    result = _result_bytes(source, chunked, pipeline)
    lengths = {total // streams, -(-total // streams)}  # of streams
    group = 0 if mix_among is None else min(mix_among, max(lengths))
    unit = group or batch_size
    requests = requests_of(chunked)
    # Chunks of a far store that are asked for before they are decoded. What is stored takes less
    # than what it decodes to, as a rule; so much of the memory, at most, waits for a thread.
    far, travelling = 0, 0
    if requests is not None:
        each = len(requests(np.arange(min(chunk, len(source)))))
        far = -(-MOST_REQUESTS // max(1, each))
        travelling = max(chunk * record, min(memory // _TRAVELLING, far * chunk * record))
    needs = Needs(
        records=total / chunks,
        record=record,
        batch_size=unit,
        result=batch_size * result,
        decoder=decoder,
        threads=threads,
        prefetch=prefetch,
        augmenters=most_augmenters(pipeline, prefetch, unit * record),
        groups=_group_bytes(group, lengths, batch_size // local, local, record, result),
        travelling=travelling,
    )
    if rows:
        budget = divide_for_rows(memory, needs, ahead=far)
        return replace(budget, group=group, travelling=travelling)
    sequential = shuffle is None
    ahead = max(2 * max(threads, math.ceil(unit / needs.records)), far)
    budget = divide(
        memory, needs, window=1 if sequential else window, streams=local, most=most, ahead=ahead
    )
    if not sequential:
        warn_of_narrow_window(budget.window * local, batch_size, most * local)
        _LOG.info("window of %d chunks, %d bytes", budget.window, budget.total)
    return replace(budget, group=group, travelling=travelling)


def _group_bytes(
    size: int, lengths: set[int], share: int, streams: int, record: int, result: int
) -> int:
    """Bytes of groups, but for those that are being read.

    Args:
        size: records of a group; 0 where there are none.
        lengths: records of streams.
        share: records that each stream gives to a batch.
        streams: of this host.
        record: bytes of one record as it is read.
        result: bytes of what comes out of the pipeline.
    """
    if not size:
        return 0
    # What a batch is cut from, and those that are ready or in the making.
    made = streams * (1 + math.ceil((share - 1) / size)) + GROUPS_AHEAD + 1
    # The last group of a stream takes what is left over, in memory of its own.
    rest = max(n % size for n in lengths if n >= size)
    last = (size + rest) * (record + result) if rest else 0
    return made * size * result + streams * last


def most_augmenters(pipeline: Maker | None, prefetch: int, batch: int) -> int:
    """Batches that are augmented at a time where nothing speaks against it.

    Args:
        pipeline: what is done to them.
        prefetch: as in `Loader`.
        batch: bytes of one as it is read.
    """
    if pipeline is None or not prefetch or batch < _SMALL_BATCH:
        return 1
    return min(_AUGMENTERS, core_count())


def _result_bytes(source: Source, chunked: ChunkedSource, pipeline: Maker | None) -> int:
    """About what one record takes when it comes out of the pipeline."""
    name = source.spec.reference(chunked.structure)
    if name is None:
        return 0
    some = [n * _bytes_of(source, chunked, one, name) for one, n in pipelines_of(pipeline)]
    return int(sum(some))


def _bytes_of(source: Source, chunked: ChunkedSource, pipeline: Pipeline, name: str) -> float:
    inside, spec = chunked.structure, source.spec
    height, width = frame = _size(spec.entries[name].image_shape(inside[name].shape))
    for transform in pipeline.transforms:
        frame = transform.out_shape(frame)
    share = frame[0] * frame[1] / (height * width)
    size = 0.0
    for n, s in inside.items():
        entry = spec.entries[n]
        picture = entry.kind == "spatial"
        size += s.nbytes * (share if picture else 1)
        if picture and entry.validity:
            frames = math.prod(s.shape[: entry.time is not None])
            size += share * frames * math.prod(_size(entry.image_shape(s.shape)))
    return size


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) of an image."""
    return shape[0], shape[1]
