"""Eigenvalues of the records themselves on the directions that a sketch has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ParameterError
from ..typing import Array, NDArray
from ._look import SecondLook
from ._lowrank import BLOCK, LowRankState, centred_rows, directions_of, turn
from ._spectrum import Centre, Spectrum, eigh
from ._state import as_rows


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
        # Its eigenvectors are about to be replaced.
        self._first = replace(first, vectors=first.vectors[:0].copy())
        _, found = directions_of(state.rows_about(centre))
        # Once more: the shortest rows of the sketch are orthogonal to few digits only.
        _, self._directions = directions_of(found)
        self._products = np.zeros((len(self._directions),) * 2)
        self.n = 0

    def add(self, batch: NDArray, index: int = 0) -> None:
        """Take records (m, ...); their order does not matter."""
        rows, mean = as_rows(batch), self._first.mean.astype(np.float32)
        for i in range(0, len(rows), BLOCK):
            block = np.zeros((min(BLOCK, len(rows)), rows.shape[1]), rows.dtype)
            part = rows[i : i + BLOCK]
            block[: len(part)] = part
            found = _project(block, np.int32(len(part)), mean, self._directions)
            coordinates = np.asarray(found).astype(np.float64)
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
        k = self.statistic.components
        vectors = turn(weights.astype(np.float32), self._directions, min(k, len(values)))
        return replace(
            self._first, eigenvalues=np.maximum(values[:k], 0), vectors=np.asarray(vectors)
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
def _project(rows: Array, count: Array, mean: Array, directions: Array) -> Array:
    return jnp.dot(centred_rows(rows, count, mean), directions.T, precision=lax.Precision.HIGHEST)
