"""What becomes of the states of a fit: second looks at the records, and results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..statistics import Item, SecondLook, State, held_dtype
from ._plan import Task
from ._records import Target

# Every step of a second look goes through all eigenvectors: few records at once are slow.
_LOOK_ROWS = 512
_LOOK_BYTES = 2**27


def blocks_at_once(targets: Sequence[Target], rows_per_block: int) -> int:
    """Blocks that a second look takes at once."""
    widest = max(t.size * np.dtype(held_dtype(t.dtype)).itemsize for t in targets)
    return max(1, min(_LOOK_ROWS, _LOOK_BYTES // widest) // rows_per_block)


def look_of(task: Task, state: State) -> State | SecondLook:
    """The second look that a task asks for, or the state."""
    if task.look is None:
        return state
    look: SecondLook = task.look(state)
    return look


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
        results += [(task, name, find(item)) for name, find in task.derived.items()]
    return results
