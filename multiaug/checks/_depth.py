"""Does depth fit the cloud beside it, or what a depth can be?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..spec import ChannelGroup, DataSpec
from ..typing import NDArray
from ._finding import Finding
from ._projection import camera_points, channels_of, is_invalid

_FEWEST = 64  # pixels, below which nothing is said
_METRES = 20  # whole numbers up to here are metres that were cut, not millimetres
_STEADY = 0.01  # how far a ratio may be from its median to be called constant
_SURELY = 0.9  # the share of pixels that makes a rule


def inspect_depth(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """Depth in whole metres, behind the camera, along the ray, or in another unit than a cloud."""
    for name in records:
        for group in spec.entries[name].groups:
            if group.role == "depth":
                yield from _depth_entry(spec, records, name, group)


def _depth_entry(
    spec: DataSpec, records: Mapping[str, NDArray], name: str, group: ChannelGroup
) -> Iterator[Finding]:
    for i in range(len(records[name])):
        part = channels_of(records[name][i], group, batch=False).astype(np.float64)
        valid, depth = ~is_invalid(part, group), part[..., 0]
        if valid.sum() < _FEWEST:
            continue
        values = depth[valid]
        problem = _whole_metres(values, records[name].dtype) or _behind(values)
        if problem:
            yield Finding(name, problem, True)
            return
        finding = _beside_cloud(spec, records, i, name, np.where(valid, depth, np.nan))
        if finding is not None:
            yield finding
            return


def _whole_metres(values: NDArray, dtype: np.dtype[Any]) -> str:
    whole = dtype.kind in "iu" and values.min() != values.max()
    if not whole or values.max() > _METRES or values.min() < 0:
        return ""
    return (
        f"found whole numbers from {values.min():.0f} to {values.max():.0f}, which look like "
        f"metres that were cut to integers; expected fine steps, as millimetres in {dtype.name}; "
        "multiply the metres by 1000 before converting them"
    )


def _behind(values: NDArray) -> str:
    if not (values < 0).all():
        return ""
    return (
        "found negative depth everywhere, as of a camera that looks along -Z (OpenGL); expected "
        "the distance along the viewing axis; negate it"
    )


def _beside_cloud(
    spec: DataSpec, records: Mapping[str, NDArray], i: int, name: str, depth: NDArray
) -> Finding | None:
    points = camera_points(spec, records, i, depth.shape)
    if points is None:
        return None
    both = np.isfinite(depth) & np.isfinite(points[..., 2]) & (points[..., 2] > 0)
    if both.sum() < _FEWEST:
        return None
    z, d = points[both][:, 2], depth[both]
    ratio = float(np.median(d / z))
    if _is_steady(d / z):
        return _other_unit(records[name].dtype.kind, name, ratio)
    if _is_steady(d / np.linalg.norm(points[both], axis=-1)):
        text = (
            "found the distance along the ray of each pixel (the norm of the points); expected "
            "depth along the optical axis (their Z); divide it by the length of K^-1 (x, y, 1)"
        )
        return Finding(name, text, True)
    if _is_steady(d * z):
        text = (
            "found numbers that fall with the Z of the points, as disparity or inverse depth do; "
            "expected depth; convert it, or give it the role intensity"
        )
        return Finding(name, text, True)
    return None


def _is_steady(values: NDArray) -> bool:
    middle = np.median(values)
    return bool(np.mean(np.abs(values - middle) <= _STEADY * np.abs(middle)) >= _SURELY)


def _other_unit(kind: str, name: str, ratio: float) -> Finding | None:
    # Integers count millimetres or so beside metres: the usual thing.
    if kind != "f" or abs(ratio - 1) <= 2 * _STEADY:
        return None
    text = (
        f"found depth that is {ratio:.4g} times the Z of the points: two units in one record; "
        "expected one; bring both to metres, say"
    )
    return Finding(name, text, False)
