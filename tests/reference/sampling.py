"""Sampling in float64: SciPy where it has the method, closed forms where it has not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
# An image that ends at the centres of its outermost pixels.
CLASSIC = ("constant-hard", "wrap-classic")
SCIPY_MODES |= {"constant-hard": "constant", "wrap-classic": "wrap"}


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
    if border in CLASSIC and method == "nearest":
        mode = SCIPY_MODES[border]
        return ndimage.map_coordinates(np.float64(image), [y, x], order=0, mode=mode, cval=fill)
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


def jumps(
    measured: Sequence[np.ndarray], weights: np.ndarray, max_jump: float | None
) -> np.ndarray | float:
    """The largest distance of every tap from the heaviest valid one; 0 where none is too far."""
    if max_jump is None:
        return 0.0
    heaviest = weights.argmax(0)[None]
    return np.max([np.abs(m - np.take_along_axis(m, heaviest, 0)) for m in measured], axis=0)


def linear_over_valid(
    image: np.ndarray,
    valid: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    border: str,
    fill: float | None = None,
    max_jump: float | None = None,
    measure: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Linear over valid taps, renormalised; and the share of the weight that was valid.

    Args:
        image: (H, W), or (H, W, P) of planes that are valid together; what stands at invalid
            pixels does not matter.
        valid: (H, W) bool.
        x: positions.
        y: positions.
        border: as in specs.
        fill: what lies beyond a constant border; None means invalid.
        max_jump: taps further from the heaviest valid tap than this are dropped.
        measure: (H, W, K), what ``max_jump`` is about; the image by default.
    """
    planes = image[..., None] if image.ndim == 2 else image
    measure = planes if measure is None else measure

    def read(plane: np.ndarray) -> np.ndarray:
        clean = np.where(valid, np.float64(plane), 0.0)
        outside = 0.0 if fill is None else fill
        return np.stack([pixels(clean, ix, iy, border, outside) for ix, iy, _ in taps])

    taps = linear_taps(x, y)
    known = np.stack([pixels(valid, ix, iy, border, fill is not None) for ix, iy, _ in taps])
    weights = np.stack([w for *_, w in taps]) * known
    share = weights.sum(0)
    if max_jump is not None:
        measured = [read(plane) for plane in np.moveaxis(measure, -1, 0)]
        weights = weights * (jumps(measured, weights, max_jump) <= max_jump)
    total = weights.sum(0)
    total = np.where(total > 0, total, 1)
    values = [(read(plane) * weights).sum(0) / total for plane in np.moveaxis(planes, -1, 0)]
    return (values[0] if image.ndim == 2 else np.stack(values, -1)), share


def is_whole(
    image: np.ndarray,
    valid: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    border: str,
    fill: float | None,
    max_jump: float | None = None,
) -> np.ndarray:
    """All 16 taps of the cubic kernel hold data, none of it far from the heaviest of the four."""
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    around = [(x0 + i, y0 + j) for i in range(-1, 3) for j in range(-1, 3)]
    whole = np.all([pixels(valid, *tap, border, fill is not None) for tap in around], axis=0)
    if max_jump is None:
        return whole
    clean = np.where(valid, np.float64(image), 0.0)
    four = linear_taps(x, y)
    weights = np.stack([w * pixels(valid, i, j, border, fill is not None) for i, j, w in four])
    values = np.stack([pixels(clean, i, j, border, fill or 0.0) for i, j, _ in four])
    heaviest = np.take_along_axis(values, weights.argmax(0)[None], 0)[0]
    far = [np.abs(pixels(clean, *tap, border, fill or 0.0) - heaviest) for tap in around]
    return whole & (np.max(far, axis=0) <= max_jump)


def sample_valid(
    image: np.ndarray,
    valid: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    method: str,
    border: str,
    fill: float | None = None,
    max_jump: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(values, share of the weight that is valid) of (H, W) whose pixels may lack data.

    A share below a half means that nothing is known; of ``nearest`` it is 0 or 1.
    """
    clean = np.where(valid, np.float64(image), 0.0)
    if method == "nearest":
        ix, iy = (np.floor(p + 0.5).astype(int) for p in (x, y))
        known = pixels(valid, ix, iy, border, fill is not None)
        return pixels(clean, ix, iy, border, fill or 0.0), np.float64(known)
    values, share = linear_over_valid(image, valid, x, y, border, fill, max_jump)
    if method == "cubic":
        # A neighbourhood that lacks data, or spans a jump, is interpolated linearly.
        whole = is_whole(image, valid, x, y, border, fill, max_jump)
        values = np.where(whole, sample(clean, x, y, "cubic", border, fill or 0.0), values)
    return values, share


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


def wrapped(position: np.ndarray, size: int) -> np.ndarray:
    """SciPy's "wrap": the last pixel is the first one of the next period."""
    period = max(size - 1, 1)
    away = (position < 0) | (position > period)
    return np.where(away, position - period * np.floor(position / period), position)


Read = Callable[[np.ndarray, np.ndarray, str], tuple[np.ndarray, np.ndarray]]


def read_at(
    read: Read,
    x: np.ndarray,
    y: np.ndarray,
    size: tuple[int, int],
    border: str,
    *,
    resized: bool = False,
    ends: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, share, beyond) by any border, of a function that knows the five of NumPy.

    Args:
        read: (x, y, border) -> (values, share).
        x: positions.
        y: positions.
        size: (height, width) of the image.
        border: any of the seven.
        resized: the image is brought to another size: a border that fills shows none of itself
            in its area.
        ends: what is read is of the whole image, as a spline is, and ends at its edge.

    Returns:
        ``beyond`` is True where nothing but the border is.
    """
    height, width = size
    if resized and border in {"constant", "constant-hard"}:
        x, y = (
            np.where(in_area(p, n), np.clip(p, 0, n - 1), p) for p, n in ((x, width), (y, height))
        )
    within = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    if border == "constant-hard":
        inner = np.where(within, x, 0), np.where(within, y, 0)
        return *read(*inner, "mirror"), ~within
    if border == "wrap-classic":
        return *read(wrapped(x, width), wrapped(y, height), "mirror"), np.zeros_like(within)
    if not (resized and border == "constant"):
        return *read(x, y, border), np.zeros_like(within)
    inside, outside = read(x, y, "edge"), read(x, y, "edge" if ends else border)
    values, share = (
        np.where(within.reshape(within.shape + (1,) * (a.ndim - 2)), a, b)
        for a, b in zip(inside, outside, strict=True)
    )
    return values, share, ~within if ends else np.zeros_like(within)


def low_passed(
    image: np.ndarray,
    valid: np.ndarray,
    sigma: Sequence[float],
    radius: int,
    border: str,
) -> np.ndarray:
    """A Gaussian of deviations (y, x) over pixels with data; of a resized image.

    A border that fills is left out, the others continue the image. Pixels without data keep what
    stands there.
    """
    clean, mass = np.where(valid, np.float64(image), 0.0), np.float64(valid)
    mode = "mirror" if border in CLASSIC else SCIPY_MODES[border]
    mode = "constant" if border == "constant" else mode
    for axis in (0, 1):
        if sigma[axis] > 0:
            clean, mass = (
                ndimage.gaussian_filter1d(a, sigma[axis], axis=axis, mode=mode, radius=radius)
                for a in (clean, mass)
            )
    return np.where(valid, clean / np.where(valid, mass, 1), np.float64(image))


def box_share(distance: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The part of a box as wide as a step that falls on the pixel at a distance, by intervals.

    A step below 1 leaves parts of a pixel to nobody: four copies of the box, spread evenly over
    the rest of the pixel's width, share them out.
    """
    step = np.maximum(step, 1e-6)
    spread = np.maximum(1 - step, 0)
    total = np.zeros(np.broadcast(distance, step).shape)
    for place in (-0.375, -0.125, 0.125, 0.375):
        centre = distance + spread * place
        lower, upper = np.maximum(centre - 0.5, -step / 2), np.minimum(centre + 0.5, step / 2)
        total += np.maximum(upper - lower, 0)
    return total / (4 * step)


def area_mean(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    steps: tuple[np.ndarray, np.ndarray],
    border: str,
    *,
    resized: bool,
    reach: int = 4,
) -> np.ndarray:
    """Mean of (H, W) over an upright box of ``steps`` (x, y) around positions, the fill being 0."""
    height, width = image.shape
    ix, iy = np.floor(x + 0.5).astype(int), np.floor(y + 0.5).astype(int)

    def inside(tap: np.ndarray, own: np.ndarray, step: np.ndarray, size: int) -> np.ndarray:
        # What is spread over more than a short step stays in a picture that is resized.
        index = np.where(step < 1, own, tap)
        return (index >= 0) & (index < size)

    total, mass = np.zeros(x.shape), np.zeros(x.shape)
    for j in range(-reach, reach + 1):
        for i in range(-reach, reach + 1):
            column, row = ix + i, iy + j
            weight = box_share(column - x, steps[0]) * box_share(row - y, steps[1])
            if resized and border == "constant":
                seen = inside(column, ix, steps[0], width) & inside(row, iy, steps[1], height)
                value = np.where(seen, pixels(image, column, row, "edge", 0), 0)
            else:
                value = pixels(image, column, row, border, 0)
            total, mass = total + value * weight, mass + weight
    return total / mass
