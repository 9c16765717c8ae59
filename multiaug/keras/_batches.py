"""What the iterators share: groups of batches through the engine, and pictures saved on the way."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ParameterError
from ..typing import NDArray
from ._engine import Engine, keys_of
from ._saving import Saver
from .iterator import Iterator

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator

# Small pictures are made for several batches at a time: starting a pipeline takes longer than
# augmenting some of them. A record's result does not depend on what is made beside it.
_GROUP_RECORDS = 512
_GROUP_BYTES = 16 * 2**20


@dataclass(frozen=True)
class _Group:
    """Neighbouring batches that were made together.

    Args:
        state: of the iterator; see `PictureIterator._state`.
        first: place of the first sample in the epoch.
        end: of the first behind them.
        arrays: entries of all of them.
        waiting: where those begin that were not handed out yet.
    """

    state: tuple[Any, ...]
    first: int
    end: int
    arrays: dict[str, NDArray]
    waiting: set[int]

    def is_of(self, state: tuple[Any, ...]) -> bool:
        """Whether nothing has changed: the same objects, as those held here cannot be new ones."""
        return len(state) == len(self.state) and all(map(operator.is_, state, self.state))


class PictureIterator(Iterator):
    """Batches of augmented pictures.

    Args:
        records: how many pictures there are.
        copies: how often each comes in an epoch, augmented differently.
        generator: of the augmentation; None hands pictures out as they are.
        settings: of `Iterator`.
    """

    data_format: str
    dtype: str
    _saver: Saver | None

    def __init__(
        self, records: int, copies: int, generator: ImageDataGenerator | None, **settings: Any
    ) -> None:
        whole = isinstance(copies, int | np.integer) and not isinstance(copies, bool)
        if not whole or copies < 1:
            raise ParameterError(f"`copies` must be a whole number, at least 1, got {copies!r}.")
        self.copies = int(copies)
        self.image_data_generator = generator
        self._made: _Group | None = None
        self._latest = -1
        super().__init__(records * self.copies, **settings)

    def records_of(self, index_array: NDArray) -> NDArray:
        """The pictures that samples show: sample i is copy ``i % copies`` of ``i // copies``."""
        return index_array // self.copies if self.copies > 1 else index_array

    def _read(self, records: NDArray) -> dict[str, NDArray]:
        """The entries of some records, float32 pictures with channels last."""
        raise NotImplementedError

    def _engine(self) -> Engine | None:
        """The pipelines; None where nothing is done to the pictures."""
        raise NotImplementedError

    def _finished(self, index_array: NDArray, arrays: Mapping[str, NDArray]) -> Any:
        """The batch that the user gets, of augmented entries."""
        raise NotImplementedError

    def _handed_out(self, pictures: NDArray, index_array: NDArray) -> NDArray:
        """Pictures (n, H, W, C) in the user's layout and dtype; saved where that is asked for."""
        x = pictures
        if self.data_format == "channels_first":
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
        x = x.astype(self.dtype, copy=False)
        if self._saver is not None:
            self._saver(x, index_array, self._epoch)
        return x

    def _record_bytes(self) -> int:
        """Of one record in float32."""
        raise NotImplementedError

    def _get_batches_of_transformed_samples(self, index_array: NDArray) -> Any:
        index_array = np.asarray(index_array, np.int64)
        return self._finished(index_array, self._augmented(index_array))

    def _batch_at(self, start: int, indices: NDArray) -> Any:
        own = PictureIterator._get_batches_of_transformed_samples
        if type(self)._get_batches_of_transformed_samples is not own:
            # A subclass makes its batches itself.
            return super()._batch_at(start, indices)
        wanted = indices[start : start + self.batch_size]
        with self.lock:
            arrays = self._from_group(start, indices)
        return self._finished(wanted, arrays)

    def _from_group(self, start: int, indices: NDArray) -> dict[str, NDArray]:
        """Entries of the batch at a place; the batches behind it are made along with it."""
        stop = min(start + self.batch_size, self.n)
        state = self._state(indices)
        made = self._made if self._made is not None and self._made.is_of(state) else None
        before, self._latest = self._latest, stop
        if made is not None and start in made.waiting:
            return self._taken(made, start, stop)
        # Somebody who jumps to and fro, or asks again, gets single batches.
        again = made is not None and made.first <= start < made.end
        if again or start not in (0, before):
            return self._augmented(indices[start:stop])
        self._made = None
        end = min(start + self._group(), self.n)
        starts = set(range(start, end, self.batch_size))
        arrays = self._augmented(indices[start:end])
        self._made = _Group(state, start, end, arrays, starts)
        return self._taken(self._made, start, stop)

    def _taken(self, group: _Group, start: int, stop: int) -> dict[str, NDArray]:
        """A batch of a group. The user may write to it: it is handed out once."""
        group.waiting.remove(start)
        if not group.waiting:
            self._made = None
        rows = slice(start - group.first, stop - group.first)
        return {name: array[rows] for name, array in group.arrays.items()}

    def _group(self) -> int:
        """How many samples are made at a time, whole batches."""
        most = min(_GROUP_RECORDS, _GROUP_BYTES // max(1, self._record_bytes()))
        return max(1, most // self.batch_size) * self.batch_size

    def _state(self, indices: NDArray) -> tuple[Any, ...]:
        """Objects of which another one means that pictures have to be made anew."""
        g = self.image_data_generator
        return (self._epoch, indices, *(() if g is None else vars(g).values()))

    def _augmented(self, index_array: NDArray) -> dict[str, NDArray]:
        records = self.records_of(index_array)
        # Memory of pictures that were read is used from call to call.
        with self.lock:
            arrays = done = self._read(records)
            engine = self._engine()
            if engine is not None and len(index_array):
                copies = index_array % self.copies
                done = engine.run(keys_of(self._root, self._epoch, records, copies), arrays)
            return {n: np.array(a) if a is arrays.get(n) else a for n, a in done.items()}
