"""From a JSON document to the model and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any, NamedTuple

from ..errors import SpecError
from ._draft import SETTINGS, EntryDraft, known_settings
from ._entry_rules import ENTRY_RULES, SPEC_RULES
from ._mistakes import Finding, in_document_order
from ._model import CameraSpec, ChannelGroup, EntrySpec
from ._rules import GROUP_RULES
from ._schema import WRONG, Checked, WrongValueError, check_schema
from ._traits import ROLE_TRAITS

SCHEMA_VERSION = "multiaug.spec/1"

_DEFAULTS = {field.name: field.default for field in fields(ChannelGroup)}
_FOCAL = ("fx", "fy", "cx", "cy")


class Document(NamedTuple):
    """The parts of a `DataSpec`, read and checked."""

    name: str
    description: str
    entries: tuple[EntrySpec, ...]
    camera: CameraSpec


def read_document(document: Mapping[str, Any], source: str) -> Document:
    """Read a whole document.

    Raises:
        SpecError: with every mistake of the document, in its order.
    """
    findings, checked = check_schema(document)
    drafts = dict(_drafts(checked))
    camera = dict.get(checked, "camera", Checked())
    camera = Checked() if camera is WRONG else camera
    for draft in drafts.values():
        findings.extend(_entry_findings(draft))
    for rule in SPEC_RULES:
        _extend(findings, rule(drafts, camera))
    if findings:
        raise SpecError(source, in_document_order(findings, document))
    entries = tuple(draft.build() for draft in drafts.values())
    return Document(checked["name"], checked.get("description", ""), entries, _camera(camera))


def read_entry(name: str, entry: Mapping[str, Any], source: str) -> EntrySpec:
    """Read one entry on its own; what it says of other entries is checked with the spec.

    Raises:
        SpecError: with every mistake of the entry.
    """
    document = {"name": "entry", "entries": {name: entry}}
    findings, checked = check_schema(document)
    drafts = [draft for _, draft in _drafts(checked)]
    for draft in drafts:
        findings.extend(_entry_findings(draft))
    if findings:
        raise SpecError(source, in_document_order(findings, document))
    return drafts[0].build()


def write_entry(entry: EntrySpec) -> dict[str, Any]:
    """An entry as JSON; the defaults that its roles chose are written out."""
    single = len(entry.groups) == 1
    out = _write_group(entry.groups[0]) if single else {}
    if entry.dtype is not None:
        out["dtype"] = entry.dtype
    if not single:
        out["channels"] = [_write_group(group) for group in entry.groups]
    for key in ("optional", "of", "validity"):
        if getattr(entry, key) not in (None, False):
            out[key] = getattr(entry, key)
    if entry.time is not None:
        out["time"] = True if entry.time == "any" else entry.time
    return out


def write_camera(camera: CameraSpec) -> dict[str, Any]:
    """A camera as JSON."""
    out: dict[str, Any] = {
        "policy": camera.policy,
        "frame": camera.frame,
        "mirror": camera.mirror,
    }
    if camera.refit_intrinsics:
        out["refit_intrinsics"] = True
    if camera.fov_degrees is not None:
        out["fov_degrees"] = camera.fov_degrees
    if camera.intrinsics is not None:
        out.update(zip(_FOCAL, camera.intrinsics, strict=False))
    return out


def _write_group(group: ChannelGroup) -> dict[str, Any]:
    """What the role understands, and whatever else was set, so that a check can refuse it."""
    traits = ROLE_TRAITS.get(group.role)
    known = known_settings(traits) if traits else ()
    out: dict[str, Any] = {"role": group.role}
    if group.names or group.count is not None:
        out["channels"] = list(group.names) or group.count
    for key, name in SETTINGS.items():
        value = getattr(group, name)
        plain = value is None or value == ()
        if value != _DEFAULTS[name] or (key in known and not plain):
            out[key] = _plain(value) if key != "values" else {str(a): b for a, b in value}
    if traits and traits.default_invalid and group.invalid is None:
        out["invalid"] = None  # or reading it again would choose the role's default
    return out


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        items = [_plain(item) for item in value]
        return items[0] if len(items) == 1 and not isinstance(items[0], list) else items
    return value


def _camera(camera: Checked) -> CameraSpec:
    values = {key: camera[key] for key in camera if key not in _FOCAL}
    if "fov_degrees" in values:
        values["fov_degrees"] = float(values["fov_degrees"])
    if "fx" in camera:
        values["intrinsics"] = tuple(float(camera[key]) for key in _FOCAL)
    return CameraSpec(**values)


def _drafts(checked: Checked) -> Iterator[tuple[str, EntryDraft]]:
    entries = dict.get(checked, "entries", WRONG)
    if entries is not WRONG:
        for name in entries:
            entry = dict.__getitem__(entries, name)
            # An entry that cannot be read keeps its name, because others may refer to it.
            entry = Checked(channels=WRONG) if entry is WRONG else entry
            yield name, EntryDraft(name, ("entries", name), entry)


def _entry_findings(draft: EntryDraft) -> list[Finding]:
    findings: list[Finding] = []
    for rule in ENTRY_RULES:
        _extend(findings, rule(draft))
    for group in draft.groups:
        if group.misplaced:
            continue
        for group_rule in GROUP_RULES:
            _extend(findings, group_rule(group))
    return findings


def _extend(findings: list[Finding], fresh: Iterator[Finding]) -> None:
    """Keep what a rule finds before it meets a value that has already been reported."""
    with suppress(WrongValueError):
        findings.extend(fresh)
