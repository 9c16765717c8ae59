"""`multiaug convert`: data of any kind as a store that loaders read fast."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from .. import _options as options
from .._output import print_json, say
from .._resolve import resolve_source
from .._settings import run_settings


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("convert")(convert)


def convert(
    source: Annotated[str, typer.Argument(help="What to read.")],
    dest: Annotated[str, typer.Argument(help="Folder of the zarr store to make.")],
    spec: options.Spec = None,
    chunk: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Records per chunk; by default what suits a loader."),
    ] = None,
    shard_bytes: Annotated[str, typer.Option(help="Size of a shard.")] = "64MB",
    shuffle_seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Put the records into a random order, for data that are sorted."),
    ] = None,
    overwrite: options.Overwrite = False,
    opens: options.Open = None,
    json_: options.Json = False,
) -> None:
    """Write any data set as a zarr store.

    Example: `multiaug convert my-folder train.zarr`
    """
    import multiaug as ma

    run = run_settings(source, spec, opens=opens)
    ma.convert(
        resolve_source(run),
        dest,
        chunk=chunk,
        shard_bytes=shard_bytes,
        shuffle_seed=shuffle_seed,
        overwrite=overwrite,
    )
    written = ma.open_source(dest)
    if json_:
        print_json({"dest": dest, "records": len(written), "entries": list(written.structure)})
    else:
        say(f"{dest}: {len(written)} records of {', '.join(written.structure)}.")
