"""Boxes, points and outlines of labels, drawn on images; and which panel shows which entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..typing import NDArray
from ._colours import label_colours

_MARK = np.array([255, 64, 160], np.uint8)  # of boxes and points; in no ramp of ours
_LIGHT = np.array([250, 250, 250], np.uint8)
_MOST_EDGES = 0.3  # of all pixels: more would hide the image


def entry_of(panel: str, spec: DataSpec) -> EntrySpec:
    """The entry that a panel of `render_record` shows."""
    names = [n for n in spec.entries if panel == n or panel.startswith((f"{n} ", f"{n}["))]
    return spec.entries[max(names, key=len)]


def outline_labels(image: NDArray, labels: NDArray, group: ChannelGroup) -> bool:
    """Draw the borders between labels over an image, in the colour of the label inside.

    Args:
        image: uint8 (H, W, 3), drawn on.
        labels: integers or bools (h, w) or (h, w, 1), of any resolution.
        group: theirs.

    Returns:
        Whether anything was drawn: borders everywhere would hide the image.
    """
    labels = labels[..., 0] if labels.ndim == 3 else labels
    if labels.dtype.kind not in "bui":
        return False
    height, width = image.shape[:2]
    if labels.shape != (height, width):
        rows, columns = (
            np.minimum((np.arange(n) + 0.5) * m / n, m - 1).astype(int)
            for n, m in zip((height, width), labels.shape, strict=True)
        )
        labels = labels[np.ix_(rows, columns)]
    edge = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    # Both sides of a border, so that it is two pixels wide.
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    if not edge.any() or edge.mean() > _MOST_EDGES:
        return False
    inside = labels[edge].astype(np.int64)
    colours = label_colours(inside, group.ignore)
    # Label 0 is black elsewhere; a light line shows its borders on dark images, too.
    image[edge] = np.where((inside == 0)[:, None], _LIGHT, colours)
    return True


def draw_tables(
    image: NDArray, spec: DataSpec, record: Mapping[str, Any], name: str, scale: float = 1
) -> None:
    """Draw the boxes and points that count the pixels of an entry.

    Args:
        image: uint8 (H, W, 3) of the entry, drawn on.
        spec: of the record.
        record: that holds the boxes and points.
        name: of the entry.
        scale: pixels of the image for each of the entry.
    """
    for entry in tables_on(spec, record, name):
        for row in frames_of(entry, np.asarray(record[entry.name], np.float64)):
            _frame(image, *((v + 0.5) * scale for v in row))


def tables_on(spec: DataSpec, record: Mapping[str, Any], name: str) -> list[EntrySpec]:
    """The boxes and points of a record that count the pixels of an entry."""
    return [
        entry
        for entry in spec.entries.values()
        if entry.role in ("boxes", "keypoints")
        and entry.name in record
        and name == (entry.of or spec.reference(record))
    ]


def frames_of(entry: EntrySpec, table: NDArray) -> Iterator[NDArray]:
    """x0 y0 x1 y1 of boxes, and of points twice, in pixels whose centres are whole numbers.

    Args:
        entry: with the convention of its boxes.
        table: float64 (n, 4) or (n, 2). Rows that are absent, NaN, are left out.
    """
    if entry.role == "keypoints":
        frames = np.concatenate([table, table], axis=1)
    else:
        frames, convention = table.copy(), entry.groups[0].convention
        if convention == "coco":
            frames[:, 2:] += frames[:, :2]
            frames -= 0.5
        elif convention == "pascal":
            frames += [-0.5, -0.5, 0.5, 0.5]
    yield from frames[np.isfinite(frames).all(axis=1)]


def _frame(image: NDArray, x0: float, y0: float, x1: float, y1: float) -> None:
    """Draw a frame two pixels wide; a point becomes a square of five."""
    height, width = image.shape[:2]
    if x1 - x0 < 2 and y1 - y0 < 2:
        x0, y0, x1, y1 = x0 - 2, y0 - 2, x1 + 2, y1 + 2
    if x1 < 0 or y1 < 0 or x0 > width or y0 > height:
        return
    left, right = (int(np.clip(round(v), 0, width - 1)) for v in (x0, x1))
    top, bottom = (int(np.clip(round(v), 0, height - 1)) for v in (y0, y1))
    for y in (top, bottom - 1):
        image[max(0, y) : y + 2, left : right + 1] = _MARK
    for x in (left, right - 1):
        image[top : bottom + 1, max(0, x) : x + 2] = _MARK
