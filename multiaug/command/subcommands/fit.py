"""`multiaug fit`: statistics of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _options as options
from .._output import print_json, say, show_table
from .._resolve import resolve_pipeline, resolve_source
from .._settings import run_settings

_KINDS = {"moments": "Moments", "zca": "ZCA", "stationary": "Stationary"}


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("fit")(fit)


def fit(
    source: options.SourcePath = None,
    statistics: Annotated[
        str, typer.Option(help="What to gather, with commas: moments, zca, stationary.")
    ] = "moments",
    out: options.Out = Path("statistics"),
    pipeline: options.PipelineName = None,
    spec: options.Spec = None,
    sets: options.Settings = None,
    copies: Annotated[int, typer.Option(min=1, help="Results of each record.")] = 1,
    seed: options.Seed = None,
    memory: Annotated[str, typer.Option(help="What may be used.")] = "4GB",
    opens: options.Open = None,
    json_: options.Json = False,
    save: options.Save = False,
) -> None:
    """Gather mean, deviation and whitening of a data set, exactly, in one pass where possible.

    With a pipeline they are those of what it makes of the records.

    Example: `multiaug fit train.zarr --statistics moments --out statistics`
    """
    import multiaug as ma

    wanted = [name.strip() for name in statistics.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in _KINDS]
    if unknown or not wanted:
        raise typer.BadParameter(
            f"{', '.join(unknown) or 'nothing'} is not known; known are {', '.join(_KINDS)}.",
            param_hint="--statistics",
        )
    run = run_settings(source, spec, pipeline, seed, sets, opens)
    opened = resolve_source(run)
    made: Any = resolve_pipeline(run, opened.spec) if run.pipeline is not None else None
    kinds = [getattr(ma, _KINDS[name])() for name in wanted]
    found = ma.fit(opened, *kinds, pipeline=made, copies=copies, seed=run.seed, memory=memory)
    found.save(out)
    if save:
        run.save()
    rows = list(_rows(found))
    if json_:
        names = ("entry", "channel", "mean", "std")
        rows_json = [dict(zip(names, row, strict=True)) for row in rows]
        print_json({"statistics": str(out), "moments": rows_json})
        return
    if rows:
        texts = [[name, channel, f"{m:.6g}", f"{s:.6g}"] for name, channel, m, s in rows]
        show_table("Of each channel", ["entry", "channel", "mean", "std"], texts)
    say(f"Statistics: {out}. Read them with multiaug.load_statistics({str(out)!r}).")


def _rows(statistics: Any) -> Any:
    """Entry, channel, mean and deviation of every group that has moments."""
    for group in statistics.values():
        if "moments" not in group:
            continue
        state = group.moments
        means, deviations = state.channel_mean().ravel(), state.channel_std().ravel()
        for i, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
            name = group.names[i] if len(group.names) == len(means) else str(i)
            yield group.entry, name, float(mean), float(deviation)
