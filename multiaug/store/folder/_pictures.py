"""Folders of pictures, with folders of masks beside them or folders for their classes."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._arguments import PATH, checked
from ...errors import RecordError
from ...files import sha256_of
from ...spec import SPEC_KIND, check_structure
from ...typing import NDArray, SpatialShape
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._record_source import RecordSource
from ..decode._picture import MOST_PIXELS, Picture, shown, size_of
from ._fit_images import ImageFitter
from ._folder import PICTURES, some, tells_images
from ._folder_layout import layout_of

if TYPE_CHECKING:
    from ...spec import DataSpec

_EDGE = 4096
_TOLD: set[str] = set()


@register_source
class PictureSource(RecordSource):
    """Pictures in folders.

    A folder for each entry (``image/a.png`` with ``mask/a.png``), also in sub-folders; the usual
    other names of such folders (``images`` and ``masks``, ``JPEGImages`` and
    ``SegmentationClass``, ``imgs`` and ``labels``); one folder whose files say what they are
    (``a.png`` and ``a_mask.png``); a folder for each class (``cats/1.jpg``), whose number, in
    alphabetical order, becomes the scalar entry ``classes``; or pictures alone. What was
    understood of names that are not those of the entries is printed once, to stderr, and is in
    ``repr`` always. A folder that is not understood is refused with what is in it.

    Hidden files, ``Thumbs.db`` and the like, and files that are no pictures are skipped and
    counted; links are followed. The records are in the order of the names as text: 10 before 2.

    Numbers are those of the files: a palette's indices and bits 0 and 1 in entries of role label,
    16 bits, and those of PNM files below their own largest value. The orientation of Exif is
    applied. In TIFF the axes are those that its metadata name; pages become channels.

    Args:
        root: the folder.
        spec: what the entries are; values keep their range and dtype.
        size: (height, width) to bring every picture to, by area and linear interpolation; labels
            and pictures with an invalid value by nearest neighbour. Without it all must be of one
            size.
        classes: name of the scalar entry for the class, where folders are classes.
        folders: entry name -> folder, or pattern of files, relative to the root, for any other
            layout: ``{"image": "imgs", "mask": "ann/*_gt.png"}``. Files belong together whose
            names in the folder, or whose parts that wildcards stand for, are the same. What is
            not named is not read.
        most_pixels: pictures that say they are larger are refused before they are decoded.

    Attributes:
        class_names: names of the class folders, in the order of their numbers.
        files: entry name -> its files, in the order of the records.

    Raises:
        StoreError: the folder is not understood, files lack their counterparts, or a file is
            damaged or needs a package to be read.
        RecordError: a picture is not what the spec says.
        ParameterError: a setting names no entry, or is out of range.
    """

    traits = SourceTraits("images", "folders of images")

    @checked(root=PATH, spec=SPEC_KIND)
    def __init__(
        self,
        root: str | os.PathLike[str],
        spec: DataSpec,
        *,
        size: SpatialShape | None = None,
        classes: str | None = None,
        folders: Mapping[str, str] | None = None,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        self._root = Path(root)
        self._fitter = ImageFitter(size, most_pixels, "PictureSource")
        self._classes = classes
        self._layout = layout_of(self._root, spec, classes=classes, folders=folders)
        self.files = self._layout.files
        self.class_names = self._layout.classes
        self._entries = {name: spec.entries[name] for name in self.files}
        first = next(iter(self.files.values()))
        names = [shown(file.relative_to(self._root)) for file in first]
        super().__init__(spec, names, shown(self._root))
        told = f"multiaug: {self._where}: {len(self)} records, {self._layout}"
        if self._layout.guessed and told not in _TOLD:
            _TOLD.add(told)
            print(told, file=sys.stderr)

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """A folder with images in it or below, and no arrays in itself unless settings say so."""
        free = ".npy" not in candidate.endings or tells_images(candidate)
        return free and bool(candidate.endings_below.keys() & PICTURES)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files' names, sizes and first four kilobytes, and of the settings."""
        parts: list[bytes | str] = [f"multiaug.pictures/2 {self._fitter.size} {self._classes}"]
        for name, files in self.files.items():
            parts.append(name)
            for file in files:
                with file.open("rb") as opened:
                    parts += [os.fsencode(file.relative_to(self._root)), opened.read(_EDGE)]
                parts.append(str(file.stat().st_size))
        return sha256_of(*parts, *self._maps.identity)

    def read_record(self, number: int) -> dict[str, NDArray]:
        files = {name: listed[number] for name, listed in self.files.items()}
        pictures = {
            name: self._fitter.decoded(file, self._entries[name]) for name, file in files.items()
        }
        for one, other in itertools.combinations(files, 2):
            self._check_turns(files[one], pictures[one], files[other], pictures[other])
        record = {n: self._fitter.fitted(pictures[n], self._entries[n], files[n]) for n in files}
        if self._fitter.size is not None:
            self._check_sizes(record, files)
            record = {
                n: self._fitter.resized(array, self._entries[n]) for n, array in record.items()
            }
        if self._classes is not None:
            folder = next(iter(files.values())).relative_to(self._root).parts[0]
            dtype = self._spec.entries[self._classes].dtype or "int32"
            record[self._classes] = np.asarray(self.class_names.index(folder), dtype)
        return record

    def _check_turns(self, file: Path, picture: Picture, beside: Path, other: Picture) -> None:
        """See whether files of a record lie on each other of which one was turned."""
        if picture.orientation == other.orientation:
            return
        if picture.orientation == 1:
            file, picture, beside, other = beside, other, file, picture
        turned = f"{shown(file)} says that it is turned (Exif orientation {picture.orientation})"
        if picture.orientation < 5 or picture.stored[0] == picture.stored[1]:
            self._fitter.say(
                "turns",
                f"{turned}, which was applied, and {shown(beside)} does not. Their sizes cannot "
                "tell whether it was drawn on the turned picture; look at a record with "
                "multiaug.preview, and turn the file or remove the tag if it was not.",
            )
        elif size_of(other.array) == picture.stored:
            raise RecordError(
                f"{turned}, and {shown(beside)}, of size {size_of(other.array)}, was drawn on the "
                f"picture as it is stored, {picture.stored}. Turn the one, or remove the "
                "orientation from the other (exiftool -Orientation= file)."
            )

    def _check_sizes(self, record: Mapping[str, NDArray], files: Mapping[str, Path]) -> None:
        """Pictures of one record have the same proportions before they get the same size."""
        try:
            check_structure(self._spec, record, batch=False, dtypes=False, partial=True)
        except RecordError as error:
            raise RecordError(f"{some(map(str, files.values()))}: {error}") from error

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, files={str(self._layout)!r})"
