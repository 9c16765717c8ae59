"""Whitening of batches, compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._forks import refuse_forked_child
from ...typing import Array

_PRECISION = lax.Precision.HIGHEST


@jax.jit
def whiten(operator: Mapping[str, Array], rows: Array) -> Array:
    """Rows (n, d) of any dtype to float32 (n, d), or (n, k) for PCA; see `operator_of`."""
    centred = rows.astype(jnp.float32) - operator["mean"][None]
    if "matrix" in operator:
        return jnp.dot(centred, operator["matrix"], precision=_PRECISION)
    if "rows" in operator:
        return jnp.dot(centred, operator["rows"].T, precision=_PRECISION)
    return _by_vectors(operator, centred)


@jax.jit
def unwhiten(operator: Mapping[str, Array], rows: Array) -> Array:
    """The way back; see `inverse_of`."""
    held = rows.astype(jnp.float32)
    if "matrix" in operator:
        return jnp.dot(held, operator["matrix"], precision=_PRECISION) + operator["mean"][None]
    if "rows" in operator:
        return jnp.dot(held, operator["rows"], precision=_PRECISION) + operator["mean"][None]
    return _by_vectors(operator, held) + operator["mean"][None]


def _by_vectors(operator: Mapping[str, Array], rows: Array) -> Array:
    along = jnp.dot(rows, operator["vectors"].T, precision=_PRECISION) * operator["weights"][None]
    return operator["tail"] * rows + jnp.dot(along, operator["vectors"], precision=_PRECISION)


@jax.jit
def filter_pictures(operator: Mapping[str, Array], pictures: Array) -> Array:
    """Pictures (n, H, W, C) through the filters of `Stationary` whitening."""
    return _filtered(operator, pictures.astype(jnp.float32) - _channels(operator))


@jax.jit
def unfilter_pictures(operator: Mapping[str, Array], pictures: Array) -> Array:
    """The way back."""
    return _filtered(operator, pictures.astype(jnp.float32)) + _channels(operator)


def _channels(operator: Mapping[str, Array]) -> Array:
    return operator["mean"][None, None, None]


def _filtered(operator: Mapping[str, Array], pictures: Array) -> Array:
    field = jnp.fft.rfft2(pictures, axes=(1, 2))
    filters = lax.complex(operator["real"], operator["imaginary"])
    channels = field.shape[-1]
    done = [
        sum(filters[None, :, :, i, j] * field[..., j] for j in range(channels))
        for i in range(channels)
    ]
    found: Array = jnp.fft.irfft2(jnp.stack(done, -1), s=pictures.shape[1:3], axes=(1, 2))
    return found


# Rows of one compiled call on CPUs, whatever the batch: the same bits in batches of every size.
_BLOCK = 64


def in_blocks(
    act: Callable[[Mapping[str, Array], Any], Array], operator: Mapping[str, Array], rows: Any
) -> Array:
    """Run one of the functions above on any number of rows.

    On CPUs always on 64 rows at a time, the last ones repeated; elsewhere, and inside a user's
    own jit, on all of them.
    """
    refuse_forked_child("Whitening")
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((operator, rows)))
    if traced or jax.default_backend() != "cpu":
        return act(operator, jnp.asarray(rows))
    held = np.asarray(rows)
    if len(held) == _BLOCK:
        return act(operator, held)
    done = None
    for start in range(0, max(len(held), 1), _BLOCK):
        part = held[start : start + _BLOCK]
        block = np.empty((_BLOCK, *held.shape[1:]), held.dtype)
        block[: len(part)] = part
        block[len(part) :] = part[-1:]
        found = np.asarray(act(operator, block))
        if done is None:
            done = np.empty((len(held), *found.shape[1:]), found.dtype)
        done[start : start + len(part)] = found[: len(part)]
    return jnp.asarray(done)
