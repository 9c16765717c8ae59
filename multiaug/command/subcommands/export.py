"""`multiaug export`: an augmented data set on disk."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import _options as options
from .._output import print_json, say
from .._resolve import resolve_pipeline, resolve_source
from .._settings import run_settings


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("export")(export)


def export(
    source: Annotated[str, typer.Argument(help="What to read.")],
    dest: Annotated[str, typer.Argument(help="Folder of the zarr store to make.")],
    pipeline: options.PipelineName = None,
    spec: options.Spec = None,
    sets: options.Settings = None,
    copies: Annotated[int, typer.Option(min=1, help="Results of each record.")] = 1,
    seed: options.Seed = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Records that are computed at once.")] = 32,
    overwrite: options.Overwrite = False,
    opens: options.Open = None,
    json_: options.Json = False,
    save: options.Save = False,
) -> None:
    """Write every record as a pipeline makes it, as a zarr store.

    Example: `multiaug export train.zarr augmented.zarr --pipeline pipeline.json --copies 4`
    """
    import multiaug as ma

    run = run_settings(source, spec, pipeline, seed, sets, opens)
    opened = resolve_source(run)
    made: Any = resolve_pipeline(run, opened.spec)
    ma.export(
        opened,
        made,
        dest,
        copies=copies,
        seed=run.seed,
        batch_size=batch_size,
        overwrite=overwrite,
    )
    written = ma.open_source(dest)
    if save:
        run.save()
    if json_:
        print_json({"dest": dest, "records": len(written), "seed": run.seed})
    else:
        say(f"{dest}: {len(written)} records of {', '.join(written.structure)}.")
