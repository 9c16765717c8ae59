"""Boxes of images filled with a value or with noise, in C or in NumPy."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ..._native import layout, library
from ...sampling import cast, constant
from ...spec import ChannelGroup
from ...typing import NDArray
from ..program._fills import channel_means, noise_in_box, noise_words, off_mark
from ..program._pointwise import beside_mark, value_range

# As warp.h numbers them.
_TYPES = {"uint8": 0, "uint16": 1, "float32": 2}
_MARK_NOTHING, _MARK_NAN, _MARK_NUMBER = 0, 1, 2


@layout("Fill")
class _Fill(ctypes.Structure):
    _fields_ = (
        ("out", ctypes.c_void_p),
        ("boxes", ctypes.c_void_p),
        ("pixels", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in (
            "n_boxes", "record_bytes", "row_bytes", "pixel_bytes", "group_bytes", "next_pixel",
        )),
    )  # fmt: skip


def fill_boxes(images: NDArray, boxes: NDArray, channels: slice, value: NDArray) -> None:
    """Write a value into boxes of images, in place.

    Args:
        images: (N, h, w, C), C-contiguous, to be written to.
        boxes: (n, 5) int32, within the images; see `multiaug.transforms.Occluding.boxes`.
        channels: neighbouring ones that are written.
        value: () or (c,) for all records, or (N, c), in the dtype of the images.
    """
    first, end, _ = channels.indices(images.shape[3])
    count = end - first
    if not len(boxes) or not count:
        return
    per_record = value.ndim == 2
    native = library()
    if native is None or not images.flags.c_contiguous:
        for record, y0, y1, x0, x1 in boxes.tolist():
            images[record, y0:y1, x0:x1, first:end] = value[record] if per_record else value
        return
    shape = (len(images), count) if per_record else (count,)
    pixels = np.ascontiguousarray(np.broadcast_to(value, shape), images.dtype)
    boxes = np.ascontiguousarray(boxes, np.int32)
    size = images.dtype.itemsize
    record, row, pixel, _ = images.strides
    task = _Fill(
        images.ctypes.data + first * size, boxes.ctypes.data, pixels.ctypes.data,
        len(boxes), record, row, pixel, count * size, count * size if per_record else 0,
    )  # fmt: skip
    native.multiaug_fill(ctypes.byref(task))


@layout("Noise")
class _Noise(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("out", "boxes", "words")),
        *((name, ctypes.c_int64) for name in (
            "n_boxes", "record_bytes", "row_bytes", "pixel_bytes",
        )),
        *((name, ctypes.c_int32) for name in (
            "width", "group", "first", "channels", "type", "marks",
        )),
        *((name, ctypes.c_float) for name in ("low", "extent", "mark", "beside")),
    )  # fmt: skip


def fill_noise(
    images: NDArray, boxes: NDArray, part: range, group: ChannelGroup, name: str, seeds: NDArray
) -> None:
    """Write noise into boxes of images, in place; see `program._fills`.

    Args:
        images: (N, h, w, C), to be written to.
        boxes: (n, 5) int32; see `fill_boxes`.
        part: the channels that are written, some of the group's.
        group: of channels.
        name: of the entry.
        seeds: (N, 2) uint32.
    """
    channels = range(images.shape[3])[group.channel_slice()]
    inside = slice(part.start - channels.start, part.stop - channels.start)
    native, code = library(), _TYPES.get(images.dtype.name)
    if native is None or code is None or not images.flags.c_contiguous:
        for record, y0, y1, x0, x1 in boxes.tolist():
            whole = images[record, ..., group.channel_slice()]
            noise = noise_in_box(seeds[record], name, group, whole, (y0, y1, x0, x1))
            whole[y0:y1, x0:x1, inside] = cast(noise[..., inside], images.dtype)  # type: ignore[arg-type]
        return
    words = np.zeros((len(images), 2), np.uint32)
    for record in np.unique(boxes[:, 0]):
        words[record] = np.concatenate(noise_words(seeds[record], name, group))
    boxes = np.ascontiguousarray(boxes, np.int32)
    low, high = (np.float32(v) for v in value_range(group, images.dtype))
    record, row, pixel, size = images.strides
    marks, mark, beside = _marks(group, images.dtype)
    task = _Noise(
        images.ctypes.data + part.start * size, boxes.ctypes.data, words.ctypes.data,
        len(boxes), record, row, pixel,
        images.shape[2], len(channels), inside.start, len(part), code, marks,
        low, high - low, mark, beside,
    )  # fmt: skip
    native.multiaug_noise(ctypes.byref(task))


@layout("Means")
class _Means(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("in", "means", "scratch")),
        ("pixels", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("channels", "stride", "type", "marks")),
        ("mark", ctypes.c_float),
    )


def means_of(images: NDArray, records: NDArray, part: range, group: ChannelGroup) -> NDArray:
    """(N, c) float32: what `fill="mean"` makes of channels, of some records; 0 of the others.

    Args:
        images: (N, h, w, C).
        records: which of them.
        part: the channels.
        group: theirs.
    """
    found: NDArray = np.zeros((len(images), len(part)), np.float32)
    native, code = library(), _TYPES.get(images.dtype.name)
    if native is None or code is None or not images.flags.c_contiguous:
        for record in records:
            values = images[record, ..., part.start : part.stop]
            found[record] = channel_means(values, group)
    else:
        pixels, size = images.shape[1] * images.shape[2], images.dtype.itemsize
        scratch = np.empty((pixels, len(part)), np.float32)
        marks, mark, _ = _marks(group, images.dtype)
        for record in records.tolist():
            task = _Means(
                images.ctypes.data + record * images.strides[0] + part.start * size,
                found.ctypes.data + record * found.strides[0], scratch.ctypes.data,
                pixels, len(part), images.shape[3], code, marks, mark,
            )  # fmt: skip
            native.multiaug_means(ctypes.byref(task))
    moved: Any = off_mark(found, group, images.dtype)
    filled: NDArray = cast(moved, images.dtype)  # type: ignore[assignment]
    return filled


def _marks(group: ChannelGroup, dtype: np.dtype[Any]) -> tuple[int, float, float]:
    """What says that there are no data, and what stands beside that number."""
    if isinstance(group.invalid, float | int):
        beside = float(beside_mark(group, (dtype, dtype)))
        return _MARK_NUMBER, float(constant(group.invalid, dtype)), beside
    return (_MARK_NAN if group.invalid == "nan" else _MARK_NOTHING), 0.0, 0.0
