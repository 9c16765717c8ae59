"""What the iterators share: groups of batches through the engine, and pictures saved on the way."""

from __future__ import annotations

from collections.abc import Mapping
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
        self._made: tuple[Any, int, dict[str, NDArray]] | None = None
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
        state = (self._epoch, id(indices), self._settings())
        if self._made is not None and self._made[0] == state:
            _, first, held = self._made
            last = first + len(next(iter(held.values())))
            if first <= start and stop <= last:
                self._latest = stop
                return _own({n: a[start - first : stop - first] for n, a in held.items()})
        # Somebody who jumps to and fro gets single batches.
        following = start in (0, self._latest)
        end = min(start + self._group(), self.n) if following else stop
        held = self._augmented(indices[start:end])
        self._latest = stop
        if end == stop:
            self._made = None
            return held
        self._made = state, start, held
        return _own({n: a[: stop - start] for n, a in held.items()})

    def _group(self) -> int:
        """How many samples are made at a time, whole batches."""
        most = min(_GROUP_RECORDS, _GROUP_BYTES // max(1, self._record_bytes()))
        return max(1, most // self.batch_size) * self.batch_size

    def _settings(self) -> Any:
        """Differs when pictures have to be made anew."""
        g = self.image_data_generator
        if g is None:
            return None
        return tuple(
            (name, value if isinstance(value, int | float | str | None) else id(value))
            for name, value in vars(g).items()
        )

    def _augmented(self, index_array: NDArray) -> dict[str, NDArray]:
        records = self.records_of(index_array)
        # Memory of pictures that were read, and of results, is used from call to call.
        with self.lock:
            arrays = self._read(records)
            engine = self._engine()
            if engine is not None and len(index_array):
                copies = index_array % self.copies
                arrays = engine.run(keys_of(self._root, self._epoch, records, copies), arrays)
            return _own(arrays)


def _own(arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Arrays that the user may write to: results of JAX are read-only."""
    return {
        n: a if a.flags.owndata and a.flags.writeable else np.array(a) for n, a in arrays.items()
    }
