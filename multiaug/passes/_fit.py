"""`fit`: statistics of a source, in bounded memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .._arguments import FLAG, PATH, SEED, checked, one_of, optional, real, whole
from .._forks import refuse_forked_child
from .._machine import bytes_text, parse_memory
from ..errors import old_arguments
from ..files import sha256_of
from ..pipeline import PIPELINE_KIND, Pipeline
from ..statistics import GroupStatistics, Item, Moments, MomentsState, Statistic, Statistics
from ..store import Source, chunked
from ..typing import NDArray
from ._bar import Bar
from ._checkpoint import Checkpoint
from ._inspect import inspect_source
from ._mixing import refuse_mixing
from ._plan import Plan, Solver, make_plan
from ._records import InvalidPolicy, Records, check_copies
from ._rows import fill_values
from ._run import FitRun
from ._runner import as_runner
from ._scheduled import ScheduledRun
from ._threaded import ThreadedRun, suits_threads


@old_arguments(rounds="copies")
@checked(
    progress=optional(FLAG),
    solver=one_of("auto", "primal", "dual", "lowrank"),
    invalid=one_of("raise", "skip", "mask"),
    pipeline=optional(PIPELINE_KIND),
    copies=whole(1),
    seed=SEED,
    checkpoint=optional(PATH),
    checkpoint_every=real(0, 1e9),
)
def fit(
    source: Source,
    *statistics: Statistic,
    progress: bool | None = None,
    memory: int | str = "4GB",
    solver: Solver = "auto",
    invalid: InvalidPolicy = "raise",
    pipeline: Pipeline | None = None,
    copies: int = 1,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
    scheduler: Any = None,
    check: bool = True,
) -> Statistics:
    """Gather statistics of a data set, all of them together, in as few passes as they need.

    Every channel group of the spec has its own. Moments and covariances take one pass; the Gram
    matrix of large pictures reads pairs of blocks, as large as the memory allows, and its
    eigenvectors one pass more; so do those of low rank. Blocks are read in a fixed order, so the
    result is the same on every run; where sums are exact (integers), it does not depend on the
    order or the blocks at all.

    Args:
        source: the records; see `multiaug.open_source`.
        statistics: what to gather: `multiaug.Moments`, `multiaug.ZCA`, `multiaug.Stationary`, or
            those of `multiaug.statistics`.
        progress: show a bar with the rate and the time left; by default on terminals.
        memory: what may be used: bytes, or text such as ``"4GB"``. A fit that needs more is
            refused before the data are read.
        solver: how ZCA gathers what it needs: ``primal`` (covariance, d x d), ``dual`` (Gram
            matrix, n x n), ``lowrank``; ``auto`` takes the first that fits, and logs why.
        invalid: NaN, infinity and pixels without data. ``raise`` refuses NaN and infinity that
            the spec does not declare, and for all but moments every pixel without data. ``skip``
            leaves such records out and counts them. ``mask`` puts the mean of the pixel, from a
            pass of its own, where there are no data; it lowers the variance by their share.
            Moments leave declared pixels without data out, whatever is said here.
        pipeline: gather statistics of augmented records.
        copies: how often each record is augmented and seen.
        seed: of the augmentation; copy r of record i draws from
            ``fold_in(fold_in(fold_in(key(seed), r), i), 0)``.
        checkpoint: a folder that keeps how far the pass has come. A fit that was killed
            continues from there when it is called again, to the same bits. It stays, so that
            nothing is lost before the result is saved; remove it then.
        checkpoint_every: seconds between two checkpoints.
        scheduler: a `dask.distributed.Client`, to read and to sum on a cluster that sees the
            source under the same path; None works here. The result has the same bits, floats
            too, and either goes on from a checkpoint of the other. The second look that
            eigenvectors of a Gram matrix or of low rank need is taken here.
        check: look first whether the records are what the spec says, as `Pipeline.batch` does.

    Returns:
        The statistics, by channel group.

    Raises:
        ParameterError: nothing to fit, more memory than allowed, settings that mean nothing, or
            a checkpoint of another fit.
        RecordError: NaN, infinity or pixels without data, with chunk and record; records of
            differing shapes.
        NotFittedError: too few records, or records that are all alike.

    Example:
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> pictures = np.random.default_rng(0).integers(0, 256, (256, 8, 8, 3), dtype=np.uint8)
        >>> source = ma.open_source({"image": pictures}, spec)
        >>> stats = ma.fit(source, ma.Moments(), ma.ZCA(), progress=False)
        >>> stats["image"].moments.channel_mean().shape
        (3,)
        >>> ma.Whiten(stats).matrix().shape
        (192, 192)
    """
    refuse_forked_child("`fit`")
    check_copies(copies, pipeline)
    refuse_mixing(pipeline, "fit")
    source = chunked(source, "fit.source")
    budget = parse_memory(memory, "fit.memory")
    if check:
        inspect_source(source, pipeline)
    records = Records(source, pipeline, copies, seed, invalid)
    plan = make_plan(records, statistics, budget, solver)
    fingerprint = source.fingerprint  # asked for once: some sources read all their files for it
    identity = _identity(fingerprint, pipeline, copies, seed)
    make = partial(_run_of, scheduler, budget)
    means = None
    if invalid == "mask":
        means = _means(
            records, plan, budget, identity, checkpoint, checkpoint_every, progress, make
        )
    settings = {
        "source": identity,
        "invalid": invalid,
        "pairs of": plan.block_rows,
        "statistics": [[t.target.label, t.name, t.statistic.to_dict()] for t in plan.tasks],
    }
    book = Checkpoint(checkpoint, settings, checkpoint_every)
    with book.held(), Bar(progress, "fit") as bar:
        run = make(records, plan, means, invalid == "skip", book, identity, bar.update)
        bar.set_total(run.total)
        results = run.run()
    info = {
        "source": fingerprint,
        "records": records.n,
        "copies": copies,
        "skipped": run.dropped,
        "solvers": plan.solvers,
        "projected": bytes_text(plan.projected),
    }
    if pipeline is not None:
        info |= {"pipeline": pipeline.to_dict(), "seed": seed}
    return Statistics(_grouped(plan, results), info)


def _run_of(scheduler: Any, memory: int, records: Records, plan: Plan, *settings: Any) -> FitRun:
    """Whoever gathers a plan: a cluster, threads side by side, or this thread."""
    if scheduler is not None:
        return ScheduledRun(as_runner(scheduler), records, plan, *settings)
    kind = ThreadedRun if suits_threads(records, plan, memory) else FitRun
    return kind(records, plan, *settings)


def _grouped(plan: Plan, results: list[Any]) -> dict[str, GroupStatistics]:
    groups = {}
    for target in {task.target.label: task.target for task in plan.tasks}.values():
        held: dict[str, Item] = {
            name: item for task, name, item in results if task.target.label == target.label
        }
        groups[target.label] = GroupStatistics(
            entry=target.entry,
            start=target.group.start,
            role=target.group.role,
            names=target.group.names,
            record_shape=target.record_shape,
            dtype=target.dtype,
            held=held,
        )
    return groups


def _identity(fingerprint: str, pipeline: Pipeline | None, copies: int, seed: int) -> str:
    """By which the records of a pass are known: of the source, or augmented from it."""
    if pipeline is None:
        return fingerprint
    described = json.dumps(pipeline.to_dict(), sort_keys=True)
    return sha256_of(fingerprint, described, f"{copies} {seed}")


def _means(
    records: Records,
    plan: Plan,
    budget: int,
    identity: str,
    checkpoint: str | os.PathLike[str] | None,
    every: float,
    progress: bool | None,
    make: Callable[..., FitRun],
) -> dict[str, NDArray] | None:
    """What fills pixels without data, from a pass of its own; None where nothing needs it."""
    wanted = [
        task.target
        for task in plan.tasks
        if not task.statistic.takes_holes and task.target.group.invalid is not None
    ]
    if not wanted:
        return None
    entries = tuple(dict.fromkeys(target.entry for target in wanted))
    moments = make_plan(records, [Moments(entries=entries, per="pixel")], budget, "auto")
    folder = None if checkpoint is None else Path(checkpoint) / "means"
    book = Checkpoint(folder, {"source": identity, "entries": list(entries)}, every)
    with book.held(), Bar(progress, "means") as bar:
        run = make(records, moments, None, False, book, identity, bar.update)
        bar.set_total(run.total)
        found = {task.target.label: item for task, _, item in run.run()}
    held = {target.label: found[target.label] for target in wanted}
    return {
        target.label: fill_values(target, item)
        for target in wanted
        if isinstance(item := held[target.label], MomentsState)
    }
