"""Write what a pipeline makes of a data set, once, where making it anew is dear."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..pipeline import Pipeline, record_keys
from ..spec import DataSpec
from ..store import Source, write_zarr
from ..transforms import Finishing, Photometric
from ..typing import NDArray


def materialize(
    source: Source,
    pipeline: Pipeline,
    dest: str | os.PathLike[str],
    *,
    seed: int = 0,
    batch_size: int = 64,
    chunk: int = 16,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write the results of a pipeline as a zarr store, each record once.

    Meant for pipelines that end in `multiaug.Whiten`: whitening large pictures costs tens of
    milliseconds each, which a store pays once. What is drawn is drawn once, too; transforms that
    move pixels do not commute with whitening, so they belong before it, or into training.

    Args:
        source: the records.
        pipeline: what is done to them; record i draws from
            ``fold_in(fold_in(fold_in(key(seed), 0), i), 0)``, the first epoch of training.
        dest: the folder to make.
        seed: of what is drawn.
        batch_size: records that are worked on at once.
        chunk: records per chunk of the store.
        overwrite: replace a zarr store that stands there, once the new one is complete.
        progress: show a bar.

    Returns:
        ``dest``. Its spec says float32 where the pipeline makes floats.

    Raises:
        ParameterError: not a pipeline, or a pipeline whose results are no pictures (PCA).
        StoreError: something stands at ``dest``.
    """
    if not isinstance(pipeline, Pipeline):
        raise ParameterError(
            f"`materialize.pipeline` must be a Pipeline, got {type(pipeline).__name__}."
        )
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ParameterError(f"`materialize.batch_size` must be >= 1, got {batch_size!r}.")
    first = _batch(pipeline, source.read([0]), np.zeros(1, np.int64), seed)
    spec = _spec_of(pipeline, first)
    batches = _batches(source, pipeline, seed, batch_size, progress)
    return write_zarr(dest, batches, spec, chunk=chunk, overwrite=overwrite)


def _batch(
    pipeline: Pipeline, arrays: dict[str, NDArray], index: NDArray, seed: int
) -> dict[str, NDArray]:
    keys = record_keys(seed, 0, index)
    return {name: np.asarray(a) for name, a in pipeline.batch(keys, arrays).items()}


def _batches(
    source: Source, pipeline: Pipeline, seed: int, batch_size: int, progress: bool
) -> Iterator[dict[str, NDArray]]:
    from tqdm.auto import tqdm

    with tqdm(total=len(source), desc="materialize", unit=" records", disable=not progress) as bar:
        for block in source.scan():
            for start in range(0, len(block.index), batch_size):
                rows = slice(start, start + batch_size)
                arrays = {name: array[rows] for name, array in block.items()}
                yield _batch(pipeline, arrays, block.index[rows], seed)
                bar.update(len(block.index[rows]))


def _spec_of(pipeline: Pipeline, first: dict[str, NDArray]) -> DataSpec:
    """The pipeline's spec, with the dtypes of its results."""
    document = pipeline.spec.to_dict()
    names = [t.owner for t in pipeline.transforms if isinstance(t, Finishing | Photometric)]
    for name, entry in document["entries"].items():
        if name not in first:
            continue
        found = first[name]
        if pipeline.spec.entries[name].kind == "spatial" and found.ndim < 3:
            raise ParameterError(
                f"`materialize` writes pictures, but {', '.join(names)} makes rows of {name!r}: "
                f"{found.shape[1:]}. Write those with multiaug.write_zarr and a spec of your own."
            )
        if entry.get("dtype") != found.dtype.name:
            entry["dtype"] = found.dtype.name
            _forget_range(entry)
    kept = {n: e for n, e in document["entries"].items() if n in first or e.get("optional")}
    return DataSpec.from_dict({**document, "entries": kept}, "the results of the pipeline")


def _forget_range(entry: dict[str, Any]) -> None:
    """The range of the values before says nothing of those after."""
    channels = entry.get("channels")
    groups = channels if isinstance(channels, list) else []
    parts = [entry, *(group for group in groups if isinstance(group, dict))]
    for part in parts:
        part.pop("range", None)
