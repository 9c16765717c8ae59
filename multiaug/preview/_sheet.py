"""Contact sheets: rows of pictures with headings and labels."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import PATH, TEXT, TEXTS, Kind, checked, optional, whole
from ..errors import ParameterError
from ..files import replace_file
from ..typing import NDArray
from ._typeset import INK, RULE, SOFT, Style, Typesetter, key_data

if TYPE_CHECKING:
    from PIL import Image

MARGIN = 30
GAP = 8
GROUP_GAP = 28


def _are_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(row, list | tuple) for row in value)


def _are_groups(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(group, list | tuple)
        and len(group) == 2
        and isinstance(group[0], str)
        and whole(1).accepts(group[1])
        for group in value
    )


@checked(
    rows=Kind("rows of images", _are_rows),
    columns=optional(TEXTS),
    labels=optional(TEXTS),
    groups=optional(Kind("pairs of a heading and a number of columns", _are_groups)),
    title=TEXT,
    note=TEXT,
    path=optional(PATH),
)
def contact_sheet(
    rows: Sequence[Sequence[NDArray]],
    columns: Sequence[str] | None = None,
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[tuple[str, int]] | None = None,
    title: str = "",
    note: str = "",
    path: str | os.PathLike[str] | None = None,
) -> NDArray:
    """Lay pictures out in rows, under column titles and beside row labels.

    Args:
        rows: rows of pictures, uint8 (H, W, 3), as `render` makes them; as many in every row.
            A picture smaller than the largest one is centred in its place.
        columns: one title per column, in as many lines as it needs; columns are at least as wide
            as the longest word.
        labels: one label per row; its first line is printed darker than the others.
        groups: headings over neighbouring columns, each with the number of columns it spans; a
            wider gap stands between groups.
        title: a heading over everything.
        note: lines below everything.
        path: also write the sheet there, as PNG; an older file is replaced.

    Returns:
        The sheet, uint8 (H, W, 3).

    Raises:
        ParameterError: rows, titles, labels and groups do not go together, or a picture is not
            uint8 (H, W, 3).
        StoreError: the file cannot be written.

    Example:
        >>> import numpy as np
        >>> red, blue = (np.full((32, 32, 3), c, np.uint8) for c in [(200, 0, 0), (0, 0, 200)])
        >>> sheet = contact_sheet([[red, blue], [blue, red]], ["one", "two"], labels=["a", "b"])
        >>> sheet.dtype, sheet.shape[-1]
        (dtype('uint8'), 3)
    """
    sheet = _Sheet(rows, columns or [], labels or [], groups or [], title, note, 0)
    _check(sheet)
    types = Typesetter()
    picture = _draw(_fitted(sheet, types), types)
    if path is not None:
        content = io.BytesIO()
        picture.save(content, "PNG")
        replace_file(path, content.getbuffer())
    return np.array(picture)


@dataclass(frozen=True)
class _Sheet:
    """What is asked for; see `contact_sheet`."""

    rows: Sequence[Sequence[NDArray]]
    columns: Sequence[str]
    labels: Sequence[str]
    groups: Sequence[tuple[str, int]]
    title: str
    note: str

    width: int

    @property
    def height(self) -> int:
        """Height of the tallest picture."""
        return int(max(picture.shape[0] for row in self.rows for picture in row))

    def lefts(self, start: int) -> list[int]:
        """Left edge of every column."""
        ends = set(itertools.accumulate(span for _, span in self.groups))
        gaps = [GROUP_GAP if column in ends else GAP for column in range(1, len(self.rows[0]))]
        return [start + x for x in itertools.accumulate([self.width + g for g in gaps], initial=0)]


def _fitted(sheet: _Sheet, types: Typesetter) -> _Sheet:
    """Columns wide enough for every word of their titles, and titles broken to fit."""
    words = [word.rstrip() for title in sheet.columns for word in key_data(title)]
    pictures = max(picture.shape[1] for row in sheet.rows for picture in row)
    width = max(int(pictures), types.block_width(words, "column"))
    for text, span in sheet.groups:
        needed = types.block_width([word.rstrip() for word in key_data(text)], "group") - GAP * (
            span - 1
        )
        width = max(width, -(-needed // span))
    columns = [types.wrap(title, "column", width) for title in sheet.columns]
    groups = [
        (types.wrap(text, "group", span * width + (span - 1) * GAP), span)
        for text, span in sheet.groups
    ]
    return replace(sheet, columns=columns, groups=groups, width=width)


def _draw(sheet: _Sheet, types: Typesetter) -> Image.Image:
    """Place everything: top-down for the headings, then the rows, then the note."""
    left = MARGIN + (types.block_width(sheet.labels, "label") + 2 * GAP if sheet.labels else 0)
    lefts = sheet.lefts(left)
    heads = [
        ("title", types.line("title") if sheet.title else 0),
        ("group", _tallest([text for text, _ in sheet.groups], "group", types)),
        ("column", _tallest(sheet.columns, "column", types)),
    ]
    tops = dict(_stack(MARGIN, heads))
    first = tops.pop("end")
    row_tops = [first + i * (sheet.height + GAP) for i in range(len(sheet.rows))]
    foot = row_tops[-1] + sheet.height + GAP
    bottom = foot + (types.block_height(sheet.note, "note") + GAP if sheet.note else 0)
    right = max(
        lefts[-1] + sheet.width,
        MARGIN + types.block_width([sheet.title], "title"),
        left + types.block_width([sheet.note], "note"),
    )
    types.start(right + MARGIN, bottom + MARGIN - GAP)

    if sheet.title:
        types.write((MARGIN, tops["title"]), sheet.title, "title", INK)
    if sheet.groups:
        _draw_groups(sheet, types, lefts, tops["group"])
    for text, x in zip(sheet.columns, lefts, strict=False):
        types.write((x, tops["column"]), text, "column", SOFT)
    for row, y in zip(sheet.rows, row_tops, strict=True):
        for picture, x in zip(row, lefts, strict=True):
            types.place(picture, (x, y), (sheet.width, sheet.height))
    for text, y in zip(sheet.labels, row_tops, strict=False):
        head, _, rest = text.partition("\n")
        types.write((MARGIN, y), head, "label", INK)
        types.write((MARGIN, y + types.line("label")), rest, "label", SOFT)
    if sheet.note:
        types.write((left, foot), sheet.note, "note", SOFT)
    return types.sheet


def _tallest(texts: Sequence[str], style: Style, types: Typesetter) -> int:
    """Height of the headings of all columns."""
    return max((types.block_height(text, style) for text in texts), default=0)


def _draw_groups(sheet: _Sheet, types: Typesetter, lefts: list[int], top: int) -> None:
    """Headings with a thin rule along the columns that they span."""
    first = 0
    for text, span in sheet.groups:
        types.write((lefts[first], top), text, "group", INK)
        start = lefts[first] + types.block_width([text], "group") + 2 * GAP
        end = lefts[first + span - 1] + sheet.width
        types.rule((start, top + types.line("group") // 2 - 1), end, RULE)
        first += span


def _stack(top: int, heights: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Top of every named strip, one under the other, and the end of the last."""
    tops = list(itertools.accumulate((height for _, height in heights), initial=top))
    return list(zip([*(name for name, _ in heights), "end"], tops, strict=True))


def _check(sheet: _Sheet) -> None:
    if not sheet.rows or not sheet.rows[0]:
        raise ParameterError("contact_sheet.rows must hold at least one picture, got none.")
    count = len(sheet.rows[0])
    for number, row in enumerate(sheet.rows):
        if len(row) != count:
            raise ParameterError(
                f"contact_sheet.rows must be of one length, got {len(row)} pictures in row "
                f"{number} and {count} in row 0."
            )
        for picture in row:
            _check_picture(picture, number)
    spans = sum(span for _, span in sheet.groups)
    for name, found, expected in [
        ("columns", len(sheet.columns), count),
        ("labels", len(sheet.labels), len(sheet.rows)),
        ("groups", spans, count),
    ]:
        if found not in (0, expected):
            raise ParameterError(
                f"contact_sheet.{name} must cover {expected}, as the rows do, got {found}."
            )


def _check_picture(picture: NDArray, row: int) -> None:
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3 or 0 in array.shape:
        raise ParameterError(
            f"contact_sheet.rows: row {row} has a picture {array.dtype} {array.shape}, expected "
            "uint8 (H, W, 3). Make one with multiaug.preview.render."
        )
