"""What is asked of keys, counts and frames before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._arguments import shown
from ...errors import ParameterError
from ...typing import SpatialShape


@lru_cache(maxsize=16)
def _is_typed(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.prng_key)


def check_key(key: Any, ranks: tuple[int, ...]) -> None:
    """Refuse what is no typed key, or one of another rank."""
    dtype = key.dtype if isinstance(key, jax.Array | np.ndarray) else None
    if dtype is None or not _is_typed(dtype):
        found = shown(key) if dtype is None else f"dtype {dtype}"
        raise ParameterError(
            f"`key` must be a typed key, got {found}. Make one with jax.random.key(seed), or "
            "wrap old uint32 words with jax.random.wrap_key_data(words)."
        )
    if key.ndim not in ranks:
        expected = " or ".join("()" if rank == 0 else "(N,)" for rank in ranks)
        raise ParameterError(
            f"`key` must have shape {expected}, got {key.shape}. "
            "One record takes one key; a batch takes jax.random.split(key, N)."
        )


def checked_frame(shape: Any) -> SpatialShape:
    """(H, W) as whole numbers; anything else is refused."""
    values = tuple(shape) if isinstance(shape, tuple | list) else ()
    if len(values) != 2 or any(not isinstance(v, int | np.integer) or v < 1 for v in values):
        raise ParameterError(f"`shape` must be (height, width) in whole pixels, got {shape!r}.")
    return int(values[0]), int(values[1])


def check_count(words: Any, record: Mapping[str, Any]) -> None:
    """Refuse a batch that has not as many records as there are keys (N, w)."""
    count = len(words)
    for name, array in record.items():
        if np.ndim(array) and len(array) != count:
            raise ParameterError(
                f"There must be one key per record, got {count} keys and "
                f"{len(array)} records in {name!r}. Split the key with jax.random.split."
            )
