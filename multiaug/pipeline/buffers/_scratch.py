"""Memory that a thread of the compiled executor uses again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ...typing import Array, NDArray
from ._outputs import empty


class Scratch:
    """What a thread uses again for every part.

    That is positions, sampled pictures, and those that were changed afterwards.
    """

    def __init__(self) -> None:
        self.pictures: dict[str, NDArray] = {}
        self.positions: list[Array] | None = None
        self.kept: dict[str, Array] | None = None

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

    def done(self, length: int, shapes: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
        """Name -> (length, h, w * C), to be donated."""
        if self.kept is not None:
            return self.kept
        return {
            n: np.zeros((length, *rows_of_channels(s.shape)), s.dtype) for n, s in shapes.items()
        }


def rows_of_channels(shape: Sequence[int]) -> tuple[int, ...]:
    """Rows of all channels: loops over three of them are too short to be vectorised."""
    return shape[0], shape[1] * shape[2]
