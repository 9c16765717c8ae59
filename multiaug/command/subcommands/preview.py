"""`multiaug preview`: what a pipeline does to some data, as a sheet and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _options as options
from .._output import print_json, say
from .._resolve import resolve_pipeline, resolve_source
from .._settings import run_settings


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("preview")(preview)


def preview(
    source: options.SourcePath = None,
    pipeline: options.PipelineName = None,
    spec: options.Spec = None,
    sets: options.Settings = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for contact_sheet.png and report.html; both are replaced."
        ),
    ] = Path("preview"),
    records: Annotated[int, typer.Option(min=1, help="How many records are shown.")] = 4,
    seed: options.Seed = None,
    report: Annotated[
        bool, typer.Option(help="Also write the page, which takes longer than the sheet.")
    ] = True,
    opens: options.Open = None,
    json_: options.Json = False,
    save: options.Save = False,
) -> None:
    """Draw a contact sheet, and an HTML page with each transform alone and the whole pipeline.

    Example: `multiaug preview my-folder --pipeline mmseg --set size=256`
    """
    import numpy as np

    import multiaug as ma

    run = run_settings(source, spec, pipeline, seed, sets, opens)
    opened = resolve_source(run)
    made = resolve_pipeline(run, opened.spec)
    out.mkdir(parents=True, exist_ok=True)
    count = min(records, len(opened))
    index = np.unique(np.linspace(0, len(opened) - 1, count).round().astype(int)).tolist()
    sheet = out / "contact_sheet.png"
    ma.preview.show(opened, made, sheet, indices=index, seed=run.seed)
    result: dict[str, object] = {"sheet": str(sheet.resolve()), "records": index, "seed": run.seed}
    if not json_:
        say(f"Contact sheet: {sheet.resolve()}")
    if report:
        page = out / "report.html"
        found = ma.preview.report(opened, made, page, indices=index, seed=run.seed)
        result |= {"report": str(page.resolve()), "warnings": list(found)}
        if not json_:
            for text in found:
                say(f"  {text}")
            say(f"Report: {page.resolve()}")
    if save:
        run.save()
    if json_:
        print_json(result)
