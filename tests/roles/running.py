"""Run a pipeline on a batch and keep its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

import multiaug as ma
from multiaug.spec import CameraSpec, DataSpec, EntrySpec
from tests.roles import oracle

EYE = np.eye(3)


class Done(NamedTuple):
    """What came out, and the float64 charts of the reference picture."""

    out: dict[str, np.ndarray]
    charts: list[oracle.Chart]

    @property
    def matrices(self) -> np.ndarray:
        """(n, 3, 3), of charts without a displacement."""
        return np.stack([warp.matrix for warp in self.charts])


def entry(name: str, role: str, **settings: Any) -> EntrySpec:
    return EntrySpec.of_role(name, role, **settings)


def picture(name: str = "image", **settings: Any) -> EntrySpec:
    return entry(name, "intensity", **{"dtype": "float32", "channels": 1, **settings})


def pipeline(*transforms: Any, entries: list[EntrySpec], **camera: Any) -> ma.Pipeline:
    return ma.Pipeline(transforms, DataSpec("test", entries, CameraSpec(**camera)))


def run(
    pipeline: ma.Pipeline,
    batch: Mapping[str, np.ndarray],
    shape: oracle.Shape,
    *,
    seed: int = 0,
    matrices: Mapping[int, np.ndarray] | None = None,
    padded: int | None = None,
) -> Done:
    """Draw, put given matrices in the place of some params, apply.

    Args:
        pipeline: compiled once per structure, whatever is drawn.
        batch: entries with a leading N.
        shape: of the reference picture.
        seed: of the keys.
        matrices: position of a transform -> (n, 3, 3).
        padded: repeat the last record up to this number, for batches of several sizes that
            are to share one compilation.
    """
    given = len(next(iter(batch.values())))
    count = padded or given
    if padded:
        index = np.minimum(np.arange(padded), given - 1)
        batch = {name: array[index] for name, array in batch.items()}
        matrices = {i: matrix[index] for i, matrix in (matrices or {}).items()}
    params = pipeline.sample(jax.random.split(jax.random.key(seed), count), shape)
    values = list(params.values)
    for position, matrix in (matrices or {}).items():
        values[position] = {**values[position], "matrix": matrix.astype(np.float32)}
    params = replace(params, values=tuple(values))
    # Boxes and points that lie anywhere are no likely records, and must move right all the same.
    out = pipeline.apply(params, batch, check=False)
    charts = oracle.charts(pipeline, params)[:given]
    return Done({name: np.asarray(array)[:given] for name, array in out.items()}, charts)
