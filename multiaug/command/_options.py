"""Arguments and options that several subcommands have, by the names that the Python API has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

SourcePath = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Argument(
        help="Folder, file, zarr store or address of the records; by default that of multiaug.toml."
    ),
]
Spec = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--spec",
        help="What the entries are: a shipped name (`multiaug spec list`) or a JSON file; guessed "
        "where there is none.",
    ),
]
PipelineName = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--pipeline",
        "-p",
        help="JSON file of a pipeline, name of a recipe (`mmseg`), Python file, or "
        "`module:attribute`; without it, a usual one that says what it is, where one is needed.",
    ),
]
Settings = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--set",
        metavar="NAME=JSON",
        help="Setting of the recipe, such as `size=256`: what it makes.",
    ),
]
Open = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--open",
        metavar="NAME=JSON",
        help="Setting of `open_source`, how data are read: `size=[480,640]` resizes images of "
        "several sizes, `classes=label` reads folders of classes.",
    ),
]
Seed = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--seed", help="Of the augmentation; 0 by default."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Save = Annotated[
    bool,
    typer.Option("--save", help="Write source, spec, pipeline and seed to multiaug.toml."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result goes.")]
