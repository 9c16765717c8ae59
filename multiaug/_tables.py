"""Tables for people: aligned text for terminals, HTML for notebooks.

Objects that a notebook shows make a `Report` of themselves; this module alone knows how that
looks, so that all of them look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_GAP = "  "


@dataclass(frozen=True)
class Table:
    """Rows of text below a heading for each column.

    Args:
        columns: the headings.
        rows: a text for each column. Columns that are empty in all rows are left out.
        caption: a line above the table; "" for none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def shown(self) -> list[tuple[str, ...]]:
        """Headings and rows, without the columns that say nothing."""
        used = [i for i in range(len(self.columns)) if any(row[i] for row in self.rows)]
        return [tuple(row[i] for i in used) for row in (self.columns, *self.rows)]

    def text(self) -> list[str]:
        """Lines, in columns of equal width."""
        lines = [self.caption] if self.caption else []
        shown = self.shown()
        if not self.rows:
            return lines
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for row in shown:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(_GAP.join(cells).rstrip())
        return lines

    def html(self) -> str:
        """A ``<table>``."""
        if not self.rows:
            return f"<p>{escape(self.caption)}</p>" if self.caption else ""
        heads, *rows = self.shown()
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heads)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True)
class Lines:
    """Lines whose columns are aligned already."""

    lines: tuple[str, ...]

    def text(self) -> list[str]:
        """The lines."""
        return list(self.lines)

    def html(self) -> str:
        """A ``<pre>``."""
        return f"<pre>{escape(chr(10).join(self.lines))}</pre>"


@dataclass(frozen=True)
class Report:
    """What an object says of itself: a title, tables, sentences and, folded away, code.

    Args:
        title: one line.
        parts: tables, aligned lines and sentences, in order.
        code: Python that makes the object; "" for none. Notebooks alone show it.
        nested: reports of the objects that this one is made of, folded away in notebooks and left
            out of the text.
    """

    title: str
    parts: tuple[Table | Lines | str, ...] = ()
    code: str = ""
    nested: tuple[Report, ...] = ()

    def text(self) -> str:
        """For a terminal."""
        lines = [self.title]
        for part in self.parts:
            lines += [part] if isinstance(part, str) else part.text()
        return "\n".join(lines)

    def html(self) -> str:
        """For a notebook: a ``<div>`` that can be folded and brings no colours of its own."""
        return f'<div style="overflow-x:auto">{self._details(unfolded=True)}</div>'

    def _details(self, *, unfolded: bool) -> str:
        inside = [
            f"<p>{escape(part)}</p>" if isinstance(part, str) else part.html()
            for part in self.parts
        ]
        inside += [one._details(unfolded=False) for one in self.nested]
        if self.code:
            code = f"<pre><code>{escape(self.code)}</code></pre>"
            inside.append(f"<details><summary>Python</summary>{code}</details>")
        state = " open" if unfolded else ""
        title = f"<summary><strong>{escape(self.title)}</strong></summary>"
        return f"<details{state}>{title}{''.join(inside)}</details>"


def shape_text(shape: Sequence[int | str]) -> str:
    """A shape as people write it.

    >>> shape_text((480, 640, 3))
    '480 x 640 x 3'
    """
    return " x ".join(map(str, shape))


class Reported:
    """For objects that describe themselves: ``print`` and notebooks show their `Report`."""

    def _report(self) -> Report:
        raise NotImplementedError

    def __str__(self) -> str:
        return self._report().text()

    def _repr_html_(self) -> str:
        return self._report().html()
