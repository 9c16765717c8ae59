"""What the command prints: tables and sentences for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_BLOCKS = " ▁▂▃▄▅▆▇█"


def say(text: str = "") -> None:
    """Print a line of the result."""
    print(text)


def note(text: str) -> None:
    """Print what people should know and programs need not read."""
    print(text, file=sys.stderr)


def complain(text: str, kind: str = "error") -> None:
    """Print an error or a warning to stderr."""
    from rich.console import Console
    from rich.text import Text

    style = "bold red" if kind == "error" else "yellow"
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text(f"{kind}: ", style=style) + Text(text))


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], wide: Sequence[str] = ()
) -> None:
    """Print a table that is as wide as the terminal allows.

    Args:
        title: above it.
        columns: their headings.
        rows: texts of the cells.
        wide: columns whose cells stay on one line.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in wide)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A file has no width: long lines are better than folded ones.
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


def print_json(result: Any) -> None:
    """Print a result as JSON; numbers that JSON has not are null."""
    print(json.dumps(_plain(result), indent=2))


def sparkline(counts: Sequence[float]) -> str:
    """A histogram as one line of text."""
    top = max(counts, default=0) or 1
    # Whatever is there at all is at least the lowest block.
    return "".join(_BLOCKS[math.ceil(8 * count / top)] for count in counts)


def size_text(nbytes: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} TB"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
