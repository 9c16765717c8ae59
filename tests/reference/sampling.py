"""Sampling in float64: SciPy where it has the method, closed forms where it has not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

SCIPY_MODES = {
    "constant": "grid-constant",
    "edge": "nearest",
    "reflect": "reflect",
    "mirror": "mirror",
    "wrap": "grid-wrap",
}
BORDERS = tuple(SCIPY_MODES)


def fold(index: np.ndarray, size: int, border: str) -> np.ndarray:
    """The pixel that stands for an index, by writing one period out."""
    ramp = np.arange(size)
    if border == "edge":
        return np.clip(index, 0, size - 1)
    period = {
        "reflect": np.concatenate([ramp, ramp[::-1]]),
        "mirror": np.concatenate([ramp, ramp[-2:0:-1]]),
        "wrap": ramp,
    }[border]
    return period[index % len(period)]


def pixels(
    image: np.ndarray, ix: np.ndarray, iy: np.ndarray, border: str, fill: float
) -> np.ndarray:
    """Values of (H, W) at whole positions, inside or not."""
    height, width = image.shape
    if border == "constant":
        inside = (ix >= 0) & (ix < width) & (iy >= 0) & (iy < height)
        found = image[np.clip(iy, 0, height - 1), np.clip(ix, 0, width - 1)]
        return np.where(inside, found, fill)
    return image[fold(iy, height, border), fold(ix, width, border)]


def keys(t: np.ndarray) -> np.ndarray:
    """Cubic convolution, a = -1/2, as the 1981 paper prints it."""
    t, a = np.abs(t), -0.5
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def sample(
    image: np.ndarray, x: np.ndarray, y: np.ndarray, method: str, border: str, fill: float = 0.0
) -> np.ndarray:
    """A picture (H, W) at positions, in float64."""
    if method in {"linear", "spline3"}:
        return ndimage.map_coordinates(
            np.float64(image),
            [y, x],
            order=1 if method == "linear" else 3,
            mode=SCIPY_MODES[border],
            cval=fill,
        )
    if method == "nearest":
        return pixels(image, *(np.floor(p + 0.5).astype(int) for p in (x, y)), border, fill)
    assert method == "cubic"
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros(x.shape)
    for j in range(-1, 3):
        for i in range(-1, 3):
            value = pixels(np.float64(image), x0 + i, y0 + j, border, fill)
            total += value * keys(x - x0 - i) * keys(y - y0 - j)
    return total


def in_area(position: np.ndarray, size: int) -> np.ndarray:
    """A position along an axis is not further from the outermost pixel centres than their edge."""
    return (position >= -0.5) & (position <= size - 0.5)


def sample_resized(
    image: np.ndarray, x: np.ndarray, y: np.ndarray, method: str, border: str, fill: float = 0.0
) -> np.ndarray:
    """`sample` where a picture is brought to another size: none of its area is the border's.

    Positions in the area are not beyond the outermost centres, and wide kernels find there what
    stands at the rim. Splines, which are of the whole picture, end at the edge.
    """
    if border != "constant":
        return sample(image, x, y, method, border, fill)
    height, width = image.shape
    within = in_area(x, width) & in_area(y, height)
    x = np.where(in_area(x, width), np.clip(x, 0, width - 1), x)
    y = np.where(in_area(y, height), np.clip(y, 0, height - 1), y)
    if method == "spline3":
        outside = np.full(x.shape, fill)
    else:
        outside = sample(image, x, y, method, border, fill)
    return np.where(within, sample(image, x, y, method, "edge"), outside)


def softened(image: np.ndarray, sigma: Sequence[float], radius: int) -> np.ndarray:
    """A Gaussian of deviations (y, x) over the pixels that are there, in float64."""
    total, mass = np.float64(image), np.ones(image.shape)
    for axis in (0, 1):
        total, mass = (
            ndimage.gaussian_filter1d(
                a, max(sigma[axis], 1e-12), axis=axis, mode="constant", radius=radius
            )
            for a in (total, mass)
        )
    return total / mass


def tie_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far a position is, along the nearer axis, from where its nearest pixel changes."""
    return np.minimum(*(np.abs(p - np.floor(p) - 0.5) for p in (x, y)))


def linear_taps(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(ix, iy, weight) of the four pixels around every position, row by row."""
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    return [
        (x0 + i, y0 + j, (1 - np.abs(x - x0 - i)) * (1 - np.abs(y - y0 - j)))
        for j in (0, 1)
        for i in (0, 1)
    ]


def linear_over_valid(
    image: np.ndarray,
    valid: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    border: str,
    fill: float | None = None,
    max_jump: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Linear over valid taps, renormalised; and the share of the weight that was valid.

    Args:
        image: (H, W); what stands at invalid pixels does not matter.
        valid: (H, W) bool.
        x: positions.
        y: positions.
        border: as in specs.
        fill: what lies beyond a constant border; None means invalid.
        max_jump: taps further from the nearest valid tap than this are dropped.
    """
    taps = linear_taps(x, y)
    clean = np.where(valid, np.float64(image), 0.0)
    values = np.stack(
        [pixels(clean, ix, iy, border, 0.0 if fill is None else fill) for ix, iy, _ in taps]
    )
    known = np.stack([pixels(valid, ix, iy, border, fill is not None) for ix, iy, _ in taps])
    weights = np.stack([w for *_, w in taps]) * known
    share = weights.sum(0)
    if max_jump is not None:
        heaviest = np.take_along_axis(values, weights.argmax(0)[None], 0)
        weights = weights * (np.abs(values - heaviest) <= max_jump)
    total = weights.sum(0)
    return (values * weights).sum(0) / np.where(total > 0, total, 1), share


def majority(
    labels: np.ndarray,
    ids: Sequence[int],
    x: np.ndarray,
    y: np.ndarray,
    border: str,
    fill: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The label with most of the linear weight, and by how much it leads the runner-up."""
    scores = np.stack([sample(labels == i, x, y, "linear", border, float(fill == i)) for i in ids])
    order = np.sort(scores, axis=0)
    return np.asarray(ids)[scores.argmax(0)], order[-1] - order[-2]
