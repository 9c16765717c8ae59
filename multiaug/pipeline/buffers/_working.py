"""The entries of a batch on the host, between stages: what is read, and what may be written.

What the caller gave is read and never written to; what a stage has made belongs to the call, and
the next stage may change it in place. Results are arrays of JAX on memory of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import jax
import numpy as np

from ...typing import Array, NDArray
from ._indexed import IndexedBatch
from ._outputs import LATER, check_out, empty, on_devices, reclaimed, sharing_devices, view_of
from ._wide import is_wide


class WorkingBatch:
    """A batch that goes through stages on the host.

    Args:
        given: the caller's entries, leading N.
        out: results of an earlier call, whose memory may be used.
    """

    def __init__(self, given: Mapping[str, Any], out: Mapping[str, Any] | None) -> None:
        self.arrays: dict[str, Any] = dict(given)
        self._given = given
        self._ours: set[str] = set()
        self._out = dict(out or {})
        self._handed_in = {n: a for n, a in self._out.items() if isinstance(a, jax.Array)}
        self._recycled = None if out is None else frozenset(out)

    def read(self, name: str) -> NDArray:
        """An entry to be looked at."""
        array = self.arrays[name]
        if isinstance(array, IndexedBatch):
            memory = self.new(name, array.shape, array.dtype)
            memory[...] = array.gathered()
            return memory
        if name in self._ours:
            return array if isinstance(array, np.ndarray) else self._own_view(name)
        found: NDArray = np.asarray(array)
        return found

    def writable(self, name: str) -> NDArray:
        """An entry to be changed in place; what is the caller's is copied first."""
        if name in self._ours:
            return self.read(name)
        given = self.read(name)
        if name in self._ours:  # it has been gathered
            return given
        copied = self.new(name, given.shape, given.dtype)
        copied[...] = given
        return copied

    def new(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray:
        """Memory that takes the place of an entry, or makes a new one; it holds anything."""
        old, kind = self._out.get(name), (tuple(shape), np.dtype(dtype))
        # What has another size is of a stage before the last one, perhaps: `results` looks at it.
        alike = not isinstance(old, jax.Array) or (old.shape, old.dtype) == kind
        if is_wide(dtype):
            self._out.pop(name, None)  # such results are NumPy's, which are not used again
        elif alike and (old is not None or self._is_missing(name)):
            self._out.pop(name, None)
            array = reclaimed(name, old, kind)
            if array is not None:
                self._put(name, array)
                return view_of(array)
        memory = empty(tuple(shape), np.dtype(dtype))
        self._put(name, memory)
        return memory

    def update(self, done: Mapping[str, Any]) -> None:
        """Take over what a stage has made, and nobody else has seen."""
        for name, array in done.items():
            self._put(name, array)

    def keep(self, done: Mapping[str, Any]) -> None:
        """Take over arrays that are not to be written to: XLA may have handed on what it got."""
        self.arrays.update(done)
        self._ours.difference_update(done)

    def memory_of(self, names: Collection[str]) -> dict[str, Any] | None:
        """``out`` for a call that makes these entries, and all that is derived from them.

        Returns:
            Results of an earlier call, `LATER` for what is not among the names, and nothing for
            what is missing; None where no memory is to be used again.
        """
        if self._recycled is None:
            return None
        found = {name: self._out.pop(name) for name in names if name in self._out}
        return _Later(found, {name for name in names if self._is_missing(name)})

    def results(self, scalars: Collection[str], *, single: bool = False) -> dict[str, Array]:
        """The entries as arrays of JAX, none of which is the caller's; but for scalars.

        New scalars of 64 bits, which JAX would shorten, are arrays of NumPy.

        Args:
            scalars: names of entries that are given back as they are.
            single: the only record loses its leading axis.

        Raises:
            RecordError: results of an earlier call that were of another batch.
        """
        for name in self._handed_in.keys() & self.arrays.keys():
            array, old = self.arrays[name], self._handed_in[name]
            if (old.shape, old.dtype) != (array.shape, array.dtype):
                check_out(name, old, (tuple(array.shape), np.dtype(array.dtype)))
        for name in self.arrays.keys() - self._ours:
            array = self.arrays[name]
            computed = isinstance(array, jax.Array) and array is not self._given.get(name)
            # A scalar that a stage made is a new result, even if a later one handed it on.
            handed_back = name in scalars and name in self._given
            if not handed_back and not computed:
                self.writable(name)
        if single:
            # In NumPy: JAX would compile it for every shape.
            rows = {n: self.read(n)[0] for n in self.arrays if n not in scalars}
            return {n: a[0] for n, a in self.arrays.items()} | jax.device_put(rows)  # type: ignore[no-any-return]
        made = {
            n: a
            for n, a in self.arrays.items()
            if n in self._ours and isinstance(a, np.ndarray) and not is_wide(a.dtype)
        }
        if not made:
            return self.arrays
        return {**self.arrays, **on_devices(made, sharing_devices(len(next(iter(made.values())))))}

    def _is_missing(self, name: str) -> bool:
        """There are results of an earlier call, and this one is not among them."""
        return self._recycled is not None and name not in self._recycled

    def _put(self, name: str, array: Any) -> None:
        self.arrays[name] = array
        self._ours.add(name)

    def _own_view(self, name: str) -> NDArray:
        array = self.arrays[name].block_until_ready()
        if len(array.devices()) == 1:
            return view_of(array)
        # Each device holds a part of its own.
        whole = empty(array.shape, array.dtype)
        whole[...] = np.asarray(array)
        self.arrays[name] = whole
        return whole


class _Later(dict[str, Any]):
    """Results of an earlier call, and `LATER` for all others but those that are missing."""

    def __init__(self, found: Mapping[str, Any], missing: Collection[str]) -> None:
        super().__init__(found)
        self._missing = missing

    def get(self, name: str, default: Any = None) -> Any:
        """The result of a name."""
        return super().get(name, default if name in self._missing else LATER)
