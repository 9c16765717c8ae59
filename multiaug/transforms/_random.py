"""Random fields at the price of a few multiplications a value.

`jax.random` spends some eighty operations on a word, twenty times what it costs to warp a pixel.
Noise of pictures needs no cryptography: a hash of a counter, keyed by words that `jax.random`
drew, passes the tests of distribution and correlation in ``tests/transforms/test_random.py``.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.random import define_prng_impl

from ..typing import Array, Key, NDArray

_GOLDEN = np.uint32(0x9E3779B9)


def bits(seed: Array, stream: int, shape: tuple[int, ...]) -> Array:
    """Random words.

    Args:
        seed: (2,) uint32, of one record.
        stream: tells fields of one record apart.
        shape: of the result, below 2^32 words.

    References:
        C. Wellons, Prospecting for Hash Functions, 2018: the constants of `_mix`, whose bias is
        among the lowest known of two multiplications.
    """
    return field(*keyed(seed, stream), shape)


def field(first: Array, second: Array, shape: tuple[int, ...]) -> Array:
    """`bits`, of the two words that `keyed` gives."""
    counter = lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    words: Array = hashed(counter, first, second)
    return words


def hashed(counter: Any, first: Any, second: Any) -> Any:
    """The random words of counters, uint32, under the two words of `keyed`; of NumPy's, too."""
    # Two rounds, keyed in between: neighbouring counters, and seeds, share nothing. No word comes
    # twice in a field; random ones would in a picture of 65,536 values, once in two.
    return _mix(_mix(counter * _GOLDEN + first) ^ second)


def keyed(seed: Array, stream: int | Array) -> tuple[Array, Array]:
    """The two words that counters are mixed with; see `bits`."""
    first = _mix(seed[0] ^ _mix(jnp.uint32(stream) + _GOLDEN))
    return first, _mix(seed[1] + first)


def keyed_on_host(seed: NDArray, stream: int) -> tuple[NDArray, NDArray]:
    """`keyed` in NumPy: the same two words, (1,) each, since its scalars warn of an overflow."""
    first = _mix(seed[:1] ^ _mix(np.array([stream], np.uint32) + _GOLDEN))
    return first, _mix(seed[1:] + first)


def words_at(words: Any, time: Any) -> Any:
    """(..., 2), the words of one frame from those of an image, which are those of the first frame.

    NumPy does here what JAX does, so that their number is no part of what is compiled.

    Args:
        words: (..., 2) uint32, as `keyed` gives them; of NumPy or of JAX.
        time: uint32, which frames; broadcast against ``words[..., 0]``.
    """
    lib: Any = np if isinstance(words, np.ndarray) else jnp
    first = _mix(words[..., 0] ^ _mix(time + _GOLDEN))
    second = _mix(words[..., 1] + first)
    return lib.where((time == 0)[..., None], words, lib.stack([first, second], axis=-1))


def _mix(word: Any) -> Any:
    word = (word ^ (word >> 16)) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * np.uint32(0x846CA68B)
    return word ^ (word >> 16)


def drawing_key(words: Array) -> Key:
    """The key that a record draws from: typed, with `bits` as its generator.

    Transforms draw from it, with `jax.random` as from any other: a pipeline's draws are then a few
    operations on all records at once, in half the time that those of threefry take on CPUs, whose
    rounds are a loop there. `jax.random.poisson` wants threefry: wrap the words once more for it.

    Args:
        words: (w,) uint32, ``jax.random.key_data`` of the user's key, whatever its generator.
    """
    first, second = jnp.uint32(0), jnp.uint32(0)
    for i in range(words.shape[-1]):
        first, second = keyed(jnp.stack([words[i] ^ first, second]), i)
    own: Key = jax.random.wrap_key_data(jnp.stack([first, second]), impl=_COUNTER_HASH)
    return own


def _fold_in(words: Array, number: int | Array) -> Array:
    return jnp.stack(keyed(words, number))


def _split(words: Array, shape: tuple[int, ...]) -> Array:
    # Not the words that the key itself gives.
    return bits(_fold_in(words, jnp.uint32(2**32 - 1)), 0, (*shape, 2))


def _bits_of(words: Array, width: int, shape: tuple[int, ...]) -> Array:
    if width == 64:
        upper, lower = jnp.moveaxis(bits(words, 0, (*shape, 2)).astype(jnp.uint64), -1, 0)
        joined: Array = (upper << 32) | lower
        return joined
    found = bits(words, 0, shape)
    return found if width == 32 else (found >> (32 - width)).astype(f"uint{width}")


def _seed(seed: Array) -> Array:
    # JAX hands over 64 bits in its 64-bit mode.
    upper = lax.shift_right_logical(seed, 32) if seed.dtype.itemsize == 8 else 0
    return jnp.stack(keyed(jnp.stack([jnp.uint32(upper), seed.astype(jnp.uint32)]), 0))


_COUNTER_HASH = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_bits_of,
    fold_in=_fold_in,
    name="multiaug_counter_hash",
    tag="mch",
)


def normal(seed: Array, stream: int, shape: tuple[int, ...]) -> Array:
    """Values from N(0, 1), float32, within +-5.4; see `bits`."""
    return _as_normal(bits(seed, stream, shape))


def normal_of(words: Array, shape: tuple[int, ...]) -> Array:
    """`normal`, of the (2,) words that `keyed` gives."""
    return _as_normal(field(words[0], words[1], shape))


def _as_normal(words: Array) -> Array:
    # 24 bits, all that float32 can tell apart, at the middles of their steps.
    steps = (words >> 8).astype(jnp.int32).astype(jnp.float32)
    # The middle of the last step needs a bit more than float32 has, and is rounded up to 1, where
    # the inverse error function is infinite: that step ends where the first one begins, mirrored.
    uniform = jnp.minimum((steps + 0.5) * np.float32(2**-23) - 1, np.float32(1 - 2**-24))
    return np.float32(math.sqrt(2)) * _erf_inv(uniform)


# Coefficients of w - 2.5 near the middle and of sqrt(w) - 3 in the tails, highest power first.
_MIDDLE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
           -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_TAILS = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
          -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def _erf_inv(x: Array) -> Array:
    """Inverse error function; `lax.erf_inv` says the same in six times the time on CPUs.

    References:
        M. Giles, Approximating the erfinv function, in: GPU Computing Gems, Jade Edition, 2012.
    """
    w = -jnp.log((1 - x) * (1 + x))
    middle = w < 5
    w = jnp.where(middle, w - 2.5, jnp.sqrt(w) - 3)
    total = jnp.zeros_like(x)
    for near, far in zip(_MIDDLE, _TAILS, strict=True):
        total = jnp.where(middle, np.float32(near), np.float32(far)) + total * w
    return total * x
