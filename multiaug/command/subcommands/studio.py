"""`multiaug studio`: a local page where every transform has sliders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .. import _options as options
from .._resolve import resolve_pipeline, resolve_source
from .._settings import run_settings


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("studio")(studio)


def studio(
    source: options.SourcePath = None,
    pipeline: options.PipelineName = None,
    spec: options.Spec = None,
    sets: options.Settings = None,
    save_to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Existing folder to save pipelines in and to load them from."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page, or only print its address.")] = True,
    opens: options.Open = None,
) -> None:
    """Open a page where the settings of a pipeline are sliders; Ctrl+C ends it.

    Example: `multiaug studio my-folder --pipeline mmseg --save-to pipelines`
    """
    import multiaug as ma

    run = run_settings(source, spec, pipeline, None, sets, opens)
    opened = resolve_source(run)
    made = resolve_pipeline(run, opened.spec)
    if isinstance(made, ma.Views):
        raise ValueError(
            f"{run.pipeline} makes several views of a record, which the studio does not show. "
            "Give one of its pipelines."
        )
    ma.studio.serve(opened, made, port=port, open_browser=browser, save_to=save_to)
