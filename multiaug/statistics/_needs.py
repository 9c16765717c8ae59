"""What `fit` tells a statistic of the data, and what a statistic says that it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .sums._numbers import held_dtype

if TYPE_CHECKING:
    from ._state import Statistic


@dataclass(frozen=True)
class Subject:
    """What a statistic is about to be gathered of, and what there is room for.

    Args:
        label: of the channel group.
        record_shape: (H, W, C) of the group in one record.
        dtype: of its values.
        role: what they mean.
        invalid: what marks pixels without data: ``"nan"``, a number or None.
        records: how many there are, n; each counts as often as it is seen.
        memory: bytes that the whole fit may take.
        left: of these, what nothing else has taken yet.
        solver: what the user asked for.
    """

    label: str
    record_shape: tuple[int, ...]
    dtype: str
    role: str = "intensity"
    invalid: float | Literal["nan"] | None = None
    records: int = 0
    memory: int = 4 * 10**9
    left: int = 4 * 10**9
    solver: str = "auto"

    @property
    def size(self) -> int:
        """Numbers per record, d."""
        return math.prod(self.record_shape)

    @property
    def row_bytes(self) -> int:
        """What one record takes as it is summed."""
        import numpy as np

        return self.size * np.dtype(held_dtype(self.dtype)).itemsize


@dataclass(frozen=True)
class Needs:
    """What a fit gathers for a statistic, and what that takes.

    All of it goes through pickle: functions must be importable, or `functools.partial` of such.

    Args:
        statistic: what is gathered, bound to a shape and dtype; another one where the user's is
            only a request.
        nbytes: the most that it holds at a time, of states and temporaries.
        look: makes a second look at the records of the state of all of them; None without one.
        derived: name -> what else is computed of the state, for the result.
        block_rows: records of one side of a pair, where pairs are gathered.
        reason: why this way, for the log and for ``Statistics.info["solvers"]``.
    """

    statistic: Statistic
    nbytes: int
    look: Callable[[Any], Any] | None = None
    derived: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    block_rows: int = 0
    reason: str = ""
