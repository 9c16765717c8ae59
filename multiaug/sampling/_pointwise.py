"""New values for the channels of pictures, in C: a few steps, with numbers of every record."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jax
import numpy as np

from .._native import layout, library
from ..typing import Array, NDArray

_TYPES = {"uint8": 0, "uint16": 1, "float32": 2}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PointwiseProgram:
    """How some channels of a picture change; arrays with a leading N make a batch.

    A step has an element that says whether it is on, and its own elements behind it, packed as
    transforms/_operations.py says. Steps that are not on cost nothing but these.

    Args:
        numbers: (L,) float32, of all steps.
        words: (noises, 2) uint32, of which noise is made.
        kinds: of the steps, by the names of warp.h.
        start: the first channel.
        channels: how many there are.
        invalid: values without data, which stay: ``"nan"``, a number, or None.
        dtype: of the result.
        beside: what stands for a value that would be the number ``invalid``; None: itself.
    """

    numbers: Array
    words: Array
    kinds: tuple[str, ...] = field(metadata={"static": True})
    start: int = field(metadata={"static": True})
    channels: int = field(metadata={"static": True})
    invalid: float | str | None = field(metadata={"static": True})
    dtype: np.dtype[Any] = field(metadata={"static": True})
    beside: float | None = field(default=None, metadata={"static": True})


@layout("PointwiseProgram")
class PointwiseStruct(ctypes.Structure):
    """`PointwiseProgram` of warp.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("source", "out", "kinds", "numbers", "words")),
        *((name, ctypes.c_int64) for name in ("in_bytes", "out_bytes")),
        *((name, ctypes.c_int64) for name in ("n_records", "pixels", "length")),
        *((name, ctypes.c_int32) for name in ("n_steps", "n_noises", "channels", "stride")),
        *((name, ctypes.c_int32) for name in ("width", "in_type", "out_type", "marks")),
        *((name, ctypes.c_float) for name in ("invalid", "beside")),
    ]


@cache
def opcode_of(kind: str) -> int:
    """The number of an operation in the compiled library; -1 where it has none of this name."""
    found = library()
    return -1 if found is None else int(found.multiaug_opcode(kind.encode()))


def elements_of(kind: str, channels: int) -> int:
    """How many elements of a record the compiled library reads for an operation that it has."""
    found = library()
    assert found is not None
    return int(found.multiaug_elements(opcode_of(kind), channels))


def can_run_pointwise(dtype: np.dtype[Any], kinds: Sequence[str], channels: int) -> bool:
    """Whether pictures of a dtype can be changed in C by such steps."""
    found = library()
    if found is None or any(opcode_of(kind) < 0 for kind in kinds):
        return False
    most_steps, most_channels = (found.multiaug_most(i) for i in range(2))
    few = len(kinds) <= most_steps and channels <= most_channels
    return bool(few and dtype.name in _TYPES)


def sampled_into(results: NDArray, dtype: np.dtype[Any]) -> NDArray:
    """Where in the memory of results (N, ...) the pictures lie that they are made of.

    Numbers that get wider are at the end of their record: from the first on, they make room.
    """
    if results.dtype == dtype:
        return results
    size = results[0].size * dtype.itemsize if len(results) else 0
    flat = results.view(np.uint8).reshape(len(results), -1)
    return flat[:, flat.shape[1] - size :].view(dtype).reshape(results.shape)


class BoundPointwise:
    """A program for C of batches of one size.

    Args:
        struct: what C is told.
        how: of N records, or of more; only static parts, and the shapes of arrays, are read.
        dtype: of the pictures before.
        size: how many records, N.
        pixels: of a picture.
        stride: channels of a picture.
        record: bytes from record to record of the results.
        width: pixels of a row.
        behind: bytes of a record before the first of its pictures; see `sampled_into`.
        time: which of the pictures of a record, where it has several.

    Attributes:
        kinds: (n_steps,) int32, what the structure points to by itself.
    """

    def __init__(
        self,
        struct: PointwiseStruct,
        how: PointwiseProgram,
        dtype: np.dtype[Any],
        size: int,
        pixels: int,
        stride: int,
        record: int,
        width: int,
        behind: int = 0,
        time: int = 0,
    ) -> None:
        marks = 0 if how.invalid is None else 1 if how.invalid == "nan" else 2
        self.kinds = np.array([opcode_of(kind) for kind in how.kinds], np.int32)
        first = time * pixels * stride + how.start
        self._first = behind + first * dtype.itemsize, first * how.dtype.itemsize
        self._struct, self._time = struct, time
        struct.kinds, struct.n_steps = self.kinds.ctypes.data, len(self.kinds)
        struct.length, struct.n_noises = how.numbers.shape[1], how.words.shape[-2]
        struct.n_records, struct.pixels = size, pixels
        struct.channels, struct.stride, struct.width = how.channels, stride, width
        struct.in_bytes = struct.out_bytes = record
        struct.in_type, struct.out_type = _TYPES[dtype.name], _TYPES[how.dtype.name]
        struct.marks, struct.invalid = marks, how.invalid if marks == 2 else 0
        struct.beside = struct.invalid if how.beside is None else how.beside

    def point(self, results: int, numbers: int, words: int, shape: tuple[int, ...]) -> None:
        """Name the memory of a batch.

        Args:
            results: address of the results.
            numbers: address of those of ``how``.
            words: address of those of ``how``.
            shape: of the words: (N, noises, 2), or (T, N, noises, 2) where they differ from
                picture to picture of a record.
        """
        struct, (read, written) = self._struct, self._first
        struct.source, struct.out = results + read, results + written
        skipped = self._time * math.prod(shape[1:]) * 4 if len(shape) == 4 else 0
        struct.numbers, struct.words = numbers, words + skipped


def run_pointwise(pictures: NDArray, how: PointwiseProgram, out: NDArray) -> None:
    """Write new values of pictures to ``out``.

    Args:
        pictures: (N, ..., C), each contiguous.
        how: of N records, or of more; arrays of NumPy.
        out: of this shape, each contiguous: the same array, or see `sampled_into`.
    """
    numbers = np.ascontiguousarray(how.numbers, np.float32)
    words = np.ascontiguousarray(how.words, np.uint32)
    struct = PointwiseStruct()
    bound = BoundPointwise(
        struct, how, pictures.dtype, len(pictures), math.prod(pictures.shape[1:-1]),
        pictures.shape[-1], out.strides[0], pictures.shape[-2],
        pictures.ctypes.data - out.ctypes.data,
    )  # fmt: skip
    bound.point(out.ctypes.data, numbers.ctypes.data, words.ctypes.data, words.shape)
    found = library()
    assert found is not None
    found.multiaug_pointwise(ctypes.byref(struct))
