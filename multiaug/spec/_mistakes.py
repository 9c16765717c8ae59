"""Saying what is wrong, where, and what was probably meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, TypeAlias

from ..errors import Mistake

Path: TypeAlias = tuple[str | int, ...]

_SHOWN = 60  # characters of a found value that are worth printing


class Finding(NamedTuple):
    """A mistake whose path is still a tuple of keys and indices."""

    path: Path
    found: str
    expected: str

    def mistake(self) -> Mistake:
        """The finding as users see it."""
        return Mistake(json_path(self.path), self.found, self.expected)


def json_path(path: Path) -> str:
    """Write a path as JSONPath, such as ``$.entries.image.channels[0]``."""
    parts = (
        f"[{part}]"
        if isinstance(part, int)
        else f".{part}"
        if part.replace("-", "_").isidentifier() or part.startswith("$")
        else f"[{json.dumps(part)}]"
        for part in path
    )
    return "$" + "".join(parts)


def show(value: object) -> str:
    """A value in JSON, cut to a readable length; other objects by the name of their type."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = f"a Python {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def listed(items: Iterable[object], word: str = "or") -> str:
    """``a, b or c``."""
    texts = [str(item) for item in items]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}"


def one_of(options: Iterable[object]) -> str:
    """``one of "a", "b" or "c"``, or only the value where there is one."""
    texts = [show(option) for option in options]
    return f"one of {listed(texts)}" if len(texts) > 1 else "".join(texts)


def suggest(word: object, options: Iterable[object]) -> str:
    """``; did you mean "x"?`` where an option resembles the word, else nothing."""
    if not isinstance(word, str):
        return ""
    names = {name.lower(): name for name in options if isinstance(name, str)}
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"; did you mean {show(names[close[0]])}?" if close else ""


def in_document_order(findings: Iterable[Finding], document: object) -> list[Mistake]:
    """The distinct findings, from the top of the document to its end."""
    place = {path: index for index, path in enumerate(_paths(document, ()))}

    def key(finding: Finding) -> int:
        path = finding.path
        while path not in place and path:
            path = path[:-1]  # a missing key stands where its parent does
        return place.get(path, 0)

    return [finding.mistake() for finding in sorted(dict.fromkeys(findings), key=key)]


def _paths(value: object, path: Path) -> Iterable[Path]:
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _paths(child, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, child in enumerate(value):
            yield from _paths(child, (*path, index))
