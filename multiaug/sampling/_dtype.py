"""Dtypes: rounding into them, and the numbers of a spec in them."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from ..typing import Array, NDArray


def cast(values: Array, dtype: np.dtype[Any]) -> Array:
    """To ``dtype``; to integers by rounding half up and clipping to their range."""
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
    whole = jnp.floor(values)
    rounded = whole + (values - whole >= 0.5).astype(values.dtype)
    return jnp.clip(rounded, info.min, top).astype(dtype)


def constant(value: float, dtype: np.dtype[Any]) -> NDArray:
    """A number of the spec in ``dtype``, by way of float64, which holds every int32."""
    if not is_float(dtype) and dtype != np.bool_:
        info = np.iinfo(dtype)
        # An integer has no NaN: nothing is 0.
        rounded = 0.0 if math.isnan(value) else math.floor(value + 0.5)
        value = min(max(rounded, info.min), info.max)
    return np.asarray(value).astype(dtype)


def is_float(dtype: np.dtype[Any]) -> bool:
    """True for float16, float32, float64 and bfloat16."""
    return np.issubdtype(dtype, np.floating) or dtype == ml_dtypes.bfloat16
