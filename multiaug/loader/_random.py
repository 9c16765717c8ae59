"""Random numbers and permutations as functions of a counter.

NumPy may change its generators' streams between releases, and has no random access to a
permutation. An order that is to be the same on another machine, years later, and from the
middle of an epoch, needs both; so it is made from one fixed hash of 64-bit integers.
"""

from __future__ import annotations

import numpy as np

from ..typing import NDArray

_WORD = 2**64
# Increment and multipliers of SplitMix64.
_GAMMA = 0x9E3779B97F4A7C15
_M1, _M2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

# Up to this length a permutation is sorted out of random numbers: uniform over all orders.
_SORTED_LENGTH = 2**20
_ROUNDS = 10


def derive(*parts: int) -> int:
    """One 64-bit key from some integers; different integers, or another order, another key."""
    state = 0
    for part in parts:
        state = _mix_int((state + _GAMMA + part) % _WORD)
        state = _mix_int((state + _GAMMA + (part >> 64)) % _WORD)
        rest = part >> 128
        while rest > 0:
            state = _mix_int((state + _GAMMA + rest) % _WORD)
            rest >>= 64
    return state


def hashed(key: int, counter: NDArray) -> NDArray:
    """Random uint64 for every counter: the SplitMix64 stream with a random start.

    Args:
        key: from `derive`.
        counter: integers (n,).

    References:
        Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    return _mix(counter.astype(np.uint64) * np.uint64(_GAMMA) + np.uint64(key))


def uniform(words: NDArray) -> NDArray:
    """float64 in [0, 1) with 53 random bits, of random words."""
    unit: NDArray = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return unit


class Permutation:
    """A random order of 0 .. count - 1, of which any part can be asked for.

    Args:
        count: how many.
        key: from `derive`.
    """

    def __init__(self, count: int, key: int) -> None:
        self._count = count
        self._key = key
        self._order: NDArray | None = None
        if count <= _SORTED_LENGTH:
            words = hashed(key, np.arange(count))
            self._order = np.argsort(words, kind="stable")
        bits = max(2, (count - 1).bit_length())
        self._half = np.uint64(-(-bits // 2))
        self._low = np.uint64(2 ** int(self._half) - 1)
        self._rounds = [np.uint64(derive(key, number)) for number in range(_ROUNDS)]

    def __call__(self, places: NDArray) -> NDArray:
        """What stands at these places; int64 (n,)."""
        if self._order is not None:
            found: NDArray = self._order[places]
            return found
        # A Feistel network permutes 0 .. 4^half - 1; what falls outside goes round again, which
        # leaves a permutation of what is inside. Less than four rounds on average.
        values = self._cipher(places.astype(np.uint64))
        while (outside := values >= self._count).any():
            values[outside] = self._cipher(values[outside])
        return values.astype(np.int64)

    def _cipher(self, values: NDArray) -> NDArray:
        left, right = values >> self._half, values & self._low
        for key in self._rounds:
            left, right = right, left ^ (_mix(right + key) & self._low)
        joined: NDArray = (left << self._half) | right
        return joined


def _mix(words: NDArray) -> NDArray:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_M1)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_M2)
    mixed: NDArray = words ^ (words >> np.uint64(31))
    return mixed


def _mix_int(word: int) -> int:
    word = (word ^ (word >> 30)) * _M1 % _WORD
    word = (word ^ (word >> 27)) * _M2 % _WORD
    return word ^ (word >> 31)


def random_order(count: int, seed: int) -> Permutation:
    """A random order of 0 .. count - 1 that does not change from release to release."""
    return Permutation(count, derive(seed))
