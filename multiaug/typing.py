"""Aliases shared by all sub-packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import jax

# A spatial shape is (height, width), in pixels.
SpatialShape: TypeAlias = tuple[int, int]

if TYPE_CHECKING:
    Array: TypeAlias = jax.Array
    Key: TypeAlias = jax.Array  # a typed key: jax.random.key, never the old uint32 form
    ArrayLike: TypeAlias = jax.Array | np.ndarray[Any, Any]
else:
    Array = Key = ArrayLike = Any

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# One training case, or a batch of them along a leading axis: entry name -> array.
Record: TypeAlias = "dict[str, ArrayLike]"
Batch: TypeAlias = "dict[str, ArrayLike]"
