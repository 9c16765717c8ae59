"""Boxes of images filled with a value, in C or in NumPy."""

from __future__ import annotations

import ctypes

import numpy as np

from ..._native import layout, library
from ...typing import NDArray


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
