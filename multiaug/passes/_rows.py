"""The rows of a piece that a task takes: pixels without data refused, filled in or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import RecordError
from ..statistics import MomentsState
from ..typing import NDArray
from ._plan import Task
from ._records import Piece, Records, Target, holes


class Rows:
    """What tasks take of pieces.

    Args:
        means: label -> the mean that fills pixels without data; None refuses them.
        skip: leave out records with pixels without data.
        places: label -> where each record stands among those that are kept, if that is known.
    """

    def __init__(
        self, means: dict[str, NDArray] | None, skip: bool, places: dict[str, NDArray] | None
    ) -> None:
        self.means, self.skip = means, skip
        self.places: dict[str, NDArray] = places or {}

    def of(self, task: Task, piece: Piece) -> tuple[NDArray, NDArray]:
        """A piece's rows for one task, and their positions among all that it takes."""
        rows, positions = piece.parts[task.target.label], piece.position
        empty = None if task.statistic.takes_holes else holes(task.target, rows)
        if empty is not None:
            if self.means is not None:
                rows = np.where(empty, self.means[task.target.label], rows)
            elif self.skip:
                keep = ~empty.reshape(len(rows), -1).any(1)
                rows, positions = rows[keep], positions[keep]
            else:
                _refuse_holes(task, piece, empty)
        places = self.places.get(task.target.label)
        return rows, positions if places is None else places[positions]

    def place_all(self, records: Records, targets: Sequence[Target], tasks: Sequence[Task]) -> None:
        """Find where each record stands among those that are kept; pairs need it in advance."""
        kept = {task.target.label: np.zeros(records.n, bool) for task in tasks}
        for piece in records.read([range(len(records.chunks))], targets):
            for task in tasks:
                kept[task.target.label][self.of(task, piece)[1]] = True
        for task in tasks:
            found = kept[task.target.label]
            self.places[task.target.label] = np.cumsum(found) - 1
            task.statistic = replace(task.statistic, records=int(found.sum()))  # type: ignore[call-arg]


def _refuse_holes(task: Task, piece: Piece, empty: NDArray) -> None:
    at = np.unravel_index(int(np.argmax(empty)), empty.shape)
    record = int(piece.position[at[0]])
    raise RecordError(
        f"fit: {task.statistic.owner} of {task.target.label!r} must have every pixel, but "
        f"there are no data at chunk {piece.chunk_of(record)}, record {record}, position "
        f"{tuple(int(i) for i in at[1:])}. Pass invalid='mask' to put the mean there, or "
        "invalid='skip' to leave such records out."
    )


def fill_values(target: Target, moments: MomentsState) -> NDArray:
    """What stands for pixels without data: the mean, rounded to the dtype."""
    mean = moments.mean()
    channels = moments.channel_mean()
    mean = np.where(np.isnan(mean), np.nan_to_num(channels), mean)
    dtype = np.dtype(target.dtype) if target.dtype != "bfloat16" else np.dtype(np.float32)
    if dtype.kind in "biu":
        mean = np.rint(mean)
    found: NDArray = mean.astype(dtype)
    return found
