"""Statistics of the values of one record that operations ask for: of each channel, or of all."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ..typing import Array


class Measured(NamedTuple):
    """Of the valid values of a channel group, (1, 1, c) each; zeros where nothing is valid.

    Args:
        mean: of a channel, or of all of them.
        deviation: the standard deviation, of the values that there are.
        low: the least.
        high: the greatest.
    """

    mean: Array
    deviation: Array
    low: Array
    high: Array


def measure(values: Array, valid: Any, *, joined: bool) -> Measured:
    """Mean, standard deviation, least and greatest value.

    Args:
        values: (h, w, c) float32.
        valid: bool, of that shape or None, where all are.
        joined: of all channels as one.
    """
    axes = (0, 1, 2) if joined else (0, 1)
    there = jnp.ones(values.shape, bool) if valid is None else valid
    count = there.sum(axes, keepdims=True)
    some = jnp.maximum(count, 1).astype(jnp.float32)
    mean = jnp.where(there, values, 0).sum(axes, keepdims=True) / some
    square = jnp.where(there, (values - mean) ** 2, 0).sum(axes, keepdims=True) / some
    # The slope of a root is infinite at 0: keep that out of the gradient.
    flat = square == 0
    deviation = jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, square)))
    low = jnp.where(there, values, jnp.inf).min(axes, keepdims=True)
    high = jnp.where(there, values, -jnp.inf).max(axes, keepdims=True)
    low, high = (jnp.where(count > 0, end, 0) for end in (low, high))
    found = (jnp.broadcast_to(n, (1, 1, values.shape[-1])) for n in (mean, deviation, low, high))
    return Measured(*found)


def quantiles(values: Array, valid: Any, shares: tuple[Any, Any], *, joined: bool) -> list[Array]:
    """Two quantiles, (1, 1, c) each, linear between the values that there are.

    Args:
        values: (h, w, c) float32.
        valid: bool, of that shape or None, where all are.
        shares: in [0, 1].
        joined: of all channels as one.
    """
    channels = values.shape[-1]
    there = jnp.ones(values.shape, bool) if valid is None else valid
    rows = jnp.where(there, values, jnp.inf).reshape(-1, channels)
    counts = there.reshape(-1, channels).sum(0)
    if joined:
        rows, counts = rows.reshape(-1, 1), counts.sum(keepdims=True)
    rows = jnp.sort(rows, axis=0)
    found = []
    for share in shares:
        place = share * jnp.maximum(counts - 1, 0).astype(jnp.float32)
        first = jnp.minimum(place.astype(jnp.int32), jnp.maximum(counts - 1, 0))
        second = jnp.minimum(first + 1, jnp.maximum(counts - 1, 0))
        low, high = (jnp.take_along_axis(rows, n[None], axis=0)[0] for n in (first, second))
        between = low + (place - first.astype(jnp.float32)) * (high - low)
        known = jnp.where(counts > 0, between, 0)
        found.append(jnp.broadcast_to(known.reshape(1, 1, -1), (1, 1, channels)))
    return found
