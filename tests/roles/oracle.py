"""What a pipeline means, in float64 and without JAX: maps of pixels and of cameras.

Written from the formulas alone. Maps are matrices on pixel coordinates (x, y, 1), not centred;
points are arrays (..., 2) of (x, y).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from scipy.linalg import rq

import multiaug as ma

Shape = tuple[int, int]


def centre(shape: Shape) -> np.ndarray:
    return np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def linear(a: float, b: float, c: float, d: float) -> np.ndarray:
    return np.array([[a, b, 0], [c, d, 0], [0, 0, 1]], np.float64)


def turn(degrees: float) -> np.ndarray:
    """Counter-clockwise as seen, with y down."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return linear(cos, sin, -sin, cos)


def about_centre(matrix: np.ndarray, shape: Shape, out: Shape | None = None) -> np.ndarray:
    return shift(*centre(out or shape)) @ matrix @ shift(*-centre(shape))


def homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """By the linear system of the four pairs of points."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1).reshape(3, 3)


def move(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A homography at points (..., 2)."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[..., :2] / moved[..., 2:]


@dataclass(frozen=True)
class Field:
    """The displacement of `Elastic`: ``B(p') = p' + d(p')``, d a cubic B-spline."""

    control: np.ndarray
    shape: Shape

    def __call__(self, points: np.ndarray) -> np.ndarray:
        rows, columns = (n - 3 for n in self.control.shape[:2])
        height, width = self.shape
        bx = _basis((points[..., 0] + 0.5) * columns / width, columns)
        by = _basis((points[..., 1] + 0.5) * rows / height, rows)
        return np.einsum("...r,...c,rcd->...d", by, bx, self.control.astype(np.float64))

    def pull(self, points: np.ndarray) -> np.ndarray:
        return points + self(points)

    def push(self, points: np.ndarray) -> np.ndarray:
        found, step = points, np.inf
        while step > 1e-9:  # a contraction by less than 0.8
            found, before = points - self(found), found
            step = np.nanmax(np.abs(found - before), initial=0)
        return found


def _basis(t: np.ndarray, intervals: int) -> np.ndarray:
    """Values of the cubic B-splines about -1, 0 .. intervals + 1, by truncated powers."""
    away = np.abs(t[..., None] - np.arange(-1, intervals + 2))
    return (np.maximum(2 - away, 0) ** 3 - 4 * np.maximum(1 - away, 0) ** 3) / 6


@dataclass(frozen=True)
class Matrix:
    """A step of a chart that is a homography."""

    forward: np.ndarray

    def pull(self, points: np.ndarray) -> np.ndarray:
        return move(np.linalg.inv(self.forward), points)

    def push(self, points: np.ndarray) -> np.ndarray:
        return move(self.forward, points)


@dataclass(frozen=True)
class Chart:
    """The steps of a pipeline, in order."""

    steps: tuple[Matrix | Field, ...]
    in_shape: Shape
    out_shape: Shape

    def push(self, points: np.ndarray) -> np.ndarray:
        """Where source positions go."""
        for step in self.steps:
            points = step.push(points)
        return points

    def pull(self, points: np.ndarray) -> np.ndarray:
        """Where output positions come from."""
        for step in reversed(self.steps):
            points = step.pull(points)
        return points

    def sources(self) -> np.ndarray:
        """(h, w, 2): where every output pixel comes from."""
        return self.pull(pixels(self.out_shape))

    @property
    def matrix(self) -> np.ndarray:
        """The product of the matrices; w > 0 in front of every transform's horizon."""
        total = np.eye(3)
        for step in self.steps:
            if isinstance(step, Matrix):
                total = step.forward @ total
        return total


def pixels(shape: Shape) -> np.ndarray:
    """(h, w, 2) of (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x, y], axis=-1).astype(np.float64)


def jacobian(function: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    """(..., 2, 2) by central differences."""
    step = 1e-4
    columns = [(function(points + d) - function(points - d)) / (2 * step) for d in np.eye(2) * step]
    return np.stack(columns, axis=-1)


def sources(matrices: np.ndarray, shape: Shape) -> np.ndarray:
    """(n, h, w, 2): where every output pixel comes from, NaN where it sees nothing."""
    grid = pixels(shape)
    homogeneous = np.concatenate([grid, np.ones_like(grid[..., :1])], axis=-1)
    found = np.einsum("nij,hwj->nhwi", np.linalg.inv(matrices), homogeneous)
    w = np.where(found[..., 2:] > 0, found[..., 2:], np.nan)
    return found[..., :2] / w


def charts(pipeline: ma.Pipeline, params: ma.RecordParams) -> list[Chart]:
    """One chart per record of a batch."""
    values = jax.tree.map(np.asarray, params.values)
    return [
        warp(pipeline.transforms, jax.tree.map(lambda leaf, i=i: leaf[i], values), params.in_shape)
        for i in range(len(params.key))
    ]


def warp(transforms: Sequence[Any], values: Sequence[Any], shape: Shape) -> Chart:
    """The chart of one record's draws."""
    in_shape, steps = shape, []
    for transform, drawn in zip(transforms, values, strict=True):
        added, shape = _steps(transform, drawn, shape)
        steps += added
    return Chart(tuple(steps), in_shape, shape)


def _steps(transform: Any, drawn: Any, shape: Shape) -> tuple[list[Matrix | Field], Shape]:
    if isinstance(transform, ma.Maybe | ma.OneOf | ma.SomeOf | ma.Shuffle):
        return _steps_inside(transform, drawn, shape)
    if isinstance(transform, ma.Elastic):
        return [Field(drawn["control"], shape)], shape
    if isinstance(transform, ma.Brightness | ma.GaussianNoise):
        return [], shape
    matrix, out = _MATRICES[type(transform).__name__](transform, drawn, shape)
    return [Matrix(matrix)], out


def _steps_inside(transform: Any, drawn: Any, shape: Shape) -> tuple[list[Matrix | Field], Shape]:
    pairs = list(zip(transform.transforms, drawn["children"], strict=True))
    if isinstance(transform, ma.Maybe):
        pairs = pairs if drawn["on"] else []
    elif isinstance(transform, ma.OneOf):
        pairs = [pairs[int(drawn["choice"])]]
    elif isinstance(transform, ma.SomeOf):
        pairs = [pair for pair, on in zip(pairs, drawn["on"], strict=True) if on]
    else:
        pairs = [pairs[int(i)] for i in drawn["order"]]
    inner = warp([child for child, _ in pairs], [own for _, own in pairs], shape)
    return list(inner.steps), inner.out_shape


def _scale(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    x, y = drawn["factor"].astype(np.float64)
    return about_centre(linear(x, 0, 0, y), shape), shape


def _shear(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    a, b = np.tan(np.deg2rad(drawn["degrees"].astype(np.float64)))
    return about_centre(linear(1, 0, b, 1) @ linear(1, a, 0, 1), shape), shape


def _flip(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    sign = -1 if drawn["on"] else 1
    matrix = linear(sign, 0, 0, 1) if t.axis == "x" else linear(1, 0, 0, sign)
    return about_centre(matrix, shape), shape


def _perspective(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    if "matrix" in drawn:
        matrix = drawn["matrix"].astype(np.float64)
    else:
        size = np.array(shape[::-1])
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size - 0.5
        matrix = homography(corners, corners + drawn["corners"] * size)
    return matrix / (matrix[2] @ [*centre(shape), 1]), shape


def _turns(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    turns = int(drawn["turns"])
    out = shape[::-1] if turns % 2 else shape
    matrix = np.linalg.matrix_power(linear(0, 1, -1, 0), turns)
    if drawn.get("transpose", False):
        matrix = matrix @ linear(0, 1, 1, 0)
    return about_centre(matrix, shape, out), out


def _transpose(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    return (linear(0, 1, 1, 0), shape[::-1]) if drawn["on"] else (np.eye(3), shape)


def _crop(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    x, y = drawn["offset"].astype(np.float64)
    size = t.size if t.box is None else (t.box[3] - t.box[1], t.box[2] - t.box[0])
    return shift(-x, -y), size


def _pad(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    top, bottom, left, right = t.pixels
    return shift(left, top), (shape[0] + top + bottom, shape[1] + left + right)


def half_pixel(source: Shape, target: Shape) -> np.ndarray:
    """From the pixels of one size to those of another over the same field of view."""
    sx, sy = target[1] / source[1], target[0] / source[0]
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])


def _resize(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    return half_pixel(shape, t.size), t.size


def _window(t: Any, drawn: Any, shape: Shape) -> tuple[np.ndarray, Shape]:
    x, y, width, height = drawn["window"].astype(np.float64)
    scale = np.diag([t.size[1] / width, t.size[0] / height, 1])
    return shift(-0.5, -0.5) @ scale @ shift(0.5 - x, 0.5 - y), t.size


_MATRICES: dict[str, Callable[[Any, Any, Shape], tuple[np.ndarray, Shape]]] = {
    "Affine": lambda t, drawn, shape: (drawn["matrix"].astype(np.float64), shape),
    "Crop": _crop,
    "D4": _turns,
    "Flip": _flip,
    "Pad": _pad,
    "Perspective": _perspective,
    "RandomResizedCrop": _window,
    "Resize": _resize,
    "Rot90": _turns,
    "Rotate": lambda t, drawn, shape: (about_centre(turn(float(drawn["degrees"])), shape), shape),
    "Scale": _scale,
    "Shear": _shear,
    "Translate": lambda t, drawn, shape: (shift(*drawn["px"].astype(np.float64)), shape),
    "Transpose": _transpose,
}


def refit(matrix: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``A K = s K' M`` by SciPy, with a positive diagonal and K'[2, 2] = 1."""
    upper, orthogonal = rq(matrix @ k)
    signs = np.sign(np.diag(upper))
    upper, motion = upper * signs, signs[:, None] * orthogonal
    return upper / upper[2, 2], motion


def deform(matrix: np.ndarray, k: np.ndarray, k_out: np.ndarray | None = None) -> np.ndarray:
    """``H = K^-1 A K`` over the zoom.

    Args:
        matrix: the map A; every homography in it is 1 at the centre of its frame, where the
            determinant of its Jacobian is therefore that of the matrix.
        k: intrinsics of the source.
        k_out: intrinsics of the output, the same by default.
    """
    k_out = k if k_out is None else k_out
    return np.linalg.inv(k_out) @ matrix @ k / np.sqrt(abs(np.linalg.det(matrix)))


def project(k: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3); k is (3, 3), or (n, 3, 3) for points (n, ..., 3)."""
    k = np.asarray(k, np.float64)
    if k.ndim == 3:
        k = k.reshape(len(k), *(1,) * (points.ndim - 2), 3, 3)
    seen = (k @ points.astype(np.float64)[..., None])[..., 0]
    return seen[..., :2] / seen[..., 2:]


def lift(depth: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Points (n, h, w, 3) on the rays of their pixels; depth (n, h, w), k (n, 3, 3)."""
    grid = pixels(depth.shape[1:])
    homogeneous = np.concatenate([grid, np.ones_like(grid[..., :1])], axis=-1)
    return depth[..., None] * np.einsum("nij,hwj->nhwi", np.linalg.inv(k), homogeneous)
