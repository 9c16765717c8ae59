"""Batches on CPUs are cut into blocks, and blocks into parts; what both executors need for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..._machine import core_count
from ...typing import Array, NDArray
from ..program._structure import Run
from ..program._traits import PipelineTraits

# Params are drawn, and travel, in blocks of this many records: a multiple of every part.
BLOCK = 32
_LARGEST_PART = 16
# Starting a part, and handing the interpreter from thread to thread, costs as much as warping a
# small picture. A record above the limit is a part: several would leave the cache one by one.
_SMALL_RECORD = 512 * 1024
_PART_BYTES = 5 * 1024 * 1024


def part_length(one: int) -> int:
    """Records of so many bytes in a part: a power of two up to 16."""
    return 1 if one > _SMALL_RECORD else fitting(one)


def fitting(one: int) -> int:
    """How many records of so many bytes make a part: a power of two up to 16."""
    count = max(1, min(_LARGEST_PART, _PART_BYTES // max(1, one)))
    return 1 << (count.bit_length() - 1)


def cut(begin: int, end: int, length: int) -> list[slice]:
    """Parts of at most ``length`` records, alike and enough for all threads."""
    size = end - begin
    count = max(-(-size // length), min(core_count(), size))
    step = -(-size // count)
    return [slice(first, min(first + step, end)) for first in range(begin, end, step)]


def whole_block(tree: Any, begin: int, end: int) -> Any:
    """Records begin .. end of some arrays; the last one is repeated up to a whole block."""
    leaves = jax.tree.leaves(tree)
    if not leaves or (end - begin == len(leaves[0]) == BLOCK):
        return tree
    if end - begin == BLOCK:
        return jax.tree.map(lambda leaf: np.asarray(leaf)[begin:end], tree)
    index = np.minimum(np.arange(begin, begin + BLOCK), end - 1)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def some_of(tree: Any, first: Array, length: int) -> Any:
    """Records from ``first`` on of a block; beyond its end, the last one. Traceable."""
    index = jnp.minimum(first + jnp.arange(length), BLOCK - 1)
    return jax.tree.map(lambda leaf: leaf[index], tree)


def program_key(
    run: Run, traits: PipelineTraits, drawn: Hashable, batch: Mapping[str, NDArray]
) -> Hashable:
    """Equal for what the same compiled functions can run, whatever the size of the batch.

    Args:
        run: the static side.
        traits: the pipeline's.
        drawn: of the params, from `kind_of`.
        batch: arrays with a leading N.
    """
    return run, traits.program, drawn, tuple((n, a.shape[1:], a.dtype) for n, a in batch.items())


def kind_of(params: Any) -> Hashable:
    """Equal for params of the same structure, shapes and dtypes, however many records they are."""
    drawn, structure = jax.tree.flatten(params)
    return structure, tuple((np.shape(leaf)[1:], leaf.dtype) for leaf in drawn)


class _Held(Protocol):
    def release(self) -> None:
        """Give back the memory that no thread is using."""

    def forget(self) -> None:
        """Let go of what points back: whoever is left of it is freed at once, not collected."""


T = TypeVar("T", bound=_Held)


class LRUCache(Generic[T]):
    """What ran last, by its key; the latest keep their memory, some pictures for each core.

    Args:
        kept: how many.
        with_memory: how many of them keep their memory.
    """

    def __init__(self, kept: int = 64, with_memory: int = 3) -> None:
        self.kept, self.with_memory = kept, with_memory
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self._latest: tuple[Hashable, T] | None = None
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The one of a key, made where there is none."""
        latest = self._latest
        if latest is not None and latest[0] == key:
            return latest[1]
        with self._lock:
            found = self._held.pop(key, None)
        if found is None:
            found = make()
        with self._lock:
            self._held[key] = found
            self._latest = key, found
            while len(self._held) > self.kept:
                self._held.popitem(last=False)[1].forget()
            if len(self._held) > self.with_memory:  # all before that one have been released
                next(islice(reversed(self._held.values()), self.with_memory, None)).release()
        return found

    def values(self) -> list[T]:
        """The latest one last."""
        with self._lock:
            return list(self._held.values())
