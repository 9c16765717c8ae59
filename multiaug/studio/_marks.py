"""Boxes, points and outlines of labels, drawn on images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from ..preview import render
from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..typing import NDArray

_MARK = (255, 64, 160)  # of boxes and points; in no ramp of ours


def outline_labels(image: NDArray, spec: DataSpec, record: Mapping[str, NDArray]) -> None:
    """Draw where labels change on an image of the same size, in the colour of the label."""
    for entry in spec.entries.values():
        if entry.role != "label" or entry.name not in record or entry.time is not None:
            continue
        labels = np.asarray(record[entry.name])
        labels = labels[..., 0] if labels.ndim == 3 else labels
        if labels.shape != image.shape[:2]:
            continue
        edges = np.zeros(labels.shape, bool)
        across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
        edges[:, 1:] |= across
        edges[:, :-1] |= across
        edges[1:] |= down
        edges[:-1] |= down
        bytes_ = labels.dtype == np.uint8
        group = entry.groups[0]
        colours = label_table(group)[labels] if bytes_ else render(labels, group)
        # Label 0 is black, which cannot be seen on dark images: its side of an edge is white.
        colours = np.where((labels == 0)[..., None], np.uint8(255), colours)
        image[edges] = colours[edges]


@lru_cache(maxsize=32)
def label_table(group: ChannelGroup) -> NDArray:
    """Colours (256, 3) of the labels of a byte."""
    colours: NDArray = render(np.arange(256, dtype=np.uint8)[None], group)[0]
    return colours


def draw_tables(image: NDArray, spec: DataSpec, record: Mapping[str, NDArray], name: str) -> None:
    """Draw the boxes and points that count the pixels of an image."""
    from PIL import Image, ImageDraw

    tables = [
        entry
        for entry in spec.entries.values()
        if entry.role in ("boxes", "keypoints")
        and entry.name in record
        and name == (entry.of or spec.reference(record))
    ]
    if not tables:
        return
    drawn = Image.fromarray(image)
    pen = ImageDraw.Draw(drawn)
    width = max(1, round(max(image.shape) / 256))
    for entry in tables:
        for x0, y0, x1, y1 in corners(entry, np.asarray(record[entry.name], np.float64)):
            if entry.role == "boxes":
                pen.rectangle((x0, y0, x1, y1), outline=_MARK, width=width)
            else:
                radius = 2 * width
                pen.ellipse((x0 - radius, y0 - radius, x1 + radius, y1 + radius), fill=_MARK)
    image[:] = np.asarray(drawn)


def corners(entry: EntrySpec, table: NDArray) -> NDArray:
    """x0 y0 x1 y1 of boxes and of points, in pixels whose centres are whole numbers."""
    if entry.role == "keypoints":
        found = np.concatenate([table, table], axis=1)
    else:
        found = table.copy()
        if entry.groups[0].convention == "coco":
            found[:, 2:] += found[:, :2]
        if entry.groups[0].convention == "coco":
            found -= 0.5
        elif entry.groups[0].convention == "pascal":
            found += [-0.5, -0.5, 0.5, 0.5]
    known: NDArray = found[np.isfinite(found).all(axis=1)]
    return known
