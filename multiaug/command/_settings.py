"""`multiaug.toml`: what a run was told, so that it can be repeated."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path("multiaug.toml")
_TEXTS = ("source", "spec", "pipeline")
_TABLES = ("set", "open")


@dataclass(frozen=True)
class RunSettings:
    """What a run is told.

    Args:
        source: path or address of the records.
        spec: name or path of a spec; None to guess it.
        pipeline: see `multiaug.command.resolve_pipeline`.
        seed: of the augmentation.
        set: settings of a recipe.
        open: settings of `open_source`.
    """

    source: str | None = None
    spec: str | None = None
    pipeline: str | None = None
    seed: int = 0
    set: Mapping[str, Any] = field(default_factory=dict)
    open: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path = FILE) -> None:
        """Write them as TOML."""
        lines = [
            f"{name} = {json.dumps(getattr(self, name))}"
            for name in (*_TEXTS, "seed")
            if getattr(self, name) is not None
        ]
        for table in _TABLES:
            values = getattr(self, table)
            if values:
                lines += ["", f"[{table}]"]
                # Values of JSON are those of TOML, but for null and objects.
                lines += [f"{json.dumps(k)} = {_toml(v)}" for k, v in values.items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_settings(
    source: str | None,
    spec: str | None = None,
    pipeline: str | None = None,
    seed: int | None = None,
    sets: Sequence[str] | None = None,
    opens: Sequence[str] | None = None,
    *,
    path: Path = FILE,
) -> RunSettings:
    """The options of a subcommand, over those of `multiaug.toml` where there is one.

    What the file says of the spec, or of opening, is of its own source, and not of another one.
    """
    saved = _read(path)
    elsewhere = source is not None and source != saved.source
    if elsewhere:
        saved = RunSettings(pipeline=saved.pipeline, seed=saved.seed, set=saved.set)
    if pipeline is not None and pipeline != saved.pipeline:
        saved = RunSettings(saved.source, saved.spec, None, saved.seed, {}, saved.open)
    return RunSettings(
        source if source is not None else saved.source,
        spec if spec is not None else saved.spec,
        pipeline if pipeline is not None else saved.pipeline,
        seed if seed is not None else saved.seed,
        {**saved.set, **pairs(sets or (), "--set")},
        {**saved.open, **pairs(opens or (), "--open")},
    )


def pairs(given: Sequence[str], option: str) -> dict[str, Any]:
    """``name=value`` with values in JSON, or plain text; lists become tuples."""
    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{option} must be NAME=VALUE, such as size=256, got {pair!r}.")
        try:
            read = json.loads(value)
        except json.JSONDecodeError:
            read = value  # text needs no quotes in a shell
        found[name] = tuple(read) if isinstance(read, list) else read
    return found


def _read(path: Path) -> RunSettings:
    if not path.is_file():
        return RunSettings()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}. Mend or remove it.") from error
    known = {*_TEXTS, *_TABLES, "seed"}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"{path}: {unknown[0]!r} is not known; known are {sorted(known)}.")
    for name, kind in [*((n, str) for n in _TEXTS), ("seed", int), *((n, dict) for n in _TABLES)]:
        if name in document and not isinstance(document[name], kind):
            raise ValueError(
                f"{path}: {name} must be of type {kind.__name__}, got {document[name]!r}."
            )
    for table in _TABLES:
        values = document.get(table, {})
        document[table] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return RunSettings(**document)


def _toml(value: Any) -> str:
    if value is None or isinstance(value, dict):
        raise ValueError(
            f"multiaug.toml cannot hold {value!r}: give it as an option, or keep the pipeline as a "
            "JSON file."
        )
    return json.dumps(value)
