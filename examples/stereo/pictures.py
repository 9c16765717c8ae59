"""The contact sheet: what was in some records, and what came out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from checks import Arrays
from windows import Place

import multiaug as ma
from multiaug.preview import Limits, contact_sheet, record_limits, render_record
from multiaug.spec import DataSpec

PANELS = {
    "rgbxyz intensity": "image",
    "mask": "depth bands",
    "depth": "depth",
    "normals": "normals",
}


class Row(NamedTuple):
    """One record: its number, the corner of its window, before and after."""

    number: int
    place: Place
    source: Arrays
    augmented: Arrays


def write_sheet(path: Path, spec: DataSpec, rows: list[Row]) -> None:
    """Draw one row per record: source panels, then augmented panels in the same colours."""
    pictures, labels = [], []
    for row in rows:
        limits = record_limits(spec, row.source, row.augmented)
        before = render_record(spec, row.source, limits)
        after = render_record(spec, row.augmented, limits)
        pictures.append([panels[name] for panels in (before, after) for name in PANELS])
        labels.append(_label(spec, row, limits["depth"]))
    contact_sheet(
        pictures,
        columns=[*PANELS.values()] * 2,
        labels=labels,
        groups=[("source", len(PANELS)), ("augmented", len(PANELS))],
        title="One geometry for every entry of a record",
        note="Depth: near is bright, on one scale per row. Normals: blue faces the camera, green "
        "faces up, red faces right.\nNearly black: no data. Gray in the depth bands: the label "
        "that losses ignore.",
        path=path,
    )


def _label(spec: DataSpec, row: Row, depth: Limits) -> str:
    error = np.nanmax(ma.reprojection_error(spec, row.augmented)["rgbxyz"])
    focal = [_focal_length(record["intrinsics"]) for record in (row.source, row.augmented)]
    return (
        f"Record {row.number}\n"
        f"window at {row.place[0]}, {row.place[1]}\n"
        f"depth {depth[0]:.1f} to {depth[1]:.1f} m\n"
        f"focal length {focal[0]:.0f} px,\n"
        f"augmented {focal[1]:.0f} px\n"
        f"reprojection error\n"
        f"at most {error:.4f} px"
    )


def _focal_length(intrinsics: np.ndarray) -> float:
    return float(np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]))
