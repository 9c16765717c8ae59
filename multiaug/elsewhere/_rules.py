"""Which transform of another library is translated by what: rules, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..transforms import Transform
from ._call import Call

Rule = Callable[[Call], list[Transform]]


class Counterpart(NamedTuple):
    """A row of the table.

    Args:
        library: "albumentations" or "torchvision".
        name: of the class there.
        here: what it becomes.
        differs: what always differs in meaning; "" where nothing does.
        rule: makes the transforms.
    """

    library: str
    name: str
    here: str
    differs: str
    rule: Rule


_TABLE: dict[tuple[str, str], Counterpart] = {}


def rule(library: str, names: str, here: str, differs: str = "") -> Callable[[Rule], Rule]:
    """Decorate what translates one transform, or several that are alike.

    Args:
        library: see `Counterpart`.
        names: of the classes, between spaces.
        here: what they become.
        differs: what always differs in meaning, said whenever the transform is met.
    """

    def decorate(function: Rule) -> Rule:
        for name in names.split():
            _TABLE[library, name] = Counterpart(library, name, here, differs, function)
        return function

    return decorate


def counterpart(library: str, name: str) -> Counterpart | None:
    """The row of a transform; None where there is none."""
    return _TABLE.get((library, name))


def counterparts(library: str) -> tuple[Counterpart, ...]:
    """All transforms of a library that are translated, by name.

    Args:
        library: "albumentations" or "torchvision".

    Example:
        >>> [row.here for row in counterparts("torchvision") if row.name == "RandomGrayscale"]
        ['Grey']
    """
    return tuple(row for key, row in sorted(_TABLE.items()) if key[0] == library)


def markdown(library: str) -> str:
    """The table as it stands in docs/from_elsewhere.md.

    Args:
        library: "albumentations" or "torchvision".
    """
    lines = [f"| {library} | here | what always differs |", "|---|---|---|"]
    for row in counterparts(library):
        here = ", ".join(f"`{name}`" for name in row.here.split()) or "nothing"
        lines.append(f"| `{row.name}` | {here} | {row.differs} |")
    return "\n".join(lines) + "\n"
