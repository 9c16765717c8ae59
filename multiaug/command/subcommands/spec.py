"""`multiaug spec`: validate, show, list and draft specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from .. import _options as options
from .._output import note, print_json, say, show_table

app = typer.Typer(no_args_is_help=True, help="Validate, show, list and draft specs.")


def register(parent: typer.Typer) -> None:
    """Add the subcommands."""
    parent.add_typer(app, name="spec")


NameOrPath = Annotated[str, typer.Argument(help="A shipped name, or a JSON file.")]


@app.command("list")
def list_(json_: options.Json = False) -> None:
    """List the shipped specs.

    Example: `multiaug spec list`
    """
    import multiaug as ma

    found = {name: ma.load_spec(name).description for name in ma.shipped_specs()}
    if json_:
        print_json(found)
    else:
        show_table("Shipped specs", ["name", "what it is for"], list(found.items()))


@app.command()
def validate(name: NameOrPath, json_: options.Json = False) -> None:
    """Say every mistake of a spec at once, or that it has none.

    Example: `multiaug spec validate spec.json`
    """
    import multiaug as ma

    try:
        spec = ma.load_spec(name)
    except ma.SpecError as error:
        if not json_:
            raise
        mistakes = [vars(mistake) for mistake in error.mistakes]
        print_json({"valid": False, "mistakes": mistakes})
        raise typer.Exit(1) from None
    if json_:
        print_json({"valid": True, "mistakes": []})
    else:
        say(f"{name}: no mistakes; entries {', '.join(spec.entries)}.")


@app.command()
def show(name: NameOrPath, json_: options.Json = False) -> None:
    """Show a spec as a table.

    Example: `multiaug spec show rgbxyz`
    """
    import multiaug as ma

    spec = ma.load_spec(name)
    if json_:
        print_json(spec.to_dict())
        return
    say(str(spec))


@app.command()
def draft(
    source: Annotated[str, typer.Argument(help="Folder, file or zarr store of the records.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="JSON file to write; by default it is printed."),
    ] = None,
) -> None:
    """Guess a spec from data; the guesses are said.

    Example: `multiaug spec draft my-folder --out spec.json`
    """
    import multiaug as ma

    guess = ma.guess_spec(source)
    for text in guess.notes:
        note(text)
    spec = guess.spec or guess.open().spec
    text = json.dumps(spec.to_dict(), indent=2)
    if out is None:
        say(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        say(f"The spec is in {out}.")
