"""`multiaug compare`: which pipeline helps a small network on some data, and what is noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from .. import _options as options
from .._output import print_json, say
from .._resolve import resolve_pipeline, resolve_source
from .._settings import run_settings


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("compare")(compare)


def compare(
    source: options.SourcePath = None,
    pipeline: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "--pipeline",
            "-p",
            metavar="[NAME=]PIPELINE",
            help="Once for each: JSON file, name of a recipe (`mmseg`), Python file, or "
            "`module:attribute`; with a name of your own for it in front.",
        ),
    ] = None,
    spec: options.Spec = None,
    sets: options.Settings = None,
    out: options.Out = Path("compare"),
    baseline: Annotated[
        str, typer.Option(help="Name of the pipeline that the others are compared with.")
    ] = "none",
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Entry that is predicted, where there are several label maps."),
    ] = None,
    groups: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="What belongs together, such as tiles of one image: the name of an entry, or a "
            "text file with an id for each record in a line."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Of the cross validation.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="How often it is repeated.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 200,
    size: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Height and width that the network sees; by default 64 at most."),
    ] = None,
    records: Annotated[int, typer.Option(min=4, help="The most that are used.")] = 512,
    check: Annotated[
        bool, typer.Option(help="Look first whether the records are what the spec says.")
    ] = True,
    seed: options.Seed = None,
    opens: options.Open = None,
    json_: options.Json = False,
    save: options.Save = False,
) -> None:
    """Train a small network with each pipeline, on folds of the data, and say what is noise.

    Example: `multiaug compare my-folder --pipeline mild=mild.py --pipeline mmseg --set size=256`
    """
    import multiaug as ma

    given = dict(_named(text) for text in pipeline or ())
    if len(given) < len(pipeline or ()):
        raise typer.BadParameter("two pipelines have one name.", param_hint="--pipeline")
    run = run_settings(source, spec, None, seed, None, opens)
    if not given and run.pipeline is not None:
        given = {Path(run.pipeline).stem: run.pipeline}
    if not given:
        raise typer.BadParameter(
            "name one at least, such as --pipeline mmseg.", param_hint="--pipeline"
        )
    recipes = [row.name for row in ma.recipes.table()]
    if sets and not any(text in recipes for text in given.values()):
        raise typer.BadParameter("it is for recipes, and none was named.", param_hint="--set")
    opened = resolve_source(run)
    pipelines: dict[str, Any] = {
        name: resolve_pipeline(
            run_settings(
                run.source, run.spec, text, run.seed, sets if text in recipes else None, opens
            ),
            opened.spec,
        )
        for name, text in given.items()
    }
    found = ma.compare.compare(
        opened,
        pipelines,
        baseline=baseline,
        target=target,
        groups=_groups_of(groups),
        folds=folds,
        seeds=seeds,
        steps=steps,
        size=size,
        records=records,
        seed=run.seed,
        progress=True,
        check=check,
    )
    out.mkdir(parents=True, exist_ok=True)
    plot = found.plot(out / "compare.svg")
    if save:
        run.save()
    if json_:
        print_json({**found.to_dict(), "plot": str(plot.resolve())})
        return
    say(str(found))
    say(f"Plot: {plot.resolve()}")


def _named(text: str) -> tuple[str, str]:
    """``mild=mild.json`` as its two parts; without a name the file or the recipe lends its own."""
    name, equals, rest = text.partition("=")
    if equals and name and rest:
        return name, rest
    path, _, attribute = text.partition(":")
    return attribute or Path(path).stem, text


def _groups_of(text: str | None) -> Any:
    """Ids from a file of lines, or the name of an entry."""
    if text is None or not Path(text).is_file():
        return text
    return Path(text).read_text(encoding="utf-8").splitlines()
