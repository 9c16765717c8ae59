"""Whether two descriptions of pipelines say the same, and where a pipeline moves points."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.transforms import Frame


def near(found: Any, expected: Any) -> None:
    """Equal, but for the last digits of floats: 51 / 255 is not always 0.2."""
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for key, value in expected.items():
            near(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            near(a, b)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-12)
    else:
        assert found == expected


def forward(translation: ma.Translation, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Where geometry that always runs moves pixels (n, 2), one transform after the other."""
    spec = translation.pipeline.spec
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2], np.float32)
    x, y = (points - middle).T  # maps count from the centre
    for transform in translation.pipeline.transforms:
        params = transform.sample(jax.random.key(0), Frame(shape, spec))
        x, y, _ = transform.map(params, shape).push(x, y)
    return np.stack([x, y], -1) + middle
