"""What a loader of given settings holds in memory."""

from __future__ import annotations

import logging
import math

from .._machine import core_count
from ..pipeline import Pipeline
from ..store import ChunkedSource, Source
from ._memory import Budget, Needs, divide, divide_for_rows, warn_of_narrow_window
from ._order import Shuffle
from ._views import Maker, pipelines_of

# One fills what another leaves of the cores; a third one finds nothing left.
_AUGMENTERS = 2
# Bytes of a batch below which two of them wait for the interpreter: 6 % more time for 130 kB, the
# same for 500 kB, 5 % less for 1.2 MB.
_SMALL_BATCH = 1 << 20

_LOG = logging.getLogger("multiaug.loader")


def budget_of(
    source: Source,
    chunked: ChunkedSource,
    pipeline: Maker | None,
    memory: int,
    *,
    batch_size: int,
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
    needs = Needs(
        records=total / chunks,
        record=record,
        batch_size=batch_size,
        result=batch_size * _result_bytes(source, chunked, pipeline),
        decoder=decoder,
        threads=threads,
        prefetch=prefetch,
        augmenters=most_augmenters(pipeline, prefetch, batch_size * record),
    )
    if rows:
        return divide_for_rows(memory, needs)
    sequential = shuffle is None
    ahead = 2 * max(threads, math.ceil(batch_size / needs.records))
    budget = divide(
        memory, needs, window=1 if sequential else window, streams=local, most=most, ahead=ahead
    )
    if not sequential:
        warn_of_narrow_window(budget.window * local, batch_size, most * local)
        _LOG.info("window of %d chunks, %d bytes", budget.window, budget.total)
    return budget


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
