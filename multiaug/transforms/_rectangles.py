"""Rectangles that cover something: of positions, and of the pixels of an image."""

from __future__ import annotations

import numpy as np

from ..sampling import library_of
from ..typing import Array, NDArray


def in_rectangles(edges: Array, x: Array, y: Array) -> Array:
    """Whether positions lie in one of some rectangles; takes arrays of NumPy, too.

    Args:
        edges: (K, 4): x0, y0, x1, y1; the first two belong to a rectangle, the others do not.
        x: of positions.
        y: of as many axes; they are broadcast to each other.
    """
    lib = library_of(edges)
    x, y = lib.asarray(x)[..., None], lib.asarray(y)[..., None]
    edges = edges.reshape((1,) * (x.ndim - 1) + edges.shape)
    x0, y0, x1, y1 = (edges[..., i] for i in range(4))
    inside: Array = ((x >= x0) & (x < x1) & (y >= y0) & (y < y1)).any(-1)
    return inside


def boxes_of_rectangles(edges: NDArray, x: NDArray, y: NDArray) -> NDArray:
    """The pixels that lie in the rectangles of a batch; see `Occluding.boxes`.

    Args:
        edges: (N, K, 4) float32.
        x: (w,) float32, of columns, ascending.
        y: (h,) of rows.
    """
    records = np.repeat(np.arange(len(edges), dtype=np.int32), edges.shape[1])
    flat = edges.reshape(-1, 4)
    # The first position that is not before an edge: what `in_rectangles` compares.
    columns, rows = np.searchsorted(x, flat[:, ::2]), np.searchsorted(y, flat[:, 1::2])
    return np.column_stack([records, rows, columns]).astype(np.int32)
