"""The base of the classic's iterators: order, epochs, and what Keras asks of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator as PythonIterator
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..loader import random_order
from ..typing import NDArray
from ._engine import seed_of


class Iterator:
    """Batches of something that has a length, forever; one pass over it is an epoch.

    Subclasses write `_get_batches_of_transformed_samples`. The order of an epoch is a function of
    the seed and the number of the epoch; ``it[i]`` does not depend on what was asked before.

    Where the program has imported Keras 3, iterators count as ``keras.utils.PyDataset``, so that
    ``model.fit(iterator)`` works with every backend. Keras is not imported for it.

    Args:
        n: how many samples there are.
        batch_size: samples per batch; the last one of an epoch may be smaller.
        shuffle: another order in every epoch.
        seed: of order and augmentation; None draws one from NumPy's global generator.

    Attributes:
        index_array: the samples of this epoch, in order; None before it is asked for.
        batch_index: of the batch that `next` returns next.
        total_batches_seen: batches that were handed out.
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")

    # What Keras reads of a PyDataset.
    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(
        self, n: int, batch_size: int, shuffle: bool, seed: int | None, **_kwargs: Any
    ) -> None:
        self.n = n
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.index_array: NDArray | None = None
        self.index_generator = self._flow_index()
        self._root = seed_of(seed)
        self._epoch = 0
        self._begun = False  # `next` has handed out batches of this epoch
        self._make_lock()

    def _make_lock(self) -> None:
        self.lock = threading.RLock()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # isinstance() asks this property, not only the type: with it, an iterator that was made
        # before Keras was imported is a PyDataset as well, and one that never meets Keras does
        # not import it.
        keras = sys.modules.get("keras")
        base = getattr(getattr(keras, "utils", None), "PyDataset", None)
        return type(self) if base is None else _as_dataset(type(self), base)  # type: ignore[arg-type]

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return len(self)

    def _set_index_array(self) -> None:
        if self.shuffle and self.n:
            order = random_order(self.n, self._root + (self._epoch << 64))
            self.index_array = order(np.arange(self.n))
        else:
            self.index_array = np.arange(self.n)

    def _indices(self) -> NDArray:
        with self.lock:
            if self.index_array is None:
                self._set_index_array()
            assert self.index_array is not None
            return self.index_array

    def __getitem__(self, idx: int) -> Any:
        """The batch at a place of this epoch.

        Raises:
            ValueError: there is none.
        """
        if not -len(self) <= idx < len(self):
            raise ParameterError(
                f"Asked to retrieve element {idx}, but the Sequence has length {len(self)}"
            )
        with self.lock:
            self.total_batches_seen += 1
        start = (idx % len(self)) * self.batch_size
        return self._batch_at(start, self._indices())

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size if self.batch_size else 0

    def on_epoch_begin(self) -> None:
        """Nothing; Keras calls it."""

    def on_epoch_end(self) -> None:
        """Begin the next epoch: another order, other augmentation."""
        with self.lock:
            self._next_epoch()
            self._set_index_array()

    def reset(self) -> None:
        """`next` begins again with the first batch: of a new epoch, if this one has begun."""
        self.batch_index = 0

    def _next_epoch(self) -> None:
        self._epoch += 1
        self._begun = False
        self.index_array = None

    def _flow_index(self) -> PythonIterator[NDArray]:
        while True:
            start, indices = self._advance()
            yield indices[start : start + self.batch_size]

    def _advance(self) -> tuple[int, NDArray]:
        """Where the next batch begins in its epoch, and the order of that."""
        if self.batch_index == 0 and self._begun:
            self._next_epoch()
        indices = self._indices()
        self._begun = True
        start = (self.batch_index * self.batch_size) % self.n if self.n else 0
        self.batch_index = self.batch_index + 1 if self.n > start + self.batch_size else 0
        self.total_batches_seen += 1
        return start, indices

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self) -> Any:
        """The next batch."""
        if self.n == 0:
            raise ParameterError(self._why_empty())
        with self.lock:
            start, indices = self._advance()
        return self._batch_at(start, indices)

    def _why_empty(self) -> str:
        """What to say to who asks an iterator without samples for a batch."""
        return "Asked to retrieve element 0, but the Sequence has length 0"

    def _batch_at(self, start: int, indices: NDArray) -> Any:
        """The batch that begins at a place of the epoch."""
        return self._get_batches_of_transformed_samples(indices[start : start + self.batch_size])

    def _get_batches_of_transformed_samples(self, index_array: NDArray) -> Any:
        """A batch of samples, by their positions."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        state = {k: v for k, v in self.__dict__.items() if k not in ("lock", "index_generator")}
        return _rebuilt, (type(self), state)


def _rebuilt(cls: type[Iterator], state: dict[str, Any]) -> Iterator:
    made: Iterator = object.__new__(cls)
    made.__dict__.update(state)
    made._make_lock()
    made.index_generator = made._flow_index()
    return made


@lru_cache(maxsize=64)
def _as_dataset(cls: type, base: type) -> type:
    """A class that is both, for isinstance() to look at."""
    return type(cls.__name__, (cls, base), {"__module__": cls.__module__, "__doc__": cls.__doc__})
