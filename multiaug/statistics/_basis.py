"""Eigenvectors of a covariance from those of a Gram matrix."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array, NDArray
from ._look import SecondLook
from ._products import FEATURES
from ._spectrum import Centre, Spectrum
from ._state import as_rows

if TYPE_CHECKING:
    from ._gram import GramState

_TILE = 1024
_STRIP = 4096
# Rows in float32 are orthonormal to this.
_ORTHONORMAL = 1e-7
_KEPT_APART = 1e-3
_MOST_TURNS = 6


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


def orthonormalise(vectors: NDArray) -> None:
    """Make rows orthonormal in place, each against those before it.

    Eigenvectors of small eigenvalues come out of sums in float32 with a share of those of the
    large ones, by which whitening multiplies: one in a million becomes one in a thousand. The
    other way round there is no such error, so Gram and Schmidt's order takes nothing away.
    Products are summed in float64, where those of float32 are exact.

    Args:
        vectors: (k, d) float32, C order, k <= d, nearly orthonormal; the most certain one first.

    References:
        T. Fukaya, R. Kannan, Y. Nakatsukasa, Y. Yamamoto, Y. Yanagisawa, Shifted Cholesky QR for
        computing the QR factorization of ill-conditioned matrices, SIAM J. Sci. Comput., 2020.
    """
    from scipy.linalg import LinAlgError, cholesky, solve_triangular  # slow to import
    from scipy.linalg.blas import dsyrk

    k, d = vectors.shape
    for _ in range(_MOST_TURNS):
        gram = np.zeros((k, k), order="F")
        for i in range(0, d, _STRIP):
            part = vectors[:, i : i + _STRIP].astype(np.float64)
            gram = dsyrk(1.0, part.T, beta=1.0, c=gram, trans=1, lower=1, overwrite_c=1)
        gap = float(np.abs(np.tril(gram) - np.eye(k)).max(initial=0.0))
        if gap <= _ORTHONORMAL:
            return
        try:
            factor = cholesky(gram, lower=True, check_finite=False)
        except LinAlgError:  # rows that depend on others: a little of each keeps them apart
            gram[np.diag_indices(k)] += _KEPT_APART
            factor, gap = cholesky(gram, lower=True, check_finite=False), 1.0
        turned = solve_triangular(factor, np.eye(k), lower=True).astype(np.float32)
        for i in range(0, d, _STRIP):
            vectors[:, i : i + _STRIP] = turned @ vectors[:, i : i + _STRIP]
        if gap < 1e-3:
            return


class DualBasis(SecondLook):
    """Eigenvectors from the weights of a Gram matrix and one more look at the records.

    Args:
        state: of all pairs; it is used up.
        centre: the mean that is subtracted, of each ``pixel`` or ``channel``.
        components: how many eigenvectors.
    """

    name = "dual basis"

    def __init__(self, state: GramState, centre: Centre, components: int) -> None:
        super().__init__(state.statistic)
        self._n, self._centre = state.n, centre
        self._mean = state.centre_of(centre)
        values, weights, self._total = state.decompose(centre)
        self._directions = len(values)
        self._values = values[:components].copy()  # not a view of all
        # Scaled so that the eigenvectors come out of length 1.
        scale = np.sqrt(self._n * self._values)[:, None]
        self._weights = (weights[:components] / scale).astype(np.float32)
        self._begin(jnp.zeros((len(self._values), self._width), jnp.float32))

    def _begin(self, basis: Array) -> None:
        self._basis = basis
        self._padded = np.zeros(self._width, np.float32)
        self._padded[: self.statistic.size] = self._mean

    @property
    def _width(self) -> int:
        return -(-int(self.statistic.size) // FEATURES) * FEATURES

    def add(self, batch: NDArray, index: int) -> None:
        """Take records (m, ...), of which the first is number ``index``."""
        rows = as_rows(batch)
        for i in range(0, len(rows), _TILE):
            part = rows[i : i + _TILE]
            tile = np.zeros((min(_TILE, len(rows)), self._width), part.dtype)
            tile[: len(part), : self.statistic.size] = part
            weights = np.zeros((len(self._weights), len(tile)), np.float32)
            held = self._weights[:, index + i : index + i + len(part)]
            weights[:, : len(part)] = held
            self._basis = add_weighted(self._basis, weights, tile, self._padded)
            jax.block_until_ready(self._basis)

    def spectrum(self) -> Spectrum:
        """The spectrum, of as many components as were wanted."""
        basis, d = np.array(self._basis), self.statistic.size
        vectors = basis if self._width == d else np.ascontiguousarray(basis[:, :d])
        orthonormalise(vectors)
        return Spectrum(
            n=self._n,
            record_shape=self.statistic.shape,
            centre=self._centre,
            mean=self._mean,
            eigenvalues=self._values,
            vectors=vectors,
            total=self._total,
            method="dual",
            directions=self._directions,
        )

    def arrays(self) -> dict[str, NDArray]:
        """The weights, the basis so far, its eigenvalues and the mean."""
        return {
            "weights": self._weights,
            "basis": np.asarray(self._basis),
            "values": self._values,
            "mean": self._mean,
        }

    def attributes(self) -> dict[str, Any]:
        """Records, centre, the total variance, and in how many directions it lies."""
        return {
            "records": self._n,
            "centre": self._centre,
            "total": self._total,
            "directions": self._directions,
        }

    @classmethod
    def restore(
        cls, statistic: Any, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> DualBasis:
        """From what `attributes` and `arrays` gave."""
        found = cls.__new__(cls)
        SecondLook.__init__(found, statistic)
        found._n, found._total = int(attributes["records"]), float(attributes["total"])
        found._centre, found._directions = attributes["centre"], int(attributes["directions"])
        found._weights, found._values = arrays["weights"], arrays["values"]
        found._mean = arrays["mean"]
        # A copy: what is added to it is given away.
        found._begin(jnp.array(arrays["basis"]))
        return found
