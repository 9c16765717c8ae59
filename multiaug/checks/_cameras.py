"""Do clouds, intrinsics and extrinsics belong to one camera, and is it in the convention we expect?

An organised cloud says by itself which camera has seen it: the point of a pixel is on the ray of
that pixel. So a camera is fitted to the cloud without assuming axes or intrinsics, and where that
of the record does not fit, the difference between the two tells which convention was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..spec import DataSpec
from ..typing import NDArray, SpatialShape
from ._conventions import name_axes, spell_axes
from ._finding import Finding
from ._fit import Fit, parallel_fits, pinhole_fits, residual_of_any_camera
from ._intrinsics import Relation, relation
from ._motions import Motion, extrinsics_entry, motions
from ._projection import Cloud, clouds, move, position_group, project

_FEWEST = 64  # points, below which nothing is said
_MOST = 2000  # points that a verdict is based on
# Of the diagonal: a cloud of noise and distortion is this near to a pinhole; one that is further
# than the other from its own camera is not the image of it.
_NEAR, _GROSS = 0.01, 0.1
_ANOTHER = 0.05  # of the diagonal: a camera that is further away is a mistake, not a calibration


class _Points(NamedTuple):
    """What a verdict is based on: (n, 3) points and the (n, 2) pixels they stand at."""

    points: NDArray
    xy: NDArray
    shape: SpatialShape

    @property
    def diagonal(self) -> float:
        return float(np.hypot(*self.shape))

    @property
    def near(self) -> float:
        """Pixels: a fit that is no further off explains the cloud."""
        return max(1.0, _NEAR * self.diagonal)

    @property
    def gross(self) -> float:
        """Pixels: a camera that is further off is not that of the cloud."""
        return max(1.0, _GROSS * self.diagonal)


class _Explanation(NamedTuple):
    """A camera that fits the cloud, by what has to change in the record."""

    motion: Motion
    fit: Fit
    relation: Relation | None

    @property
    def changes(self) -> int:
        changes = (self.motion.remedy != "") + (not self.fit.is_usual)
        return changes + (0 if self.relation is None else self.relation.changes)


def inspect_clouds(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """Project the points of organised clouds and compare with the pixels that they stand at."""
    if spec.camera.policy == "none":
        return  # values stay as they are, whatever their axes
    for name in records:
        if position_group(spec, name) is not None:
            for cloud in clouds(spec, records, name):
                finding = _inspect(spec, cloud)
                if finding is not None:
                    yield finding
                    break  # a wrong convention is in all records


def _inspect(spec: DataSpec, cloud: Cloud) -> Finding | None:
    sample = _sample(cloud)
    if sample is None or (spec.camera.frame == "world" and cloud.extrinsics is None):
        return None
    candidates = motions(spec, cloud.extrinsics)
    usual = move(candidates[0].matrix, sample.points)
    if cloud.intrinsics is None:
        if _is_plausible(sample, candidates):
            return None
        return _explain(spec, cloud, sample, candidates, np.inf, certain=True)
    distance, shift = _distance(cloud.intrinsics, usual, sample.xy)
    own = next((f.residual for f in pinhole_fits(usual, sample.xy) if f.is_usual), np.inf)
    # Noise and distortion are in the distance to any camera; a mistake is in that to the given one.
    limit = min(_tolerated(own), sample.gross)
    if distance > min(limit, sample.near):
        return _explain(spec, cloud, sample, candidates, distance, certain=distance > limit)
    if own < 0.1 and np.abs(np.abs(shift) - 0.5).max() < 0.05 and shift[0] * shift[1] > 0:
        return _half_a_pixel(cloud, float(shift[0]))
    return None


def _tolerated(residual: float) -> float:
    """The distance that is no worse than a fit with this residual."""
    return 1 + 4 * residual


def _sample(cloud: Cloud) -> _Points | None:
    """Points over the whole grid; None when they are too few for a verdict, or all the same."""
    rows, columns = np.nonzero(np.isfinite(cloud.points[..., 0]))
    if len(rows) < _FEWEST or np.ptp(rows) < 3 or np.ptp(columns) < 3:
        return None
    if len(rows) > _MOST:
        # At random, always the same: steps of one length may hit one column again and again.
        chosen = np.random.default_rng(0).integers(0, len(rows), _MOST)
        rows, columns = rows[chosen], columns[chosen]
    xy = np.stack([columns, rows], axis=-1).astype(np.float64)
    points = cloud.points[rows, columns]
    if (points == points[0]).all():
        return None  # a placeholder
    return _Points(points, xy, (cloud.points.shape[0], cloud.points.shape[1]))


def _distance(k: NDArray, points: NDArray, xy: NDArray) -> tuple[float, NDArray]:
    """Median distance of projected points to their pixels, inf behind the camera; and by axis."""
    offset = np.stack(project(k, points), axis=-1) - xy
    distance = np.where(points[:, 2] > 0, np.hypot(*offset.T), np.inf)
    return float(np.median(distance)), np.median(offset, axis=0)


def _is_plausible(sample: _Points, candidates: list[Motion]) -> bool:
    """The cloud is of some camera in our convention, and not much better of any other one."""
    usual, others = [np.inf], [residual_of_any_camera(sample.points, sample.xy)]
    for motion in candidates:
        for fit in _fits(motion, sample, parallel=True):
            is_usual = fit.is_usual and motion is candidates[0]
            (usual if is_usual else others).append(fit.residual)
    return min(usual) <= min(sample.gross, _tolerated(min(others)))


def _fits(motion: Motion, sample: _Points, *, parallel: bool) -> Iterator[Fit]:
    points = move(motion.matrix, sample.points)
    yield from pinhole_fits(points, sample.xy)
    if parallel:
        yield from parallel_fits(points, sample.xy)


def _explain(
    spec: DataSpec,
    cloud: Cloud,
    sample: _Points,
    candidates: list[Motion],
    distance: float,
    *,
    certain: bool,
) -> Finding | None:
    """What is wrong with a cloud that does not fit; unless that is certain, only what is known."""
    found = [
        one
        for one in _explanations(cloud, sample, candidates)
        if one.changes and _tolerated(one.fit.residual) < distance
    ]
    if not found:
        return _unexplained(spec, cloud, sample, distance, certain=certain)
    # Planes and narrow views nearly fit in many ways: of those that fit well, the simplest, and of
    # equals the likeliest, which comes first.
    limit = _tolerated(min(one.fit.residual for one in found))
    well = (one for one in found if one.fit.residual <= limit)
    best = min(well, key=lambda one: (one.changes, round(one.fit.residual, 1)))
    return _explained(spec, cloud, best, distance, sample)


def _explanations(
    cloud: Cloud, sample: _Points, candidates: list[Motion]
) -> Iterator[_Explanation]:
    k = cloud.intrinsics
    for motion in candidates:
        for fit in _fits(motion, sample, parallel=k is None):
            if fit.residual <= sample.near:
                # Of a turned grid the fit has no intrinsics to compare with.
                related = (
                    None
                    if k is None or fit.turn
                    else relation(k, fit.k, sample.shape, fit.residual)
                )
                yield _Explanation(motion, fit, related)


def _explained(
    spec: DataSpec, cloud: Cloud, best: _Explanation, distance: float, sample: _Points
) -> Finding:
    """What has to change, each with its remedy; the entry is that of the first change."""
    entries, problems, remedies = [], [], []

    def tell(entry: str, problem: str, remedy: str) -> None:
        entries.append(entry or cloud.name)
        problems.append(problem)
        remedies.append(remedy)

    if best.motion.remedy:
        tell(best.motion.entry, best.motion.problem, best.motion.remedy)
    if not best.fit.is_usual:
        tell(*_unusual(spec, best.fit))
    wrong, related = True, best.relation
    if related is not None and related.problem:
        tell(cloud.camera, related.problem, related.remedy)
        wrong = len(problems) > 1 or related.is_named or distance > _ANOTHER * sample.diagonal
    height, width = sample.shape
    expected = _expected(spec)
    if len(problems) == 1 and related is not None and related.problem:
        expected = f"the camera of {cloud.name!r}, in pixels of its {height} x {width}"
    return Finding(
        entries[0],
        f"{_found(cloud, distance)}: {' and '.join(problems)}; expected {expected}; "
        f"{', then '.join(remedies)}",
        wrong,
    )


def _unusual(spec: DataSpec, fit: Fit) -> tuple[str, str, str]:
    """Entry, problem and remedy of axes that are not ours."""
    if fit.turn:
        problem = f"the points are those of an image turned by {fit.turn:.0f} degrees"
        return "", problem, "turn the points with their image"
    name, words = name_axes(fit.axes), spell_axes(fit.axes)
    spoken = ", ".join(f"{axis} {word}" for axis, word in zip("XYZ", words.split("-"), strict=True))
    if name != words:
        spoken = f"{name} ({spoken})"
    remedy = f"convert with `ma.convert_axes(record, {name!r}, spec=spec)`"
    if spec.camera.frame == "world":
        return extrinsics_entry(spec), f"the camera has the axes {spoken}", remedy
    return "", f"the points have the axes {spoken}", remedy


def _unexplained(
    spec: DataSpec, cloud: Cloud, sample: _Points, distance: float, *, certain: bool
) -> Finding | None:
    message = f"{_found(cloud, distance)}; expected {_expected(spec)}; "
    anywhere = residual_of_any_camera(sample.points, sample.xy)
    fits = anywhere <= sample.near and _tolerated(anywhere) < distance
    if fits and spec.camera.frame == "camera":
        return Finding(
            cloud.name,
            message + "they fit a camera elsewhere, as points in the frame of the world or of "
            'another camera do. Bring them into the camera\'s frame, or say "camera": {"frame": '
            '"world"} and add the extrinsics',
            True,
        )
    if not certain:
        return None
    if cloud.intrinsics is not None:
        return Finding(
            cloud.name,
            message + "no known axes, intrinsics or extrinsics explain it. Check that they are of "
            'one camera and one image, or say "camera": {"policy": "none"} to leave values alone',
            False,  # what nothing explains may be meant so; what has a name is refused
        )
    return Finding(
        cloud.name,
        message + "they fit no pinhole camera, so that the geometry turns them about axes that "
        'mean something else. Say "camera": {"policy": "none"} to leave values alone',
        False,
    )


def _half_a_pixel(cloud: Cloud, shift: float) -> Finding:
    verb = "subtract 0.5 from" if shift > 0 else "add 0.5 to"
    return Finding(
        cloud.camera or cloud.name,
        f"found a principal point that is half a pixel off the points of {cloud.name!r}: it seems "
        "to count from the corner of the first pixel; expected pixel centres at integers, as "
        f"OpenCV has them; {verb} cx and cy",
        False,
    )


def _found(cloud: Cloud, distance: float) -> str:
    if cloud.intrinsics is None:
        return "found points that are not where their pixels see them"
    if np.isinf(distance):
        return "found points behind the camera"
    return f"found points that fall {distance:.1f} pixels (median) beside their own"


def _expected(spec: DataSpec) -> str:
    if spec.camera.frame == "world":
        return "world-to-camera extrinsics to a camera with X right, Y down and Z ahead"
    return "the camera's frame with X right, Y down and Z ahead"
