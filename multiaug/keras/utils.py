"""Pictures as arrays, as Pillow pictures, and in files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from .._arguments import NUMBERS, PATH, Kind, checked, optional
from ..errors import ParameterError, warn
from ..typing import NDArray
from ._kinds import DTYPE, SIZE, SWITCH

_FORMATS = ("channels_first", "channels_last")
_RESAMPLING = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_EXTENSIONS = ("jpg", "jpeg", "bmp", "png", "ppm", "tif", "tiff")


def validate_filename(filename: str, white_list_formats: tuple[str, ...]) -> bool:
    """Whether a path is that of a file with one of some endings, in any case."""
    return filename.lower().endswith(tuple(white_list_formats)) and Path(filename).is_file()


def list_pictures(directory: str | os.PathLike[str], ext: Any = _EXTENSIONS) -> list[str]:
    """Paths of all pictures below a folder.

    Args:
        directory: the folder.
        ext: ending, or several.
    """
    endings = tuple(f".{e}" for e in ((ext,) if isinstance(ext, str) else ext))
    return [
        str(Path(root) / name)
        for root, _, files in os.walk(directory)
        for name in files
        if name.lower().endswith(endings)
    ]


@checked(x=NUMBERS, scale=SWITCH, dtype=DTYPE)
def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Any:
    """A Pillow picture of an array.

    Args:
        x: rank 3, with 1, 3 or 4 channels: Pillow has no others.
        data_format: channels_last (the default) or channels_first.
        scale: stretch values to 0 .. 255.
        dtype: that values are computed in; float32 by default.

    Raises:
        ParameterError: another rank, layout or number of channels.
    """
    from PIL import Image

    array = np.array(x, dtype="float32" if dtype is None else dtype)
    if array.ndim != 3:
        raise ParameterError(
            "Expected image array to have rank 3 (single image). Got array with shape: "
            f"{array.shape}"
        )
    if _format(data_format, "Invalid data_format") == "channels_first":
        array = array.transpose(1, 2, 0)
    if array.shape[2] not in (1, 3, 4):
        raise ParameterError(
            f"Unsupported channel number: {array.shape[2]}. Pillow has pictures of 1, 3 or 4; save "
            "others with numpy.save or as TIFF."
        )
    if scale:
        array = array - array.min()
        top = array.max()
        array = array / top * 255 if top != 0 else array
    if array.shape[2] > 1:
        return Image.fromarray(np.ascontiguousarray(array.astype("uint8")))
    grey = np.ascontiguousarray(array[:, :, 0])
    # Mode I: whole numbers of 32 bits.
    return Image.fromarray(grey.astype("int32" if grey.size and grey.max() > 255 else "uint8"))


@checked(img=NUMBERS, dtype=DTYPE)
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> NDArray:
    """An array of a Pillow picture, or of an array with any number of channels.

    Args:
        img: a picture; or (H, W) or (H, W, C).
        data_format: of the result: channels_last (the default) or channels_first.
        dtype: of the result; float32 by default.

    Returns:
        Rank 3.

    Raises:
        ParameterError: another rank or layout.
    """
    layout = _format(data_format, "Unknown data_format")
    array = np.asarray(img, dtype="float32" if dtype is None else dtype)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ParameterError(f"Unsupported image shape: {array.shape}")
    return array.transpose(2, 0, 1) if layout == "channels_first" else array


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array, or a Pillow picture, as a picture file.

    Args:
        path: path or file object.
        x: rank 3, with 1, 3 or 4 channels.
        data_format: channels_last (the default) or channels_first.
        file_format: instead of the path's ending; needed for file objects.
        scale: stretch values to 0 .. 255.
        kwargs: further arguments of Pillow's ``save``.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format in ("jpg", "jpeg"):
        warn("The JPG format does not support RGBA images, converting to RGB.", UserWarning)
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def _is_file(value: Any) -> bool:
    return PATH.accepts(value) or isinstance(value, io.IOBase)


@checked(
    path=Kind("a path, or a file that is open for reading", _is_file), target_size=optional(SIZE)
)
def load_img(
    path: Any,
    grayscale: bool = False,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Read a picture file as a Pillow picture; the file is closed.

    Args:
        path: path, or an `io.BytesIO`.
        grayscale: deprecated: ``color_mode="grayscale"``.
        color_mode: grayscale (8, 16 or 32 bits), rgb or rgba.
        target_size: (height, width) to bring it to.
        interpolation: nearest, bilinear, bicubic, lanczos, box or hamming.
        keep_aspect_ratio: crop the middle in the aspect ratio of ``target_size`` first.

    Raises:
        ParameterError: another colour mode or interpolation.
        OSError: no file, or no picture.
    """
    if grayscale is True:
        warn('grayscale is deprecated. Please use color_mode = "grayscale"', UserWarning)
        color_mode = "grayscale"
    from PIL import Image

    held = (
        path if isinstance(path, io.BytesIO) else io.BytesIO(Path(os.fsdecode(path)).read_bytes())
    )
    img: Image.Image = Image.open(held)
    if color_mode == "grayscale":
        if img.mode not in ("L", "I;16", "I"):
            img = img.convert("L")
    elif color_mode in ("rgb", "rgba"):
        img = img if img.mode == color_mode.upper() else img.convert(color_mode.upper())
    else:
        raise ParameterError(
            f'color_mode must be "grayscale", "rgb", or "rgba", got {color_mode!r}.'
        )
    if target_size is not None and img.size != (target_size[1], target_size[0]):
        return _resized(Image, img, target_size, interpolation, keep_aspect_ratio)
    return img


def _resized(module: Any, img: Any, size: Any, interpolation: str, keep_aspect_ratio: bool) -> Any:
    if interpolation not in _RESAMPLING:
        raise ParameterError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are "
            f"{', '.join(_RESAMPLING)}"
        )
    resample = getattr(module.Resampling, interpolation.upper())
    height, width = int(size[0]), int(size[1])
    if not keep_aspect_ratio:
        return img.resize((width, height), resample)
    tall = min(img.height, img.width * height // width)
    wide = min(img.width, img.height * width // height)
    left, top = (img.width - wide) // 2, (img.height - tall) // 2
    return img.resize((width, height), resample, box=(left, top, left + wide, top + tall))


def _format(data_format: str | None, message: str) -> str:
    if data_format is None:
        return "channels_last"
    if not isinstance(data_format, str) or data_format not in _FORMATS:
        raise ParameterError(f"{message}: {data_format}")
    return data_format
