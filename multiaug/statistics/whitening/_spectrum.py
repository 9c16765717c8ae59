"""Eigenvalues and eigenvectors of a covariance, and what is known about their error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...errors import NotFittedError, ParameterError
from ...typing import NDArray
from .._summary import spectrum_lines

Centre = Literal["pixel", "channel"]


def check_centre(centre: str) -> None:
    """Refuse a word that is not a way of centring."""
    if not isinstance(centre, str) or centre not in ("pixel", "channel"):
        raise ParameterError(f"`centre` must be 'pixel' or 'channel', got {centre!r}.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectrum:
    """The leading eigenvalues and eigenvectors of a covariance: all that whitening needs.

    Args:
        n: how many records it is of.
        record_shape: shape of one record.
        centre: ``pixel`` or ``channel``: the mean that was subtracted.
        mean: float64 (d,), that mean.
        eigenvalues: float64 (k,), descending, never negative.
        vectors: (k, d), orthonormal rows; float64, or float32 where d is large.
        total: the sum of all d eigenvalues, in units of variance.
        method: ``primal``, ``dual`` or ``lowrank``.
        bound: of a low-rank spectrum: the covariance less what these eigenvalues and
            eigenvectors make up has no eigenvalue above this, nor below its negative; 0 for
            exact ones.
        optimum: of a low-rank spectrum: no k directions hold more variance than this.
        directions: how many eigenvalues are not zero, held or not; None where it is not known.
    """

    n: int
    record_shape: tuple[int, ...]
    centre: Centre
    mean: NDArray
    eigenvalues: NDArray
    vectors: NDArray
    total: float
    method: str = "primal"
    bound: float = 0.0
    optimum: float | None = None
    directions: int | None = None

    name = "spectrum"

    @property
    def d(self) -> int:
        """Numbers per record."""
        return len(self.mean)

    @property
    def rank(self) -> int:
        """How many eigenvalues stand above what rounding leaves of zero.

        At most n: the sums behind a covariance of floats may leave more than the floor allows.
        """
        return min(int((self.eigenvalues > self.floor).sum()), self.n)

    @property
    def floor(self) -> float:
        """Below it an eigenvalue is zero with rounding errors."""
        if not len(self.eigenvalues):
            return 0.0
        return float(max(self.n, self.d) * np.finfo(np.float64).eps * self.eigenvalues[0])

    @property
    def most(self) -> int:
        """The most directions that n records can differ in from the mean that was subtracted."""
        return max(1, min(self.n if self.centre == "channel" else self.n - 1, self.d))

    @property
    def is_complete(self) -> bool:
        """Every direction in which the records differ is held."""
        known = self.most if self.directions is None else self.directions
        return len(self.eigenvalues) >= min(self.most, known)

    @property
    def captured(self) -> float:
        """Share of the variance that lies along the eigenvectors, in [0, 1]."""
        return float(self.eigenvalues.sum() / self.total) if self.total > 0 else 0.0

    @property
    def captured_at_least(self) -> float:
        """The variance captured, over the most that as many directions could: a lower bound."""
        if self.optimum is None or self.optimum <= 0:
            return 1.0
        return min(1.0, float(self.eigenvalues.sum() / self.optimum))

    def arrays(self) -> dict[str, NDArray]:
        """``mean``, ``eigenvalues`` and ``vectors``."""
        return {"mean": self.mean, "eigenvalues": self.eigenvalues, "vectors": self.vectors}

    def summary(self, group: Any) -> Iterable[str]:
        """Lines that `print` shows of it."""
        return spectrum_lines(self)

    def attributes(self) -> dict[str, Any]:
        """The rest, JSON-ready."""
        return {
            "n": self.n,
            "record_shape": list(self.record_shape),
            "centre": self.centre,
            "total": self.total,
            "method": self.method,
            "bound": self.bound,
            "optimum": self.optimum,
            "directions": self.directions,
        }

    @classmethod
    def restore(cls, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Spectrum:
        """From what `attributes` and `arrays` gave."""
        shape = tuple(attributes["record_shape"])
        settings: dict[str, Any] = {**attributes, **arrays, "record_shape": shape}
        return cls(**settings)

    def __repr__(self) -> str:
        return (
            f"Spectrum({self.method}, n={self.n}, d={self.d}, components={len(self.eigenvalues)}, "
            f"captured={self.captured:.4f})"
        )


def eigh(matrix: NDArray) -> tuple[NDArray, NDArray]:
    """Eigenvalues, descending, and eigenvectors in rows, of a symmetric float64 matrix.

    The matrix is overwritten. LAPACK's divide and conquer is 5 to 7 times faster than its
    relatively robust representations where d is some thousands.
    """
    import scipy.linalg  # slow to import, and only needed here

    # The transpose of a symmetric C array is what Fortran wants, without a copy.
    values, vectors = scipy.linalg.eigh(
        matrix.T, driver="evd", overwrite_a=True, check_finite=False
    )
    return values[::-1], vectors.T[::-1]


def decompose(
    covariance: NDArray, mean: NDArray, *, n: int, centre: Centre, record_shape: tuple[int, ...]
) -> Spectrum:
    """The spectrum of a covariance (d, d), which is overwritten."""
    total = float(np.trace(covariance))
    values, vectors = eigh(covariance)
    return Spectrum(
        n=n,
        record_shape=record_shape,
        centre=centre,
        mean=mean,
        eigenvalues=np.maximum(values, 0.0),
        vectors=np.ascontiguousarray(vectors),
        total=total,
    )


def refuse_constant(total: float, rounding: float) -> None:
    """Refuse records that are all alike.

    Args:
        total: their variance, summed over all pixels.
        rounding: what rounding may leave of a variance of 0.

    Raises:
        NotFittedError: the variance is no more than that.
    """
    if not total > rounding:
        raise NotFittedError(
            "Whitening must know how records differ, got records that are all alike (rank 0). "
            "Fit it on other records, or leave it out."
        )
