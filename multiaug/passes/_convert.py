"""`convert` and `map_batches`: bringing data of other kinds into a store, or through a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import FLAG, SEED, Kind, checked, is_iterable, optional, whole
from ..errors import ParameterError, RecordError, old_arguments
from ..pipeline import PIPELINE_KIND, Pipeline, inspect_first, record_keys
from ..spec import SPEC_KIND, refuse_rows_apart
from ..store import (
    DESTINATION_KIND,
    Destination,
    ValueMaps,
    is_recognised,
    is_sequential,
    is_source,
    is_store,
    open_source,
    padded,
    write_zarr,
)
from ..typing import NDArray
from ._export import export

if TYPE_CHECKING:
    from ..spec import DataSpec


@old_arguments(shard="shard_bytes", shuffle="shuffle_seed")
@checked(
    dest=DESTINATION_KIND,
    spec=optional(SPEC_KIND),
    chunk=optional(whole(1)),
    shuffle_seed=optional(SEED),
    overwrite=FLAG,
    progress=optional(FLAG),
)
def convert(
    data: Any,
    dest: Destination,
    spec: DataSpec | None = None,
    *,
    chunk: int | None = None,
    shard_bytes: int | str = "64MB",
    shuffle_seed: int | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    scheduler: Any = None,
    check: bool = True,
    **settings: Any,
) -> Any:
    """Write a data set of any kind as a zarr store that loaders read fast.

    Args:
        data: a source, whatever `open_source` opens (a folder of clouds or of pictures, .npy
            files, HDF5, TIFF, another zarr store, arrays, tar shards, Parquet), or an iterable of
            single records. What is read from front to end (tar shards, Parquet, iterables) cannot
            be resumed.
        dest: the folder to make, or an open, writable store of zarr's.
        spec: what the entries are, for data that do not carry one.
        chunk: records per chunk; see `export`.
        shard_bytes: of a shard; see `export`.
        shuffle_seed: puts the records into a random order, for data that are sorted.
        overwrite: replace a zarr store at ``dest``, when the new one is complete.
        progress: show a progress bar; by default on terminals.
        scheduler: a `dask.distributed.Client`; see `export`.
        check: look first whether the records are what the spec says, as `Pipeline.batch` does.
        settings: of `open_source`.

    Returns:
        ``dest``.

    Raises:
        StoreError: the data cannot be read, or ``dest`` cannot be written.
        RecordError: the data are not what the spec says.
        ParameterError: a setting is out of range; records without a spec.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import multiaug as ma
        >>> records = ({"image": np.full((8, 8, 3), i, np.uint8)} for i in range(5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = convert(records, Path(folder, "a.zarr"), ma.load_spec("rgb-segmentation"))
        ...     len(ma.open_source(path))
        5
    """
    source = data
    if not _is_stream(data):
        source = data if is_source(data) else open_source(data, spec, **settings)
    if is_sequential(source):
        data, spec = source, source.spec  # labels are mapped already
    if not is_source(source):
        if spec is None:
            raise ParameterError("convert: records carry no spec. Pass one.")
        if shuffle_seed is not None or scheduler is not None:
            raise ParameterError(
                "convert: what is iterated over comes in its own order, in this process. Convert "
                "first, then once more with shuffle_seed or scheduler."
            )
        batches = _mapped(
            stack_records(data, 16 if chunk is None else chunk, spec), ValueMaps(spec)
        )
        if check:
            batches = _inspected(batches, spec.as_read())
        return write_zarr(batches, spec.as_read(), dest, chunk=chunk, overwrite=overwrite)
    return export(
        source,
        None,
        dest,
        chunk=chunk,
        shard_bytes=shard_bytes,
        shuffle_seed=shuffle_seed,
        overwrite=overwrite,
        progress=progress,
        scheduler=scheduler,
        check=check,
    )


@checked(
    records=Kind("records, one mapping from entry name to array each", is_iterable),
    pipeline=PIPELINE_KIND,
    batch_size=whole(1),
    seed=SEED,
    epoch=whole(0),
    check=FLAG,
)
def map_batches(
    records: Iterable[Mapping[str, Any]],
    pipeline: Pipeline,
    *,
    batch_size: int,
    seed: int = 0,
    epoch: int = 0,
    check: bool = True,
) -> Iterator[dict[str, Any]]:
    """Send any iterable of records through a pipeline, in batches.

    A pipeline that mixes records draws partners among those of a batch.

    Args:
        records: mappings from entry name to the array of one record; read as batches are asked
            for, in their own order.
        pipeline: what is done to them.
        batch_size: records per batch; the last one may be shorter.
        seed: of the augmentation. Record i has the key of index i in a `Loader` with that seed.
        epoch: another one augments differently.
        check: as in `Pipeline.batch`.

    Yields:
        What `Pipeline.batch` returns, and ``index``.

    Raises:
        RecordError: a record is not what the spec declares, or not like those before it.
        ParameterError: ``batch_size`` is less than 1.

    Example:
        >>> import multiaug as ma
        >>> pipeline = ma.Pipeline([ma.Flip("x")], ma.load_spec("rgb-segmentation"))
        >>> records = ({"image": np.zeros((8, 8, 3), np.uint8)} for _ in range(5))
        >>> [len(batch["index"]) for batch in map_batches(records, pipeline, batch_size=2)]
        [2, 2, 1]
    """
    return _augmented(records, pipeline, batch_size, seed, epoch, check)


def _augmented(
    records: Iterable[Mapping[str, Any]],
    pipeline: Pipeline,
    batch_size: int,
    seed: int,
    epoch: int,
    check: bool,
) -> Iterator[dict[str, Any]]:
    first = 0
    for batch in stack_records(records, batch_size, pipeline.spec):
        count = len(next(iter(batch.values())))
        index = np.arange(first, first + count)
        keys = record_keys(seed, epoch, index)
        yield {**pipeline.batch(keys, batch, check=check), "index": index}
        first += count


def stack_records(
    records: Iterable[Mapping[str, Any]], batch_size: int, spec: DataSpec
) -> Iterator[dict[str, NDArray]]:
    """Batches of consecutive records; tables are filled up to their capacity."""
    waiting: list[Mapping[str, Any]] = []
    for number, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise RecordError(
                f"record {number}: found a {type(record).__name__}, expected a mapping from entry "
                "name to array."
            )
        waiting.append(record)
        if len(waiting) == batch_size:
            yield _stack(waiting, number + 1 - batch_size, spec)
            waiting = []
    if waiting:
        yield _stack(waiting, number + 1 - len(waiting), spec)


def _mapped(
    batches: Iterable[dict[str, NDArray]], values: ValueMaps
) -> Iterator[dict[str, NDArray]]:
    for batch in batches:
        values.apply(batch)
        yield batch


def _inspected(
    batches: Iterator[dict[str, NDArray]], spec: DataSpec
) -> Iterator[dict[str, NDArray]]:
    """The batches; the first of them is looked at, as is that of every other pass."""
    for number, batch in enumerate(batches):
        if number == 0:
            inspect_first(None, spec, batch, origin="the first batch")
        yield batch


def _stack(records: list[Mapping[str, Any]], first: int, spec: DataSpec) -> dict[str, NDArray]:
    names = list(records[0])
    for place, record in enumerate(records):
        if set(record) != set(names):
            raise RecordError(
                f"record {first + place}: found the entries {sorted(record)}, expected "
                f"{sorted(names)} as in record {first}."
            )
    refuse_rows_apart(spec, {n: [record[n] for record in records] for n in names}, first)
    stacked = {}
    for name in names:
        arrays = [np.asarray(record[name]) for record in records]
        entry = spec.entries.get(name)
        if entry is not None and entry.groups[0].capacity is not None:
            stacked[name] = padded(name, arrays, entry.groups[0].capacity, first)
            continue
        for place, array in enumerate(arrays):
            if (array.shape, array.dtype) != (arrays[0].shape, arrays[0].dtype):
                raise RecordError(
                    f"record {first + place}: {name!r} is {array.dtype} {array.shape}, expected "
                    f"{arrays[0].dtype} {arrays[0].shape} as in record {first}."
                )
        stacked[name] = np.stack(arrays)
    return stacked


def _is_stream(data: Any) -> bool:
    """Whether data are records to iterate over, and nothing that `open_source` opens."""
    if isinstance(data, Mapping | str | os.PathLike) or is_source(data) or is_store(data):
        return False
    if not isinstance(data, Iterable):
        return False
    paths = isinstance(data, list | tuple) and all(
        isinstance(part, str | os.PathLike) for part in data
    )
    return not (paths or is_recognised(data))
