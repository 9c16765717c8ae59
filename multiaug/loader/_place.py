"""Handing batches to JAX: no array ever shares memory that is about to be used again."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

_AXIS = "records"
# JAX cuts these down to 32 bits by default, which may change what they say (ids, times).
_WIDE = frozenset(map(np.dtype, ["int64", "uint64", "float64", "complex128"]))


def to_jax(arrays: Mapping[str, Any], sharding: Sharding | None) -> dict[str, Any]:
    """The arrays on JAX's devices; values that JAX would shorten stay with NumPy.

    On CPUs JAX uses page-aligned NumPy memory as it is. It holds on to the array for as long as
    it does, and pooled arrays go back to their pool only after that.
    """
    # Copies of wide ones: NumPy users expect to own what they are given.
    wide = {n: np.array(a) for n, a in arrays.items() if a.dtype in _WIDE}
    rest = {n: a for n, a in arrays.items() if n not in wide}
    if sharding is not None:
        placed = {n: _spread(a, sharding) for n, a in rest.items()}
    else:
        away = {n: a for n, a in rest.items() if not isinstance(a, jax.Array)}
        placed = {**rest, **jax.device_put(away)}
    return {n: wide[n] if n in wide else placed[n] for n in arrays}


def _spread(array: Any, sharding: Sharding) -> Any:
    if jax.process_count() > 1:
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))
    return jax.device_put(array, sharding)


def local_sharding(count: int) -> Sharding | None:
    """Records spread over the local devices, where they divide evenly."""
    devices = jax.local_devices()
    if len(devices) == 1 or count % len(devices) or jax.process_count() > 1:
        return None
    return NamedSharding(Mesh(np.array(devices), (_AXIS,)), PartitionSpec(_AXIS))


class Recycler:
    """Finds results of earlier calls that nobody refers to any more, to be used as ``out=``.

    Several threads may call it.

    Args:
        keep: how many calls to remember.
    """

    def __init__(self, keep: int) -> None:
        self._given: deque[dict[str, Any]] = deque(maxlen=keep)
        self._changing = threading.Lock()
        # How many references an array has that nobody but this class knows of.
        self._alone = _references({"array": np.zeros(1)})

    def __call__(
        self, count: int, run: Callable[[Mapping[str, Any] | None], dict[str, Any]]
    ) -> dict[str, Any]:
        """Call ``run(out)`` with free results of ``count`` records, or None; remember its result.

        Only CPUs use the memory again, and only single ones. A user's own references count, and
        JAX itself leaves memory alone that NumPy or another library still looks at.
        """
        one_cpu = jax.default_backend() == "cpu" and jax.local_device_count() == 1
        if not one_cpu:
            return run(None)
        with self._changing:
            out = self._take(count)
        results = run(out)
        with self._changing:
            self._given.append({n: a for n, a in results.items() if isinstance(a, jax.Array)})
        return results

    def forget(self) -> None:
        """Let go of everything."""
        self._given.clear()

    def _take(self, count: int) -> dict[str, Any] | None:
        """Free results, which nobody else is given from now on."""
        for place, given in enumerate(self._given):
            if any(len(array) != count for array in given.values()):
                continue
            if given and all(count == self._alone[0] for count in _references(given)):
                del self._given[place]
                return given
        return None


def _references(arrays: Mapping[str, Any]) -> list[int]:
    """Reference counts, as seen from in here."""
    return [sys.getrefcount(array) for array in arrays.values()]
