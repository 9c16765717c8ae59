"""Dtypes: rounding into them, and the numbers of a spec in them."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from ..typing import Array, NDArray


def library_of(array: Any) -> Any:
    """NumPy for its own arrays, and `jax.numpy` for those of JAX: for code that takes both."""
    return np if isinstance(array, np.ndarray | np.generic) else jnp


def cast(values: Array, dtype: np.dtype[Any]) -> Array:
    """To ``dtype``; to integers by rounding half up and clipping to their range.

    Arrays of NumPy stay such, and get the same bits.
    """
    lib = library_of(values)
    if values.dtype == dtype:
        return values
    if dtype == np.bool_:
        return values >= 0.5 if is_float(values.dtype) else values.astype(dtype)
    if is_float(dtype) or not is_float(values.dtype):
        return values.astype(dtype)
    info = np.iinfo(dtype)
    # float32 cannot hold the ends of int32: the largest float below converts without overflow.
    top = np.nextafter(np.float32(info.max), np.float32(0)) if info.bits == 32 else info.max
    # Not floor(values + 0.5): that sum rounds too, just below a half and beyond 2^23.
    whole = lib.floor(values)
    rounded = whole + (values - whole >= 0.5).astype(values.dtype)
    clipped: Array = lib.clip(rounded, info.min, top).astype(dtype)
    return clipped


def constant(value: float, dtype: np.dtype[Any]) -> NDArray:
    """A number of the spec in ``dtype``, by way of float64, which holds every int32."""
    if not is_float(dtype) and dtype != np.bool_:
        info = np.iinfo(dtype)
        # An integer has no NaN: nothing is 0.
        rounded = 0.0 if math.isnan(value) else math.floor(value + 0.5)
        value = min(max(rounded, info.min), info.max)
    return np.asarray(value).astype(dtype)


def beside(mark: float, dtype: np.dtype[Any], top: float = math.inf) -> NDArray:
    """The number next to one that marks pixels without data, for a value that fell on it.

    Args:
        mark: the number.
        dtype: of the values.
        top: white. The number is above the mark, or below it where that would be beyond white.
    """
    own = constant(mark, dtype)
    if not is_float(dtype):
        highest = 1 if dtype == np.bool_ else np.iinfo(dtype).max
        return constant(int(own) + (1 if own < min(top, highest) else -1), dtype)
    sign = 1 if own < top else -1
    if own == 0:
        # What is smaller is 0 to much hardware.
        least = ml_dtypes.finfo(dtype).tiny  # type: ignore[no-untyped-call]
        return np.asarray(sign * float(least), dtype)
    return np.asarray(np.nextafter(own, np.asarray(sign * math.inf, dtype)))


def is_float(dtype: np.dtype[Any]) -> bool:
    """True for float16, float32, float64 and bfloat16."""
    return np.issubdtype(dtype, np.floating) or dtype == ml_dtypes.bfloat16
