"""`export`: augmented, whitened or plain records, as a new store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._arguments import FLAG, SEED, Kind, checked, optional, whole
from .._forks import refuse_forked_child
from .._version import __version__
from ..errors import old_arguments
from ..loader import random_order
from ..pipeline import PIPELINE_KIND, Pipeline, record_keys
from ..store import (
    DESTINATION_KIND,
    ChunkedSource,
    Contents,
    Destination,
    RecordReader,
    Sink,
    Source,
    Structure,
    Writer,
    chunked,
    is_store,
    open_writer,
    refuse_inside,
)
from ..typing import NDArray
from ._bar import Bar
from ._inspect import inspect_source
from ._mixing import refuse_mixing
from ._results import spec_of_results
from ._runner import as_runner

_SCHEMA = "multiaug.export/1"
_DEST = Kind(
    f"{DESTINATION_KIND.expected}, or a multiaug.store.Sink",
    lambda value: DESTINATION_KIND.accepts(value) or isinstance(value, Sink),
)

# A batch runs on all cores by itself; several at once would only be in each other's way.
_COMPUTING = threading.Lock()
_ORDERING = threading.Lock()


@old_arguments(shard="shard_bytes", shuffle="shuffle_seed")
@checked(
    pipeline=optional(PIPELINE_KIND),
    dest=_DEST,
    copies=whole(1),
    seed=SEED,
    batch_size=whole(1),
    chunk=optional(whole(1)),
    shuffle_seed=optional(SEED),
    overwrite=FLAG,
    progress=optional(FLAG),
    check=FLAG,
)
def export(
    source: Source,
    pipeline: Pipeline | None,
    dest: Destination | Sink,
    *,
    copies: int = 1,
    seed: int = 0,
    batch_size: int = 32,
    chunk: int | None = None,
    shard_bytes: int | str = "64MB",
    shuffle_seed: int | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    scheduler: Any = None,
    check: bool = True,
) -> Any:
    """Write every record of a source, as a pipeline makes it, to a sharded zarr store.

    Copy c of record i is row ``i * copies + c``, augmented with the same key as in the first epoch
    of a `Loader` with that seed. The store grows as ``<dest>.partial`` and gets its name when it is
    complete. Run again after a crash, a kill or a full disk, and only blocks that are not done are
    made; the result is the same, bit for bit. Chunks carry checksums, those of nothing but zeros
    are written too, and the attributes say what the store was made from: spec, pipeline, seed,
    versions and the source's fingerprint.

    Args:
        source: where records come from.
        pipeline: what is done to them; None copies.
        dest: the folder to make; or an open, writable store of zarr's, such as
            ``zarr.storage.ObjectStore``, which grows in its place: readers refuse it until its
            marker is complete. Or a `multiaug.store.Sink`, such as `multiaug.store.OmeSink`, for
            another format.
        copies: augmented versions of each record.
        seed: of the augmentation, at least 0.
        batch_size: records that are augmented at a time; it does not change the result.
        chunk: records per chunk; by default one if it has 100 kB or more, else as many as make
            256 kB.
        shard_bytes: of a shard, before compression, such as "64MB": what is held in memory a few
            times, and done again after a kill.
        shuffle_seed: puts the rows into a random order, for data that are sorted.
        overwrite: replace a zarr store at ``dest``, when the new one is complete; and an
            unfinished one of something else.
        progress: show a progress bar; by default on terminals.
        scheduler: a `dask.distributed.Client`, to do the work on a cluster that sees ``dest``
            under the same path; None works here.
        check: as in `Pipeline.batch`.

    Returns:
        ``dest``.

    Raises:
        StoreError: ``dest`` exists, lies inside the source or cannot be written; an unfinished
            export there was made from something else.
        ParameterError: a setting is out of range, or the pipeline cannot be stored.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> source = ma.open_source({"image": np.zeros((10, 8, 8, 3), np.uint8)}, spec)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ma.export(
        ...         source, ma.Pipeline([ma.Flip("x")], spec), Path(folder, "out.zarr"), copies=3
        ...     )
        ...     len(ma.open_source(path))
        30
    """
    refuse_forked_child("`export`")
    refuse_mixing(pipeline, "export")
    source = chunked(source, "export.source")
    place = dest.dest if isinstance(dest, Sink) else dest
    refuse_inside(source, place)
    if check:
        inspect_source(source, pipeline)
    task = _Task(source, pipeline, seed, copies, batch_size, shuffle_seed, check)
    structure = task.structure()
    spec = pipeline.out_spec.as_read() if pipeline is not None else source.spec
    spec = spec_of_results(spec, pipeline, source.structure, structure, "export")
    contents = Contents.of(
        spec,
        structure,
        len(source) * copies,
        task.provenance(),
        chunk=chunk,
        shard_bytes=shard_bytes,
    )
    with open_writer(dest, contents) as writer:
        _fill(task, writer, scheduler, overwrite, progress)
    return place if is_store(place) else Path(place)


def _fill(
    task: _Task, writer: Writer, scheduler: Any, overwrite: bool, progress: bool | None
) -> None:
    """Make and write all blocks that are not done, then finish the store."""
    task.writer = writer
    done = writer.begin(overwrite=overwrite)
    todo = [number for number in range(writer.block_count) if number not in done]
    workers = min(3, max(1, len(todo)))
    with Bar(progress, "export", writer.contents.records) as bar:
        bar.update(sum(high - low for low, high in map(writer.rows, done)))
        for number, entry in as_runner(scheduler, workers).run(write_block, task, todo):
            writer.finish_block(entry)
            low, high = writer.rows(number)
            bar.update(high - low)
    writer.finish()


def write_block(task: _Task, number: int) -> Mapping[str, Any]:
    """Make and write one block; what a worker does."""
    assert task.writer is not None
    return task.writer.write(number, task.make(*task.writer.rows(number)))


@dataclass
class _Task:
    """All that a worker needs to know; goes through pickle."""

    source: ChunkedSource
    pipeline: Pipeline | None
    seed: int
    copies: int
    batch_size: int
    shuffle: int | None
    check: bool
    writer: Writer | None = field(default=None)
    _shuffled: NDArray | None = field(default=None, repr=False)

    def make(self, start: int, stop: int) -> dict[str, NDArray]:
        """The rows start .. stop - 1 of the result."""
        results: dict[str, NDArray] = {}
        with RecordReader(self.source) as reader:
            for low in range(start, stop, self.batch_size):
                high = min(low + self.batch_size, stop)
                batch = self._batch(np.arange(low, high), reader)
                if not results:
                    results = {
                        n: np.empty((stop - start, *a.shape[1:]), a.dtype) for n, a in batch.items()
                    }
                for name, array in batch.items():
                    results[name][low - start : high - start] = array
        return results

    def structure(self) -> dict[str, Structure]:
        """What one row of the result looks like."""
        if self.pipeline is None:
            return dict(self.source.structure)
        with RecordReader(self.source) as reader:
            first = self._batch(np.zeros(1, np.int64), reader)
        return {n: Structure(a.shape[1:], a.dtype) for n, a in first.items()}

    def provenance(self) -> dict[str, Any]:
        """What the result is made from; a change of any of it would change the result."""
        import numcodecs

        versions = {
            "multiaug": __version__,
            "jax": jax.__version__,
            "numpy": np.__version__,
            "numcodecs": numcodecs.__version__,
        }
        return {
            "schema": _SCHEMA,
            "source": self.source.fingerprint,
            "pipeline": None if self.pipeline is None else self.pipeline.to_dict(),
            "seed": self.seed,
            "copies": self.copies,
            "shuffle": self.shuffle,
            "versions": versions,
        }

    def _batch(self, rows: NDArray, reader: RecordReader) -> dict[str, NDArray]:
        if self.shuffle is not None:
            rows = self._order()[rows]
        index, copy = np.divmod(rows, self.copies)
        records = reader.read(index)
        if self.pipeline is None:
            return records
        keys = record_keys(self.seed, 0, index, copy)
        with _COMPUTING:
            results = self.pipeline.batch(keys, records, check=self.check)
        return {name: np.asarray(array) for name, array in results.items()}

    def _order(self) -> NDArray:
        """The row of the source's own order at each place; sorted once by each process."""
        assert self.shuffle is not None
        with _ORDERING:
            if self._shuffled is None:
                count = len(self.source) * self.copies
                self._shuffled = random_order(count, self.shuffle)(np.arange(count))
            return self._shuffled

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shuffled": None}  # larger than all the rest, and soon made anew
