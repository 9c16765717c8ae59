"""What takes part in a row: a library, and the forms in which it may be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .work import Case

Outputs = Any


class Cannot(Exception):  # noqa: N818
    """The library has no way to do a row; the text goes into the table."""


@dataclass(frozen=True)
class Form:
    """One way to use a library.

    Args:
        name: what is particular about it.
        call: does a whole batch; the data and the geometry are closed over.
        recycled: writes into arrays of an earlier call.
        enter: run before the form is timed, off the clock (numbers of threads).
    """

    name: str
    call: Callable[[], Outputs]
    recycled: bool = False
    enter: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Peer:
    """A library.

    Args:
        name: what the table calls it.
        forms: the forms it has for a row; raises `Cannot`.
        host: its outputs as NumPy arrays, ``image`` (N, H, W, C) and ``mask`` (N, H, W).
        version: of the library.
        note: how it is used, for the report.
        draws: "given" when it takes the very geometry of the row, "own" when it draws
            from the same distribution itself.
        ours: it is multiaug.
        floor: it is no contender, only a lower bound.
        masked: it moves the mask too.
        moves: it has a way to move the coordinates of a cloud.
        level: the instruction set that it is limited to; empty for the machine's best.
    """

    name: str
    forms: Callable[[Any], list[Form]]
    host: Callable[[Outputs], Mapping[str, NDArray[Any]]]
    version: str
    note: str
    draws: str = "given"
    ours: bool = False
    floor: bool = False
    masked: bool = True
    moves: bool = False
    level: str = ""


def as_is(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
    """Outputs that are NumPy arrays already."""
    return {name: np.asarray(array) for name, array in outputs.items()}


def empty_like_outputs(case: Case) -> dict[str, NDArray[Any]]:
    """Fresh arrays for one batch of results."""
    row = case.row
    shape = (row.batch, *row.out_shape)
    return {
        "image": np.empty((*shape, row.channels), row.dtype),
        "mask": np.empty(shape, np.uint8),
    }


def into_outputs(
    case: Case, fill: Callable[[dict[str, NDArray[Any]]], None]
) -> tuple[Callable[[], Outputs], Callable[[], Outputs]]:
    """(fresh, recycled) calls from one that fills given arrays."""
    kept: dict[str, NDArray[Any]] = {}

    def fresh() -> Outputs:
        out = empty_like_outputs(case)
        fill(out)
        return out

    def recycled() -> Outputs:
        if not kept:
            kept.update(empty_like_outputs(case))
        fill(kept)
        return kept

    return fresh, recycled
