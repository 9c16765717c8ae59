"""What a picture file holds, and what is refused of any kind of file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ...errors import RecordError, StoreError
from ...typing import NDArray, SpatialShape

# Below the size from which Pillow itself warns.
MOST_PIXELS = 2**26


@dataclass(frozen=True)
class Picture:
    """What a file holds.

    Args:
        array: (H, W) or (H, W, C).
        alpha: the last channel is how opaque a pixel is.
        orientation: of Exif, 1 to 8; the array has been turned by it.
        stored: (H, W) before that.
        largest: the number that stands for white in formats that say so with every file.
        nodata: the number that the file declares for pixels without data.
        note: what was converted and may not be meant so, as the end of a sentence.
    """

    array: NDArray
    alpha: bool
    orientation: int
    stored: SpatialShape
    largest: int | None = None
    nodata: float | None = None
    note: str = ""


class EncodedImage:
    """An image file that is in memory: a member of an archive, a cell of a table.

    Args:
        name: what to call it in errors.
        content: its bytes.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.content = content

    def open(self, mode: str = "rb") -> io.BytesIO:
        """A file object that reads it."""
        return io.BytesIO(self.content)

    def read_bytes(self) -> bytes:
        """The bytes."""
        return self.content

    def __str__(self) -> str:
        return self.name


ImageFile: TypeAlias = Path | EncodedImage
"""A file, or one that is in memory."""


def readable(file: ImageFile) -> Path | io.BytesIO:
    """What decoders open: the path, or a file object that needs no closing."""
    return file if isinstance(file, Path) else file.open()


def shown(path: ImageFile | str) -> str:
    """A path as text that can be printed: bytes that are no UTF-8 are written as escapes."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def refuse_bomb(name: str, pixels: int, most_pixels: int) -> None:
    """Raise StoreError where there are more pixels than are allowed."""
    if pixels > most_pixels:
        raise StoreError(
            f"{name} says that it has {pixels:,} pixels, more than the {most_pixels:,} that are "
            "allowed. If it is what it says, raise most_pixels."
        )


def refuse_lossy(file: ImageFile, what: str) -> None:
    """Raise RecordError for labels that were compressed with loss."""
    raise RecordError(
        f"{shown(file)} holds labels as {what}, which changes values: near every edge there are "
        "labels that nobody drew. Write the masks anew as PNG; if only these files are left, "
        "threshold or round them, look at the result, and save that."
    )


def size_of(array: NDArray) -> SpatialShape:
    """(H, W) of an array."""
    return int(array.shape[0]), int(array.shape[1])


def turned(array: NDArray, orientation: int) -> NDArray:
    """As a viewer shows it; the eight cases of Exif."""
    flipped = array.swapaxes(0, 1) if orientation >= 5 else array
    vertical = orientation in (3, 4, 7, 8)
    horizontal = orientation in (2, 3, 6, 7)
    return flipped[:: -1 if vertical else 1, :: -1 if horizontal else 1]
