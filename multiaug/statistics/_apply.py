"""Whitening of batches, compiled."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax

from ..typing import Array

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
