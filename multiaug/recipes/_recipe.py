"""What is known of every recipe: where it was published, of what it is made, and what differs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from .._arguments import checked
from ..spec import SPEC_KIND
from ._needs import refuse_numbers

F = TypeVar("F", bound=Callable[..., Any])

GROUPS = (
    "segmentation", "detection", "classification", "self-supervised", "medical", "satellite",
    "rgbd", "depth", "clouds", "robotics", "competition",
)  # fmt: skip
"""What recipes are for, in the order of the table."""

_TABLE: list[Recipe] = []


@dataclass(frozen=True)
class Recipe:
    """One row of the table of recipes.

    Args:
        name: of the function in `multiaug.recipes`.
        group: what it is for, such as ``segmentation``.
        title: what people call it.
        source: repository, version or commit, and file.
        transforms: names of the transforms that it is made of, in order, each once.
        differs: what is not as published, a sentence each; () where all is.
    """

    name: str
    group: str
    title: str
    source: str
    transforms: tuple[str, ...]
    differs: tuple[str, ...] = ()

    @property
    def as_published(self) -> bool:
        """Nothing differs."""
        return not self.differs


def recipe(
    group: str, title: str, source: str, transforms: str, *, differs: Sequence[str] = ()
) -> Callable[[F], F]:
    """Decorate a function that makes a recipe: it gets a row of the table, and says it in its help.

    Args:
        group: see `Recipe`.
        title: see `Recipe`.
        source: see `Recipe`.
        transforms: see `Recipe`; names between spaces.
        differs: see `Recipe`.
    """

    def decorate(function: F) -> F:
        row = Recipe(
            function.__name__, group, title, source, tuple(transforms.split()), tuple(differs)
        )
        _TABLE.append(row)

        @wraps(function)
        def make(*args: Any, **settings: Any) -> Any:
            made = function(*args, **settings)
            refuse_numbers(row.name, made)
            return made

        made: Any = checked(spec=SPEC_KIND)(make)
        made.__doc__ = f"{(function.__doc__ or '').rstrip()}\n\n{_sections(row)}"
        return cast(F, made)

    return decorate


def _sections(row: Recipe) -> str:
    differs = row.differs or ("Nothing: as published.",)
    lines = ["Source:", f"    {row.source}", "", "Differs:"]
    for sentence in differs:
        lines += textwrap.wrap(sentence, 84, initial_indent="    ", subsequent_indent="    ")
    return textwrap.indent("\n".join(lines), "    ") + "\n    "


def table() -> tuple[Recipe, ...]:
    """All recipes, group by group.

    Example:
        >>> import multiaug as ma
        >>> [row.name for row in ma.recipes.table() if row.group == "segmentation"][:2]
        ['mmseg', 'mask2former']
    """
    return tuple(sorted(_TABLE, key=lambda row: GROUPS.index(row.group)))


def markdown() -> str:
    """The table as it stands in docs/recipes.md: one table for each group.

    Example:
        >>> import multiaug as ma
        >>> ma.recipes.markdown().splitlines()[0].startswith("### ")
        True
    """
    lines: list[str] = []
    for group in GROUPS:
        rows = [row for row in _TABLE if row.group == group]
        if rows:
            lines += [
                f"### {group}",
                "",
                "| recipe | transforms | as published? |",
                "|---|---|---|",
            ]
            lines += [_line(row) for row in rows] + [""]
    return "\n".join(lines)


_HEAD = ("| recipe | transforms | as published? |", "|---|---|---|")


def _line(row: Recipe) -> str:
    made_of = ", ".join(f"`{name}`" for name in row.transforms)
    differs = " ".join(row.differs) or "as published"
    return f"| `{row.name}`: {row.title} ({row.source}) | {made_of} | {differs} |"
