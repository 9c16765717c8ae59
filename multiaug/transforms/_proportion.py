"""Sizes in proportion to others, in exact integers, whether sides are numbers or data.

The frame behind a transform is known before its map is: both must find the same integers, so that
products beyond int32 are compared and divided by what is left of them modulo 2^32.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ..geometry import Length
from ..typing import Array, SpatialShape


def is_data(shape: SpatialShape) -> bool:
    """Whether a side of a shape is data of a compiled program."""
    return any(isinstance(side, Length) for side in shape)


def larger(one: Any, other: Any) -> Any:
    """The larger of two numbers of pixels, one of which may be data."""
    if is_data((one, other)):
        return Length(jnp.maximum(_int(one), _int(other)))
    return max(one, other)


def smaller(one: Any, other: Any) -> Any:
    """The smaller of the two."""
    if is_data((one, other)):
        return Length(jnp.minimum(_int(one), _int(other)))
    return min(one, other)


def scaled_shape(shape: SpatialShape, length: Any, of: Any, multiple: int) -> SpatialShape:
    """The shape times ``length / of``, each side the nearest multiple, half up, and at least one.

    Args:
        shape: (height, width), below 2^24 as all numbers here.
        length: what ``of`` becomes.
        of: a number of pixels; of data, times ``multiple`` below 2^29.
        multiple: what sides are to be multiples of.
    """
    height, width = (_scaled(side, length, of, multiple) for side in shape)
    return height, width


def _scaled(side: Any, length: Any, of: Any, multiple: int) -> Any:
    if not is_data((side, length)) and not isinstance(of, Length):
        return multiple * max(1, (2 * side * length + of * multiple) // (2 * of * multiple))
    side, length, of = _int(side), _int(length), _int(of)
    ratio = side.astype(jnp.float32) * length.astype(jnp.float32) / of.astype(jnp.float32)
    guess = jnp.floor(ratio / multiple + 0.5).astype(jnp.int32)
    # A few off at most; the rest is small, and so are the bits that int32 keeps of both products.
    rest = 2 * side * length + of * multiple - guess * (2 * of * multiple)
    return Length(multiple * jnp.maximum(guess + rest // (2 * of * multiple), 1))


def shortened(length: int, limit: int, shape: SpatialShape) -> tuple[Any, Any]:
    """(to, of) for `scaled_shape`: the shorter side becomes a length, the longer one a limit.

    Args:
        length: of the shorter side.
        limit: that the longer side may not exceed; then that becomes it.
        shape: the frame.
    """
    shorter, longer = smaller(*shape), larger(*shape)
    if not is_data(shape):
        limited = length * longer > limit * shorter
        return (limit, longer) if limited else (length, shorter)
    exceeds = _exceeds(length, _int(longer), limit, _int(shorter))
    to = jnp.where(exceeds, limit, length).astype(jnp.int32)
    return Length(to), Length(jnp.where(exceeds, _int(longer), _int(shorter)))


def _exceeds(a: int, b: Array, c: int, d: Array) -> Array:
    """``a b > c d``, of numbers below 2^24."""
    about = a * b.astype(jnp.float32) - c * d.astype(jnp.float32)
    # Where float32 is not sure the difference is one that int32 holds.
    return jnp.where(jnp.abs(about) > 2.0**29, about > 0, a * b - c * d > 0)


def _int(side: Any) -> Array:
    return jnp.asarray(side, jnp.int32)
