"""Specs of what is inverted, and the order of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...spec import DataSpec, EntrySpec

DERIVED = ("_visible", "_valid", "_mirrored")
"""What stands behind the names of entries that are derived from others."""


@lru_cache(maxsize=256)
@lru_cache(maxsize=256)
def in_order(spec: DataSpec, names: tuple[str, ...]) -> tuple[str, ...]:
    """Entries in the spec's order, each followed by what was derived from it."""
    order = [f"{name}{suffix}" for name in spec.entries for suffix in ("", *DERIVED)]
    return tuple(n for n in dict.fromkeys([*order, *names]) if n in names)


def one_more_axis(leaf: Any) -> Any:
    """A batch of one."""
    return leaf[None] if hasattr(leaf, "ndim") else np.asarray(leaf)[None]


@lru_cache(maxsize=64)
def with_validity(spec: DataSpec) -> DataSpec:
    """The spec with the wish for validity of every image."""
    entries = [replace(e, validity=e.kind == "spatial") for e in spec.entries.values()]
    return DataSpec(spec.name, entries, spec.camera, spec.description)


@lru_cache(maxsize=64)
def _with_role(spec: DataSpec, name: str, role: str) -> DataSpec:
    entries = [
        EntrySpec.of_role(name, role, time=entry.time) if entry.name == name else entry
        for entry in spec.entries.values()
    ]
    return DataSpec(spec.name, entries, spec.camera, spec.description)


def override(spec: DataSpec, roles: Mapping[str, str]) -> DataSpec:
    """The spec with the roles of predictions in the place of its own."""
    for name, role in roles.items():
        entry = spec.entries.get(name)
        if entry is None or entry.kind != "spatial" or not isinstance(role, str):
            raise ParameterError(
                f"`roles` must name pictures of the spec, got {name!r}. "
                f"It has {[n for n, e in spec.entries.items() if e.kind == 'spatial']}."
            )
        spec = _with_role(spec, name, role)
    return spec
