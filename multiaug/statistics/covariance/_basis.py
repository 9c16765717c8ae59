"""Eigenvectors of a covariance from those of a Gram matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...typing import NDArray
from .._look import SecondLook
from .._state import as_rows
from ..whitening._spectrum import Centre, Spectrum

if TYPE_CHECKING:
    from ._gram import GramState

_STRIP = 4096
# Rows in float32 are orthonormal to this.
_ORTHONORMAL = 1e-7
_KEPT_APART = 1e-3
_MOST_TURNS = 6


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
        self._weights = weights[:components] / scale
        self._basis: NDArray = np.zeros((len(self._values), self.statistic.size), np.float32)

    def add(self, batch: NDArray, index: int) -> None:
        """Take records (m, ...), of which the first is number ``index``.

        Products are summed in float64: what float32 rounds off the large directions is more than
        the small ones are long.
        """
        rows = as_rows(batch)
        weights = self._weights[:, index : index + len(rows)]
        for i in range(0, rows.shape[1], _STRIP):
            at = slice(i, i + _STRIP)
            self._basis[:, at] += weights @ (rows[:, at] - self._mean[at])

    def spectrum(self) -> Spectrum:
        """The spectrum, of as many components as were wanted."""
        orthonormalise(self._basis)
        return Spectrum(
            n=self._n,
            record_shape=self.statistic.shape,
            centre=self._centre,
            mean=self._mean,
            eigenvalues=self._values,
            vectors=self._basis,
            total=self._total,
            method="dual",
            directions=self._directions,
        )

    def arrays(self) -> dict[str, NDArray]:
        """The weights, the basis so far, its eigenvalues and the mean."""
        return {
            "weights": self._weights,
            "basis": self._basis,
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
        found._basis = np.array(arrays["basis"])
        return found
