"""The key of every record: a function of seed, epoch, index and copy, of nothing else."""

from __future__ import annotations

from functools import lru_cache, partial

import jax
import numpy as np

from .._forks import refuse_forked_child
from ..typing import Array, Key, NDArray

# Counted per call of the compiled function, so that few programs serve batches of every size.
_BLOCKS = (512, 64)


def record_keys(seed: int, epoch: int, index: NDArray, copy: NDArray) -> Key:
    """``fold_in(fold_in(fold_in(root, epoch), index), copy)`` of every record.

    Args:
        seed: of the root key, ``jax.random.key(seed)``.
        epoch: from 0.
        index: (n,), positions in the source, less than 2^32.
        copy: (n,).

    Returns:
        Typed keys (n,).
    """
    refuse_forked_child("A key")
    default: str = jax.config.jax_default_prng_impl  # type: ignore[attr-defined]
    words, implementation = _root(seed, epoch, default)
    count, least = len(index), _BLOCKS[-1]
    padded = -(-count // least) * least
    pairs = np.zeros((2, padded), np.uint32)
    pairs[0, :count], pairs[1, :count] = index, copy
    blocks, begin = [], 0
    for block in _BLOCKS:
        while begin + block <= padded:
            some = pairs[:, begin : begin + block]
            blocks.append(_fold(words, *some, implementation=implementation))
            begin += block
    keys: Key = jax.random.wrap_key_data(
        jax.numpy.asarray(np.concatenate([np.asarray(b) for b in blocks])[:count]),
        impl=implementation,
    )
    return keys


@lru_cache(maxsize=16)
def _root(seed: int, epoch: int, default: str) -> tuple[NDArray, str]:
    """Words and kind of an epoch's key, which every batch of it asks for."""
    root = jax.random.fold_in(jax.random.key(seed, impl=default), epoch)
    return np.asarray(jax.random.key_data(root)), str(jax.random.key_impl(root))


@partial(jax.jit, static_argnames=("implementation",))
def _fold(words: Array, index: Array, copy: Array, *, implementation: str) -> Array:
    root = jax.random.wrap_key_data(words, impl=implementation)
    fold = jax.vmap(jax.random.fold_in)
    keys = fold(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(root, index), copy)
    return jax.random.key_data(keys)
