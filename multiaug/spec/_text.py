"""A spec as short Python that makes it again."""

from __future__ import annotations

import pprint
from collections.abc import Iterator
from typing import Any

from ..errors import SpecError
from ._files import load_spec, shipped_specs
from ._spec import DataSpec

_WIDTH = 88


def as_python(spec: DataSpec) -> str:
    """The call that makes a spec: by its name where it is shipped, else from a document."""
    if spec.name in shipped_specs() and spec == load_spec(spec.name):
        return f"load_spec({spec.name!r})"
    text = pprint.pformat(short_document(spec), sort_dicts=False, width=_WIDTH)
    return f"DataSpec.from_dict(\n{text}\n)"


def short_document(spec: DataSpec) -> dict[str, Any]:
    """The least document of a spec: what reading it fills in by itself is left out."""
    document = spec.to_dict()
    for part, key in list(_settings(document)):
        before = dict(part)
        del part[key]
        if not _makes(spec, document):
            part.clear()
            part.update(before)
    return document


def _settings(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """All keys that may be superfluous, each with the object that holds it."""
    yield from ((document, key) for key in ("schema", "description", "camera"))
    yield from ((document["camera"], key) for key in list(document["camera"]))
    for entry in document["entries"].values():
        yield from ((entry, key) for key in list(entry))
        groups = entry.get("channels")
        for group in groups if isinstance(groups, list) else []:
            if isinstance(group, dict):
                yield from ((group, key) for key in list(group))


def _makes(spec: DataSpec, document: dict[str, Any]) -> bool:
    try:
        return DataSpec.from_dict(document) == spec
    except SpecError:
        return False
