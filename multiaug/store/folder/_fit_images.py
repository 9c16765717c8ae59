"""Decoded images as the entries of a spec: channels, size, and what must be said about a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import ParameterError, RecordError, warn
from ...typing import NDArray, SpatialShape
from ..decode._decode import read_picture
from ..decode._picture import MOST_PIXELS, ImageFile, Picture, shown

if TYPE_CHECKING:
    from ...spec import EntrySpec


class ImageFitter:
    """Reads image files as entries of a spec; each thing worth saying is said once.

    Args:
        size: (height, width) to bring every image to; None leaves them as they are.
        most_pixels: images that say they are larger are refused before they are decoded.
        owner: of the setting ``size``, for errors.
    """

    def __init__(
        self, size: SpatialShape | None, most_pixels: int = MOST_PIXELS, owner: str = ""
    ) -> None:
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ParameterError(f"{owner}.size must be (height, width), got {size!r}.")
        self.size, self._most_pixels = size, most_pixels
        self._said: set[str] = set()

    def decoded(self, file: ImageFile, entry: EntrySpec) -> Picture:
        """What a file holds, read as images or labels as the entry is."""
        return read_picture(
            file,
            labels=is_label(entry),
            channels=entry.channels,
            most_pixels=self._most_pixels,
        )

    def read(self, file: ImageFile, entry: EntrySpec) -> NDArray:
        """An image as its entry declares it, brought to the size."""
        return self.resized(self.fitted(self.decoded(file, entry), entry, file), entry)

    def fitted(self, picture: Picture, entry: EntrySpec, file: ImageFile) -> NDArray:
        """The values of an image in the channels of its entry."""
        array, wanted = picture.array, entry.channels
        if picture.note:
            self.say("note", f"{shown(file)} {picture.note}. Convert it yourself if that matters.")
        group = entry.groups[0]
        scaled = picture.largest not in (None, 255, 65535)
        if scaled and group.role == "intensity" and group.range is None:
            self.say(
                "largest",
                f"{shown(file)} counts to {picture.largest}, and {entry.name!r} has no range. "
                f'Declare "range": [0, {picture.largest}], or white is taken for dark.',
            )
        self._say_nodata(picture, entry, file)
        if picture.alpha and wanted is not None and array.shape[-1] != wanted:
            if (array[..., -1] != array[..., -1].max()).any():
                self.say(
                    "alpha",
                    f"{shown(file)} has transparent pixels, and {entry.name!r} no channel for "
                    "them: they get the colours that lie under them. Blend the files with a "
                    "background, or declare 4 channels.",
                )
            array = array[..., :-1]
        return np.ascontiguousarray(_fit_channels(array, entry, file))

    def _say_nodata(self, picture: Picture, entry: EntrySpec, file: ImageFile) -> None:
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
            self.say(
                f"nodata {entry.name}",
                f"{shown(file)} declares {value:g} as its value for no data, and has such pixels; "
                f"{entry.name!r} has {'none' if known is None else known}. Declare "
                f'"{setting}": {value:g}, or they are taken for measured ones.',
            )

    def resized(self, array: NDArray, entry: EntrySpec) -> NDArray:
        """An image brought to the size, as its role demands."""
        if self.size is None or array.shape[:2] == tuple(self.size):
            return array
        return np.ascontiguousarray(_resize(array, entry, self.size))

    def say(self, kind: str, text: str) -> None:
        """Warn, once for each kind: where one file is so, many are."""
        if kind not in self._said:
            self._said.add(kind)
            warn(text)


def is_label(entry: EntrySpec) -> bool:
    """Whether an entry holds labels."""
    return any(group.role == "label" for group in entry.groups)


def _fit_channels(picture: NDArray, entry: EntrySpec, file: ImageFile) -> NDArray:
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
    if is_label(entry) and wanted == 1 and picture.shape[2:] in ((3,), (4,)):
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
