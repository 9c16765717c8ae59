"""Folders of pictures, with folders of masks beside them or folders for their classes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import PATH, checked
from ..errors import CorruptChunkError, ParameterError, RecordError, StoreError
from ..files import sha256_of
from ..spec import SPEC_KIND
from ..typing import NDArray, SpatialShape
from ._record_source import RecordSource

if TYPE_CHECKING:
    from ..spec import DataSpec, EntrySpec

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_TIFF = {".tif", ".tiff"}
# Below the size from which Pillow itself warns.
_MOST_PIXELS = 2**26
_EDGE = 4096


class PictureSource(RecordSource):
    """Pictures in folders.

    Either a folder for each entry (``root/image/a.png`` with ``root/mask/a.png``; files of a
    record have the same name but for their ending, also in sub-folders), or a folder for each
    class (``root/cats/1.jpg``), whose number, in alphabetical order, becomes the scalar entry
    ``classes``; or pictures alone.

    Grey, RGB and RGBA pictures of 8 or 16 bits are read, and TIFF with any channels; the pages of
    a multi-page TIFF become channels.

    Args:
        root: the folder.
        spec: what the entries are; values keep their range and dtype.
        size: (height, width) to bring every picture to, by area and linear interpolation; labels
            and pictures with an invalid value by nearest neighbour. Without it all must be of one
            size.
        classes: name of the scalar entry for the class, where folders are classes.
        most_pixels: pictures that say they are larger are refused before they are decoded.

    Attributes:
        class_names: names of the class folders, in the order of their numbers.

    Raises:
        StoreError: there are no pictures, a mask is missing, or a file is damaged.
        RecordError: a picture is not what the spec says.
    """

    @checked(root=PATH, spec=SPEC_KIND)
    def __init__(
        self,
        root: str | os.PathLike[str],
        spec: DataSpec,
        *,
        size: SpatialShape | None = None,
        classes: str | None = None,
        most_pixels: int = _MOST_PIXELS,
    ) -> None:
        self._root = Path(root)
        self._size, self._most_pixels = size, most_pixels
        self._classes = classes
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ParameterError(f"PictureSource.size must be (height, width), got {size!r}.")
        pictures = [n for n, e in spec.entries.items() if e.kind == "spatial"]
        self.class_names: list[str] = []
        if (self._root / pictures[0]).is_dir() and classes is None:
            self._files = self._by_entry(spec, pictures)
        else:
            self._files = self._by_class(spec, pictures)
        first = next(iter(self._files.values()))
        self._entries = {name: spec.entries[name] for name in self._files}
        names = [str(file.relative_to(self._root)) for file in first]
        super().__init__(spec, names, str(self._root))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files' names, sizes and first four kilobytes, and of the settings."""
        parts: list[bytes | str] = [f"multiaug.pictures/1 {self._size} {self._classes}"]
        for name, files in self._files.items():
            parts.append(name)
            for file in files:
                with file.open("rb") as opened:
                    parts += [str(file.relative_to(self._root)), opened.read(_EDGE)]
                parts.append(str(file.stat().st_size))
        return sha256_of(*parts)

    def _record(self, number: int) -> dict[str, NDArray]:
        record = {
            name: self._picture(files[number], self._entries[name])
            for name, files in self._files.items()
        }
        if self._classes is not None:
            folder = next(iter(self._files.values()))[number].relative_to(self._root).parts[0]
            dtype = self._spec.entries[self._classes].dtype or "int32"
            record[self._classes] = np.asarray(self.class_names.index(folder), dtype)
        return record

    def _by_entry(self, spec: DataSpec, pictures: list[str]) -> dict[str, list[Path]]:
        folders = {name: self._root / name for name in pictures}
        present = {n: f for n, f in folders.items() if f.is_dir() or not spec.entries[n].optional}
        first = pictures[0]
        listed = {name: _by_stem(folder) for name, folder in present.items()}
        for name, found in listed.items():
            lacking = sorted(set(listed[first]) - set(found))
            if lacking:
                raise StoreError(
                    f"{self._root}: {first}/{lacking[0]} has no {name}: expected a file of that "
                    f"name in {present[name]} ({len(lacking)} are missing in all)."
                )
        stems = sorted(listed[first])
        self._refuse_none(stems)
        return {name: [found[stem] for stem in stems] for name, found in listed.items()}

    def _by_class(self, spec: DataSpec, pictures: list[str]) -> dict[str, list[Path]]:
        required = [name for name in pictures if not spec.entries[name].optional]
        if len(required) > 1:
            raise StoreError(
                f"{self._root}: there is no folder {pictures[0]!r}. The spec has the pictures "
                f"{required}, so one folder for each is expected."
            )
        files = sorted(f for f in self._root.rglob("*") if f.suffix.lower() in _SUFFIXES)
        self._refuse_none(files)
        if self._classes is not None:
            entry = spec.entries.get(self._classes)
            if entry is None or entry.kind != "value":
                raise ParameterError(
                    f"PictureSource.classes must name a scalar entry of the spec, got "
                    f"{self._classes!r}."
                )
            loose = [f.name for f in files if f.parent == self._root]
            if loose:
                raise StoreError(
                    f"{self._root}: {loose[0]} is in no class folder. Expected every picture in "
                    "a folder that is named after its class."
                )
            self.class_names = sorted({f.relative_to(self._root).parts[0] for f in files})
        return {required[0] if required else pictures[0]: files}

    def _refuse_none(self, found: list[Any]) -> None:
        if not found:
            raise StoreError(
                f"{self._root}: there are no pictures in it. Expected files ending in "
                f"{', '.join(sorted(_SUFFIXES))}."
            )

    def _picture(self, file: Path, entry: EntrySpec) -> NDArray:
        try:
            picture = _read_picture(file, self._most_pixels)
        except StoreError:
            raise
        except Exception as error:  # decoders have errors of their own
            raise CorruptChunkError(
                f"{file} cannot be read as a picture: {type(error).__name__}: {error}. Replace or "
                "remove it."
            ) from error
        picture = _fit_channels(picture, entry, file)
        if self._size is not None and picture.shape[:2] != self._size:
            picture = _resize(picture, entry, self._size)
        return np.ascontiguousarray(picture)


def _by_stem(folder: Path) -> dict[str, Path]:
    files = [f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES]
    return {str(f.relative_to(folder).with_suffix("")): f for f in files}


def _read_picture(file: Path, most_pixels: int) -> NDArray:
    """Decode a file; (H, W) or (H, W, C)."""
    if file.suffix.lower() in _TIFF:
        import tifffile

        with tifffile.TiffFile(file) as tiff:
            sizes = [int(np.prod(page.shape[:2])) for page in tiff.pages]
            _refuse_bomb(file, sum(sizes), most_pixels)
            pages = [page.asarray() for page in tiff.pages]
        return pages[0] if len(pages) == 1 else np.stack(pages, axis=-1)
    from PIL import Image

    try:
        opened: Image.Image = Image.open(file)  # reads the header only
    except Image.DecompressionBombError as error:  # further above its own limit than we ask
        raise StoreError(f"{file} says that it is very large: {error}") from error
    with opened:
        _refuse_bomb(file, opened.width * opened.height, most_pixels)
        if opened.mode in ("P", "1", "CMYK", "YCbCr", "LA"):
            array = np.asarray(opened.convert({"1": "L", "LA": "L"}.get(opened.mode, "RGB")))
        else:
            array = np.asarray(opened)
    return array.astype(np.uint16) if array.dtype == np.int32 else array


def _refuse_bomb(file: Path, pixels: int, most_pixels: int) -> None:
    if pixels > most_pixels:
        raise StoreError(
            f"{file} says that it has {pixels:,} pixels, more than the {most_pixels:,} that are "
            "allowed. If it is what it says, raise most_pixels."
        )


def _fit_channels(picture: NDArray, entry: EntrySpec, file: Path) -> NDArray:
    """Channels as the spec declares: an alpha channel goes, grey becomes (H, W, 1) or RGB."""
    wanted = entry.channels
    if wanted is None:
        return picture if picture.ndim == 3 else picture[..., None]
    if picture.ndim == 2 and wanted == 3 and entry.groups[0].role == "intensity":
        return np.repeat(picture[..., None], 3, axis=-1)
    if picture.ndim == 2 or picture.shape[-1] == wanted:
        return picture
    if picture.shape[-1] == 4 and wanted == 3:
        return picture[..., :3]
    if wanted == 1 and (picture == picture[..., :1])[..., : min(3, picture.shape[-1])].all():
        return picture[..., 0]
    raise RecordError(
        f"{file}: found a picture of shape {picture.shape}, expected {wanted} channels for "
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
