"""A spec for people: as a table, and as short Python that makes it again."""

from __future__ import annotations

import pprint
from collections.abc import Iterator
from typing import Any

from .._tables import Report, Table
from ..errors import SpecError
from ._files import load_spec, shipped_specs
from ._model import CameraSpec, ChannelGroup, EntrySpec
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


_COLUMNS = (
    "entry",
    "role",
    "channels",
    "dtype",
    "no data",
    "sampled by",
    "border",
    "further",
)


def report_of(spec: DataSpec) -> Report:
    """A table with a line for each group of channels, and what is said of the camera."""
    rows = [row for entry in spec.entries.values() for row in _rows(entry)]
    title = f"Spec {spec.name!r}: {len(spec.entries)} entries"
    camera = _camera(spec.camera) if spec.camera != CameraSpec() else ""
    said = [text for text in (spec.description, camera) if text]
    return Report(title, (Table(_COLUMNS, tuple(rows)), *said), as_python(spec))


def _rows(entry: EntrySpec) -> Iterator[tuple[str, ...]]:
    for group in entry.groups:
        first = group is entry.groups[0]
        yield (
            entry.name if first else "",
            group.role,
            _channels(group),
            (entry.dtype or "any") if first else "",
            "" if group.invalid is None else _number(group.invalid),
            group.interpolation,
            _border(group),
            "; ".join([*(_further(entry) if first else []), *_of_group(group)]),
        )


def _channels(group: ChannelGroup) -> str:
    if group.names:
        return " ".join(group.names)
    return "any" if group.count is None else str(group.count)


def _border(group: ChannelGroup) -> str:
    if group.border != "constant":
        return group.border
    fill = group.fill
    if fill != "invalid" and len(set(fill)) == 1:
        fill = fill[:1]
    return "fill: " + ("no data" if fill == "invalid" else ", ".join(map(_number, fill)))


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _further(entry: EntrySpec) -> Iterator[str]:
    if entry.optional:
        yield "optional"
    if entry.time is not None:
        yield "any number of frames" if entry.time == "any" else f"{entry.time} frames"
    if entry.of is not None:
        yield f"of {entry.of}"
    if entry.validity:
        yield f"with {entry.name}_valid"


def _of_group(group: ChannelGroup) -> Iterator[str]:
    if group.range is not None:
        yield f"range {group.range[0]:g} .. {group.range[1]:g}"
    if group.ignore is not None:
        yield f"ignore {group.ignore}"
    if group.values:
        yield "stored as " + ", ".join(f"{stored} -> {label}" for stored, label in group.values)
    if group.mirror_pairs:
        yield "mirror pairs " + ", ".join(f"{a}-{b}" for a, b in group.mirror_pairs)
    if group.max_jump is not None:
        yield f"max_jump {group.max_jump:g}"
    if group.role == "orientation":
        yield f"{group.unit}, period {group.period}"
    if group.role == "boxes":
        yield f"convention {group.convention}"
    if group.capacity is not None:
        yield f"up to {group.capacity} rows"
    if group.under_elastic != "refuse":
        yield "resampled under Elastic"


def _camera(camera: CameraSpec) -> str:
    said = [f"policy {camera.policy}", f"coordinates of the {camera.frame}"]
    if camera.mirror == "refuse":
        said.append("mirrors refused")
    if camera.refit_intrinsics:
        said.append("intrinsics refitted all the same")
    if camera.fov_degrees is not None:
        said.append(f"{camera.fov_degrees:g} degrees of view where a record has no intrinsics")
    if camera.intrinsics is not None:
        said.append(f"intrinsics {camera.intrinsics} where a record has none")
    return f"Camera: {', '.join(said)}."
