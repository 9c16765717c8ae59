"""Records moved by matrices of the test's own choice, all by one compiled pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np

import multiaug as ma
from tests.reference.banded import grids

Grid = tuple[np.ndarray, np.ndarray]


def moved(
    spec: ma.DataSpec, batch: Mapping[str, np.ndarray], matrices: Sequence[np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[int, Grid]]:
    """Results, and the float64 source position of every pixel, of one matrix per record."""
    pipeline = ma.Pipeline([ma.Affine(np.eye(3, dtype=np.float32))], spec)
    shape = next(iter(batch.values())).shape[1:3]
    params = pipeline.sample(jax.random.split(jax.random.key(0), len(matrices)), shape)
    params.values[0]["matrix"] = np.asarray(matrices, np.float32)
    result = jax.tree.map(np.asarray, pipeline.apply(params, batch))
    return result, dict(grids(pipeline, params))


def random_matrices(count: int, seed: int, reach: float = 9) -> np.ndarray:
    """Forward matrices on pixels: a strong linear part, a shift by up to ``reach``."""
    rng = np.random.default_rng(seed)
    matrices = np.tile(np.eye(3), (count, 1, 1))
    matrices[:, :2, :2] += rng.uniform(-0.3, 0.3, (count, 2, 2))
    matrices[:, :2, 2] = rng.uniform(-reach, reach, (count, 2))
    return matrices
