"""Backward maps in float64 on pixel coordinates, recomposed from what a pipeline drew.

Written from the page of conventions, with matrices and solvers of its own: nothing here may
import the geometry of the package. Integers are pixel centres, x right, y down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from tests.reference.distortions import REFERENCES

Shape = tuple[int, int]
Positions = tuple[np.ndarray, np.ndarray]
Backward = Callable[[np.ndarray, np.ndarray], Positions]


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def about(matrix: Sequence[Sequence[float]], shape: Shape) -> np.ndarray:
    """A 2x2 matrix that acts about the centre of the picture."""
    full = np.eye(3)
    full[:2, :2] = matrix
    cx, cy = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    return shift(cx, cy) @ full @ shift(-cx, -cy)


def turn(degrees: float) -> list[list[float]]:
    t = np.deg2rad(np.float64(degrees))
    return [[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]]


def area_map(window: Sequence[float], size: Shape) -> np.ndarray:
    """The window (left, top, width, height), in pixels of area, edge to edge onto a size."""
    left, top, width, height = (float(v) for v in window)
    sx, sy = size[1] / width, size[0] / height
    # An edge at e is the position e - 0.5.
    return np.array(
        [[sx, 0, sx * (0.5 - left) - 0.5], [0, sy, sy * (0.5 - top) - 0.5], [0, 0, 1]], np.float64
    )


def homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The matrix through four pairs of points, as eight linear equations."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1).reshape(3, 3)


def corners_of(shape: Shape) -> np.ndarray:
    x, y = shape[1] - 0.5, shape[0] - 0.5
    return np.array([[-0.5, -0.5], [x, -0.5], [x, y], [-0.5, y]])


def rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Of a camera, in degrees, by the words of `CameraRotate`: yaw, then pitch, then roll."""
    p, y, r = np.deg2rad([pitch, yaw, roll])
    # Where the axis of the turned camera, to the right of the old one, goes straight ahead.
    turn_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turn_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return turn_z @ turn_x @ turn_y


def camera(shape: Shape) -> np.ndarray:
    """Intrinsics of the records of these tests, which have one camera."""
    height, width = shape
    return np.array([[1.3 * width, 0, 0.45 * width], [0, 1.2 * width, 0.55 * height], [0, 0, 1]])


# Forward matrices of one transform: (transform, drawn, shape) -> 3x3.
def _rotate(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return about(turn(p["degrees"]), shape)


def _translate(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return shift(*np.float64(p["px"]))


def _scale(t: Any, p: Any, shape: Shape) -> np.ndarray:
    x, y = np.float64(p["factor"])
    return about([[x, 0], [0, y]], shape)


def _shear(t: Any, p: Any, shape: Shape) -> np.ndarray:
    a, b = np.tan(np.deg2rad(np.float64(p["degrees"])))
    return about([[1, 0], [b, 1]], shape) @ about([[1, a], [0, 1]], shape)


def _flip(t: Any, p: Any, shape: Shape) -> np.ndarray:
    if not p["on"]:
        return np.eye(3)
    return about([[-1, 0], [0, 1]] if t.axis == "x" else [[1, 0], [0, -1]], shape)


def _affine(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return np.float64(p["matrix"])


def _quarter_turns(turns: int, shape: Shape) -> np.ndarray:
    matrix = np.eye(3)
    for _ in range(turns):
        # Counter-clockwise as seen: the right edge becomes the top one.
        matrix = np.array([[0, 1, 0], [-1, 0, shape[1] - 1], [0, 0, 1]], np.float64) @ matrix
        shape = (shape[1], shape[0])
    return matrix


def _rot90(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return _quarter_turns(int(p["turns"]), shape)


_SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float64)


def _transpose(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return _SWAP if p["on"] else np.eye(3)


def _d4(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return _quarter_turns(int(p["turns"]), shape) @ (_SWAP if p["transpose"] else np.eye(3))


def _crop(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return shift(*-np.float64(p["offset"]))


def _pad(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return shift(t.pixels[2], t.pixels[0])


def _resize(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return area_map((0, 0, shape[1], shape[0]), t.size)


def _random_resized_crop(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return area_map(p["window"], t.size)


def _scaled_window(t: Any, p: Any, shape: Shape) -> np.ndarray:
    """Resized to whole pixels, edge to edge; then the window whose first pixel is the offset."""
    width, height = p["sides"]
    resized = area_map((0, 0, shape[1], shape[0]), (int(height), int(width)))
    return shift(*-np.float64(p["offset"])) @ resized


def _resize_to(t: Any, p: Any, shape: Shape) -> np.ndarray:
    return _scaled_window(t, p, shape) if p else area_map((0, 0, *shape[::-1]), t.out_shape(shape))


def _safe_rotate(t: Any, p: Any, shape: Shape) -> np.ndarray:
    matrix, out = np.array(turn(p["degrees"])), t.out_shape(shape)
    if not t.expand:  # until the corners are inside of the frame
        half = np.array([[shape[1], shape[0]], [shape[1], -shape[0]]]) / 2
        matrix = matrix * (half[0] / np.abs(half @ matrix.T).max(0)).min()
    middle = shift((out[1] - shape[1]) / 2, (out[0] - shape[0]) / 2)
    return middle @ about(matrix, shape)


def _perspective(t: Any, p: Any, shape: Shape) -> np.ndarray:
    if "matrix" in p:
        return np.float64(p["matrix"])
    source = corners_of(shape)
    return homography(source, source + np.float64(p["corners"]) * [[shape[1], shape[0]]])


def _camera_rotate(t: Any, p: Any, shape: Shape) -> np.ndarray:
    k = camera(shape)
    return k @ rotation(*np.float64(p["degrees"])) @ np.linalg.inv(k)


def _canonical_camera(t: Any, p: Any, shape: Shape) -> np.ndarray:
    """Its factor is drawn; that of the tests is always 1."""
    factor = t.focal / camera(shape)[[0, 1], [0, 1]].mean()
    sides = np.floor(np.array(shape[::-1]) * factor + 0.5)
    return _scaled_window(t, {"sides": sides, "offset": p["offset"]}, shape)


FORWARD = {
    "Affine": _affine,
    "BoxSafeCrop": _random_resized_crop,
    "CameraRotate": _camera_rotate,
    "CanonicalCamera": _canonical_camera,
    "Crop": _crop,
    "D4": _d4,
    "Flip": _flip,
    "LabelCrop": _crop,
    "LetterBox": _scaled_window,
    "Pad": _pad,
    "PadTo": _crop,
    "PadToMultiple": _crop,
    "Perspective": _perspective,
    "RandomResizedCrop": _random_resized_crop,
    "RandomScaledCrop": _scaled_window,
    "Resize": _resize,
    "ResizeLongest": _resize_to,
    "ResizeShortest": _resize_to,
    "Rot90": _rot90,
    "Rotate": _rotate,
    "SafeRotate": _safe_rotate,
    "Scale": _scale,
    "Shear": _shear,
    "Translate": _translate,
    "Transpose": _transpose,
}


def spline_axis(intervals: int, positions: np.ndarray) -> np.ndarray:
    """Values at knot coordinates 0 .. intervals of every basis spline: (..., intervals + 3).

    The field has no control points further out than knots -1 and intervals + 1, so three zeros
    on each side continue it until it is zero.
    """
    knots = np.arange(-6, intervals + 7, dtype=np.float64)
    unit = np.eye(intervals + 9)[3:-3]
    splines = [BSpline(knots, row, 3, extrapolate=False) for row in unit]
    values = np.stack([spline(positions) for spline in splines], axis=-1)
    return np.nan_to_num(values)


def displacement(control: np.ndarray, shape: Shape, x: np.ndarray, y: np.ndarray) -> Positions:
    """The field (dx, dy) at pixel positions; knots 0 and n lie on the picture's edges."""
    control = np.float64(control)
    rows, columns = control.shape[0] - 3, control.shape[1] - 3
    bx = spline_axis(columns, (x + 0.5) * columns / shape[1])
    by = spline_axis(rows, (y + 0.5) * rows / shape[0])
    return tuple(np.einsum("...r,...c,rc->...", by, bx, control[..., k]) for k in (0, 1))


def _backward_of(transform: Any, drawn: Any, shape: Shape) -> Backward:
    name = type(transform).__name__
    if name == "Elastic":

        def elastic(x: np.ndarray, y: np.ndarray) -> Positions:
            dx, dy = displacement(drawn["control"], shape, x, y)
            return x + dx, y + dy

        return elastic
    if name in REFERENCES:
        centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])

        def dense(x: np.ndarray, y: np.ndarray) -> Positions:
            at = np.stack([np.ravel(x), np.ravel(y)], -1) - centre
            found = REFERENCES[name](transform, drawn, at, shape) + centre
            return found[:, 0].reshape(np.shape(x)), found[:, 1].reshape(np.shape(y))

        return dense
    m = np.linalg.inv(FORWARD[name](transform, drawn, shape))

    def matrix(x: np.ndarray, y: np.ndarray) -> Positions:
        w = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        return (
            (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / w,
            (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / w,
        )

    return matrix


def backward(transforms: Sequence[Any], drawn: Sequence[Any], shape: Shape) -> Backward:
    """Output pixel position -> input pixel position of the reference frame."""
    steps = []
    for transform, params in zip(transforms, drawn, strict=True):
        steps.append(_backward_of(transform, params, shape))
        shape = transform.out_shape(shape)

    def chain(x: np.ndarray, y: np.ndarray) -> Positions:
        for step in reversed(steps):
            x, y = step(x, y)
        return x, y

    return chain


def rescaled(position: np.ndarray, size: int, other: int) -> np.ndarray:
    """The same place on an axis of another number of pixels over the same field of view."""
    return (position + 0.5) * (other / size) - 0.5


def grid(
    transforms: Sequence[Any],
    drawn: Sequence[Any],
    frame: Shape,
    size: Shape | None = None,
    out: Shape | None = None,
) -> Positions:
    """Source position (x, y) of every output pixel of an entry, in its own pixels.

    Args:
        transforms: the pipeline's.
        drawn: the values that one record drew.
        frame: the reference frame before the pipeline.
        size: (height, width) of the entry; the frame's by default.
        out: (height, width) of the entry's result; that of the frame by default.
    """
    out_frame = frame
    for transform in transforms:
        out_frame = transform.out_shape(out_frame)
    size, out = size or frame, out or out_frame
    y, x = np.mgrid[: out[0], : out[1]].astype(np.float64)
    x, y = rescaled(x, out[1], out_frame[1]), rescaled(y, out[0], out_frame[0])
    x, y = backward(transforms, drawn, frame)(x, y)
    return rescaled(x, frame[1], size[1]), rescaled(y, frame[0], size[0])
