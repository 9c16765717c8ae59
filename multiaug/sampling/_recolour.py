"""New values for bytes, in C: a table of all 256 levels, and normal noise on top of it."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from ..typing import Array, NDArray
from ._library import library

LEVELS = 256
# As in warp.h.
MOST_TABLES = 16
_TYPES = {"uint8": 0, "float32": 2}


class Recolouring(NamedTuple):
    """How the values of a picture change; a leading N makes a batch.

    Args:
        table: (1 or C, 256) float32, what becomes of each level in each channel.
        words: (2,) uint32, of which the noise is made.
        noise: (3,) float32: its standard deviation, 0 for none; lo and hi, to clip to after it.
    """

    table: Array
    words: Array
    noise: Array


class _Recolouring(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("source", "out", "tables", "words", "noise")),
        ("counts", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("n_records", "values")),
        *((name, ctypes.c_int32) for name in ("channels", "period", "type")),
    ]


def count_levels(pictures: NDArray, length: int) -> NDArray:
    """How often each level is in each channel of (N, h, w, C) uint8.

    Returns:
        (length, C, 256) int32; 0 from N on.
    """
    channels = pictures.shape[-1]
    counts = np.zeros((length, channels, LEVELS), np.int32)
    _run("multiaug_count", pictures, channels=channels, counts=counts.ctypes.data)
    return counts


def recolour(pictures: NDArray, how: Recolouring, out: NDArray) -> None:
    """Write new values of (N, h, w, C) uint8 to ``out``, uint8 or float32.

    Args:
        pictures: C-contiguous; ``out`` may be the same array.
        how: of at least N records.
        out: C-contiguous, of the same size.
    """
    tables, words, noise = (
        np.ascontiguousarray(leaf, dtype)
        for leaf, dtype in zip(how, (np.float32, np.uint32, np.float32), strict=True)
    )
    _run(
        "multiaug_recolour", pictures,
        out=out.ctypes.data, tables=tables.ctypes.data, words=words.ctypes.data,
        noise=noise.ctypes.data, channels=pictures.shape[-1], period=tables.shape[1],
        type=_TYPES[out.dtype.name],
    )  # fmt: skip


def _run(function: str, pictures: NDArray, **fields: Any) -> None:
    held = library()
    assert held is not None
    one = pictures[0].size if len(pictures) else 0
    task = _Recolouring(source=pictures.ctypes.data, n_records=len(pictures), values=one, **fields)
    getattr(held, function)(ctypes.byref(task))
