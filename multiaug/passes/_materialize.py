"""Write what a pipeline makes of a data set, once, where making it anew is dear."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .._arguments import FLAG, PATH, SEED, checked, whole
from .._forks import refuse_forked_child
from ..pipeline import PIPELINE_KIND, Pipeline, record_keys
from ..store import ChunkedSource, Source, Structure, chunked, refuse_inside, write_zarr
from ..typing import NDArray
from ._inspect import inspect_source
from ._mixing import refuse_mixing
from ._results import spec_of_results


@checked(
    pipeline=PIPELINE_KIND,
    dest=PATH,
    seed=SEED,
    batch_size=whole(1),
    chunk=whole(1),
    overwrite=FLAG,
    progress=FLAG,
)
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
    check: bool = True,
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
        check: as in `Pipeline.batch`.

    Returns:
        ``dest``. Its spec says float32 where the pipeline makes floats.

    Raises:
        ParameterError: not a pipeline, or a pipeline whose results are no pictures (PCA).
        StoreError: something stands at ``dest``.
    """
    refuse_forked_child("`materialize`")
    refuse_mixing(pipeline, "materialize")
    source = chunked(source, "materialize.source")
    refuse_inside(source, Path(dest))
    if check:
        inspect_source(source, pipeline)
    first = _batch(pipeline, source.read([0]), np.zeros(1, np.int64), seed, check)
    after = {name: Structure(array.shape[1:], array.dtype) for name, array in first.items()}
    spec = spec_of_results(
        pipeline.out_spec.as_read(), pipeline, source.structure, after, "materialize"
    )
    batches = _batches(source, pipeline, seed, batch_size, progress, check)
    return write_zarr(dest, batches, spec, chunk=chunk, overwrite=overwrite)


def _batch(
    pipeline: Pipeline, arrays: dict[str, NDArray], index: NDArray, seed: int, check: bool
) -> dict[str, NDArray]:
    keys = record_keys(seed, 0, index)
    done = pipeline.batch(keys, arrays, check=check)
    return {name: np.asarray(a) for name, a in done.items()}


def _batches(
    source: ChunkedSource,
    pipeline: Pipeline,
    seed: int,
    batch_size: int,
    progress: bool,
    check: bool,
) -> Iterator[dict[str, NDArray]]:
    from tqdm.auto import tqdm

    with tqdm(total=len(source), desc="materialize", unit=" records", disable=not progress) as bar:
        for block in source.scan():
            for start in range(0, len(block.index), batch_size):
                rows = slice(start, start + batch_size)
                arrays = {name: array[rows] for name, array in block.items()}
                yield _batch(pipeline, arrays, block.index[rows], seed, check)
                bar.update(len(block.index[rows]))
