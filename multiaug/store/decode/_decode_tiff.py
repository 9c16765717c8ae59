"""TIFF: axes by their metadata, any number of channels; what needs a codec says which package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import RecordError, StoreError
from ...typing import NDArray
from ._geotiff import number_of
from ._picture import (
    ImageFile,
    Picture,
    readable,
    refuse_bomb,
    refuse_lossy,
    shown,
    size_of,
    turned,
)

# Values of tags; TIFF 6.0 and its supplements.
_WHITE_IS_ZERO, _PALETTE, _SEPARATED, _YCBCR = 0, 3, 5, 6
_COLOUR_SPACES = {_SEPARATED: "CMYK", _YCBCR: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_JPEG = (6, 7)
_ALPHA = (1, 2)
# Fax, LZW, JPEG, deflate and PackBits: what every libtiff decodes.
_LIBTIFF = (2, 3, 4, 5, 7, 8, 32773, 32946)
_THUMBNAIL_OR_MASK = 1 | 4  # bits of NewSubfileType
_ORIENTATION = 274
_NODATA = 42113  # of GDAL, as text
# Fewer channels than this, or it is not known which axis they are.
_FEW = 16


def read_tiff(file: ImageFile, *, labels: bool, channels: int | None, most_pixels: int) -> Picture:
    """Decode a file; see `read_picture`. The pages of several are channels.

    Raises:
        StoreError: too large, or a package for its compression is missing.
        RecordError: not one picture, or not known which axis holds the channels.
    """
    import tifffile

    with tifffile.TiffFile(readable(file)) as tiff:
        only = main_series(tiff, file)
        page: Any = only.keyframe
        refuse_bomb(shown(file), only.size // max(1, page.samplesperpixel), most_pixels)
        if labels and page.compression in _JPEG:
            refuse_lossy(file, "JPEG inside TIFF")
        orientation = orientation_of(page)
        nodata = number_of(page.tags.valueof(_NODATA))
        array, by_pillow = _values(file, only, orientation)
        axes, shaped = only.axes, only.kind == "shaped"
        colours = ColourRules.of(page)
        alpha = page.extrasamples[-1:] in ((1,), (2,))
    if not by_pillow:
        array = colours.inverted(array)
    array = channels_last(array, axes, shaped, channels, file)
    native = colours.applied(array, labels, channels, file, decoded=by_pillow)
    return Picture(native, alpha, orientation, size_of(array), nodata=nodata)


def main_series(tiff: Any, file: ImageFile) -> Any:
    """The one image of a file of tifffile, without thumbnails, overviews and masks.

    Raises:
        RecordError: there are several.
    """
    series = [s for s in tiff.series if not s.keyframe.subfiletype & _THUMBNAIL_OR_MASK]
    series = series or list(tiff.series[:1])
    if len(series) != 1:
        sizes = ", ".join(str(s.shape) for s in series)
        raise RecordError(
            f"{shown(file)} holds {len(series)} pictures, of {sizes}, and one is expected. "
            "Write the one that is meant to a file of its own."
        )
    return series[0]


def orientation_of(page: Any) -> int:
    """How a page says that it is turned: 1 to 8, as in Exif."""
    orientation = page.tags.valueof(_ORIENTATION, default=1)
    return orientation if orientation in range(1, 9) else 1


@dataclass(frozen=True)
class ColourRules:
    """What a page says of the colours that its numbers stand for.

    Args:
        photometric: the tag.
        compression: the tag.
        bits: of a sample.
        colormap: the palette, or None.
    """

    photometric: int
    compression: int
    bits: Any
    colormap: Any

    @classmethod
    def of(cls, page: Any) -> ColourRules:
        """Read the tags of a page of tifffile."""
        return cls(int(page.photometric), int(page.compression), page.bitspersample, page.colormap)

    def inverted(self, array: NDArray) -> NDArray:
        """The numbers with black as 0, where the page has white as 0."""
        return _inverted(array, self.bits) if self.photometric == _WHITE_IS_ZERO else array

    def applied(
        self,
        array: NDArray,
        labels: bool,
        channels: int | None,
        file: ImageFile,
        *,
        decoded: bool = False,
    ) -> NDArray:
        """An image (H, W) or (H, W, C) in this machine's byte order, palettes as colours.

        Args:
            array: the numbers of the file.
            labels: a palette's indices are wanted, and bits 0 and 1.
            channels: how many the spec declares.
            file: for errors.
            decoded: another library has made colours of them already.

        Raises:
            RecordError: colours of another kind than RGB.
        """
        if array.dtype == bool:
            array = array.astype(np.uint8) * np.uint8(1 if labels else 255)
        if self.photometric == _PALETTE and not labels:
            array = _coloured(array, np.asarray(self.colormap))
        elif not decoded:
            _refuse_colour_space(file, self.photometric, self.compression, array, channels)
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def _values(file: ImageFile, series: Any, orientation: int) -> tuple[NDArray, bool]:
    """The numbers of a series; and whether Pillow has read them, because a codec is missing."""
    try:
        return np.asarray(series.asarray()), False
    except (KeyError, ValueError, ImportError) as error:
        if not isinstance(error, ImportError) and "imagecodecs" not in str(error):
            raise
        found = _by_pillow(file, series, orientation)
        if found is not None:
            return found, True
        name = getattr(series.keyframe.compression, "name", series.keyframe.compression)
        raise StoreError(
            f"{shown(file)} is compressed as {name} with {series.keyframe.bitspersample} bits, "
            "which needs a package that is not installed: pip install imagecodecs."
        ) from error


def _by_pillow(file: ImageFile, series: Any, orientation: int) -> NDArray | None:
    """The same numbers by Pillow's codecs; None where it would read others or none."""
    from PIL import Image, UnidentifiedImageError

    page = series.keyframe
    pages = []
    try:
        with Image.open(readable(file)) as opened:
            for frame in series.pages:
                opened.seek(frame.index)
                # Pillow turns what it loads; here that is done after all else.
                back = {6: 8, 8: 6}.get(orientation, orientation)
                pages.append(turned(np.asarray(opened), back))
    except UnidentifiedImageError:  # as many channels as it does not know
        return None
    except (OSError, ValueError):
        if page.compression in _LIBTIFF:
            raise  # it has the codec, so the file is damaged
        return None
    first = pages[0]
    samples = 1 if first.ndim == 2 else first.shape[2]
    # It keeps 8 bits of colours of 16, so its pixels are compared with what the header says.
    same = first.dtype.newbyteorder("=") == page.dtype.newbyteorder("=")
    sizes = (page.imagelength, page.imagewidth)
    if not same or samples != page.samplesperpixel or first.shape[:2] != sizes:
        return None
    if page.planarconfig == 2 and samples > 1:
        pages = [np.moveaxis(array, -1, 0) for array in pages]
    return np.stack(pages).reshape(series.shape)


def channels_last(
    array: NDArray, axes: str, shaped: bool, channels: int | None, file: ImageFile
) -> NDArray:
    """(H, W) or (H, W, C)."""
    long = [axis for axis, length in enumerate(array.shape) if length > 1 or axes[axis] in "YX"]
    array = array.reshape([array.shape[axis] for axis in long])
    axes = "".join(axes[axis] for axis in long)
    if array.ndim == 2 and array.shape:
        return array
    if array.ndim != 3:
        raise RecordError(
            f"{shown(file)} has the axes {axes} of lengths {array.shape}; expected rows, columns "
            "and at most one more, which becomes the channels. Write what is meant as one "
            "picture, or as a zarr store."
        )
    place = next((axis for axis in range(3) if axes[axis] not in "YX"), 0)
    # Written from an array without a word about its axes, which are named as if they were pages.
    if shaped and axes == "QYX":
        place = _guessed(array.shape, channels, file)
    return np.moveaxis(array, place, -1)


def _guessed(shape: tuple[int, ...], channels: int | None, file: ImageFile) -> int:
    """Which axis of an array without names holds the channels, the first or the last."""
    first, rows, last = shape
    if channels is not None and (first == channels) != (last == channels):
        return 0 if first == channels else 2
    if channels is None:
        if last <= _FEW and last < min(first, rows):
            return 2
        if first < min(rows, last):
            return 0
    elif channels not in (first, last):
        return 0 if first < last else 2  # wrong either way, which is told of the better guess
    raise RecordError(
        f"{shown(file)} does not say which axis of {shape} holds the channels. Declare their "
        "number in the spec, or write the file with its axes: "
        "tifffile.imwrite(path, array, metadata={'axes': 'YXC'})."
    )


def _inverted(array: NDArray, bits: Any) -> NDArray:
    if array.dtype == bool:
        return ~array
    if array.dtype.kind != "u" or not isinstance(bits, int):
        return array
    inverted: NDArray = array.dtype.type(2**bits - 1) - array
    return inverted


def _coloured(indices: NDArray, colormap: NDArray) -> NDArray:
    """The colours of a palette, which TIFF stores with 16 bits, in 8."""
    wide = colormap.max() > 255
    colours = (colormap >> 8 if wide else colormap).astype(np.uint8)
    return np.moveaxis(colours[:, indices], 0, -1)


def _refuse_colour_space(
    file: ImageFile, photometric: int, compression: int, array: NDArray, channels: int | None
) -> None:
    name = _COLOUR_SPACES.get(photometric)
    decoded = photometric == _YCBCR and compression in _JPEG  # tifffile makes RGB of it
    if name is None or decoded or (name == "CMYK" and channels == 4 == array.shape[-1]):
        return
    raise RecordError(
        f"{shown(file)} holds {name} colours. Convert it to RGB with the colour profile that it "
        "was made with, and save that."
    )
