"""Memory that a thread of the compiled executor uses again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ...typing import Array, NDArray
from ._outputs import ALIGNMENT, empty


class Scratch:
    """What a thread uses again for every part.

    That is positions, sampled pictures, and those that were changed afterwards.
    """

    def __init__(self) -> None:
        self.pictures: dict[str, NDArray] = {}
        self.positions: list[Array] | None = None
        self.kept: dict[str, Array] | None = None
        self._staged: dict[str, NDArray] = {}

    def fields(self, shapes: Sequence[jax.ShapeDtypeStruct]) -> list[Any]:
        """Memory for positions, to be donated."""
        if self.positions is not None:
            return self.positions
        return [np.zeros(s.shape, s.dtype) for s in shapes]

    def sampled(self, name: str, length: int, shape: jax.ShapeDtypeStruct) -> NDArray:
        """(length, h, w, C), whatever it holds."""
        if name not in self.pictures:
            self.pictures[name] = empty((length, *shape.shape), shape.dtype)
            self.pictures[name][...] = 0
        return self.pictures[name]

    def staged(self, name: str, array: NDArray, length: int) -> NDArray:
        """The records of a part where XLA can read them: as they are, or copied.

        Rows beyond the given records hold what was there before: nothing is computed of them.
        """
        aligned = array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0
        if aligned and len(array) == length:
            return array
        if name not in self._staged:
            self._staged[name] = empty((length, *array.shape[1:]), array.dtype)
            self._staged[name][...] = 0
        self._staged[name][: len(array)] = array
        return self._staged[name]

    def done(self, length: int, shapes: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
        """Name -> (length, h, w * C) or (length, h, w), to be donated."""
        if self.kept is not None:
            return self.kept
        return {n: np.zeros((length, *long_rows(s.shape)), s.dtype) for n, s in shapes.items()}


def long_rows(shape: Sequence[int]) -> tuple[int, ...]:
    """Rows of all channels: loops over three of them are too short to be vectorised."""
    return tuple(shape) if len(shape) < 3 else (*shape[:-2], shape[-2] * shape[-1])
