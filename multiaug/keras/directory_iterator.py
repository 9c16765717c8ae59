"""`DirectoryIterator`: batches of pictures in folders, one folder for each class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import PATH, checked
from ..errors import ParameterError, warn
from ..typing import NDArray
from ._files import BatchFromFilesMixin, files_of
from ._kinds import FILES

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator


class DirectoryIterator(BatchFromFilesMixin):
    """Batches of the pictures below a folder; every folder in it is a class.

    Args:
        directory: the folder.
        image_data_generator: of the augmentation.
        target_size: (height, width) that every picture is brought to.
        color_mode: rgb, rgba, grayscale; or ``unchanged``, by scikit-image's readers, for files
            of 16 bits or any number of channels.
        classes: names of the folders, in the order of their numbers; by default all, sorted.
        class_mode: ``categorical`` (one-hot), ``binary``, ``sparse`` (numbers), ``input`` (the
            pictures themselves) or None (no labels).
        batch_size: pictures per batch.
        shuffle: another order in every epoch.
        seed: of order and augmentation.
        data_format: channels_last or channels_first.
        save_to_dir: a folder for pictures to look at; made where it does not exist.
        save_prefix: of their names.
        save_format: of the files.
        follow_links: follow symbolic links below the class folders.
        subset: ``training`` or ``validation``, of every class; see ``validation_split``.
        interpolation: nearest, bilinear, bicubic, lanczos, box or hamming, for ``target_size``.
        keep_aspect_ratio: crop to the aspect ratio of ``target_size`` instead of stretching.
        dtype: of the batches.
        copies: how often each picture comes in an epoch.

    Attributes:
        class_indices: class name -> number.
        classes: the number of every picture.
        filenames: of every picture, below ``directory``.
        samples: how many pictures there are.

    Raises:
        ParameterError: a mode or a subset that there is not.
        FileNotFoundError: there is no such folder.
        StoreError: a picture cannot be read (when its batch is made), or ``save_to_dir`` cannot
            be written to.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    @checked(directory=PATH, **FILES)
    def __init__(
        self,
        directory: str | os.PathLike[str],
        image_data_generator: ImageDataGenerator,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
        *,
        copies: int = 1,
    ) -> None:
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            image_data_generator.data_format if data_format is None else data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
        )
        if not isinstance(class_mode, str | None) or class_mode not in self.allowed_class_modes:
            raise ParameterError(
                f"Invalid class_mode: {class_mode}; expected one of: {self.allowed_class_modes}"
            )
        self.directory = directory
        self.class_mode = class_mode
        self.dtype = np.dtype("float32" if dtype is None else dtype).name
        root = Path(directory)
        if not classes:
            classes = _class_folders(root)
        self.num_classes = len(classes)
        self.class_indices = {name: number for number, name in enumerate(classes)}
        self.filenames: list[str] = []
        numbers: list[int] = []
        for name, number in self.class_indices.items():
            files = list(files_of(root / name, self.white_list_formats, follow_links))
            if self.split is not None:
                first, last = (int(share * len(files)) for share in self.split)
                files = files[first:last]
            self.filenames += [str(file.relative_to(root)) for file in files]
            numbers += [number] * len(files)
        self.samples = len(self.filenames)
        self.classes = np.array(numbers, np.int32)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        self._filepaths = [str(root / name) for name in self.filenames]
        self._ready()
        super().__init__(
            self.samples,
            copies,
            image_data_generator,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )

    def _why_empty(self) -> str:
        loose = sum(1 for _ in files_of(Path(self.directory), self.white_list_formats, False))
        found = f"There are {loose} images in it" if loose else "There are no images in it"
        return (
            f"{super()._why_empty()}: {os.fspath(self.directory)!r} has no images in folders of "
            f"classes. {found}. Expected one folder for each class; for images without classes "
            "put them into one folder inside it and pass class_mode=None."
        )

    @property
    def filepaths(self) -> list[str]:
        """Paths of the files."""
        return self._filepaths

    @property
    def labels(self) -> NDArray:
        """The number of the class of every file."""
        return self.classes

    @property
    def sample_weight(self) -> None:
        """None."""
        return


def _class_folders(root: Path) -> list[str]:
    """Names of the folders inside, sorted; hidden ones are what notebooks and desktops leave."""
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    hidden = [name for name in names if name.startswith(".")]
    if hidden:
        warn(
            f"{root}: the hidden folders {', '.join(hidden)} are no classes. Name them in "
            "`classes` if they are."
        )
    return [name for name in names if name not in hidden]
