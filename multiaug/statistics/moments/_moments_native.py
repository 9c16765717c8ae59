"""Exact moments in native code: a pass over the records where they lie, nothing but sums kept."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..._native import layout, library
from ...typing import NDArray
from .._state import Accumulator, as_rows, channel_count
from ..sums._numbers import integer_shift
from ._moment_blocks import add_carried, mark_of, row_length

if TYPE_CHECKING:
    from ._moments import MomentsState

# Numbers of moments.h; a bool is a byte of 0 or 1.
_TYPES = {"bool": 0, "uint8": 0, "int8": 1, "uint16": 2, "int16": 3}


@layout("Columns")
class _Columns(ctypes.Structure):
    """See moments.h."""

    _fields_ = (
        ("rows", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("sums", ctypes.c_void_p),
        ("squares", ctypes.c_void_p),
        ("valid", ctypes.c_void_p),
        ("low", ctypes.c_void_p),
        ("high", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("shift", ctypes.c_int32),
        ("has_mark", ctypes.c_int32),
        ("mark", ctypes.c_int32),
    )


def native_is_available() -> bool:
    """Whether the library is there."""
    return library() is not None


class NativeMoments(Accumulator):
    """Integers of up to 16 bits: sums, squares and extremes of columns. Exact.

    Nothing is copied and no temporaries are made, and the interpreter is free meanwhile: threads
    decode what comes next.
    """

    def __init__(self, state: MomentsState) -> None:
        statistic = state.statistic
        dtype = statistic.kind_name
        self._state, self._n = state, state.n
        self._channels = channel_count(statistic.shape) if statistic.by_channel else 0
        self._width = statistic.size
        if self._channels:
            self._width = row_length(statistic.size, self._channels)
        self._sums = [array.copy() for array in (state.count, state.sum, state.square)]
        self._ends = [state.low.copy(), state.high.copy()]
        mark = mark_of(statistic.invalid, dtype)
        self._task = _Columns(
            width=self._width,
            type=_TYPES[dtype],
            shift=integer_shift(dtype),
            has_mark=mark is not None,
            mark=mark or 0,
        )
        # Of channels, what columns of pieces of records add up to; of pixels, the sums themselves.
        self._columns = (
            [np.zeros(self._width, np.int64) for _ in range(3)] if self._channels else self._sums
        )
        self._limits = [
            np.resize(end, self._width) if self._channels else end for end in self._ends
        ]
        valid, sums, squares = self._columns
        self._task.sums, self._task.squares = sums.ctypes.data, squares.ctypes.data
        self._task.valid = valid.ctypes.data
        self._task.low, self._task.high = (end.ctypes.data for end in self._limits)

    def add(self, batch: NDArray) -> None:
        """Take records."""
        found = library()
        assert found is not None
        rows = np.ascontiguousarray(as_rows(batch))
        self._task.rows, self._task.count = rows.ctypes.data, rows.size // self._width
        found.multiaug_moments(ctypes.addressof(self._task))
        self._n += len(rows)
        if self._channels:
            self._fold()

    def _fold(self) -> None:
        """Add the columns of each channel up."""
        valid, sums, squares = (
            column.reshape(-1, self._channels).sum(0) for column in self._columns
        )
        self._sums[0] += valid
        self._sums[1] += sums
        add_carried(self._sums[2], squares)
        for column in self._columns:
            column[...] = 0

    def state(self) -> MomentsState:
        """Everything so far."""
        low, high = self._limits
        if self._channels:
            low = low.reshape(-1, self._channels).min(0)
            high = high.reshape(-1, self._channels).max(0)
        count, total, square = self._sums
        return replace(
            self._state, n=self._n, count=count, sum=total, square=square, low=low, high=high
        )
