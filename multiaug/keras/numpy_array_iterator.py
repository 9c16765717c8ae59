"""`NumpyArrayIterator`: batches of arrays, in memory or not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import NUMBERS, check_argument, checked, optional
from ..errors import ParameterError
from ..pipeline import IndexedBatch
from ..spec import DataSpec
from ..store import Source, is_source
from ..typing import NDArray
from ._batches import PictureIterator
from ._engine import Engine, classic_spec
from ._kinds import ARRAY, ITERATION, SWITCH
from ._saving import Saver
from ._settings import data_format_of, warn_of_layout

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator

_SPLITS = ("training", "validation")


class NumpyArrayIterator(PictureIterator):
    """Batches of pictures in arrays, with labels, weights and targets that move along.

    Yields ``x``; ``(x, y)``; or ``(x, y, sample_weight)``. With targets the second part is the
    targets, or ``(y, targets)`` where there are both. x is a list where there are further inputs.

    Args:
        x: (N, H, W, C), or (N, C, H, W); array, memory map, or `multiaug.Source`, whose further
            entries are targets. A tuple (pictures, further inputs) hands the latter through.
        y: (N, ...), handed through.
        image_data_generator: of the augmentation.
        batch_size: pictures per batch.
        shuffle: another order in every epoch.
        sample_weight: (N,), handed through.
        seed: of order and augmentation; a generator of masks with the same seed and ranges
            makes the same moves.
        data_format: channels_last or channels_first; None is the generator's.
        save_to_dir: a folder for pictures to look at; made where it does not exist.
        save_prefix: of their names.
        save_format: of the files.
        subset: ``training`` or ``validation``, where the generator has a ``validation_split``;
            the first part is for validation, as in the classic.
        ignore_class_split: do not ask that both subsets have the same classes.
        dtype: of the batches; None is the generator's.
        targets: arrays that move with the pictures: one, or a mapping from name to array, (N, H,
            W) or (N, H, W, C) whatever the ``data_format``, also of another resolution. Whole
            numbers are class ids, which are copied; floats are blended. With a ``spec`` the names
            are those of its entries, and its roles decide.
        copies: how often each picture comes in an epoch, augmented differently each time.

    Raises:
        ParameterError: ranks, lengths or subsets that do not fit; a ValueError, as in the
            classic.
        StoreError: ``save_to_dir`` cannot be written to.
    """

    @checked(
        y=optional(ARRAY), sample_weight=optional(ARRAY), ignore_class_split=SWITCH, **ITERATION
    )
    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: ImageDataGenerator,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
        *,
        targets: Any = None,
        copies: int = 1,
    ) -> None:
        g = image_data_generator
        self.data_format = g.data_format if data_format is None else data_format_of(data_format)
        self.dtype = g.dtype if dtype is None else np.dtype(dtype).name
        pictures, misc = _inputs(x)
        _check_lengths(pictures, y, sample_weight, targets)
        rows = _rows(pictures, y, g._validation_split, subset, ignore_class_split)
        self._source = pictures if is_source(pictures) else None
        self.x: Any = pictures if self._source is not None else _pictures(pictures)
        self._first = rows.start
        self.x_misc = [array[rows] for array in misc]
        self.y = None if y is None else np.asarray(y)[rows]
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        if self._source is None:
            warn_of_layout(self.x.shape, self.data_format, "NumpyArrayIterator")
            self.x = self.x[rows]
        self._single = targets is not None and not isinstance(targets, Mapping)
        name = _target_of(g.spec) if self._single and g.spec is not None else "target"
        held = {} if targets is None else {name: targets} if self._single else dict(targets)
        if g.spec is not None:
            _check_names(g.spec, held)
        self.targets = {name: np.asanyarray(a)[rows] for name, a in held.items()}
        if self._source is not None:
            spec = self._source.spec
        else:
            spec = classic_spec(g, self.targets, self._shape()[-1])
        self._image = spec.reference() or "image"
        self._staged: dict[str, NDArray] = {}
        self._run = Engine(g, spec, self._image)
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        shape = self._shape()
        self._saver = None
        if save_to_dir:
            self._saver = Saver(save_to_dir, save_prefix, save_format, shape[-1], self.data_format)
        targets = sum(int(a[:1].nbytes) for a in self.targets.values())
        self._bytes: int = 4 * int(np.prod(shape)) + targets
        super().__init__(
            rows.stop - rows.start, copies, g, batch_size=batch_size, shuffle=shuffle, seed=seed
        )

    def _shape(self) -> tuple[int, ...]:
        """(H, W, C) of a picture."""
        if self._source is not None:
            return tuple(self._source.read([0])[self._image].shape[1:])
        shape: tuple[int, ...] = self.x.shape[1:]
        return shape if self.data_format == "channels_last" else (*shape[1:], shape[0])

    def _record_bytes(self) -> int:
        return self._bytes

    def _engine(self) -> Engine:
        return self._run

    def _read(self, records: NDArray) -> dict[str, Any]:
        if self._source is not None:
            arrays = self._source.read(records + self._first)
            arrays[self._image] = np.ascontiguousarray(arrays[self._image], np.float32)
            return arrays
        targets = {name: array[records] for name, array in self.targets.items()}
        return {self._image: self._pictures_at(records), **targets}

    def _pictures_at(self, records: NDArray) -> NDArray | IndexedBatch:
        """(n, H, W, C) float32: the user's own, or in memory that the next call uses again."""
        if self.data_format == "channels_last" and self.x.dtype == np.float32:
            pictures_of = IndexedBatch(self.x, records)
            if pictures_of.in_place:
                return pictures_of
        begin = int(records[0]) if len(records) else 0
        end = begin + len(records)
        if np.array_equal(records, np.arange(begin, end)):
            pictures: NDArray = self.x[begin:end]
        else:
            pictures = self._staging("taken", (len(records), *self.x.shape[1:]), self.x.dtype)
            # The default mode, "raise", copies to a buffer first.
            np.take(self.x, records, axis=0, out=pictures, mode="clip")
        if self.data_format == "channels_first":
            pictures = np.moveaxis(pictures, 1, -1)
        if pictures.dtype == np.float32 and pictures.flags.c_contiguous:
            return pictures
        floats = self._staging("floats", pictures.shape, np.dtype(np.float32))
        np.copyto(floats, pictures, casting="unsafe")
        return floats

    def _staging(self, use: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
        """Memory for so many pictures, whatever it holds."""
        held = self._staged.get(use)
        if held is None or len(held) < shape[0]:
            held = self._staged[use] = np.empty(shape, dtype)
        return held[: shape[0]]

    def _finished(self, index_array: NDArray, arrays: Mapping[str, NDArray]) -> Any:
        x = self._handed_out(arrays[self._image], index_array)
        records = self.records_of(index_array)
        inputs = [x, *(array[records] for array in self.x_misc)] if self.x_misc else x
        others = {n: a for n, a in arrays.items() if n != self._image}
        moved: Any = next(iter(others.values())) if self._single else others
        y = None if self.y is None else self.y[records]
        second = y if not others else moved if y is None else (y, moved)
        if second is None:
            return inputs
        if self.sample_weight is None:
            return inputs, second
        return inputs, second, self.sample_weight[records]


def _inputs(x: Any) -> tuple[Any, list[NDArray]]:
    """The pictures, and further inputs."""
    if not isinstance(x, tuple | list):
        return x, []
    if len(x) != 2:
        raise ParameterError(
            f"`x` must be an array or (pictures, further inputs), got {len(x)} parts."
        )
    for part in (x[0], *(x[1] if isinstance(x[1], list) else [x[1]])):
        check_argument("flow.x", part, ARRAY)
    misc = [np.asarray(a) for a in (x[1] if isinstance(x[1], list) else [x[1]])]
    for array in misc:
        if len(array) != len(x[0]):
            raise ParameterError(
                "All of the arrays in `x` should have the same length. Found a pair with: "
                f"len(x[0]) = {len(x[0])}, len(x[?]) = {len(array)}"
            )
    return x[0], misc


def _pictures(x: Any) -> NDArray:
    check_argument("flow.x", x, NUMBERS)
    array: NDArray = np.asanyarray(x)
    if array.ndim != 4:
        raise ParameterError(
            "Input data in `NumpyArrayIterator` should have rank 4. You passed an array with "
            f"shape {array.shape}"
        )
    return array


def _target_of(spec: DataSpec) -> str:
    """The entry of a spec that targets without a name are of: the only image besides the first."""
    others = [n for n, e in spec.entries.items() if e.kind == "spatial" and n != spec.reference()]
    if len(others) != 1:
        raise ParameterError(
            f"`targets` without a name must be of the only other image of the spec {spec.name!r}, "
            f"but it has {others}. Pass a mapping: targets={{name: array}}."
        )
    return others[0]


def _check_names(spec: DataSpec, targets: Mapping[str, Any]) -> None:
    """Refuse targets that the spec does not have, at once and not at the first batch."""
    for name in targets:
        if name not in spec.entries or name == spec.reference():
            others = [other for other in spec.entries if other != spec.reference()]
            raise ParameterError(
                f"`targets` must be named after entries of the spec {spec.name!r}, got {name!r}. "
                f"It has {others}."
            )


def _check_lengths(x: Any, y: Any, sample_weight: Any, targets: Any) -> None:
    if not isinstance(x, Source):
        check_argument("flow.x", x, ARRAY)
    length = len(x)
    if y is not None and len(y) != length:
        raise ParameterError(
            "`x` (images tensor) and `y` (labels) should have the same length. Found: "
            f"{length} images, y.shape = {np.shape(y)}"
        )
    if sample_weight is not None and len(sample_weight) != length:
        raise ParameterError(
            "`x` (images tensor) and `sample_weight` should have the same length. Found: "
            f"{length} images, sample_weight.shape = {np.shape(sample_weight)}"
        )
    if is_source(x) and targets is not None:
        raise ParameterError("`targets` of a source are its further entries; leave them out.")
    named = targets if isinstance(targets, Mapping) else {"targets": targets}
    for name, array in named.items():
        if array is not None and len(array) != length:
            raise ParameterError(
                f"`x` (images tensor) and target {name!r} should have the same length. Found: "
                f"{length} images, {len(array)} targets."
            )


def _rows(x: Any, y: Any, split: float, subset: str | None, ignore_class_split: bool) -> slice:
    """The samples of a subset."""
    if subset is None:
        return slice(0, len(x))
    check_subset(subset, split)
    cut = int(len(x) * split)
    if y is not None and not ignore_class_split:
        parts = np.unique(y[:cut]), np.unique(y[cut:])
        if not np.array_equal(*parts):
            raise ParameterError(
                "Training and validation subsets have different number of classes after the split. "
                "If your numpy arrays are sorted by the label, you might want to shuffle them."
            )
    return slice(0, cut) if subset == "validation" else slice(cut, len(x))


def check_subset(subset: str, split: float) -> None:
    """Refuse a subset that there is not.

    Raises:
        ParameterError: another name, or a generator without a split.
    """
    if not isinstance(subset, str) or subset not in _SPLITS:
        raise ParameterError(f'Invalid subset name: {subset}; expected "training" or "validation".')
    if not split:
        raise ParameterError(
            f"`subset` is {subset!r}, but the generator has no `validation_split`. "
            "Set it: ImageDataGenerator(validation_split=0.2)."
        )
