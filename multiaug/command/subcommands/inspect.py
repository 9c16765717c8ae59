"""`multiaug inspect`: what is in some data, before anything is done to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from .. import _options as options
from .._output import print_json, say, show_table, size_text, sparkline
from .._resolve import resolve_source
from .._settings import run_settings

SpecOut = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--spec-out", help="Write the spec, as it was guessed or read, to a JSON file."),
]


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("inspect")(inspect)


def inspect(
    source: options.SourcePath = None,
    spec: options.Spec = None,
    spec_out: SpecOut = None,
    records: Annotated[int, typer.Option(min=1, help="How many records are looked at.")] = 32,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every record.")] = False,
    opens: options.Open = None,
    json_: options.Json = False,
    save: options.Save = False,
) -> None:
    """Show entries, roles, ranges, labels, missing data and damage.

    A spec that is not given is guessed, and the guesses are said. With a path that does not exist
    yet, `--spec` writes the guessed spec there, as `--spec-out` does.

    Example: `multiaug inspect my-folder --spec-out spec.json`
    """
    import multiaug as ma

    from .._inspection import inspect_entries, inspect_storage

    if spec is not None and spec.endswith(".json") and not Path(spec).exists():
        spec_out, spec = Path(spec), None
    run = run_settings(source, spec, opens=opens)
    guessed: tuple[str, ...] = ()
    path = run.source or ""
    if run.source is not None and run.spec is None and "://" not in path and "{" not in path:
        guess = ma.guess_spec(path)
        guessed = guess.notes
        opened: Any = guess.open(**run.open)
        declared = guess.spec or opened.spec
    else:
        opened = resolve_source(run)
        declared = ma.load_spec(run.spec) if run.spec else opened.spec
    result = inspect_entries(opened, records)
    result |= {"guesses": list(guessed), "storage": inspect_storage(opened, deep=deep)}
    if spec_out is not None:
        text = json.dumps(declared.to_dict(), indent=2)
        spec_out.write_text(text + "\n", encoding="utf-8")
        run = run_settings(source, str(spec_out), opens=opens)
        result["spec_file"] = str(spec_out)
    if save:
        run.save()
    if json_:
        print_json(result)
    else:
        _show(path, result)
    if result["storage"]["damage"]:
        raise typer.Exit(1)


def _show(path: str, result: dict[str, Any]) -> None:
    storage = result["storage"]
    size = size_text(storage["record_bytes"])
    say(f"{path}: {result['records']} records of {size}, read by {result['kind']}")
    if result["guesses"]:
        say("\nThese are guesses. Look whether they are right:")
        for text in result["guesses"]:
            say(f"  {text}")
    show_table(
        f"\nEntries, from {result['looked_at']} records",
        ["entry", "role", "shape", "dtype", "values", "no data", "histogram"],
        list(_rows(result["entries"])),
        wide=("entry", "role", "shape", "dtype", "no data", "histogram"),
    )
    if result["findings"]:
        say("What does not fit:")
        for text in result["findings"]:
            say(f"  {text}")
    checked = "every record was decoded" if storage["deep"] else "--deep decodes every record"
    if storage["damage"]:
        say(f"Damage: {storage['damage']}")
    else:
        say(f"Storage: nothing is missing; {checked}.")
    say(f"Reading: {storage['advice']}")
    if "spec_file" in result:
        say(f"The spec is in {result['spec_file']}.")


def _rows(entries: dict[str, Any]) -> Any:
    for name, entry in entries.items():
        shape = " x ".join(map(str, entry["shapes"][0])) or "number"
        shape += " and others" if entry["several_shapes"] else ""
        for i, group in enumerate(entry["groups"]):
            channels = group["channels"]
            names = ", ".join(channels) if isinstance(channels, list) else ""
            role = f"{group['role']} {names}".strip()
            yield [
                name if i == 0 else "",
                role,
                shape if i == 0 else "",
                entry["dtype"] if i == 0 else "",
                _values(group),
                f"{group['invalid_share']:.1%}" if group["invalid_share"] else "",
                sparkline(group.get("histogram", [])),
            ]


def _values(group: dict[str, Any]) -> str:
    if "labels" in group:
        total = sum(group["labels"].values()) or 1
        few = list(group["labels"].items())[:6]
        text = ", ".join(f"{label}: {count / total:.1%}" for label, count in few)
        return text + (f" and {len(group['labels']) - 6} more" if len(group["labels"]) > 6 else "")
    if "min" not in group:
        return "none"
    text = f"{group['min']:.4g} to {group['max']:.4g}, mean {group['mean']:.4g}"
    declared = group["range"]
    return text + (f"; range {declared[0]:g} to {declared[1]:g}" if declared else "")
