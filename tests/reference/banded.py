"""Pictures whose channels are each sampled by another rule, and their references.

Every rule of a test is a channel group of one array: a pipeline is compiled once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

import multiaug as ma
from tests.reference import maps, sampling

METHODS = ("nearest", "linear", "cubic", "spline3")
ALL_BANDS = tuple((method, border) for method in METHODS for border in sampling.BORDERS)
FILL = 0.25
# Of the value range; positions in float32 are that much coarser in pictures wider than 512.
BAR = 2e-4
# Pixels: positions nearer to a tie may fall on either side of it.
TIE = 1e-3


def banded(
    name: str, bands: Sequence[tuple[str, str]], dtype: str = "float32", fill: float = FILL
) -> ma.EntrySpec:
    """An entry with one channel per (interpolation, border)."""
    groups = [
        {"role": "intensity", "channels": 1, "interpolation": method, "border": border}
        | ({"fill": fill} if border == "constant" else {})
        for method, border in bands
    ]
    return ma.EntrySpec.from_dict(name, {"dtype": dtype, "channels": groups})


def bar(width: int) -> float:
    return BAR * max(1, width / 512)


def drawn(params: ma.RecordParams, record: int) -> Any:
    """What one record of a batch drew, as NumPy."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[record], params.values)


def grids(
    pipeline: ma.Pipeline, params: ma.RecordParams, **sizes: Any
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """(record, float64 source positions) for every record of a batch."""
    for record in range(len(params.key)):
        values = drawn(params, record)
        yield record, maps.grid(pipeline.transforms, values, params.in_shape, **sizes)


def errors(
    source: np.ndarray,
    result: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray],
    bands: Sequence[tuple[str, str]],
    fill: float = FILL,
    *,
    resized: bool = False,
) -> np.ndarray:
    """Largest error of every channel of one record; of ``nearest``, away from ties.

    Cubic and spline overshoot, and integers clip: so does the reference. Where a picture is
    ``resized``, next to the edge of its area values jump: within rounding of it they may be either.
    """
    integer = result.dtype.kind in "ui"
    limits = (np.iinfo(result.dtype).min, np.iinfo(result.dtype).max) if integer else (None, None)
    untied = sampling.tie_distance(*grid) > TIE
    assert untied.mean() > 0.9
    sample = sampling.sample_resized if resized else sampling.sample
    found = []
    for channel, (method, border) in enumerate(bands):
        want = sample(source[..., channel], *grid, method, border, fill)
        error = np.abs(np.float64(result[..., channel]) - np.clip(want, *limits))
        picked = method == "nearest" or (resized and border == "constant")
        found.append((error[untied] if picked else error).max())
    return np.array(found)


def is_resized(pipeline: ma.Pipeline) -> bool:
    """A picture is brought to another size."""
    return any(isinstance(t, ma.Resize | ma.RandomResizedCrop) for t in pipeline.transforms)


def worst(found: Sequence[np.ndarray], bands: Sequence[tuple[str, str]]) -> dict[str, float]:
    """(method border) -> the largest error over records; fails early on NaN."""
    largest = np.max(found, axis=0)
    assert np.isfinite(largest).all()
    return {" ".join(band): float(error) for band, error in zip(bands, largest, strict=True)}


def beyond(found: dict[str, float], limit: float) -> dict[str, float]:
    """The entries that break the bar: nothing at all for ``nearest``."""
    return {
        name: error
        for name, error in found.items()
        if error > (0 if name.startswith("nearest") else limit)
    }
