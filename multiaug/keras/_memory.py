"""Memory of batches: handed out without a copy, and used again once nobody looks at it.

Fresh memory is given page by page, each cleared: for a large batch that takes as long as half of
the augmentation.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import numpy as np

from ..typing import NDArray


class Lender:
    """Lends results of a pipeline to users, and finds those that came back.

    Args:
        kept: how many results wait, at most, to be used again.
    """

    def __init__(self, kept: int = 3) -> None:
        self._kept = kept
        self._lent: list[tuple[Hashable, dict[str, jax.Array], list[weakref.ref[_Loan]]]] = []

    def returned(self, kind: Hashable) -> dict[str, jax.Array] | None:
        """Results of a kind whose borrowers are all gone, and no longer kept here."""
        for number, (found, results, loans) in enumerate(self._lent):
            if found == kind and all(loan() is None for loan in loans):
                del self._lent[number]
                return results
        return None

    def lend(self, kind: Hashable, results: Mapping[str, Any]) -> dict[str, NDArray]:
        """Results as NumPy arrays that may be written to: copies, where there is no other way.

        Nobody else may have seen them, nor may anyone look at them afterwards.
        """
        if not all(_is_lendable(array) for array in results.values()):
            return {name: np.array(array) for name, array in results.items()}
        loans = {name: _Loan(array) for name, array in results.items()}
        entry = kind, dict(results), [weakref.ref(loan) for loan in loans.values()]
        self._lent = [*self._lent[-self._kept + 1 :], entry]
        return {name: np.asarray(loan) for name, loan in loans.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Lender, (self._kept,)


def _is_lendable(array: Any) -> bool:
    """The memory is that of this process, and NumPy knows the type."""
    if not isinstance(array, jax.Array) or array.dtype.kind not in "biuf":
        return False
    devices = list(array.devices())
    return len(devices) == 1 and devices[0].platform == "cpu"


class _Loan:
    """What arrays on the memory of a result, and arrays made of those, keep alive."""

    def __init__(self, result: jax.Array) -> None:
        # The arrays may outlive the lender; the result owns the memory.
        self._result = jax.block_until_ready(result)
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "shape": result.shape,
            "typestr": np.dtype(result.dtype).str,
            # NumPy's own view of a result cannot be written to, and keeps it from being donated.
            "data": (result.unsafe_buffer_pointer() if result.nbytes else 0, False),
        }
