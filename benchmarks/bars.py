"""The bars of the matrix: fresh outputs, at the machine's best level and at those beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def bar(work: str, size: int) -> float:
    """The least ratio of the fastest peer to multiaug, whoever it is."""
    if work in "ad":
        return 1.3 if size == 1024 else 1.5
    return 1.4 if work == "b" else 1.0


def ratios(row: Mapping[str, Any]) -> dict[str, float]:
    """Median ratios by level with fresh outputs; empty where nothing was measured."""
    fresh = row["modes"]["fresh"]
    if not fresh:
        return {}
    levels = {level: found["ratio"]["median"] for level, found in fresh["levels"].items()}
    return {"best": fresh["ratio"]["median"], **levels}


def misses(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Row -> its ratios, of rows that miss their bar at any level."""
    found = {name: ratios(row) for name, row in rows.items()}
    return {
        name: by_level
        for name, by_level in found.items()
        if by_level and min(by_level.values()) < bar(rows[name]["work"], rows[name]["size"])
    }
