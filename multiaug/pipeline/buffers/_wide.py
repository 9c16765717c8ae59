"""Scalars of 64 bits, such as ids and times, where XLA is to handle them: JAX holds 32 bits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import RecordError
from ...typing import NDArray


def is_wide(dtype: Any) -> bool:
    """JAX would shorten arrays of a dtype."""
    return bool(np.dtype(dtype) != jax.dtypes.canonicalize_dtype(dtype))


def wide_in(batch: Mapping[str, Any]) -> dict[str, np.dtype[Any]]:
    """The dtypes of the arrays that JAX would shorten."""
    return {n: a.dtype for n, a in batch.items() if isinstance(a, np.ndarray) and is_wide(a.dtype)}


def shortened(owner: str, batch: Mapping[str, Any], moved: Collection[str]) -> dict[str, Any]:
    """A batch of which JAX shortens nothing that it should not.

    Args:
        owner: the transform that it is for, for errors.
        batch: the entries, leading N.
        moved: those of which only whole rows are moved or taken away: they become words of 32 bits,
            with one more axis of two. The others are numbers of 32 bits.

    Raises:
        RecordError: an integer that 32 bits do not hold.
    """
    found = dict(batch)
    for name, dtype in wide_in(batch).items():
        if name in moved:
            found[name] = _words(batch[name])
            continue
        if dtype.kind in "iu":
            _refuse_large(owner, name, batch[name])
        found[name] = batch[name].astype(jax.dtypes.canonicalize_dtype(dtype))
    return found


def lengthened(
    done: Mapping[str, Any], wide: Mapping[str, np.dtype[Any]], moved: Collection[str]
) -> dict[str, Any]:
    """Results of what was `shortened`, where they are the same entries, as they were before.

    Args:
        done: entry name -> array.
        wide: of `wide_in`, before.
        moved: as of `shortened`.
    """
    found = dict(done)
    for name, dtype in wide.items():
        if name not in done:
            continue
        if name in moved:
            words = np.ascontiguousarray(np.asarray(done[name]))
            found[name] = words.view(dtype)[..., 0]
        elif dtype.kind in "iu" and done[name].dtype.kind == dtype.kind:
            found[name] = np.asarray(done[name]).astype(dtype)
    return found


def concatenated(parts: Sequence[Any]) -> Any:
    """Batches of an entry as one: in NumPy where JAX would shorten it."""
    wide = any(isinstance(part, np.ndarray) and is_wide(part.dtype) for part in parts)
    return np.concatenate(parts) if wide else jnp.concatenate(parts)


def _words(array: NDArray) -> NDArray:
    """(..., 2) uint32 of (...). An absent row has the same bits in both: all are set."""
    words: NDArray = np.ascontiguousarray(array)[..., None].view(np.uint32)
    return words


def _refuse_large(owner: str, name: str, array: NDArray) -> None:
    limits = np.iinfo(np.int32 if array.dtype.kind == "i" else np.uint32)
    outside = (array < limits.min) | (array > limits.max)
    if outside.any():
        raise RecordError(
            f"`{owner}` must find {limits.bits}-bit integers in {name!r}, as JAX computes with "
            f"those, got {array[outside][0]}. Number them anew from 0, or leave {name!r} out of "
            "the transform."
        )
