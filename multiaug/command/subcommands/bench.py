"""`multiaug bench`: how fast a source and a pipeline are on this machine."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from .. import _options as options
from .._output import print_json, say, show_table, size_text
from .._resolve import resolve_pipeline, resolve_source
from .._settings import run_settings


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("bench")(bench)


def bench(
    source: options.SourcePath = None,
    pipeline: options.PipelineName = None,
    spec: options.Spec = None,
    sets: options.Settings = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Records in a batch.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each measurement.")] = 5.0,
    seed: options.Seed = None,
    opens: options.Open = None,
    json_: options.Json = False,
    save: options.Save = False,
) -> None:
    """Measure records per second: reading alone, augmenting alone, and a loader of both.

    The first batch, which compiles, is not measured. A loader that is no faster than reading wants
    another store (`multiaug convert`); one as fast as augmenting, a smaller pipeline or more cores.

    Example: `multiaug bench train.zarr --pipeline mmseg --batch-size 16`
    """
    import jax
    import numpy as np

    import multiaug as ma

    run = run_settings(source, spec, pipeline, seed, sets, opens)
    opened: Any = resolve_source(run)
    made: Any = resolve_pipeline(run, opened.spec)
    size = min(batch_size, len(opened))
    index = np.arange(size)
    one_size = _is_of_one_size(opened, index)
    batch = opened.read(index) if one_size else opened.read_records(index)
    keys = ma.record_keys(run.seed, 0, index, np.zeros(size, np.int64))
    starts = itertools.cycle(range(0, max(1, len(opened) - size + 1), size))

    def read() -> int:
        rows = np.arange(size) + next(starts)
        opened.read(rows) if one_size else opened.read_records(rows)
        return size

    def augment() -> int:
        jax.block_until_ready(made.batch(keys, batch))
        return size

    batches = _endless(ma.Loader(opened, made, batch_size=size, seed=run.seed))

    def load() -> int:
        jax.block_until_ready(dict(next(batches)))
        return size

    rates = {name: _rate(step, seconds) for name, step in
             (("read", read), ("augment", augment), ("loader", load))}  # fmt: skip
    first = batch if one_size else batch[0]
    record_bytes = sum(array.nbytes for array in first.values()) // (size if one_size else 1)
    result = {
        "records_per_second": rates,
        "batch_size": size,
        "record_bytes": record_bytes,
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "version": ma.__version__,
    }
    if save:
        run.save()
    if json_:
        print_json(result)
        return
    rows = [[n, f"{r:.4g}", size_text(r * record_bytes) + "/s"] for n, r in rates.items()]
    show_table(
        f"Batches of {size} records on {result['device']}, {result['cores']} cores",
        ["what", "records/s", "of source data"],
        rows,
    )
    slower = min(("read", "augment"), key=rates.__getitem__)
    say(f"The slower part is to {slower}.")


def _rate(step: Callable[[], int], seconds: float) -> float:
    """Records per second of repeated steps, after one that is not counted."""
    step()
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        count += step()
    return count / spent


def _endless(loader: Any) -> Any:
    """Batches of full size, epoch after epoch."""
    while True:
        yield from loader


def _is_of_one_size(source: Any, index: Any) -> bool:
    if not hasattr(source, "read_records"):
        return True
    records = source.read_records(index)
    return len({tuple(array.shape for array in record.values()) for record in records}) == 1
