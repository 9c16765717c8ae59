"""How given intrinsics differ from those that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..spec import DataSpec
from ..typing import NDArray, SpatialShape
from ._conventions import scale_intrinsics
from ._finding import Finding

_SAME = 0.02  # relative to a focal length or a side
_RESIZED = 0.1  # relative: images are hardly resized by less
_SIMPLE = (2, 3, 4, 8, 1 / 2, 1 / 3, 1 / 4, 1 / 8)
_NORMALISED = 16  # pixels: of smaller images a principal point below 1 may be meant so


class Relation(NamedTuple):
    """What is between two cameras: a problem and a remedy, both "" for nothing.

    Args:
        problem: what the given intrinsics are.
        remedy: what makes them those that fit.
        is_named: a known mistake, not just other numbers.
    """

    problem: str = ""
    remedy: str = ""
    is_named: bool = True

    @property
    def changes(self) -> int:
        """How much has to be assumed."""
        return (self.problem != "") + (not self.is_named)


def relation(given: NDArray, fitted: NDArray, shape: SpatialShape, noise: float) -> Relation:
    """Name the difference between given intrinsics and those that fit a cloud.

    Args:
        given: (3, 3) in pixels of the cloud, or so it is said.
        fitted: (3, 3) in pixels of the cloud.
        shape: (height, width) of the cloud.
        noise: pixels by which the fit is off.
    """
    if _distance(given, fitted, shape) <= 1 + 4 * noise:
        return Relation()
    limit = max(1 + 4 * noise, _SAME * float(np.hypot(*shape)))
    for candidate, named in _readings(given, fitted, shape):
        if _distance(candidate, fitted, shape) <= limit:
            return named
    fx, fy, cx, cy = (fitted[i, j] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    numbers = f"fx = {fx:.1f}, fy = {fy:.1f}, cx = {cx:.1f}, cy = {cy:.1f}"
    return Relation(
        "the intrinsics are of another camera",
        f"the points fit {numbers}, as `ma.estimate_intrinsics` finds",
        False,
    )


def _distance(k: NDArray, other: NDArray, shape: SpatialShape) -> float:
    """The largest distance between two cameras' pixels of one ray, over the image's corners."""
    x, y = (-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5)
    corners = np.array([(a, b, 1) for a in x for b in y]).T
    return float(np.hypot(*(k @ np.linalg.solve(other, corners) - corners)[:2]).max())


def _readings(
    given: NDArray, fitted: NDArray, shape: SpatialShape
) -> Iterator[tuple[NDArray, Relation]]:
    height, width = shape
    if is_normalised(given, shape):
        for size in ((width, height), (width, width), (height, height)):
            yield np.diag([*size, 1]) @ given, normalised(shape)
    for rows, columns, text in (
        ((1, 0), (1, 0), "row and column are exchanged (fy before fx, cy before cx)"),
        ((0, 1), (1, 0), "cx and cy are exchanged"),
        ((1, 0), (0, 1), "fx and fy are exchanged"),
    ):
        candidate = given.copy()
        candidate[[0, 1], [0, 1]] = given[rows, rows]
        candidate[:2, 2] = given[columns, 2]
        yield (
            candidate,
            Relation(f"in the intrinsics {text}", "put them in order: fx s cx / 0 fy cy"),
        )
    for axis, side, name in ((0, width, "cx"), (1, height, "cy")):
        candidate = given.copy()
        candidate[axis, 2] = side - 1 - given[axis, 2]
        yield (
            candidate,
            Relation(
                f"{name} counts from the other side, as of an image that was mirrored",
                f"put {side - 1} - {name} in its place",
            ),
        )
    sx, sy = fitted[0, 0] / given[0, 0], fitted[1, 1] / given[1, 1]
    if max(abs(sx - 1), abs(sy - 1)) > _RESIZED:
        size = (max(1, round(height / sy)), max(1, round(width / sx)))
        yield scale_intrinsics(given, (height / sy, width / sx), shape), another_size(size, shape)
        return
    if max(abs(sx - 1), abs(sy - 1)) > _SAME:
        return
    shift = fitted[:2, 2] - given[:2, 2]
    candidate = given.copy()
    candidate[:2, 2] += shift
    yield (
        candidate,
        Relation(
            f"the principal point is off by ({-shift[0]:.1f}, {-shift[1]:.1f}) pixels, as of an "
            "image that was cropped or padded and its intrinsics were not",
            f"add ({shift[0]:.1f}, {shift[1]:.1f}) to (cx, cy)",
        ),
    )


def is_normalised(k: NDArray, shape: SpatialShape) -> bool:
    """Whether intrinsics are shares of the image, not pixels."""
    return min(shape) >= _NORMALISED and bool(
        max(k[0, 0], k[1, 1]) < 0.5 * _NORMALISED and np.abs(k[:2, 2]).max() <= 1.5
    )


def normalised(shape: SpatialShape) -> Relation:
    """What to do about intrinsics that `is_normalised` has found."""
    height, width = shape
    return Relation(
        "the intrinsics are normalised (0..1)",
        f"multiply their first row by the width and the second by the height: "
        f"`np.diag([{width}, {height}, 1]) @ K`, and subtract 0.5 from cx and cy if they count "
        "from the image's corner",
    )


def another_size(size: SpatialShape, shape: SpatialShape) -> Relation:
    """What to do about intrinsics of an image of another size."""
    return Relation(
        f"the intrinsics are of an image of {size[0]} x {size[1]} pixels, not {shape[0]} x "
        f"{shape[1]}",
        f"convert them with `ma.scale_intrinsics(K, {size}, {tuple(shape)})`",
    )


def inspect_intrinsics(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """What intrinsics say by themselves, without a cloud: shares of the image, another size."""
    name = next(
        (n for n, entry in spec.entries.items() if entry.role == "intrinsics" and n in records), ""
    )
    if not name:
        return
    pictures = {n: records[n].shape[1:3] for n in records if spec.entries[n].kind == "spatial"}
    shape = pictures.get(spec.entries[name].of or "") or pictures.get(
        spec.reference(pictures) or ""
    )
    has_cloud = any(group.role == "position" for n in pictures for group in spec.entries[n].groups)
    if shape is None or has_cloud:  # a cloud tells more
        return
    for k in records[name].astype(np.float64):
        finding = _alone(name, k / k[2, 2], shape)
        if finding is not None:
            yield finding
            return


def _alone(name: str, k: NDArray, shape: SpatialShape) -> Finding | None:
    height, width = shape
    place = f"an image of {height} x {width} pixels"
    if is_normalised(k, shape):
        told = normalised(shape)
        found = f"found fx = {k[0, 0]:.4g}, cx = {k[0, 2]:.4g}: {told.problem}"
        return Finding(name, f"{found}; expected pixels of {place}; {told.remedy}", True)
    scale = _twice_the_centre(k, shape)
    if scale is None:
        return None
    told = another_size((round(height * scale), round(width * scale)), shape)
    found = f"found a principal point of ({k[0, 2]:.1f}, {k[1, 2]:.1f}) in {place}"
    return Finding(name, f"{found}; it seems that {told.problem}; {told.remedy}", False)


def _twice_the_centre(k: NDArray, shape: SpatialShape) -> float | None:
    """The simple factor by which the principal point is off the middle, the same along x and y."""
    x, y = 2 * (k[0, 2] + 0.5) / shape[1], 2 * (k[1, 2] + 0.5) / shape[0]
    return next((s for s in _SIMPLE if max(abs(x / s - 1), abs(y / s - 1)) < 0.05), None)
