"""Are directions unit vectors, and normals in the frame of the cloud beside them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..spec import ChannelGroup, DataSpec
from ..typing import NDArray
from ._conventions import name_axes, spell_axes
from ._finding import Finding
from ._projection import camera_points, channels_of, intrinsics_of, is_invalid, pixels

_FEWEST = 64  # pixels, below which nothing is said
_UNIT = 0.02  # how far the length of a unit vector may be from 1
_SURELY = 0.9  # the share of pixels that makes a rule
# Degrees: normals this near to the surface are its own; other axes must be worse by this much.
_CLOSE, _APART = 25, 5
_GRID = 100  # normals along each axis that are compared
_JUMP = 0.05  # of the depth: a larger step between neighbours is an edge


def inspect_directions(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """Directions that are no unit vectors, or normals in other axes than the cloud."""
    for name in records:
        for group in spec.entries[name].groups:
            if group.role == "direction":
                yield from _direction_entry(spec, records, name, group)


def _direction_entry(
    spec: DataSpec, records: Mapping[str, NDArray], name: str, group: ChannelGroup
) -> Iterator[Finding]:
    for i in range(len(records[name])):
        normals = channels_of(records[name][i], group, batch=False).astype(np.float64)
        valid = ~is_invalid(normals, group)
        if valid.sum() < _FEWEST:
            continue
        finding = _length(name, normals[valid])
        if finding is None and spec.camera.policy != "none":
            finding = _frame(spec, records, i, name, np.where(valid[..., None], normals, np.nan))
        if finding is not None:
            yield finding
            return


def _length(name: str, normals: NDArray) -> Finding | None:
    length = float(np.median(np.linalg.norm(normals, axis=-1)))
    for scale, text in ((1, "0..1"), (255, "0..255")):
        decoded = np.linalg.norm(2 * normals / scale - 1, axis=-1)
        if normals.min() >= 0 and np.mean(np.abs(decoded - 1) < _UNIT) >= _SURELY:
            remedy = "2 * n - 1" if scale == 1 else "2 * n / 255 - 1"
            text = (
                f"found vectors encoded as colours of {text}; expected unit vectors of -1..1; "
                f"decode them: `{remedy}`"
            )
            return Finding(name, text, True)
    if abs(length - 1) <= _UNIT:
        return None
    text = (
        f"found vectors of length {length:.4g} (median); expected unit vectors, and the length is "
        "lost as soon as they are resampled; normalise them, or keep the length in an entry of "
        "its own"
    )
    return Finding(name, text, False)


def _frame(
    spec: DataSpec, records: Mapping[str, NDArray], i: int, name: str, normals: NDArray
) -> Finding | None:
    """Compare with the surface of the cloud; without one, with the rays of the pixels."""
    if spec.camera.frame == "world":
        return None  # those of the world do not face the camera along an axis
    points = camera_points(spec, records, i, normals.shape[:2])
    if points is not None:
        surface, grid = _surface_normals(points)
        both = np.isfinite(surface).all(-1) & np.isfinite(normals[grid]).all(-1)
        if both.sum() >= _FEWEST:
            return _beside_surface(name, normals[grid][both], surface[both])
    return _towards_camera(name, normals, _rays(spec, records, i, normals.shape[:2]))


def _beside_surface(name: str, normals: NDArray, surface: NDArray) -> Finding | None:
    """What axes or which turn make normals those of the surface, when they are not."""

    def angle(matrix: NDArray) -> float:
        return _degrees(float(np.median(np.sum(normals @ matrix.T * surface, axis=-1))))

    def is_better(matrix: NDArray, than: float) -> bool:
        return than > 2 * angle(matrix) + _APART

    same, flipped = angle(np.eye(3)), angle(-np.eye(3))
    found = min(same, flipped)
    axes, turn = min(_signed_permutations(), key=angle), _best_turn(normals, surface)
    if turn is not None and not is_better(turn, angle(axes)):
        turn = None
    if turn is None and angle(axes) < _CLOSE and is_better(axes, found):
        text = (
            f"found normals with X, Y, Z along {spell_axes(axes)} beside points with X right, Y "
            "down, Z ahead; expected one frame; convert with "
            f"`ma.convert_axes(normals, {name_axes(axes)!r})`"
        )
        return Finding(name, text, True)
    if turn is not None and angle(turn) < _CLOSE and is_better(turn, found):
        text = (
            f"found normals that are turned by {_degrees((np.trace(turn) - 1) / 2):.0f} degrees "
            "against the surface of the points, as those of the world's frame are; expected the "
            "frame of the points; turn them by the rotation of the extrinsics"
        )
        return Finding(name, text, True)
    return _away(name) if flipped < same else None


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _away(name: str) -> Finding:
    text = (
        "found normals that look away from the camera; expected X right, Y down, Z ahead, where "
        "a surface that is seen has a normal towards the camera; if theirs are X right, Y up, Z "
        "back, convert with `ma.convert_axes(normals, 'opengl')`; else negate them"
    )
    return Finding(name, text, False)


def _towards_camera(name: str, normals: NDArray, rays: NDArray) -> Finding | None:
    """Nothing but the rays is known: visible surfaces face the camera."""
    along = np.sum(normals * rays, axis=-1)
    return _away(name) if np.mean(along[np.isfinite(along)] > 0) >= _SURELY else None


def _rays(
    spec: DataSpec, records: Mapping[str, NDArray], i: int, shape: tuple[int, ...]
) -> NDArray:
    """Where the pixels look, (H, W, 3) or (3,)."""
    k = intrinsics_of(spec, records, i, (shape[0], shape[1]))
    if k is None:
        return np.array([0.0, 0.0, 1.0])
    x, y = np.broadcast_arrays(*pixels((shape[0], shape[1])))
    rays: NDArray = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(k).T
    return rays


def _surface_normals(points: NDArray) -> tuple[NDArray, tuple[NDArray, NDArray]]:
    """Unit normals that face the camera, by central differences, on a sparse grid.

    Returns:
        (h, w, 3), NaN at edges and holes; and the index (rows, columns) of the grid.
    """
    height, width = points.shape[:2]
    rows = np.arange(1, height - 1, max(1, height // _GRID))[:, np.newaxis]
    columns = np.arange(1, width - 1, max(1, width // _GRID))[np.newaxis, :]
    here = points[rows, columns]
    across = points[rows, columns + 1] - points[rows, columns - 1]
    down = points[rows + 1, columns] - points[rows - 1, columns]
    with np.errstate(all="ignore"):
        normals = np.cross(across, down)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        normals *= -np.sign(np.sum(normals * here, axis=-1, keepdims=True))
        step = np.maximum(np.linalg.norm(across, axis=-1), np.linalg.norm(down, axis=-1))
        normals[step > _JUMP * np.linalg.norm(here, axis=-1)] = np.nan
    return normals, (rows, columns)


def _signed_permutations() -> list[NDArray]:
    """The 48 exchanges of axes and signs."""
    signs = np.array(np.meshgrid(*[(1, -1)] * 3)).reshape(3, -1).T
    orders = ((0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1))
    return [np.eye(3)[list(order)] * sign for order in orders for sign in signs]


def _best_turn(normals: NDArray, surface: NDArray) -> NDArray | None:
    """The rotation that takes normals to the surface's; None when they do not determine one.

    References:
        W. Kabsch. A solution for the best rotation to relate two sets of vectors. 1976.
    """
    u, size, v = np.linalg.svd(surface.T @ normals)
    if size[1] < 0.02 * size[0]:
        return None
    turn: NDArray = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v
    return turn
