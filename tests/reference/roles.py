"""What every role of images becomes under a map, in float64, from the table of docs/geometry.md.

Nothing here may import the geometry, the sampling or the roles of the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tests.reference import sampling
from tests.roles import oracle


@dataclass(frozen=True)
class Scene:
    """One record: its map and its camera.

    Args:
        warp: the map.
        camera: ``refit``, ``fixed``, ``none``, ``world`` (refit, values in the world frame) or
            ``unknown`` (refit, without intrinsics).
        k: intrinsics; None when unknown.
        pose: world to camera; None when there is none.
        resized: the image is brought to another size.
        means: densities are means over what an output pixel covers.
        sigma: deviations (y, x) of the low-pass.
        radius: its taps on each side.
    """

    warp: oracle.Chart
    camera: str
    k: np.ndarray | None
    pose: np.ndarray | None
    resized: bool = False
    means: bool = False
    sigma: tuple[float, float] = (0.0, 0.0)
    radius: int = 0

    @property
    def dense(self) -> bool:
        return any(isinstance(step, oracle.Field) for step in self.warp.steps)

    @property
    def mirrored(self) -> bool:
        return np.linalg.det(self.warp.matrix) < 0

    @property
    def motion(self) -> np.ndarray:
        """(3, 3) that points move by: M, or H of fixed intrinsics."""
        k = np.eye(3) if self.k is None else self.k
        if self.camera == "fixed":
            return oracle.deform(self.warp.matrix, k)
        return oracle.refit(self.warp.matrix, k)[1]

    @property
    def moves_values(self) -> bool:
        """Coordinates of the camera's frame follow it."""
        return self.camera not in {"none", "world"}

    @property
    def on_rays(self) -> bool:
        return self.camera != "none" and self.k is not None and not self.dense

    def jacobian(self) -> np.ndarray:
        """(h, w, 2, 2), d source / d output."""
        return oracle.jacobian(self.warp.pull, oracle.pixels(self.warp.out_shape))

    def rays(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(..., 3), of Z 1, seen at pixel positions."""
        return np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(self.k).T


class Rule(NamedTuple):
    """The settings of an entry that its values depend on.

    Args:
        role: its name.
        method: of interpolation.
        border: any of the seven.
        fill: per channel, beyond a border that fills; None means invalid.
        invalid: ``nan``, a number, or None.
        max_jump: or None.
        pairs: labels or channels that swap under a mirror.
        period: of an angle, in its unit.
        radians: the unit of an angle.
    """

    role: str
    method: str
    border: str
    fill: tuple[float, ...] | None = (0.0,)
    invalid: float | str | None = None
    max_jump: float | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    period: float = 360.0
    radians: bool = False


class Expected(NamedTuple):
    """Values of an entry at given positions.

    Args:
        values: (h, w, C).
        known: (h, w, C) bool; what is not is invalid.
        slack: (h, w, 1), by how much more than others values may differ.
    """

    values: np.ndarray
    known: np.ndarray
    slack: np.ndarray | float = 1.0


def expected(rule: Rule, image: np.ndarray, scene: Scene, x: np.ndarray, y: np.ndarray) -> Expected:
    """What one record's (H, W, C) becomes, read at source positions (h, w).

    Args:
        rule: what the entry is.
        image: in its own dtype.
        scene: the record.
        x: where the output pixels are read.
        y: the same.
    """
    return _ROLES[rule.role](rule, image, scene, x, y)


def is_valid(rule: Rule, image: np.ndarray, *, joint: bool) -> np.ndarray:
    """(H, W, C) bool: the pixels hold data; compared in the dtype of the image."""
    if rule.invalid is None:
        return np.ones(image.shape, bool)
    mark = rule.invalid
    missing = (
        np.isnan(image.astype(np.float64)) if mark == "nan" else image == image.dtype.type(mark)
    )
    if joint:
        missing = (missing.any if mark == "nan" else missing.all)(-1, keepdims=True)
    return np.broadcast_to(~missing, image.shape)


def _fills(rule: Rule, channels: int) -> list[float | None]:
    fill = (None,) if rule.fill is None else rule.fill
    return list(fill) * channels if len(fill) == 1 else list(fill)


def _by_channel(rule: Rule, image: np.ndarray, scene: Scene, x: np.ndarray, y: np.ndarray,
                *, low: bool) -> Expected:  # fmt: skip
    """Every channel is sampled, and valid or not, by itself."""
    valid = is_valid(rule, image, joint=False)
    values, known = [], []
    for c, fill in enumerate(_fills(rule, image.shape[-1])):
        plane, whole = image[..., c].astype(np.float64), valid[..., c]
        if low and rule.method != "nearest" and max(scene.sigma) > 0:
            plane = sampling.low_passed(plane, whole, scene.sigma, scene.radius, rule.border)
        found = _plane(rule, plane, whole, fill, scene, x, y)
        values.append(found[0])
        known.append(found[1])
    return Expected(np.stack(values, -1), np.stack(known, -1))


def _plane(rule: Rule, plane: np.ndarray, valid: np.ndarray, fill: float | None, scene: Scene,
           x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Values of (H, W), and where they are known."""
    aware = rule.invalid is not None or rule.max_jump is not None or fill is None
    if fill is not None and _is_mark(fill, rule.invalid):
        fill = None

    def read(x: np.ndarray, y: np.ndarray, border: str) -> tuple[np.ndarray, np.ndarray]:
        if not aware:
            return sampling.sample(plane, x, y, rule.method, border, fill), np.ones(x.shape)
        return sampling.sample_valid(
            plane, valid, x, y, rule.method, border, fill, rule.max_jump
        )  # fmt: skip

    if rule.border in sampling.CLASSIC and not (aware or scene.resized or rule.method == "cubic"):
        # SciPy has them.
        values, _ = read(x, y, rule.border)
        return values, np.ones(values.shape, bool)
    ends = rule.method == "spline3" and scene.resized
    values, share, beyond = sampling.read_at(
        read, x, y, plane.shape, rule.border, resized=scene.resized, ends=ends
    )
    values = np.where(beyond, 0.0 if fill is None else fill, values)
    return values, np.where(beyond, fill is not None, share >= 0.5 - 1e-6)


def _is_mark(fill: float, invalid: float | str | None) -> bool:
    return np.isnan(fill) if invalid == "nan" else fill == invalid


def _intensity(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    return _by_channel(rule, image, scene, x, y, low=True)


def _probability(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    found = _by_channel(rule, image, scene, x, y, low=False)
    order = np.arange(image.shape[-1])
    for left, right in rule.pairs if scene.mirrored else ():
        order[[left, right]] = order[[right, left]]
    return found._replace(values=found.values[..., order])


def _label(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    ids, (fill,) = image[..., 0].astype(np.int64), rule.fill

    def nearest(x: Any, y: Any, border: str) -> tuple[Any, Any]:
        index = (np.floor(p + 0.5).astype(int) for p in (x, y))
        return sampling.pixels(ids, *index, border, -(2**40)), np.ones(x.shape)

    def majority(x: Any, y: Any, border: str) -> tuple[Any, Any]:
        every = [*np.unique(ids), -(2**40)]
        # A pixel that holds the fill votes with it.
        one_hot = np.where((ids == int(fill)) & (border == "constant"), -(2**40), ids)
        return sampling.majority(one_hot, every, x, y, border, -(2**40))[0], np.ones(x.shape)

    read = {"nearest": nearest, "majority": majority}[rule.method]
    found, _, beyond = sampling.read_at(read, x, y, ids.shape, rule.border, resized=scene.resized)
    swapped = found
    for left, right in rule.pairs if scene.mirrored else ():
        swapped = np.where(found == left, right, np.where(found == right, left, swapped))
    # What stands beyond a border is no part of anything, and does not swap.
    values = np.where(beyond | (found == -(2**40)), fill, swapped)[..., None]
    return Expected(values, np.ones(values.shape, bool))


def _together(rule: Rule, planes: np.ndarray, valid: np.ndarray, scene: Scene, x: Any, y: Any,
              measure: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(h, w, P) of planes that are valid together, and (h, w) where they are known."""

    def read(x: Any, y: Any, border: str) -> tuple[Any, Any]:
        if rule.method != "nearest":
            return sampling.linear_over_valid(
                planes, valid, x, y, border, None, rule.max_jump, measure
            )
        found = [
            sampling.sample_valid(p, valid, x, y, "nearest", border)
            for p in np.moveaxis(planes, -1, 0)
        ]
        return np.stack([values for values, _ in found], -1), found[0][1]

    values, share, beyond = sampling.read_at(
        read, x, y, valid.shape, rule.border, resized=scene.resized
    )
    return values, (share >= 0.5 - 1e-6) & ~beyond


def _joint(values: np.ndarray, known: np.ndarray, slack: Any = 1.0) -> Expected:
    return Expected(values, np.broadcast_to(known[..., None], values.shape), slack)


def _position(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    valid = is_valid(rule, image, joint=True)[..., 0]
    points = np.where(valid[..., None], image.astype(np.float64), 1.0)
    if rule.method != "ray" or not scene.on_rays:
        values, known = _together(rule, points, valid, scene, x, y)
    else:
        values, known = _on_rays(rule, points, valid, scene, x, y)
    return _joint(values @ scene.motion.T if scene.moves_values else values, known)


def _on_rays(rule: Rule, points: Any, valid: Any, scene: Scene, x: Any, y: Any) -> Any:
    """1/Z and the deviation from the rays are blended; points of the camera's frame, or not."""
    turn, shift = np.eye(3), np.zeros(3)
    if scene.camera == "world":
        turn, shift = scene.pose[:3, :3], scene.pose[:3, 3]
    points = points @ turn.T + shift
    valid = valid & (points[..., 2] > 0)
    points = np.where(valid[..., None], points, 1.0)
    z = points[..., 2:]
    rays = scene.rays(*np.moveaxis(oracle.pixels(valid.shape), -1, 0))
    coded = np.concatenate([1 / z, points[..., :2] - z * rays[..., :2]], -1)
    coded, known = _together(rule, coded, valid, scene, x, y, z)
    z = 1 / np.where(known, coded[..., 0], 1)[..., None]
    values = z * scene.rays(x, y)
    values[..., :2] += coded[..., 1:]
    return (values - shift) @ np.linalg.inv(turn).T, known


def _depth(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    valid = is_valid(rule, image, joint=True)[..., 0]
    z = np.where(valid[..., None], image.astype(np.float64), 1.0)
    follows = scene.camera != "none" and scene.k is not None
    if rule.method == "ray" and follows and not scene.dense:
        valid = valid & (z[..., 0] > 0)
        coded = 1 / np.where(valid[..., None], z, 1.0)
        blended, known = _together(rule, coded, valid, scene, x, y, z)
        values = 1 / np.where(known[..., None], blended, 1)
    else:
        values, known = _together(rule, z, valid, scene, x, y)
    slack = 1.0
    if follows:
        factor = (scene.rays(x, y) @ scene.motion[2])[..., None]
        values, slack = values * factor, 1 + np.abs(factor)
        if image.dtype.kind in "ui":
            # The nearest integer is 1, and beyond the last one is no depth that can be told.
            values = np.maximum(values, 1)
            known = known & (values[..., 0] < np.iinfo(image.dtype).max + 0.5)
    return _joint(values, known, slack)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _direction(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    valid = is_valid(rule, image, joint=True)[..., 0]
    vectors = np.where(valid[..., None], image.astype(np.float64), 1.0)
    values, known = _together(rule, vectors, valid, scene, x, y)
    if rule.method != "nearest":
        # A pixel that is copied keeps its length, whatever it is.
        copied = (np.floor(x) == x) & (np.floor(y) == y)
        values = np.where(copied[..., None], values, _unit(values))
    if scene.camera == "fixed":
        values = _unit(values @ np.linalg.inv(scene.motion))
    elif scene.moves_values:
        values = values @ scene.motion.T
    return _joint(values, known)


def _flow(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    valid = is_valid(rule, image, joint=True)[..., 0]
    vectors = np.where(valid[..., None], image.astype(np.float64), 0.0)
    values, known = _together(rule, vectors, valid, scene, x, y)
    ends = scene.warp.push(np.stack([x, y], -1) + values)
    return _joint(ends - oracle.pixels(scene.warp.out_shape), known)


def _orientation(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    full = 2 * np.pi if rule.radians else 360.0
    radians, fold = 2 * np.pi / full, round(full / rule.period)
    valid = is_valid(rule, image, joint=True)[..., 0]
    angle = np.where(valid, image[..., 0].astype(np.float64), 0.0)
    if rule.method == "nearest":
        (angle,), known = (np.moveaxis(a, -1, 0) if a.ndim > 2 else a for a in _together(
            rule, angle[..., None], valid, scene, x, y))  # fmt: skip
        slack = np.ones(angle.shape)
    else:
        vector = np.stack([f(angle * radians * fold) for f in (np.cos, np.sin)], -1)
        blended, known = _together(rule, vector, valid, scene, x, y)
        angle = np.arctan2(blended[..., 1], blended[..., 0]) / radians / fold
        # Directions that nearly cancel have a mean that nothing holds.
        slack = 1 / np.maximum(np.linalg.norm(blended, axis=-1), 1e-9)
    phi = angle * radians
    forward = np.linalg.inv(scene.jacobian())
    moved = (forward @ np.stack([np.cos(phi), -np.sin(phi)], -1)[..., None])[..., 0]
    stretch = np.linalg.svd(forward, compute_uv=False)
    slack = slack * stretch[..., 0] / stretch[..., 1]
    turned = np.mod(np.arctan2(-moved[..., 1], moved[..., 0]) / radians, rule.period)
    return _joint(turned[..., None], known, slack[..., None])


def _density(rule: Rule, image: Any, scene: Scene, x: Any, y: Any) -> Expected:
    jacobian = scene.jacobian()
    steps = tuple(np.linalg.norm(jacobian[..., k, :], axis=-1) for k in (0, 1))

    def read(plane: np.ndarray) -> Any:
        def at(x: Any, y: Any, border: str) -> tuple[Any, Any]:
            if not scene.means:
                return sampling.sample(plane, x, y, "linear", border), np.ones(x.shape)
            mean = sampling.area_mean(plane, x, y, steps, border, resized=scene.resized)
            return mean, np.ones(x.shape)

        return at

    values = []
    for plane in np.moveaxis(image.astype(np.float64), -1, 0):
        if scene.means and rule.border == "constant":
            # Its own rule for what lies outside of a resized image.
            found, beyond = read(plane)(x, y, "constant")[0], False
        else:
            found, _, beyond = sampling.read_at(
                read(plane), x, y, plane.shape, rule.border, resized=scene.resized
            )
        values.append(np.where(beyond, 0.0, found))
    area = np.abs(np.linalg.det(jacobian))[..., None]
    stacked = np.stack(values, -1) * area
    # What is beyond a hard border is the fill itself, 0.
    return Expected(stacked, np.ones(stacked.shape, bool), 1 + area)


_ROLES = {
    "density": _density,
    "depth": _depth,
    "direction": _direction,
    "flow": _flow,
    "intensity": _intensity,
    "label": _label,
    "orientation": _orientation,
    "position": _position,
    "probability": _probability,
}
