"""What the iterators share: groups of batches through the engine, and pictures saved on the way."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..errors import ParameterError
from ..pipeline import RecordParams, record_keys
from ..typing import Key, NDArray
from ._engine import Engine
from ._saving import Saver
from .iterator import Iterator

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator

# Small pictures are made for several batches at a time: starting a pipeline takes longer than
# augmenting some of them. A record's result does not depend on what is made beside it.
_GROUP_RECORDS = 1024
_GROUP_BYTES = 16 * 2**20
# What pictures are to draw is drawn for so many of them at a time, for the same reason.
_DRAWN_RECORDS = 2048


@dataclass(frozen=True)
class _Stretch:
    """Neighbouring samples of an epoch.

    Args:
        state: of the iterator; see `PictureIterator._state`.
        first: place of the first sample in the epoch.
        end: of the first behind them.
    """

    state: tuple[Any, ...]
    first: int
    end: int

    def has(self, start: int, stop: int, state: tuple[Any, ...]) -> bool:
        """Whether some samples are among them, and nothing has changed since."""
        # The objects are held here: another one cannot stand at the address of an old one.
        same = len(state) == len(self.state) and all(map(operator.is_, state, self.state))
        return same and self.first <= start and stop <= self.end


@dataclass(frozen=True)
class _Made(_Stretch):
    """Samples that were made together.

    Args:
        arrays: their entries.
        waiting: where batches begin that were not handed out yet.
    """

    arrays: dict[str, NDArray]
    waiting: set[int]


@dataclass(frozen=True)
class _Drawn(_Stretch):
    """What samples draw."""

    params: RecordParams


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
        self._made: _Made | None = None
        self._drawn: _Drawn | None = None
        self._latest = -1
        super().__init__(records * self.copies, **settings)

    def records_of(self, index_array: NDArray) -> NDArray:
        """The pictures that samples show: sample i is copy ``i % copies`` of ``i // copies``."""
        return index_array // self.copies if self.copies > 1 else index_array

    def _read(self, records: NDArray) -> dict[str, Any]:
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
        before, self._latest = self._latest, stop
        if self._made is not None and self._made.has(start, stop, state):
            if start in self._made.waiting:
                return self._taken(self._made, start, stop)
            # Somebody who asks again gets a new batch: the user may have changed the first.
            return self._augmented(indices[start:stop])
        # So does somebody who jumps to and fro.
        if start not in (0, before):
            return self._augmented(indices[start:stop])
        self._made = None
        end = min(start + self._group(), self.n)
        starts = set(range(start, end, self.batch_size))
        arrays = self._augmented(indices[start:end], (start, end, state))
        self._made = _Made(state, start, end, arrays, starts)
        return self._taken(self._made, start, stop)

    def _taken(self, made: _Made, start: int, stop: int) -> dict[str, NDArray]:
        """A batch of those that were made. It is handed out once, as the user may write to it."""
        made.waiting.remove(start)
        if not made.waiting:
            self._made = None
        rows = slice(start - made.first, stop - made.first)
        return {name: array[rows] for name, array in made.arrays.items()}

    def _group(self) -> int:
        """How many samples are made at a time, whole batches."""
        most = min(_GROUP_RECORDS, _GROUP_BYTES // max(1, self._record_bytes()))
        return max(1, most // self.batch_size) * self.batch_size

    def _state(self, indices: NDArray) -> tuple[Any, ...]:
        """Objects of which another one means that pictures have to be made anew."""
        g = self.image_data_generator
        return (self._epoch, indices, *(() if g is None else vars(g).values()))

    def _augmented(
        self, index_array: NDArray, place: tuple[int, int, tuple[Any, ...]] | None = None
    ) -> dict[str, NDArray]:
        """Entries of some samples; of those at a place of the epoch, others will follow."""
        records = self.records_of(index_array)
        # Memory of pictures that were read is used from call to call.
        with self.lock:
            arrays = done = self._read(records)
            engine = self._engine()
            if engine is not None and len(index_array):
                if place is None:
                    params = engine.draw(self._keys(index_array), arrays)
                else:
                    params = self._ahead(engine, arrays, *place)
                done = engine.run(params, arrays)
            return {n: np.array(a) if a is arrays.get(n) else a for n, a in done.items()}

    def _ahead(
        self,
        engine: Engine,
        arrays: Mapping[str, NDArray],
        start: int,
        stop: int,
        state: tuple[Any, ...],
    ) -> RecordParams:
        """What samples draw, drawn along with what those behind them do."""
        if self._drawn is None or not self._drawn.has(start, stop, state):
            end = max(stop, min(start + _DRAWN_RECORDS, self.n))
            params = engine.draw(self._keys(state[1][start:end]), arrays)
            self._drawn = _Drawn(state, start, end, params)
        rows = slice(start - self._drawn.first, stop - self._drawn.first)
        return jax.tree.map(lambda leaf: leaf[rows], self._drawn.params)  # type: ignore[no-any-return]

    def _keys(self, index_array: NDArray) -> Key:
        records = self.records_of(index_array)
        return record_keys(self._root, self._epoch, records, index_array % self.copies)
