"""Eigenvectors of a covariance from those of a Gram matrix."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array, NDArray
from ._products import FEATURES
from ._state import Statistic, as_rows

_TILE = 1024


@partial(jax.jit, donate_argnames="basis")
def add_weighted(basis: Array, weights: Array, rows: Array, shift: Array) -> Array:
    """Add ``weights @ (rows - shift)`` to a basis, by blocks of features.

    Args:
        basis: (k, blocks * 1024) float32.
        weights: (k, m) float32.
        rows: (m, blocks * 1024).
        shift: (blocks * 1024,) float32.
    """

    def body(i: Array, held: Array) -> Array:
        at = i * FEATURES
        block = lax.dynamic_slice_in_dim(rows, at, FEATURES, 1).astype(jnp.float32)
        block = block - lax.dynamic_slice_in_dim(shift, at, FEATURES)[None]
        more = jnp.dot(weights, block, precision=lax.Precision.HIGHEST)
        old = lax.dynamic_slice_in_dim(held, at, FEATURES, 1)
        return lax.dynamic_update_slice_in_dim(held, old + more, at, 1)

    found: Array = lax.fori_loop(0, rows.shape[1] // FEATURES, body, basis)
    return found


class DualBasis:
    """Eigenvectors from the weights of a Gram matrix and one more look at the records.

    Args:
        statistic: what the records are.
        weights: (k, n), scaled so that the eigenvectors come out of length 1.
        mean: float64 (d,), what the records are centred by.
    """

    def __init__(self, statistic: Statistic, weights: NDArray, mean: NDArray) -> None:
        self._d = statistic.size
        self._width = -(-self._d // FEATURES) * FEATURES
        self._weights = weights
        self._mean = np.zeros(self._width, np.float32)
        self._mean[: self._d] = mean
        self._basis = jnp.zeros((len(weights), self._width), jnp.float32)

    def add(self, batch: NDArray, index: int) -> None:
        """Take records (m, ...), of which the first is number ``index``."""
        rows = as_rows(batch)
        for i in range(0, len(rows), _TILE):
            part = rows[i : i + _TILE]
            tile = np.zeros((min(_TILE, len(rows)), self._width), part.dtype)
            tile[: len(part), : self._d] = part
            weights = np.zeros((len(self._weights), len(tile)), np.float32)
            held = self._weights[:, index + i : index + i + len(part)]
            weights[:, : len(part)] = held
            self._basis = add_weighted(self._basis, weights, tile, self._mean)
            jax.block_until_ready(self._basis)

    def vectors(self) -> NDArray:
        """The eigenvectors, float32 (k, d)."""
        found: NDArray = np.asarray(self._basis)
        return found if self._width == self._d else np.ascontiguousarray(found[:, : self._d])
