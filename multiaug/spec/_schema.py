"""The structure of a document, checked against the JSON Schema in data_specs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from ._mistakes import Finding, Path, listed, one_of, show, suggest
from ._traits import ROLE_TRAITS

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "array": "a list",
    "object": "an object",
    "boolean": "true or false",
    "null": "null",
}


class WrongValueError(Exception):
    """A rule asked for a value that has already been reported; the rule is skipped."""


class Checked(dict[str, Any]):
    """An object of the document; reading a value already reported raises `WrongValueError`.

    Wrong values stay in place as `WRONG` instead of being dropped, so that the rules which do
    not depend on them still run and no rule reports what merely follows from them.
    """

    repeated: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value is WRONG:
            raise WrongValueError
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or the default when the key is absent."""
        try:
            return self[key]
        except KeyError:
            return default


WRONG: Any = object()


def data_specs_folder() -> FilePath:
    """The folder of shipped documents: in an installed package, or in a source checkout."""
    here = FilePath(__file__).resolve()
    inside = here.parents[1] / "data_specs"
    return inside if inside.is_dir() else here.parents[2] / "data_specs"


def check_schema(document: object) -> tuple[list[Finding], Checked]:
    """All structural mistakes, and a plain copy of the document with `WRONG` in their places."""
    findings: list[Finding] = []
    copy = _plain(document, (), findings)
    if not isinstance(copy, Checked):
        findings.append(Finding((), show(document), "an object with name and entries"))
        return findings, Checked(name=WRONG, entries=WRONG)
    reported = {finding.path for finding in findings}
    wrong = set(reported)
    errors = list(_validator(tuple(sorted(ROLE_TRAITS))).iter_errors(copy))
    for error in errors:
        fresh = [finding for finding in _findings(error) if finding.path not in reported]
        findings.extend(fresh)
        # A bad name says nothing against the entry itself.
        if error.validator != "pattern" or tuple(error.absolute_path)[-1:] == ("values",):
            wrong.update(finding.path for finding in fresh)
    for path in wrong:
        _mark(copy, path)
    _drop_unknown(copy, errors)
    return findings, copy


def _plain(value: object, path: Path, findings: list[Finding]) -> object:
    """Copy into plain JSON types; note what JSON has no word for, and repeated keys."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
        if path[-1:] == ("values",):  # stored values are numbers in Python, and text in JSON
            pairs = [(str(k) if type(k) is int else k, child) for k, child in pairs]
        findings.extend(
            Finding((*path, key), "the key more than once", "every key once")
            for key in getattr(value, "repeated", ())
        )
        findings.extend(
            Finding(path, f"the key {key!r}", "keys that are strings")
            for key, _ in pairs
            if not isinstance(key, str)
        )
        items = ((key, child) for key, child in pairs if isinstance(key, str))
        return Checked({key: _plain(child, (*path, key), findings) for key, child in items})
    if isinstance(value, list | tuple):
        return [_plain(child, (*path, i), findings) for i, child in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        text = 'a finite number; not-a-number is written "nan", where it is allowed'
        findings.append(Finding(path, name, text))
        return 0.5  # passes every numeric check of the schema, so it is reported only once
    return value


@lru_cache(maxsize=4)
def _validator(roles: tuple[str, ...]) -> Any:
    """The compiled schema, knowing these roles."""
    from jsonschema import Draft202012Validator  # slow to import, and few programs need it

    schema = json.loads((data_specs_folder() / "dataspec.schema.json").read_text("utf-8"))
    schema["$defs"]["role"]["enum"] = list(roles)
    return Draft202012Validator(schema)


def _mark(document: Checked, path: Path) -> None:
    """Put `WRONG` at the innermost key on the path."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    node: Any = document
    for part in path[:-1]:
        if isinstance(node, dict) and part in node:
            node = dict.__getitem__(node, part)
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part]
        else:
            return  # a value further up is wrong already
    if path and isinstance(node, dict):
        node[str(path[-1])] = WRONG


def _drop_unknown(document: Checked, errors: list[Any]) -> None:
    for error in errors:
        if error.validator == "additionalProperties":
            for key in [key for key in error.instance if key not in error.schema["properties"]]:
                del error.instance[key]


def _findings(error: Any) -> Iterator[Finding]:
    """One error of jsonschema in our words."""
    path: Path = tuple(error.absolute_path)
    special = _SPECIAL.get(error.validator)
    if special is not None:
        yield from special(error, path)
        return
    found = show(error.instance)
    yield Finding(path, found, _EXPECTED[error.validator](error))


def _unknown_keys(error: Any, path: Path) -> Iterator[Finding]:
    known = list(error.schema["properties"])
    entry_keys = ("dtype", "optional", "of", "validity", "time")
    for key in error.instance:
        if key in known:
            continue
        if key in entry_keys and "role" in known:
            yield Finding((*path, key), f"the key {show(key)} in a group", "it at the entry")
        else:
            hint = suggest(key, known)
            options = f"a known key{hint}" if hint else f"one of {listed(known)}"
            yield Finding((*path, key), f"the unknown key {show(key)}", options)


def _missing_keys(error: Any, path: Path) -> Iterator[Finding]:
    for key in error.validator_value:
        if key not in error.instance:
            yield Finding((*path, key), "nothing", "a value; this key is required")


def _partial_camera(error: Any, path: Path) -> Iterator[Finding]:
    keys = list(error.validator_value)
    missing = [key for key in keys if key not in error.instance]
    for key in missing:
        given = listed([other for other in keys if other not in missing], "and")
        yield Finding((*path, key), f"nothing, beside {given}", f"all of {listed(keys, 'and')}")


def _bad_name(error: Any, path: Path) -> Iterator[Finding]:
    if path[-1:] == ("values",):
        text = 'stored values that are whole numbers, as in {"255": 1}'
        yield Finding(path, f"the key {show(error.instance)}", text)
        return
    rule = (
        'a name that can be a file name on every system: not empty, no / \\ : * ? " < > |, no '
        "control character, not starting with a dot, a space or __, not ending with a dot or "
        "a space"
    )
    yield Finding((*path, error.instance), show(error.instance), rule)


def _type(error: Any) -> str:
    names = error.validator_value
    names = [names] if isinstance(names, str) else names
    about = error.schema.get("description", "")
    text = listed(_TYPES[name] for name in names)
    return f"{text}: {about[:1].lower()}{about[1:].rstrip('.')}" if about else text


def _enum(error: Any) -> str:
    return one_of(error.validator_value) + suggest(error.instance, error.validator_value)


_SPECIAL: dict[str, Callable[[Any, Path], Iterator[Finding]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "dependentRequired": _partial_camera,
    "pattern": _bad_name,
}
_EXPECTED: dict[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda error: show(error.validator_value),
    "minimum": lambda error: f"at least {error.validator_value}",
    "exclusiveMinimum": lambda error: f"a number above {error.validator_value}",
    "exclusiveMaximum": lambda error: f"a number below {error.validator_value}",
    "minLength": lambda error: "a string that is not empty",
    "minItems": lambda error: f"at least {error.validator_value} items",
    "maxItems": lambda error: f"at most {error.validator_value} items",
    "minProperties": lambda error: "at least one entry",
}
