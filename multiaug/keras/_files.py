"""What the iterators over picture files share: reading, subsets, labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._machine import core_count
from ..errors import ParameterError, StoreError
from ..store import read_picture
from ..typing import NDArray
from ._batches import PictureIterator
from ._engine import Engine, classic_spec
from ._saving import Saver
from ._settings import data_format_of
from .numpy_array_iterator import check_subset
from .utils import img_to_array, load_img

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator

_CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}


class BatchFromFilesMixin(PictureIterator):
    """Batches of picture files.

    Subclasses have the properties ``filepaths``, ``labels`` and ``sample_weight``.
    """

    class_mode: str | None
    class_indices: dict[str, int]
    dtype: str

    def set_processing_attrs(
        self,
        image_data_generator: ImageDataGenerator | None,
        target_size: tuple[int, int],
        color_mode: str,
        data_format: str | None,
        save_to_dir: str | os.PathLike[str] | None,
        save_prefix: str,
        save_format: str,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool = False,
    ) -> None:
        """Take over how files are read; see `DirectoryIterator` for the arguments.

        Raises:
            ParameterError: a colour mode or a subset that there is not.
        """
        self.image_data_generator = image_data_generator
        self.target_size = (int(target_size[0]), int(target_size[1]))
        if color_mode not in (*_CHANNELS, "unchanged"):
            raise ParameterError(
                f"Invalid color mode: {color_mode}; expected 'rgb', 'rgba', 'grayscale', or "
                "'unchanged' for files with any channels."
            )
        self.color_mode = color_mode
        self.data_format = data_format_of(data_format)
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio
        self.subset = subset
        self.split: tuple[float, float] | None = None
        if subset is not None:
            share = 0.0 if image_data_generator is None else image_data_generator._validation_split
            check_subset(subset, share)
            self.split = (0, share) if subset == "validation" else (share, 1)

    def _ready(self) -> None:
        """What needs the list of files."""
        channels = _CHANNELS.get(self.color_mode, 0)
        if not channels:
            channels = self._picture(self.filepaths[0]).shape[-1] if self.filepaths else 1
        last = (*self.target_size, channels)
        self.image_shape = last if self.data_format == "channels_last" else (channels, *last[:2])
        self._run: Engine | None = None
        if self.image_data_generator is not None:
            spec = classic_spec(self.image_data_generator)
            self._run = Engine(self.image_data_generator, spec, spec.reference() or "image")
        self._saver = None
        if self.save_to_dir:
            self._saver = Saver(
                self.save_to_dir, self.save_prefix, self.save_format, channels, self.data_format
            )

    @property
    def filepaths(self) -> list[str]:
        """Paths of the files."""
        raise NotImplementedError(f"`filepaths` is not implemented in {type(self).__name__}.")

    @property
    def labels(self) -> Any:
        """Labels of every file."""
        raise NotImplementedError(f"`labels` is not implemented in {type(self).__name__}.")

    @property
    def sample_weight(self) -> Any:
        """Weights of every file, or None."""
        raise NotImplementedError(f"`sample_weight` is not implemented in {type(self).__name__}.")

    def _record_bytes(self) -> int:
        # Files are read for every batch by itself: reading is what takes the time.
        return 2**62

    def _engine(self) -> Engine | None:
        return self._run

    def _image(self) -> str:
        return "image" if self._run is None else self._run.image

    def _read(self, records: NDArray) -> dict[str, Any]:
        paths = self.filepaths
        with ThreadPoolExecutor(core_count()) as pool:
            pictures = list(pool.map(lambda i: self._picture(paths[i]), records))
        shape = self.image_shape
        last = shape if self.data_format == "channels_last" else (*shape[1:], shape[0])
        for record, picture in zip(records, pictures, strict=True):
            if picture.shape != last:
                raise StoreError(
                    f"{paths[record]} has shape {picture.shape}, the first file {last}. One batch "
                    "holds pictures with the same channels."
                )
        found = np.stack(pictures) if pictures else np.zeros((0, *last), np.float32)
        return {self._image(): found}

    def _picture(self, path: str) -> NDArray:
        """(H, W, C) float32.

        Raises:
            StoreError: the file is not there, or no picture.
        """
        try:
            if self.color_mode == "unchanged":
                return self._unchanged(path)
            img = load_img(
                path,
                color_mode=self.color_mode,
                target_size=self.target_size,
                interpolation=self.interpolation,
                keep_aspect_ratio=self.keep_aspect_ratio,
            )
            return img_to_array(img, "channels_last")
        except (OSError, SyntaxError) as error:
            raise StoreError(f"{path} cannot be read as a picture: {error}") from error

    def _unchanged(self, path: str) -> NDArray:
        """A file of any depth and channels; like all files here, it is not turned by its Exif."""
        from skimage import transform

        array = read_picture(Path(path), turn=False).array
        array = array[..., None] if array.ndim == 2 else array
        if array.shape[:2] != self.target_size:
            order = {"nearest": 0, "bilinear": 1, "bicubic": 3}.get(self.interpolation, 1)
            array = transform.resize(  # type: ignore[no-untyped-call]
                np.float32(array), self.target_size, order=order, preserve_range=True
            )
        return np.ascontiguousarray(array, np.float32)

    def _finished(self, index_array: NDArray, arrays: Mapping[str, NDArray]) -> Any:
        x = self._handed_out(arrays[self._image()], index_array)
        records = self.records_of(index_array)
        if self.class_mode is None:
            return x
        y = self._labels_of(records, x)
        weights = self.sample_weight
        return (x, y) if weights is None else (x, y, weights[records])

    def _labels_of(self, records: NDArray, x: NDArray) -> Any:
        if self.class_mode == "input":
            return x.copy()
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.labels[i] for i in records], self.dtype)
        if self.class_mode == "categorical":
            y = np.zeros((len(records), len(self.class_indices)), self.dtype)
            for row, record in zip(y, records, strict=True):
                row[self.labels[record]] = 1
            return y
        if self.class_mode == "multi_output":
            return [output[records] for output in self.labels]
        return self.labels[records]


def files_of(folder: Path, endings: tuple[str, ...], follow_links: bool) -> Iterator[Path]:
    """The pictures below a folder, in a fixed order."""
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links)):
        for name in sorted(names):
            if name.lower().endswith(endings):
                yield Path(root) / name
