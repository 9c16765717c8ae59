"""What the page offers of every transform: its settings, each with a control and a span."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from .. import transforms
from ..spec import DataSpec
from ..transforms import SettingInfo, Transform, to_config

# Spans of sliders by unit, where the setting itself has no limits that a slider could have.
_SPANS = {
    "degrees": (-180, 180),
    "ranges": (-1, 1),
    "range": (0, 1),
    "turns": (-0.5, 0.5),
    "sides": (-1, 1),
    "shorter sides": (0, 0.3),
    "metres": (0, 10),
    "photons": (1, 5000),
    "kelvin": (2000, 15000),
    "frames": (0, 1),
    "pixels or frames": (0, 1),
    "units of the points": (-1, 1),
}
_WIDEST = 400  # a wider span is too coarse for a slider; the field beside it takes any number

# What a setting starts at that has no default; others are found by their kind.
_STARTS: dict[str, Any] = {
    "Affine.matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "Perspective.scale": 0.05,
    "RescaleIntensity.in_range": [0, 1],
    "Rotate.degrees": [-15, 15],
    "Scale.factor": [0.8, 1.25],
    "Shear.degrees": [[-10, 10], [0, 0]],
    "Translate.fraction": [[-0.1, 0.1], [-0.1, 0.1]],
    "BoxesFromMasks.capacity": 16,
    "DistanceMap.classes": [1],
    "OneHot.classes": 8,
    "Pad.pixels": [16, 16, 16, 16],
    "PadToMultiple.multiple": [32, 32],
    "Regions.regions": [[1]],
}
_ENTRY_NAMES = ("entry", "instances", "mask", "depth", "points", "normals")


def describe_transforms(spec: DataSpec, shape: tuple[int, int]) -> list[dict[str, Any]]:
    """Every transform that multiaug exports, for the page.

    Args:
        spec: of the records; settings that name entries offer those of it.
        shape: (height, width) of the frame, which sizes start at.

    Returns:
        Name, group, a line about it, its settings, and the settings that it starts with.
    """
    found = {
        name: cls
        for name, cls in vars(transforms).items()
        if inspect.isclass(cls) and issubclass(cls, Transform) and not inspect.isabstract(cls)
    }
    return [_described(found[name], spec, shape) for name in sorted(found, key=str.lower)]


def _described(cls: Any, spec: DataSpec, shape: tuple[int, int]) -> dict[str, Any]:
    documents = inspect.getdoc(cls) or ""
    about = _about_settings(documents)
    settings, start = [], {}
    for name, info in cls.settings().items():
        value = _start(cls.__name__, name, info, spec, shape)
        start[name] = value
        settings.append(
            _control(name, info, value, spec) | {"about": about.get(name, ""), "unit": info.unit}
        )
    return {
        "name": cls.__name__,
        "group": _group(cls),
        "about": documents.split("\n\n", 1)[0].replace("\n", " ").replace("`", ""),
        "settings": settings,
        "start": start,
    }


def _group(cls: Any) -> str:
    for kind, text in (
        (transforms.Container, "containers"),
        (transforms.Geometric, "geometry"),
        (transforms.Photometric, "values"),
        (transforms.Finishing, "fitted"),
    ):
        if issubclass(cls, kind):
            return text
    return "others"


def _about_settings(documents: str) -> dict[str, str]:
    """What the docstring says of every setting."""
    _, _, listed = documents.partition("Args:\n")
    listed = re.split(r"\n\s*\n", listed, maxsplit=1)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", listed, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).replace("`", "") for name, text in found}


def _start(owner: str, name: str, info: SettingInfo, spec: DataSpec, shape: tuple[int, int]) -> Any:
    """The value of a setting in a transform that was just added."""
    if f"{owner}.{name}" in _STARTS:
        return _STARTS[f"{owner}.{name}"]
    if info.default is not MISSING:
        return as_json(info.default)
    labels = [e.name for e in spec.entries.values() if e.role == "label"]
    if name in _ENTRY_NAMES:
        return next(iter(labels), next(iter(spec.entries)))
    if name == "entries":
        return [next(iter(spec.entries))]
    if name == "transforms":
        return [{"type": "Flip", "axis": "x"}]
    if name == "size":
        return min(shape) if info.annotation in ("int", "Lengths") else list(shape)
    return None


def _control(name: str, info: SettingInfo, value: Any, spec: DataSpec) -> dict[str, Any]:
    """The control of a setting, by its type and by the value that it has at first."""
    base: dict[str, Any] = {"name": name, "nullable": info.default is None}
    example = value
    if info.options and info.annotation != "Names":
        return base | {"kind": "choice", "options": list(info.options)}
    if info.annotation == "EntryNames" or name == "entries":
        return base | {"kind": "entries", "options": list(spec.entries)}
    if name in _ENTRY_NAMES and "str" in info.annotation:
        return base | {"kind": "choice", "options": list(spec.entries)}
    if isinstance(example, bool):
        return base | {"kind": "switch"}
    if example is None and re.match(r"(Setting\[)?(float|int)\b", info.annotation):
        # It is off until somebody gives it a number.
        example = max(info.low, 0.0) if math.isfinite(info.low) else 1.0
        whole = "float" not in info.annotation
        example = int(example) if whole else float(example)
    integer = (
        _is_whole(example) and "float" not in info.annotation and "Range" not in info.annotation
    )
    if isinstance(example, int | float | list) and not _is_within(example, info):
        info = info._replace(low=-math.inf, high=math.inf)  # they are of another unit of it
    limits = {"low": _finite(info.low), "high": _finite(info.high)}
    if _is_pair(example) or (isinstance(example, list) and example and all(map(_is_pair, example))):
        kind = "range" if _is_pair(example) else "ranges"
        if kind == "range" and integer and not _is_ordered(info):
            kind = "sizes"
        return base | limits | {"kind": kind, **_span(name, info, example, integer=integer)}
    if isinstance(example, int | float):
        return base | limits | {"kind": "number", **_span(name, info, example, integer=integer)}
    return base | {"kind": "text" if isinstance(example, str) else "json"}


def _is_within(value: Any, info: SettingInfo) -> bool:
    """Numbers lie between the limits of their setting."""
    if isinstance(value, list):
        return all(_is_within(part, info) for part in value)
    return not isinstance(value, int | float) or info.low <= value <= info.high


def _is_ordered(info: SettingInfo) -> bool:
    """A pair is (least, most), and no (height, width)."""
    return info.annotation != "Sized" and info.unit != "pixels"


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    )


def _is_whole(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_whole(v) for v in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _span(name: str, info: SettingInfo, value: Any, *, integer: bool) -> dict[str, Any]:
    """Ends and step of a slider: the limits of the setting where they are near enough."""
    numbers = [abs(float(v)) for v in _flat(value)]
    most = max(numbers, default=1) or 1
    low, high = _SPANS.get(info.unit, (None, None))
    if name == "p" or name.startswith("p_"):
        low, high = 0, 1
    if low is None or high is None:
        negative = any(v < 0 for v in _flat(value))
        low, high = (-4 * most if negative else 0), 4 * most
        if info.annotation == "Sized" or (integer and info.unit == "pixels"):
            low, high = 1, max(1024, 2 * most)
    if math.isfinite(info.low):
        near = info.high - info.low <= _WIDEST
        low = info.low if near or low < info.low else low
    if math.isfinite(info.high):
        near = info.high - info.low <= _WIDEST
        high = info.high if near or high > info.high else high
    low, high = min(low, *_flat(value)), max(high, *_flat(value))
    if integer:
        return {"span": [math.floor(low), math.ceil(high)], "step": 1}
    return {"span": [low, high], "step": 10.0 ** math.floor(math.log10((high - low) / 200 or 1))}


def _flat(value: Any) -> list[float]:
    if isinstance(value, list):
        return [x for v in value for x in _flat(v)]
    return [float(value)]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def as_json(value: Any) -> Any:
    """A setting as JSON has it: lists for tuples."""
    return json.loads(json.dumps(value, default=list))


def config_of(transform: Transform) -> dict[str, Any]:
    """A transform as the page has it: settings by their present names, chance and all."""
    config, made = dict(to_config(transform)), cast(Any, transform)
    was = {f.metadata["was"]: f.name for f in fields(made) if f.metadata.get("was")}
    settings: Mapping[str, Any] = {was.get(k, k): v for k, v in config.items() if k != "type"}
    chance = {"p": transform.chance} if "p" in type(transform).settings() else {}
    return {"type": config["type"], "settings": chance | dict(settings)}
