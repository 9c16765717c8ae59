"""Eigenvalues of the records themselves on the directions that a sketch has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...errors import ParameterError
from ...typing import Array, NDArray
from .._look import SecondLook
from .._state import as_rows
from ..whitening._spectrum import Centre, Spectrum, eigh
from ._basis import orthonormalise
from ._lowrank import BLOCK, LowRankState, centred_rows, directions_of, turn

# Of directions of length 1: what is shorter once the others are taken out of it is rounding.
_DEPENDENT = 1e-2


class RayleighRitz(SecondLook):
    """The covariance within the directions of a sketch, from one more look at the records.

    Args:
        state: the sketch, of all records.
        centre: the mean that is subtracted, of each ``pixel`` or ``channel``.
    """

    name = "rayleigh-ritz"

    def __init__(self, state: LowRankState, centre: Centre = "pixel") -> None:
        super().__init__(state.statistic)
        first = state.spectrum(centre)
        # Its eigenvectors are about to be replaced, and so is what they lack.
        self._first = replace(first, vectors=first.vectors[:0].copy(), bound=state.bound)
        found = directions_of(state.rows_about(centre))[1]
        # Once more: the shortest rows of the sketch depend on others but for rounding.
        self._directions = np.array(directions_of(found, _DEPENDENT)[1][: state.statistic.size])
        orthonormalise(self._directions)
        self._products = np.zeros((len(self._directions),) * 2)
        self.n = 0

    def add(self, batch: NDArray, index: int = 0) -> None:
        """Take records (m, ...); their order does not matter."""
        rows = as_rows(batch)
        for i in range(0, len(rows), BLOCK):
            block = centred_rows(rows[i : i + BLOCK], self._first.mean, min(BLOCK, len(rows)))
            coordinates = np.asarray(_project(block, self._directions)).astype(np.float64)
            self._products += coordinates.T @ coordinates
        self.n += len(rows)

    def spectrum(self) -> Spectrum:
        """The spectrum, of as many components as were wanted.

        Raises:
            ParameterError: other records than those of the sketch.
        """
        if self.n != self._first.n:
            raise ParameterError(
                f"Rayleigh-Ritz must see the {self._first.n} records of the sketch, got {self.n}."
            )
        values, weights = eigh(self._products / self.n)
        values = np.maximum(values, 0)
        k = min(self.statistic.components, len(values))
        vectors = np.array(turn(weights.astype(np.float32), self._directions, k))
        orthonormalise(vectors)
        # What lies behind the components, what the sketch has lost, and of the same half as
        # much: a covariance that has no eigenvalue above b couples two of its blocks by b / 2.
        bound = float(values[k] if len(values) > k else 0.0) + 1.5 * self._first.bound
        # A sketch with room left has taken in every direction that there is.
        room = len(values) < min(self.statistic.rows, self.statistic.size)
        return replace(
            self._first,
            eigenvalues=values[:k],
            vectors=vectors,
            bound=bound,
            directions=len(values) if room else None,
        )

    def arrays(self) -> dict[str, NDArray]:
        """The directions, the products on them, and the spectrum of the sketch."""
        first = {f"first-{name}": array for name, array in self._first.arrays().items()}
        return {"directions": self._directions, "products": self._products, **first}

    def attributes(self) -> dict[str, Any]:
        """How many records were seen, and the rest of the spectrum."""
        return {"seen": self.n, "first": self._first.attributes()}

    @classmethod
    def restore(
        cls, statistic: Any, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> RayleighRitz:
        """From what `attributes` and `arrays` gave."""
        found = cls.__new__(cls)
        SecondLook.__init__(found, statistic)
        first = {name: arrays[f"first-{name}"] for name in ("mean", "eigenvalues", "vectors")}
        found._first = Spectrum.restore(attributes["first"], first)
        found._directions, found._products = arrays["directions"], arrays["products"]
        found.n = int(attributes["seen"])
        return found


@jax.jit
def _project(rows: Array, directions: Array) -> Array:
    return jnp.dot(rows, directions.T, precision=lax.Precision.HIGHEST)
