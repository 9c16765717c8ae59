"""`export`: augmented, whitened or plain records, as a new store."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._machine import parse_memory
from .._version import __version__
from ..errors import ParameterError, StoreError
from ..loader import chunked, random_order
from ..pipeline import Pipeline, record_keys
from ..store import (
    ChunkedSource,
    Destination,
    RemoteWriter,
    ShardedWriter,
    Source,
    Structure,
    is_store,
)
from ..typing import NDArray
from ._runner import as_runner

_SCHEMA = "multiaug.export/1"
_CHUNK_BYTES = 256 * 1024
_LARGE_RECORD = 100_000

# A batch runs on all cores by itself; several at once would only be in each other's way.
_COMPUTING = threading.Lock()


def export(
    source: Source,
    pipeline: Pipeline | None,
    dest: Destination,
    *,
    copies: int = 1,
    seed: int = 0,
    batch_size: int = 32,
    chunk: int | None = None,
    shard: int | str = "64MB",
    shuffle: int | None = None,
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
            marker is complete.
        copies: augmented versions of each record.
        seed: of the augmentation, at least 0.
        batch_size: records that are augmented at a time; it does not change the result.
        chunk: records per chunk; by default one if it has 100 kB or more, else as many as make
            256 kB.
        shard: bytes of a shard, before compression, such as "64MB": what is held in memory a few
            times, and done again after a kill.
        shuffle: a seed puts the rows into a random order, for data that are sorted.
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
    for name, value, least in [
        ("copies", copies, 1),
        ("seed", seed, 0),
        ("batch_size", batch_size, 1),
    ]:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ParameterError(
                f"`export.{name}` must be a whole number, at least {least}, got {value!r}."
            )
    if not is_store(dest):
        _refuse_inside(source, Path(dest))
    task = _Task(source, pipeline, seed, copies, batch_size, shuffle, check)
    structure = task.structure()
    record = max(1, sum(s.nbytes for s in structure.values()))
    if chunk is None:
        chunk = 1 if record >= _LARGE_RECORD else max(1, _CHUNK_BYTES // record)
    if chunk < 1:
        raise ParameterError(f"`export.chunk` must be at least 1, got {chunk}.")
    count = len(source) * copies
    chunk = min(chunk, count)
    block = max(1, parse_memory(shard, "shard") // (record * chunk)) * chunk
    block = min(block, -(-count // chunk) * chunk)
    spec = pipeline.spec if pipeline is not None else source.spec
    parts = spec, structure, count, chunk, block, task.provenance()
    if is_store(dest):
        task.writer = RemoteWriter(dest, *parts)
    else:
        task.writer = ShardedWriter(Path(dest), *parts)
    done = task.writer.begin(overwrite=overwrite)
    todo = [number for number in range(task.writer.block_count) if number not in done]
    workers = min(3, max(1, len(todo)))
    with _bar(count, progress) as bar:
        bar.update(sum(high - low for low, high in map(task.writer.rows, done)))
        for number, entry in as_runner(scheduler, workers).run(write_block, task, todo):
            task.writer.finish_block(entry)
            low, high = task.writer.rows(number)
            bar.update(high - low)
    return task.writer.finish()


def write_block(task: _Task, number: int) -> dict[str, Any]:
    """Make and write one block; what a worker does."""
    assert task.writer is not None
    return task.writer.write(number, task.make(*task.writer.rows(number)))


@dataclass
class _Task:
    """All that a worker needs to know; goes through pickle."""

    source: Source
    pipeline: Pipeline | None
    seed: int
    copies: int
    batch_size: int
    shuffle: int | None
    check: bool
    writer: ShardedWriter | None = field(default=None)

    def make(self, start: int, stop: int) -> dict[str, NDArray]:
        """The rows start .. stop - 1 of the result."""
        results: dict[str, NDArray] = {}
        for low in range(start, stop, self.batch_size):
            high = min(low + self.batch_size, stop)
            batch = self._batch(np.arange(low, high))
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
            return dict(chunked(self.source).structure)
        first = self._batch(np.zeros(1, np.int64))
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

    def _batch(self, rows: NDArray) -> dict[str, NDArray]:
        index, copy = np.divmod(rows, self.copies)
        if self.shuffle is not None:
            index, copy = np.divmod(self._order()(rows), self.copies)
        records = _read(chunked(self.source), index)
        if self.pipeline is None:
            return records
        keys = record_keys(self.seed, 0, index, copy)
        with _COMPUTING:
            results = self.pipeline.batch(keys, records, check=self.check)
        return {name: np.asarray(array) for name, array in results.items()}

    def _order(self) -> Any:
        assert self.shuffle is not None
        return random_order(len(self.source) * self.copies, self.shuffle)


def _read(source: ChunkedSource, index: NDArray) -> dict[str, NDArray]:
    """Records by position; neighbours in one go."""
    low, high = int(index.min()), int(index.max()) + 1
    if high - low > len(index):
        return source.read(index)
    room = (-(-(high - low) // source.chunk) + 1) * source.chunk
    arrays = {n: np.empty((room, *s.shape), s.dtype) for n, s in source.structure.items()}
    source.read_range(low, high, arrays)
    if (np.diff(index) == 1).all():
        return {n: a[: high - low] for n, a in arrays.items()}
    return {n: a[index - low] for n, a in arrays.items()}


def _refuse_inside(source: Source, dest: Path) -> None:
    """A store must not grow inside the data that it is made from, nor around them."""
    path = getattr(source, "path", None)
    if not isinstance(path, Path):
        return
    one, two = path.resolve(), dest.resolve()
    if one == two or one in two.parents or two in one.parents:
        raise StoreError(
            f"{dest} and the source {path} lie in one another. Write to another folder."
        )


def _bar(total: int, progress: bool | None) -> Any:
    from tqdm import tqdm

    shown = sys.stderr.isatty() if progress is None else progress
    return tqdm(total=total, unit="record", disable=not shown)
