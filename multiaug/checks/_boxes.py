"""Boxes and keypoints: conventions, units and order of their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..spec import DataSpec, EntrySpec
from ..typing import NDArray
from ._finding import Finding

# Smaller pictures have pixel coordinates that could be fractions.
_SMALL = 8
# A share of the picture's side by which boxes reach out when somebody drew them in a hurry.
_EDGE = 0.02
_COLUMNS = {"edges": "x0 y0 x1 y1", "pascal": "x0 y0 x1 y1", "coco": "x y width height"}


def inspect_tables(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """What is said of boxes, keypoints and the tables beside them."""
    for name, entry in spec.entries.items():
        if name not in records or entry.role not in ("boxes", "keypoints"):
            continue
        table = np.asarray(records[name], np.float64).reshape(-1, records[name].shape[-1])
        table = table[~np.isnan(table).any(axis=-1)]
        size = _size(spec, entry, records)
        yield from _untied(spec, entry, records)
        if not len(table):
            continue
        if size is not None and min(size) > _SMALL and _are_fractions(table):
            yield _fractions(entry, table, size)
        elif entry.role == "boxes":
            yield from _boxes(entry, table, size)
        else:
            yield from _keypoints(entry, table, size)


def _untied(spec: DataSpec, entry: EntrySpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """Scalars that probably belong to the rows of keypoints which a mirror reorders."""
    shape = records[entry.name].shape[:2]
    if not entry.groups[0].mirror_pairs or shape[1] < 2:
        return
    for name, other in spec.entries.items():
        alone = other.kind == "value" and other.of is None
        if alone and name in records and records[name].shape[:2] == shape:
            yield Finding(
                name,
                f"found {shape[1]} rows, as {entry.name} has, whose mirror_pairs change places "
                f'under a mirror. If each row belongs to a point, declare "of": "{entry.name}", '
                "so that they move together.",
                wrong=False,
            )


def _size(
    spec: DataSpec, entry: EntrySpec, records: Mapping[str, NDArray]
) -> tuple[int, int] | None:
    """(width, height) of the picture whose pixels an entry counts."""
    name = entry.of or spec.reference(records)
    if name is None or name not in records:
        return None
    return records[name].shape[2], records[name].shape[1]


def _are_fractions(table: NDArray) -> bool:
    """All numbers are between 0 and 1, or -1 and 1, and some lie in between."""
    return bool(np.abs(table).max() <= 1.001 and (table != np.rint(table)).any())


def _fractions(entry: EntrySpec, table: NDArray, size: tuple[int, int]) -> Finding:
    width, height = size
    low = " -1" if table.min() < 0 else " 0"
    if entry.role == "boxes":
        how = (
            f"Multiply x by {width} and y by {height}; where the columns are centre and size, as "
            "YOLO writes them, subtract half of the size from the centre first, and declare "
            '"box_convention": "coco"'
        )
    elif table.min() < 0:
        how = f"Bring them to pixels: (x + 1) * {width} / 2 - 0.5, (y + 1) * {height} / 2 - 0.5"
    else:
        how = f"Bring them to pixels: x * {width} - 0.5, y * {height} - 0.5"
    return Finding(
        entry.name,
        f"found numbers from {table.min():.4g} to {table.max():.4g}, such as {_shown(table[0])}, "
        f"which are fractions of the picture (from{low} to 1), expected pixels of {width} x "
        f"{height}. {how}.",
        wrong=True,
    )


def _boxes(entry: EntrySpec, table: NDArray, size: tuple[int, int] | None) -> Iterator[Finding]:
    convention = entry.groups[0].convention
    corners = table.copy()
    if convention == "coco":
        corners[:, 2:] += corners[:, :2]
    elif convention == "pascal":
        corners[:, 2:] += 1  # inclusive: one pixel has equal ends
    reversed_ = (corners[:, 2:] < corners[:, :2]).any(axis=-1)
    columns = _COLUMNS[convention]
    if reversed_.any():
        what = "a negative width or height" if convention == "coco" else "x1 < x0 or y1 < y0"
        yield Finding(
            entry.name,
            f"found {what} in {reversed_.sum()} of {len(table)} boxes, such as "
            f"{_shown(table[reversed_][0])}, expected {columns}, the columns of "
            f'"box_convention": "{convention}". {_other(table, convention, size)}',
            wrong=True,
        )
        return
    if size is not None:
        yield from _outside(entry, table, corners, size)
    empty = (corners[:, 2:] == corners[:, :2]).any(axis=-1)
    zeros = ~table.any(axis=-1)
    if (empty | zeros).any():
        bad = empty | zeros
        yield Finding(
            entry.name,
            f"found {bad.sum()} of {len(table)} boxes without area, such as "
            f"{_shown(table[bad][0])}. Rows that are absent, or fill a table up, must be NaN.",
            wrong=False,
        )


def _other(table: NDArray, convention: str, size: tuple[int, int] | None) -> str:
    """What the columns probably are."""
    if convention == "coco":
        return 'If the last two columns are the far corner, declare "box_convention": "edges".'
    ends = table[:, :2] + table[:, 2:]
    if (table[:, 2:] >= 0).all() and (size is None or (ends <= np.add(size, 1)).all()):
        return 'They look like x y width height: declare "box_convention": "coco".'
    return 'Declare "box_convention": "coco" for x y width height, or put the corners in order.'


def _outside(
    entry: EntrySpec, table: NDArray, corners: NDArray, size: tuple[int, int]
) -> Iterator[Finding]:
    """Boxes that reach far out of their picture."""
    width, height = size
    convention = entry.groups[0].convention
    as_corners = (table[:, 2:] >= table[:, :2]).all() and not _far(table, size, _EDGE).any()
    little = _far(corners, size, _EDGE)
    misread = convention == "coco" and as_corners and little.mean() > 0.25
    far = little if misread else _far(corners, size)
    if not far.any():
        return
    text = (
        f"found {far.sum()} of {len(table)} boxes far outside of the picture of {width} x "
        f"{height} pixels, such as {_shown(table[far][0])}"
    )
    if misread:
        text += '. They fit as x0 y0 x1 y1: declare "box_convention": "edges" or "pascal".'
        yield Finding(entry.name, text, wrong=True)
    elif width != height and not _far(corners[:, [1, 0, 3, 2]], size, _EDGE).any():
        yield Finding(entry.name, f"{text}. They fit as y x: put x first.", wrong=True)
    else:
        text += '. Boxes count pixels of that picture; name another one by "of".'
        yield Finding(entry.name, text, wrong=False)


def _far(corners: NDArray, size: tuple[int, int], share: float = 0.5) -> NDArray:
    """Which boxes reach out by more than a share of the picture's side, or lie outside of it."""
    room = share * np.asarray(size)
    out: NDArray = (corners[:, :2] < -1 - room) | (corners[:, 2:] > np.asarray(size) + 1 + room)
    apart = (corners[:, 2:] < -1) | (corners[:, :2] > np.asarray(size) + 1)
    bad: NDArray = np.asarray((out | apart).any(axis=-1))
    return bad


def _keypoints(entry: EntrySpec, table: NDArray, size: tuple[int, int] | None) -> Iterator[Finding]:
    origin = ~table.any(axis=-1)
    if origin.sum() > 1 and not origin.all() and origin.mean() > 0.05:
        yield Finding(
            entry.name,
            f"found {origin.sum()} of {len(table)} points at (0, 0). If these are absent, as COCO "
            "writes them, they must be NaN: otherwise they move with the others.",
            wrong=False,
        )
    if size is None:
        return
    width, height = size
    out = _are_out(table, size)
    if out.sum() < 2 or out.mean() < 0.25:
        return
    text = (
        f"found {out.sum()} of {len(table)} points outside of the picture of {width} x {height} "
        f"pixels, such as {_shown(table[out][0])}"
    )
    if width != height and not _are_out(table[:, ::-1], size).any():
        text += ". They fit as (y, x): put x first."
        yield Finding(entry.name, text, wrong=True)
    elif out.all():
        text += '. Points count pixels of that picture; name another one by "of".'
        yield Finding(entry.name, text, wrong=False)


def _are_out(table: NDArray, size: tuple[int, int]) -> NDArray:
    bad: NDArray = np.asarray(((table < -1) | (table > np.asarray(size))).any(axis=-1))
    return bad


def _shown(row: NDArray) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in row) + "]"
