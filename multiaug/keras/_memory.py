"""Memory of batches: handed out without a copy, and used again once nobody looks at it.

Fresh memory is given page by page, each cleared: for a large batch that takes as long as half of
the augmentation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from ..loader import Recycler
from ..typing import NDArray

# Batches that a user may look at while others are made; whole ones, and the last of an epoch.
_KEPT = 3


class Lender:
    """Results of a pipeline as arrays of the user's, on memory of results that the user let go."""

    def __init__(self) -> None:
        self._recyclers: dict[Hashable, Recycler] = defaultdict(partial(Recycler, _KEPT))

    def __call__(
        self, kind: Hashable, count: int, run: Callable[[Mapping[str, Any] | None], Any]
    ) -> dict[str, NDArray]:
        """What ``run(out)`` returns, as arrays that may be written to.

        Args:
            kind: results of one kind have the same shapes and dtypes, but for their ``count``.
            count: of records.
            run: its results must be new, and nobody else's; ``out`` is an earlier one or None.
        """
        return {name: _lent(array) for name, array in self._recyclers[kind](count, run).items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Lender, ()


def _lent(result: Any) -> NDArray:
    """The memory of a result; a copy, where it is not of this process or NumPy's type."""
    if not isinstance(result, jax.Array) or result.dtype.kind not in "biuf":
        return np.array(result)
    devices = list(result.devices())
    if len(devices) > 1 or devices[0].platform != "cpu":
        return np.array(result)
    return np.asarray(_Loan(result))


class _Loan:
    """What arrays on the memory of a result, and arrays made of those, keep alive."""

    def __init__(self, result: jax.Array) -> None:
        # A reference more than the recycler's own: the memory is not free.
        self._result = jax.block_until_ready(result)
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "shape": result.shape,
            "typestr": np.dtype(result.dtype).str,
            # NumPy's own view of a result cannot be written to, and keeps it from being donated.
            "data": (result.unsafe_buffer_pointer() if result.nbytes else 0, False),
        }
