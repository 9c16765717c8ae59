"""The pages of one TIFF file, as records."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import CorruptChunkError, MultiaugError, ParameterError, RecordError, warn
from ...typing import NDArray
from .._source import Structure
from ._decode_tiff import ColourRules, channels_last, main_series, orientation_of
from ._geotiff import georeference_of
from ._picture import refuse_bomb, shown, turned

Pages = Literal["records", "channels"]
_MASK = 4  # bit of NewSubfileType


class TiffStack:
    """Reads records of one file; its pages are decoded as they are asked for, one at a time.

    Args:
        file: which file.
        pages: what pages are; None where there is one, or the file says that they are channels.
        labels: the numbers are labels.
        channels: how many the spec declares, or None.
        names: of the channels in the spec.
        most_pixels: pages that say they are larger are refused.

    Attributes:
        structure: (N, H, W) or (N, H, W, C), and dtype.
        georeference: what the file says of places and bands.
        nodata: the number for pixels without data, where the dtype can hold it.

    Raises:
        ParameterError: it is not said what pages are.
        RecordError: axes that are none of records, or bands that cannot be told.
        CorruptChunkError: the file cannot be decoded.
    """

    def __init__(
        self,
        file: Path,
        *,
        pages: Pages | None,
        labels: bool,
        channels: int | None,
        names: tuple[str, ...],
        most_pixels: int,
    ) -> None:
        self._file, self._labels, self._channels = file, labels, channels
        self._open: dict[int, tuple[Any, Any, threading.Lock]] = {}  # by process
        self._order: list[int] | None = None
        tiff, series, _ = self._series()
        page = series.keyframe
        refuse_bomb(shown(file), page.imagewidth * page.imagelength, most_pixels)
        self._colours, self._orientation = ColourRules.of(page), orientation_of(page)
        self._shaped, self._axes = series.kind == "shaped", series.axes
        self._record_axis = _record_axis(series, pages, shown(file))
        count = 1 if self._record_axis is None else series.shape[self._record_axis]
        bands = max(1, series.size // (count * page.imagewidth * page.imagelength))
        self.georeference = georeference_of(page, bands)
        self._say_unused(tiff)
        first = self._record(0)
        if names or self.georeference.bands:
            self._order = _by_name(
                self.georeference.bands, names, first.shape[2:], channels, shown(file)
            )
            first = self._chosen(first)
        if channels == 1 and first.shape[2:] == (1,):
            first = first[..., 0]
        self._ndim = first.ndim
        self.structure = Structure((count, *first.shape), first.dtype)
        self.nodata = _held(self.georeference.nodata, first.dtype)

    def read(self, start: int, stop: int) -> NDArray:
        """Records start .. stop - 1.

        Raises:
            CorruptChunkError: they cannot be decoded.
            RecordError: a page is not like the first one.
        """
        out = np.empty((stop - start, *self.structure.shape[1:]), self.structure.dtype)
        for place, number in enumerate(range(start, stop)):
            found = self._chosen(self._record(number))
            found = found[..., 0] if found.ndim > self._ndim else found
            if (found.shape, found.dtype) != (out.shape[1:], out.dtype):
                raise RecordError(
                    f"{shown(self._file)}: page {number} is {found.dtype} {found.shape}, expected "
                    f"{out.dtype} {out.shape[1:]} as the first one."
                )
            out[place] = found
        return out

    def _say_unused(self, tiff: Any) -> None:
        """What the file says of its numbers that is not used here."""
        if self.georeference.scaled:
            warn(
                f"{shown(self._file)} has a scale or an offset for its numbers, which are read as "
                "they are stored. Apply it first (gdal_translate -unscale -ot Float32)."
            )
        if any(series.keyframe.subfiletype & _MASK for series in tiff.series):
            warn(
                f"{shown(self._file)} has a mask of valid pixels inside, which is not read. Write "
                "its pixels as no-data first (gdal_translate -a_nodata), or as an entry."
            )

    def _record(self, number: int) -> NDArray:
        """(H, W) or (H, W, C)."""
        try:
            array, axes = self._numbers(number)
        except MultiaugError:
            raise
        except Exception as error:  # codecs have errors of their own
            raise CorruptChunkError(
                f"{shown(self._file)}: page {number} cannot be decoded: {type(error).__name__}: "
                f"{error}. Restore the file from a copy, or install imagecodecs if it is a codec "
                "that is missing."
            ) from error
        array = self._colours.inverted(array)
        array = channels_last(array, axes, self._shaped, self._channels, self._file)
        array = turned(array, self._orientation)
        return self._colours.applied(array, self._labels, self._channels, self._file)

    def _numbers(self, number: int) -> tuple[NDArray, str]:
        """The numbers of a record as they are stored, and its axes."""
        tiff, series, lock = self._series()
        axis = self._record_axis
        if axis is None:
            with lock:
                return np.asarray(series.asarray()), self._axes
        axes = self._axes[:axis] + self._axes[axis + 1 :]
        outer = [n for n in series.shape[:axis] if n > 1]
        if series.dataoffset is not None and not outer:
            return self._plain(tiff, series, number), axes
        with lock:
            each = len(series.pages) // series.shape[axis]
            if each * series.shape[axis] == len(series.pages) and not outer and _are_there(series):
                shape = series.shape[:axis] + series.shape[axis + 1 :]
                parts = [series.pages[number * each + i].asarray() for i in range(each)]
                return np.stack(parts).reshape(shape), axes
            # Records that are not neighbours.
            return np.take(np.asarray(series.asarray()), number, axis=axis), axes

    def _plain(self, tiff: Any, series: Any, number: int) -> NDArray:
        """A record of a file whose numbers lie one after another, whatever its pages say."""
        axis = self._record_axis or 0
        shape = series.shape[:axis] + series.shape[axis + 1 :]
        dtype = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
        size = math.prod(shape) * dtype.itemsize
        with self._file.open("rb") as opened:
            opened.seek(series.dataoffset + number * size)
            content = opened.read(size)
        if len(content) < size:
            raise ValueError(f"the file ends {size - len(content)} bytes too early")
        return np.frombuffer(content, dtype).reshape(shape)

    def _chosen(self, record: NDArray) -> NDArray:
        return record if self._order is None else record[..., self._order]

    def _series(self) -> tuple[Any, Any, threading.Lock]:
        import tifffile

        process = os.getpid()
        if process not in self._open:
            tiff = None
            try:
                tiff = tifffile.TiffFile(self._file)
                self._open[process] = tiff, main_series(tiff, self._file), threading.Lock()
            except (MultiaugError, OSError):
                raise
            except Exception as error:  # as many as there are kinds of damage
                raise CorruptChunkError(
                    f"{shown(self._file)} cannot be read as TIFF: {type(error).__name__}: {error}. "
                    "Restore it from a copy."
                ) from error
            finally:
                if tiff is not None and process not in self._open:
                    tiff.close()
        return self._open[process]

    def __del__(self) -> None:
        for process, (tiff, _, _) in getattr(self, "_open", {}).items():
            if process == os.getpid():
                tiff.close()


def _are_there(series: Any) -> bool:
    return all(page is not None for page in series.pages)


def _record_axis(series: Any, pages: Pages | None, where: str) -> int | None:
    """The axis of the records; None where the file is one record."""
    if pages not in (None, "records", "channels"):
        raise ParameterError(f"`TiffSource.pages` must be 'records' or 'channels', got {pages!r}.")
    extra = [
        i
        for i, (axis, length) in enumerate(zip(series.axes, series.shape, strict=True))
        if axis not in "YXSC" and length > 1
    ]
    bands = [i for i, axis in enumerate(series.axes) if axis in "SC" and series.shape[i] > 1]
    if not extra:
        return None
    if len(extra) > 1 or len(bands) > 1 or (pages == "channels" and bands):
        raise RecordError(
            f"{where} has the axes {series.axes} of lengths {series.shape}: more than records, "
            "rows, columns and channels. Write what is meant as a zarr store, or as one file for "
            "each record."
        )
    if pages is None:
        height, width = series.keyframe.imagelength, series.keyframe.imagewidth
        named = f", which the file calls {series.axes[extra[0]]}" * (series.axes[extra[0]] in "TZ")
        raise ParameterError(
            f"{where} holds {series.shape[extra[0]]} pages of {series.dtype} ({height}, {width})"
            f"{named}, and nothing says what they are. Say pages='records' if each is an image of "
            "its own, or pages='channels' if they are the bands of one."
            + f" The array {series.shape} was written without names of its axes."
            * (series.kind == "shaped")
        )
    return extra[0] if pages == "records" else None


def _by_name(
    bands: tuple[str, ...],
    names: tuple[str, ...],
    found: tuple[int, ...],
    channels: int | None,
    where: str,
) -> list[int] | None:
    """The places of the spec's channels among the bands; None for their own order."""
    count = found[0] if found else 1
    places = {name.lower(): place for place, name in enumerate(bands)}
    if bands and names and all(name.lower() in places for name in names):
        order = [places[name.lower()] for name in names]
        return None if order == list(range(count)) or not found else order
    wanted = channels if channels is not None else count
    if count != wanted:
        listed = f", called {list(bands)}" if bands else ""
        raise RecordError(
            f"{where} has {count} bands{listed}, and the spec declares {wanted} channels"
            f"{f' {list(names)}' if names else ''}. Declare as many, or name the channels as the "
            "file names its bands."
        )
    if bands and names and any(bands):
        warn(
            f"{where} calls its bands {list(bands)}, and the spec names the channels "
            f"{list(names)}: they are taken in this order. Name them as the file does to have "
            "them chosen by name."
        )
    return None


def _held(number: float | None, dtype: np.dtype[Any]) -> float | None:
    """The no-data number as the dtype holds it; None where it holds no such number."""
    if number is None or dtype.kind == "f":
        return None if number is None else float(dtype.type(number))
    if np.isnan(number) or number != int(number):
        return None
    info = np.iinfo(dtype)
    return number if info.min <= number <= info.max else None
