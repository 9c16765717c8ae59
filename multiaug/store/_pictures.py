"""Folders of pictures, with folders of masks beside them or folders for their classes."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._arguments import PATH, checked
from ..errors import ParameterError, RecordError, warn
from ..files import sha256_of
from ..spec import SPEC_KIND, check_structure
from ..typing import NDArray, SpatialShape
from ._decode import read_picture
from ._folder import some
from ._folder_layout import layout_of
from ._picture import MOST_PIXELS, Picture, shown, size_of
from ._record_source import RecordSource

if TYPE_CHECKING:
    from ..spec import DataSpec, EntrySpec

_EDGE = 4096
_TOLD: set[str] = set()


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
        self._size, self._most_pixels = size, most_pixels
        self._classes = classes
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ParameterError(f"PictureSource.size must be (height, width), got {size!r}.")
        self._layout = layout_of(self._root, spec, classes=classes, folders=folders)
        self.files = self._layout.files
        self.class_names = self._layout.classes
        self._entries = {name: spec.entries[name] for name in self.files}
        self._said: set[str] = set()
        first = next(iter(self.files.values()))
        names = [shown(file.relative_to(self._root)) for file in first]
        super().__init__(spec, names, shown(self._root))
        told = f"multiaug: {self._where}: {len(self)} records, {self._layout}"
        if self._layout.guessed and told not in _TOLD:
            _TOLD.add(told)
            print(told, file=sys.stderr)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files' names, sizes and first four kilobytes, and of the settings."""
        parts: list[bytes | str] = [f"multiaug.pictures/2 {self._size} {self._classes}"]
        for name, files in self.files.items():
            parts.append(name)
            for file in files:
                with file.open("rb") as opened:
                    parts += [os.fsencode(file.relative_to(self._root)), opened.read(_EDGE)]
                parts.append(str(file.stat().st_size))
        return sha256_of(*parts, *self._maps.identity)

    def _record(self, number: int) -> dict[str, NDArray]:
        files = {name: listed[number] for name, listed in self.files.items()}
        pictures = {
            name: read_picture(
                file,
                labels=_is_label(self._entries[name]),
                channels=self._entries[name].channels,
                most_pixels=self._most_pixels,
            )
            for name, file in files.items()
        }
        for one, other in itertools.combinations(files, 2):
            self._check_turns(files[one], pictures[one], files[other], pictures[other])
        record = {n: self._fitted(pictures[n], self._entries[n], files[n]) for n in files}
        if self._size is not None:
            self._check_sizes(record, files)
            record = {n: self._resized(array, self._entries[n]) for n, array in record.items()}
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
            self._say(
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

    def _fitted(self, picture: Picture, entry: EntrySpec, file: Path) -> NDArray:
        array, wanted = picture.array, entry.channels
        if picture.note:
            self._say("note", f"{shown(file)} {picture.note}. Convert it yourself if that matters.")
        group = entry.groups[0]
        scaled = picture.largest not in (None, 255, 65535)
        if scaled and group.role == "intensity" and group.range is None:
            self._say(
                "largest",
                f"{shown(file)} counts to {picture.largest}, and {entry.name!r} has no range. "
                f'Declare "range": [0, {picture.largest}], or white is taken for dark.',
            )
        self._say_nodata(picture, entry, file)
        if picture.alpha and wanted is not None and array.shape[-1] != wanted:
            if (array[..., -1] != array[..., -1].max()).any():
                self._say(
                    "alpha",
                    f"{shown(file)} has transparent pixels, and {entry.name!r} no channel for "
                    "them: they get the colours that lie under them. Blend the files with a "
                    "background, or declare 4 channels.",
                )
            array = array[..., :-1]
        return np.ascontiguousarray(_fit_channels(array, entry, file))

    def _say_nodata(self, picture: Picture, entry: EntrySpec, file: Path) -> None:
        """Of pixels without data that the file knows of and the spec does not."""
        group, value = entry.groups[0], picture.nodata
        labels = group.role == "label"
        known = group.ignore if labels else group.invalid
        if value is None or np.isnan(value) or known == value or group.role == "density":
            return
        if labels and value == 0:  # what programs write for the background
            return
        if (picture.array == value).any():
            setting = "ignore" if labels else "invalid"
            self._say(
                f"nodata {entry.name}",
                f"{shown(file)} declares {value:g} as its value for no data, and has such pixels; "
                f"{entry.name!r} has {'none' if known is None else known}. Declare "
                f'"{setting}": {value:g}, or they are taken for measured ones.',
            )

    def _resized(self, array: NDArray, entry: EntrySpec) -> NDArray:
        if self._size is None or array.shape[:2] == tuple(self._size):
            return array
        return np.ascontiguousarray(_resize(array, entry, self._size))

    def _say(self, kind: str, text: str) -> None:
        """Warn, once for each kind: where one file is so, many are."""
        if kind not in self._said:
            self._said.add(kind)
            warn(text)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, files={str(self._layout)!r})"


def _is_label(entry: EntrySpec) -> bool:
    return any(group.role == "label" for group in entry.groups)


def _fit_channels(picture: NDArray, entry: EntrySpec, file: Path) -> NDArray:
    """Channels as the spec declares: grey becomes (H, W, 1) or RGB."""
    wanted = entry.channels
    if picture.ndim == 3 and picture.shape[-1] == 1 and wanted != 1:
        picture = picture[..., 0]
    if wanted is None:
        return picture if picture.ndim == 3 else picture[..., None]
    if picture.ndim == 2 and wanted == 3 and entry.groups[0].role == "intensity":
        return np.repeat(picture[..., None], 3, axis=-1)
    if (picture.ndim == 2 and wanted == 1) or picture.shape[2:] == (wanted,):
        return picture
    if wanted == 1 and (picture == picture[..., :1]).all():
        return picture[..., 0]
    if _is_label(entry) and wanted == 1 and picture.shape[2:] in ((3,), (4,)):
        odd = tuple(int(v) for v in picture[(picture != picture[..., :1]).any(-1)][0])
        raise RecordError(
            f"{shown(file)} holds colours, such as {odd}, and {entry.name!r} is of labels. Write "
            "the labels once: for every colour and its number, "
            "labels[(mask == colour).all(-1)] = number; and save them as PNG."
        )
    raise RecordError(
        f"{shown(file)}: found a picture of shape {picture.shape}, expected {wanted} channels for "
        f"{entry.name!r}. Convert it, or declare its channels in the spec."
    )


def _resize(picture: NDArray, entry: EntrySpec, size: SpatialShape) -> NDArray:
    group = entry.groups[0]
    if group.role != "intensity" or group.invalid is not None:
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.int64)
            for old, new in zip(picture.shape[:2], size, strict=True)
        )
        chosen: NDArray = picture[rows[:, None], columns]
        return chosen
    from skimage.transform import resize

    out: NDArray = resize(  # type: ignore[no-untyped-call]
        picture.astype(np.float32), size, order=1, anti_aliasing=True, preserve_range=True,
        mode="edge",
    )  # fmt: skip
    if picture.dtype.kind in "iu":
        info = np.iinfo(picture.dtype)
        out = np.clip(np.rint(out), info.min, info.max)
    resized: NDArray = out.astype(picture.dtype)
    return resized
