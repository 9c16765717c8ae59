"""Picture files to arrays, with every number as the file has it."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CorruptChunkError, RecordError, StoreError
from ...typing import NDArray
from ._decode_pnm import is_pnm, read_pnm
from ._picture import (
    MOST_PIXELS,
    ImageFile,
    Picture,
    readable,
    refuse_bomb,
    refuse_lossy,
    shown,
    size_of,
    turned,
)

if TYPE_CHECKING:
    from PIL import Image

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112  # of Exif, and of TIFF


def read_picture(
    file: ImageFile,
    *,
    labels: bool = False,
    channels: int | None = None,
    most_pixels: int = MOST_PIXELS,
    turn: bool = True,
) -> Picture:
    """Decode a file; what it is is told by its first bytes, not by its name.

    Args:
        file: PNG, JPEG, TIFF, BMP, GIF, WebP, PBM, PGM or PPM.
        labels: the numbers are labels: a palette's indices are wanted instead of its colours, a
            bit is 0 or 1, and what a lossy compression has left is refused.
        channels: how many there should be, for files that do not say which axis they are.
        most_pixels: files that say they are larger are refused before they are decoded.
        turn: apply the orientation that the file carries.

    Raises:
        StoreError: the file cannot be opened, is too large, or needs a package to be decoded.
        RecordError: it holds something else than one picture, or labels that are none.
        CorruptChunkError: it is damaged.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(32)
        if head[:4] in _TIFF:
            from ._decode_tiff import read_tiff

            found = read_tiff(file, labels=labels, channels=channels, most_pixels=most_pixels)
        elif is_pnm(head):
            array, largest = read_pnm(file, most_pixels, labels=labels)
            found = Picture(array, False, 1, size_of(array), largest)
        else:
            found = _by_pillow(file, head, labels, channels, most_pixels)
    except (StoreError, RecordError, MemoryError):
        raise
    except OSError as error:
        if error.errno is None:  # Pillow has no other kind for what it cannot decode
            raise _corrupt(file, error) from error
        raise StoreError(f"{shown(file)} cannot be opened: {error.strerror}.") from error
    except Exception as error:  # decoders have errors of their own
        raise _corrupt(file, error) from error
    if found.orientation == 1 or not turn:
        return found
    array = turned(found.array, found.orientation)
    return replace(found, array=array)


def _corrupt(file: ImageFile, error: Exception) -> CorruptChunkError:
    return CorruptChunkError(
        f"{shown(file)} cannot be read as a picture: {type(error).__name__}: {error}. Replace or "
        "remove it."
    )


def _by_pillow(
    file: ImageFile, head: bytes, labels: bool, channels: int | None, most_pixels: int
) -> Picture:
    from PIL import Image

    try:
        opened: Image.Image = Image.open(readable(file))  # reads the header only
    except Image.DecompressionBombError as error:  # further above its own limit than we ask
        raise StoreError(f"{shown(file)} says that it is very large: {error}") from error
    with opened:
        refuse_bomb(shown(file), opened.width * opened.height, most_pixels)
        # A phone's JPEG may carry further pictures behind the one that it shows (MPO).
        frames = getattr(opened, "n_frames", 1)
        if frames > 1 and opened.format != "MPO":
            raise RecordError(
                f"{shown(file)} is animated: it holds {frames} pictures, and one is expected. "
                "Write the frame that is meant, or every frame, to a file of its own."
            )
        if labels and opened.format in ("JPEG", "MPO"):
            refuse_lossy(file, "JPEG")
        if labels and opened.format == "WEBP" and _is_lossy_webp(file.read_bytes()):
            refuse_lossy(file, "lossy WebP")
        orientation = int(opened.getexif().get(_ORIENTATION, 1))
        array, alpha, note = _pixels(opened, file, head, labels, channels)
    orientation = orientation if 1 <= orientation <= 8 else 1
    return Picture(array, alpha, orientation, size_of(array), note=note)


def _pixels(
    opened: Image.Image, file: ImageFile, head: bytes, labels: bool, channels: int | None
) -> tuple[NDArray, bool, str]:
    """Array, whether its last channel is alpha, and what to say about it."""
    mode = opened.mode
    depth, colours = (head[24], head[25]) if head.startswith(_PNG) else (8, 2)
    if depth == 16 and colours in (2, 4, 6):
        return _wide_png(file, colours), colours > 2, ""
    if mode in ("P", "PA"):
        if labels:
            indices = np.asarray(opened)
            return (indices[..., 0] if mode == "PA" else indices), False, ""
        alpha = mode == "PA" or "transparency" in opened.info
        return np.asarray(opened.convert("RGBA" if alpha else "RGB")), alpha, ""
    if mode == "1":
        bits = np.asarray(opened).astype(np.uint8)
        return (bits if labels else bits * np.uint8(255)), False, ""
    if mode == "CMYK" and channels != 4:
        note = "is CMYK and was converted to RGB without a colour profile"
        return np.asarray(opened.convert("RGB")), False, note
    if mode in ("YCbCr", "HSV", "RGBX"):
        return np.asarray(opened.convert("RGB")), False, ""
    if mode in ("La", "RGBa"):
        return np.asarray(opened.convert("LA" if mode == "La" else "RGBA")), True, ""
    array = np.asarray(opened)
    if array.dtype == np.int32 and head.startswith(_PNG):
        array = array.astype(np.uint16)
    if labels and mode == "L" and depth < 8:
        array = array // np.uint8(255 // (2**depth - 1))  # Pillow has scaled 0 .. 3 to 0 .. 255
    return array.astype(array.dtype.newbyteorder("="), copy=False), mode in ("LA", "RGBA"), ""


def _wide_png(file: ImageFile, colours: int) -> NDArray:
    """Colours of 16 bits, or grey with alpha, of which Pillow keeps the upper bytes alone."""
    from PIL import Image

    if colours == 4:
        # Two samples of two bytes are laid out, and filtered, as four of one byte are.
        content = file.read_bytes()
        header = b"IHDR" + content[16:24] + bytes((8, 6)) + content[26:29]
        crc = struct.pack(">I", zlib.crc32(header))
        as_bytes = content[:12] + header + crc + content[33:]
        with Image.open(io.BytesIO(as_bytes)) as four:
            halves = np.asarray(four).astype(np.uint16)
        return halves[..., 0::2] << 8 | halves[..., 1::2]
    # Pillow unpacks either byte of a sample: that of the other byte order is the lower one.
    upper, lower = (_bytes_of(file, order) for order in "BL")
    return upper.astype(np.uint16) << 8 | lower


def _bytes_of(file: ImageFile, order: str) -> NDArray:
    from PIL import Image

    with Image.open(readable(file)) as opened:
        image: Any = opened
        codec, extents, offset, _ = image.tile[0]
        tile = type(image.tile[0])
        parts = (codec, extents, offset, f"{image.mode};16{order}")
        image.tile = [parts if tile is tuple else tile(*parts)]
        return np.asarray(image)


def _is_lossy_webp(content: bytes) -> bool:
    """Whether the picture is in a chunk of the lossy kind; the first chunk may be a header."""
    place = 12
    while place + 8 <= len(content):
        kind, size = (
            content[place : place + 4],
            int.from_bytes(content[place + 4 : place + 8], "little"),
        )
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        place += 8 + size + size % 2
    return False
