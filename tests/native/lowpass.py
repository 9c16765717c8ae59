"""Low-passes and linear resizing called in C directly, and the same in float64 as matrices.

Nothing is compiled by JAX: sizes, maps and deviations are drawn freely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from multiaug.geometry import Map, Projective
from multiaug.sampling import Band, Compiled, Flight, Job, LowPass
from multiaug.sampling._bound import BandNumbers, Placed, SharedJobs
from tests.native.random_calls import Held
from tests.reference import sampling

Size = tuple[int, int]


def sample(
    source: np.ndarray,
    out: Size,
    maps: np.ndarray,
    sigma: np.ndarray,
    radius: int,
    bands: Sequence[Band],
    *,
    resized: bool = False,
    blocks: int = 1,
    helpers: int = 0,
    empty: Callable[[tuple[int, ...], Any], np.ndarray] = np.zeros,
) -> np.ndarray:
    """What C makes of (N, H, W, C).

    Args:
        source: the images.
        out: (height, width) of the results.
        maps: (N, 3, 3), backward, between centred pixels.
        sigma: (N, 2) deviations along x and y.
        radius: taps on each side, at most.
        bands: the rules of the channels, in order.
        resized: see `Map`.
        blocks: pieces of a record.
        helpers: threads that help.
        empty: makes the memory of the results.
    """
    count, size = len(source), source.shape[1:3]
    job = Job("x", size, out, tuple(bands))
    affine = bool((maps[:, 2] == (0, 0, 1)).all())
    kernel = Compiled(
        [SharedJobs.of([job])],
        {"x": source.dtype},
        warp=Map((Projective(maps, maps, affine),), size, out, resized),
        frames=(size, out),
        low=LowPass((radius, radius)) if radius else None,
    )
    result = empty((count, *out, source.shape[3]), source.dtype)
    bound = kernel.bound(count, {"x": result[0].nbytes}, blocks=blocks)
    numbers = [BandNumbers()] * len(bands)
    place = Placed(
        Held(np.float32(maps)),
        None,
        None,
        None,
        numbers,
        Held(np.float32(sigma)) if radius else None,
    )
    flight = Flight(1)
    try:
        bound.point({"x": source.ctypes.data}, {}, {"x": result.ctypes.data}, [place], {})
        flight.add(bound, helpers)
    finally:
        flight.finish()
    bound.check_memory()
    return result


def band(start: int, channels: int, border: str, fill: float = 0.25, **settings: Any) -> Band:
    """Linear, low-passed where the run is."""
    found = Band(slice(start, start + channels), "linear", border, (fill,), lowpass=True)
    return replace(found, **settings)


def low_pass_matrix(
    size: int, sigma: float, radius: int, border: str, *, left_out: bool
) -> np.ndarray:
    """(size, size + 1) weights of the pixels, and of the fill, in the low-pass of every pixel."""
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma > 0 else np.float64(offsets == 0)
    kernel /= kernel.sum()
    matrix = np.zeros((size, size + 1))
    for i in range(size):
        at = i + offsets
        if border == "constant":
            at = np.where((at >= 0) & (at < size), at, size)
        else:
            at = sampling.fold(at, size, border)
        np.add.at(matrix[i], at, kernel)
        if left_out:
            matrix[i, size] = 0
            matrix[i] /= matrix[i].sum()
    return matrix


def linear_matrix(positions: np.ndarray, size: int, border: str, *, resized: bool) -> np.ndarray:
    """(n, size + 1) weights of pixels, and of the fill, in linear interpolation at positions."""
    if resized and border == "constant":
        inside = sampling.in_area(positions, size)
        positions = np.where(inside, np.clip(positions, 0, size - 1), positions)
    whole = np.floor(positions).astype(int)
    matrix = np.zeros((len(positions), size + 1))
    for offset, weight in ((0, whole + 1 - positions), (1, positions - whole)):
        at = whole + offset
        if border == "constant":
            at = np.where((at >= 0) & (at < size), at, size)
        else:
            at = sampling.fold(at, size, border)
        np.add.at(matrix, (np.arange(len(at)), at), weight)
    return matrix


def positions(scale: float, offset: float, n: int, size: int) -> np.ndarray:
    """Where the results of an axis are read."""
    return np.float64(scale) * (np.arange(n) - (n - 1) / 2) + np.float64(offset) + (size - 1) / 2


def along(image: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: float) -> np.ndarray:
    """Weighted sums of (H, W) over rows, then over columns; the last weight is that of the fill."""
    height, width = image.shape
    extended = np.full((height + 1, width + 1), np.float64(fill))
    extended[:height, :width] = image
    return rows @ extended @ columns.T


def expected(
    image: np.ndarray,
    out: Size,
    matrix: np.ndarray,
    sigma: Sequence[float],
    radius: int,
    border: str,
    fill: float,
    *,
    resized: bool,
    method: str = "linear",
) -> np.ndarray:
    """(H, W) in float64: low-passed, then read."""
    left_out = resized and border == "constant"
    low = [
        low_pass_matrix(n, s, radius, border, left_out=left_out)
        for n, s in zip(image.shape, sigma[::-1], strict=True)
    ]
    soft = along(image, *low, fill)
    if method == "linear" and matrix[0, 1] == 0 and matrix[1, 0] == 0:
        read = [
            linear_matrix(
                positions(matrix[a, a], matrix[a, 2], n, size), size, border, resized=resized
            )
            for a, n, size in ((1, out[0], image.shape[0]), (0, out[1], image.shape[1]))
        ]
        return along(soft, *read, fill)
    y, x = np.mgrid[: out[0], : out[1]] - (np.array(out) - 1).reshape(2, 1, 1) / 2
    at = np.einsum("ij,jhw->ihw", np.float64(matrix), np.stack([x, y, np.ones(out)]))
    x, y = (at[k] + (image.shape[1 - k] - 1) / 2 for k in (0, 1))
    read_at = sampling.sample_resized if resized else sampling.sample
    return read_at(soft, x, y, method, border, fill)
