"""What becomes of the states of a fit: second looks at the records, and results."""

from __future__ import annotations

from collections.abc import Sequence

from ..statistics import (
    CovarianceState,
    DualBasis,
    GramState,
    Item,
    LowRankState,
    RayleighRitz,
    SecondLook,
    State,
)
from ._plan import Task, row_bytes
from ._records import Target

# Every step of a second look goes through all eigenvectors: few records at once are slow.
_LOOK_ROWS = 512
_LOOK_BYTES = 2**27


def blocks_at_once(targets: Sequence[Target], rows_per_block: int) -> int:
    """Blocks that a second look takes at once."""
    widest = max(row_bytes(target) for target in targets)
    return max(1, min(_LOOK_ROWS, _LOOK_BYTES // widest) // rows_per_block)


def look_of(task: Task, state: State) -> State | SecondLook:
    """The second look that a state asks for, or the state."""
    if isinstance(state, GramState):
        assert task.request is not None
        return DualBasis(state, task.request.center, task.components)
    if isinstance(state, LowRankState) and task.request is not None:
        return RayleighRitz(state, task.request.center)
    return state


def results_of(
    tasks: Sequence[Task], items: Sequence[State | SecondLook]
) -> list[tuple[Task, str, Item]]:
    """Results with their names."""
    results: list[tuple[Task, str, Item]] = []
    for task, item in zip(tasks, items, strict=True):
        if isinstance(item, SecondLook):
            results.append((task, "zca", item.spectrum()))
            continue
        results.append((task, task.name, item))
        if isinstance(item, CovarianceState) and task.request is not None:
            results.append((task, "zca", item.spectrum(task.request.center)))
    return results
