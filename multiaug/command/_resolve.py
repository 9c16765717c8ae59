"""From what was typed to a source and a pipeline."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._output import note
from ._settings import RunSettings

if TYPE_CHECKING:
    from ..pipeline import Pipeline, Views
    from ..store import Source


def resolve_source(settings: RunSettings, *, quiet: bool = False) -> Source:
    """Open the records; a spec that was not given is guessed, and that is said.

    Args:
        settings: of the run.
        quiet: say nothing, as the caller tells the guesses himself.
    """
    import multiaug as ma

    if settings.source is None:
        raise ValueError(
            "no SOURCE was given, and there is no multiaug.toml that names one. Give the folder, "
            "file or zarr store of the records."
        )
    if settings.spec is not None:
        source: Source = ma.open_source(
            settings.source, ma.load_spec(settings.spec), **settings.open
        )
        return source
    if "://" in settings.source or "{" in settings.source:
        found: Source = ma.open_source(settings.source, **settings.open)
        return found
    guess = ma.guess_spec(settings.source)
    if guess.spec is not None and not quiet:
        note("No --spec was given; it was guessed:")
        for text in guess.notes:
            note(f"  {text}")
        note(f"Keep it with: multiaug inspect {settings.source} --spec-out spec.json")
    opened: Source = guess.open(**settings.open)
    return opened


def resolve_pipeline(settings: RunSettings, spec: Any) -> Pipeline | Views:
    """The pipeline that was asked for, for the entries of a source.

    Args:
        settings: of the run. The pipeline is a JSON file, the name of a recipe, a Python file or
            ``module:attribute``; an attribute ``pipeline`` of a file needs not be named. Python
            may give a pipeline, a list of transforms, or a function of a spec that makes either.
        spec: of the source.
    """
    import multiaug as ma

    name = settings.pipeline
    if name is None:
        return _usual(spec)
    names = [row.name for row in ma.recipes.table()]
    if name in names:
        made: Pipeline | Views = getattr(ma.recipes, name)(spec, **settings.set)
        return made
    if settings.set:
        raise ValueError(f"--set is for recipes, and {name!r} is none; change the pipeline itself.")
    if name.endswith(".json"):
        return _of_document(Path(name), spec)
    path, _, attribute = name.partition(":")
    if path.endswith(".py"):
        if not Path(path).is_file():
            raise ValueError(f"{path}: there is no such file. Check the path.")
        found: Any = _attribute(runpy.run_path(path), attribute or "pipeline", path)
    elif attribute:
        sys.path.insert(0, str(Path.cwd()))
        found = _attribute(vars(importlib.import_module(path)), attribute, path)
    else:
        raise ValueError(
            f"--pipeline {name!r} is no JSON or Python file, no module:attribute and no recipe. "
            f"Recipes are {', '.join(names)}."
        )
    if callable(found) and not isinstance(found, ma.Pipeline | ma.Views):
        found = found(spec)
    if isinstance(found, list | tuple):
        found = ma.Pipeline(list(found), spec)
    if not isinstance(found, ma.Pipeline | ma.Views):
        raise ValueError(
            f"{name}: expected a Pipeline, Views, a list of transforms or a function of a spec "
            f"that makes one, got {type(found).__name__}."
        )
    return found


def _attribute(names: dict[str, Any], attribute: str, where: str) -> Any:
    if attribute not in names:
        raise ValueError(
            f"{where}: there is no {attribute!r} in it. Call the pipeline so, or name it: "
            f"--pipeline {where}:NAME."
        )
    return names[attribute]


def _of_document(path: Path, spec: Any) -> Pipeline | Views:
    import multiaug as ma

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file. Check the path.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}. Write it with pipeline.to_dict().") from (
            error
        )
    if isinstance(document, dict) and str(document.get("schema", "")).startswith("multiaug.views"):
        return ma.Views.from_dict(document)
    if isinstance(document, dict) and "spec" not in document:
        document = {**document, "spec": spec.to_dict()}
    pipeline = ma.Pipeline.from_dict(document)
    if pipeline.spec == spec:
        return pipeline
    note(
        f"{path} is of the spec {pipeline.spec.name!r}; its transforms are used with that of the "
        f"source, {spec.name!r}."
    )
    return ma.Pipeline(pipeline.transforms, spec)


def _usual(spec: Any) -> Pipeline:
    """A mild pipeline for a first look at what augmentation does to some data."""
    import multiaug as ma

    transforms: list[Any] = [
        ma.Rotate(15),
        ma.Scale((0.85, 1.2)),
        ma.Translate(0.05),
        ma.Flip("x"),
    ]
    groups = [group for entry in spec.entries.values() for group in entry.groups]
    if any(group.role == "intensity" for group in groups):
        transforms += [ma.Brightness(0.15), ma.Contrast(0.2)]
    pipeline = ma.Pipeline(transforms, spec)
    note("No --pipeline was given; a mild one is used, which mirrors left and right, too:")
    note("  " + ", ".join(repr(one) for one in transforms))
    return pipeline
