"""`save_to_dir`: what the iterators yield, as files to look at."""

from __future__ import annotations

import itertools
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ParameterError, StoreError
from ..typing import NDArray
from .utils import array_to_img

# Formats that hold any number of channels.
_ANY_CHANNELS = {"tif", "tiff", "npy"}


class Saver:
    """Writes pictures as ``<prefix>_<sample>_<number>.<format>``; never over an older file.

    Args:
        folder: where to; it is made if it is not there.
        prefix: first part of the names.
        kind: ending, by which Pillow knows the format; ``tif`` and ``npy`` hold any channels.
        channels: that pictures have.
        data_format: of the pictures.

    Raises:
        StoreError: the folder cannot be made or written to.
        ParameterError: the format does not hold so many channels.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        prefix: str,
        kind: str,
        channels: int,
        data_format: str,
    ) -> None:
        self._folder, self._prefix, self._kind = Path(folder), prefix, kind
        self._format = data_format
        if channels not in (1, 3, 4) and kind not in _ANY_CHANNELS:
            raise ParameterError(
                f"`save_format` {kind!r} does not hold pictures of {channels} channels. Use 'tif' "
                "or 'npy'."
            )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise StoreError(
                f"`save_to_dir` {str(folder)!r} cannot be written to: {error}. Name a folder that "
                "can, or leave it out."
            ) from error

    def __call__(self, pictures: NDArray, index_array: NDArray, number: int) -> None:
        """Write a batch.

        Args:
            pictures: (N, ...) in the data format.
            index_array: (N,) the samples that they show.
            number: of the epoch, which keeps pictures of one sample apart; where there is a file
                of that name, such as one of an earlier run, the next free number.
        """
        for picture, index in zip(pictures, index_array, strict=True):
            _write(picture, self._free(f"{self._prefix}_{index}", number), self._format)

    def _free(self, stem: str, number: int) -> Path:
        """A new, empty file, made here so that nobody else takes the name."""
        for free in itertools.count(number):
            path = self._folder / f"{stem}_{free}.{self._kind}"
            with suppress(FileExistsError):
                path.open("xb").close()
                return path
        raise AssertionError("there is no end to numbers")


def _write(picture: NDArray, path: Path, data_format: str) -> None:
    channels = picture.shape[-1 if data_format == "channels_last" else 0]
    if path.suffix == ".npy":
        np.save(path, picture)
    elif channels in (1, 3, 4):
        array_to_img(picture, data_format, scale=True).save(path)
    else:
        _write_tiff(picture, path, data_format)


def _write_tiff(picture: NDArray, path: Path, data_format: str) -> None:
    from skimage import io

    held: Any = np.moveaxis(picture, 0, -1) if data_format == "channels_first" else picture
    io.imsave(str(path), np.ascontiguousarray(held), check_contrast=False)
