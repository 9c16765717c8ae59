"""The key of every record: a function of seed, epoch, index and copy, of nothing else."""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._arguments import NUMBERS, check_argument
from ..._forks import refuse_forked_child
from ...errors import ParameterError
from ...typing import Array, ArrayLike, Key, NDArray
from ..checks._arguments import check_key
from ..checks._modes import in_64_bits

# Counted per call of the compiled function, so that few programs serve batches of every size.
_BLOCKS = (512, 64)


def record_keys(
    seed: int | Key, epoch: int, index: ArrayLike | int, copy: ArrayLike | int = 0
) -> Key:
    """The keys that records draw from: those of `Loader`, `fit` and `export`.

    ``fold_in(fold_in(fold_in(root, epoch), index), copy)``: a record's key does not depend on the
    batch that it comes in, nor on the order of the records.

    Args:
        seed: a whole number >= 0, all bits of which count, for the root
            ``jax.random.key(seed)``; or a typed key (), the root itself. Of 32 bits and more, the
            root is what JAX makes of the number in its 64-bit mode; from 2^64 on, of 64 bits of its
            SHA-256.
        epoch: from 0, less than 2^32.
        index: positions of the records in the source, (n,) or (), from 0, less than 2^32.
        copy: which augmented version, from 0; of the shape of ``index``, or one for all.

    Returns:
        Typed keys of the shape of ``index``: (n,) for `Pipeline.batch`, () for `Pipeline`.

    Raises:
        ParameterError: a negative seed, a key of the old uint32 form, or numbers that are not
            whole or out of range.

    Example:
        >>> import numpy as np
        >>> record_keys(0, epoch=3, index=np.arange(8)).shape
        (8,)
    """
    refuse_forked_child("A key")
    words, implementation = _epoch_root(seed, epoch)
    places, copies = _counted(index, "index"), _counted(copy, "copy")
    shape = np.shape(places)
    if np.shape(copies) not in {shape, ()}:
        raise ParameterError(
            f"`record_keys.copy` must have the shape {shape} of `index`, or be one number, got "
            f"shape {np.shape(copies)}."
        )
    if any(isinstance(value, jax.core.Tracer) for value in (words, places, copies)):
        pair = (
            jnp.broadcast_to(jnp.asarray(v, jnp.uint32), shape).ravel() for v in (places, copies)
        )
        data = _fold(words, *pair, implementation=implementation)
    else:
        data = _folded(np.asarray(words), places.ravel(), copies.ravel(), implementation)
    keys: Key = jax.random.wrap_key_data(jnp.asarray(data), impl=implementation)
    return keys.reshape(shape)


def short_seed(seed: int) -> int:
    """A seed of any length in 64 bits, to which each of its bits contributes."""
    if seed < 2**64:
        return seed
    size = (seed.bit_length() + 7) // 8
    return int.from_bytes(hashlib.sha256(seed.to_bytes(size, "little")).digest()[:8], "little")


def _epoch_root(seed: int | Key, epoch: int) -> tuple[Any, str]:
    """Words and kind of the key that the records of an epoch fold into."""
    number = _counted(epoch, "epoch")
    if np.ndim(number):
        raise ParameterError(f"`record_keys.epoch` must be one number, got {epoch!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        check_key(seed, (0,))
        root = jax.random.fold_in(seed, jnp.asarray(number, jnp.uint32))
        return jax.random.key_data(root), str(jax.random.key_impl(root))
    if seed < 0:
        raise ParameterError(f"`record_keys.seed` must be a whole number >= 0, got {seed!r}.")
    default: str = jax.config.jax_default_prng_impl  # type: ignore[attr-defined]
    if isinstance(number, jax.core.Tracer):
        root = jax.random.fold_in(_root(int(seed), default), number)
        return jax.random.key_data(root), default
    return _words_of_epoch(int(seed), int(number), default), default


def _counted(value: Any, name: str) -> Any:
    """Whole numbers in [0, 2^32); what is traced can only be believed."""
    if isinstance(value, jax.core.Tracer):
        return value
    check_argument(f"record_keys.{name}", value, NUMBERS)
    found = np.asarray(value)
    whole = found.dtype.kind in "iu" or not found.size
    if not whole or (found.size and not 0 <= int(found.min()) <= int(found.max()) < 2**32):
        raise ParameterError(
            f"`record_keys.{name}` must be whole numbers in [0, 2^32), got {value!r}."
        )
    return found


def _root(seed: int, default: str) -> Key:
    # By itself JAX drops the bits above the 32nd, or fails on them, as its 64-bit mode is off.
    with jax.ensure_compile_time_eval(), in_64_bits():
        root: Key = jax.random.key(np.uint64(short_seed(seed)), impl=default)
    return root


@lru_cache(maxsize=16)
def _words_of_epoch(seed: int, epoch: int, default: str) -> NDArray:
    """Words of an epoch's key, which every batch of it asks for."""
    with jax.ensure_compile_time_eval():
        root = jax.random.fold_in(_root(seed, default), np.uint32(epoch))
        return np.asarray(jax.random.key_data(root))


def _folded(words: NDArray, index: NDArray, copy: NDArray, implementation: str) -> NDArray:
    """The words of all keys, (n, w), in blocks of few lengths."""
    count, least = len(index), _BLOCKS[-1]
    padded = -(-count // least) * least
    pairs = np.zeros((2, padded), np.uint32)
    pairs[0, :count], pairs[1, :count] = index, copy
    blocks, begin = [np.zeros((0, len(words)), np.uint32)], 0
    for block in _BLOCKS:
        while begin + block <= padded:
            some = pairs[:, begin : begin + block]
            blocks.append(np.asarray(_fold(words, *some, implementation=implementation)))
            begin += block
    return np.concatenate(blocks)[:count]


@partial(jax.jit, static_argnames=("implementation",))
def _fold(words: Array, index: Array, copy: Array, *, implementation: str) -> Array:
    root = jax.random.wrap_key_data(words, impl=implementation)
    fold = jax.vmap(jax.random.fold_in)
    keys = fold(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(root, index), copy)
    return jax.random.key_data(keys)
