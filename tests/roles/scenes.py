"""Cameras, surfaces and maps to draw from: everything that the reprojection law promises."""

from __future__ import annotations

import numpy as np

from tests.roles.oracle import Shape, centre, lift, linear, pixels, shift, turn

Draw = np.random.Generator


def cameras(draw: Draw, count: int, shape: Shape, *, square: bool = False) -> np.ndarray:
    """Intrinsics (n, 3, 3), exact in float32: from wide to long, often cut from a larger picture.

    Args:
        draw: the source of randomness.
        count: how many.
        shape: the picture.
        square: square pixels without skew.
    """
    height, width = shape
    k = np.zeros((count, 3, 3))
    k[:, 0, 0] = width * np.exp(draw.uniform(np.log(0.4), np.log(5), count))
    k[:, 1, 1] = k[:, 0, 0] * (1 if square else draw.uniform(0.8, 1.25, count))
    k[:, 0, 1] = 0 if square else k[:, 0, 0] * draw.choice([0, 0, 1], count) * 0.02
    away = draw.choice([0.1, 1.0], (count, 2))
    k[:, :2, 2] = centre(shape) + draw.uniform(-1, 1, (count, 2)) * away * [width, height]
    k[:, 2, 2] = 1
    return k.astype(np.float32).astype(np.float64)


def depths(draw: Draw, count: int, shape: Shape) -> np.ndarray:
    """Z (n, h, w): slanted planes, steps, noise, and holes; metres or millimetres."""
    grid = (pixels(shape) - centre(shape)) / max(shape)
    slope = draw.uniform(-0.9, 0.9, (count, 2))
    plane = 1 / (1 + np.einsum("hwc,nc->nhw", grid, slope))
    angle = draw.uniform(0, 2 * np.pi, count)
    side = np.einsum("hwc,cn->nhw", grid, np.stack([np.cos(angle), np.sin(angle)]))
    step = np.where(side > draw.uniform(-0.3, 0.3, (count, 1, 1)), 1, draw.uniform(2, 8))
    noise = draw.uniform(0.5, 3, plane.shape)
    kind = draw.integers(0, 3, (count, 1, 1))
    z = np.select([kind == 0, kind == 1], [plane, plane * step], noise)
    z = z * np.exp(draw.uniform(np.log(0.3), np.log(50), (count, 1, 1)))
    z = z * draw.choice([1, 1000], (count, 1, 1))
    holes = draw.random(z.shape) < draw.choice([0, 0.05, 0.3], (count, 1, 1))
    return np.where(holes, np.nan, z)


def clouds(draw: Draw, count: int, shape: Shape, k: np.ndarray) -> np.ndarray:
    """Float32 (n, h, w, 3), each point on the ray of its pixel."""
    return lift(depths(draw, count, shape), k).astype(np.float32)


def planes(draw: Draw, count: int, shape: Shape, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clouds of slanted planes, and (n, 4): unit normal and distance, ``n . X = d``."""
    towards = draw.uniform(-1, 1, (count, 3)) * [1, 1, 0.2] - [0, 0, 2]
    normal = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
    rays = lift(np.ones((count, *shape)), k)
    against = np.einsum("nhwc,nc->nhw", rays, normal)
    # In view everywhere: lean towards the axis of the picture until no ray runs along the plane.
    facing = lift(np.ones((count, *shape)), k)[:, shape[0] // 2, shape[1] // 2]
    facing = -facing / np.linalg.norm(facing, axis=-1, keepdims=True)
    grazing = (against > -0.3).any((1, 2))
    normal = np.where(grazing[:, None], facing, normal)
    against = np.einsum("nhwc,nc->nhw", rays, normal)
    distance = -draw.uniform(1, 10, count)
    depth = distance[:, None, None] / against
    depth = np.where((depth > 0).all((1, 2), keepdims=True), depth, 1.0)
    flat = (depth == 1.0).all((1, 2))
    normal[flat], distance[flat] = [0, 0, -1], -1.0
    return lift(depth, k).astype(np.float32), np.concatenate([normal, distance[:, None]], axis=-1)


def affine_maps(
    draw: Draw, count: int, shape: Shape, *, strength: float = 1.0, mirrored: bool | None = None
) -> np.ndarray:
    """Forward matrices (n, 3, 3) on pixels: turns, zooms in [1/8, 8], stretches, shifts, mirrors.

    Args:
        draw: the source of randomness.
        count: how many.
        shape: the frame.
        strength: 1 for the whole range that is promised, less for milder maps.
        mirrored: always, never, or (None) half of them.
    """
    return np.stack([_affine(draw, shape, strength, mirrored) for _ in range(count)])


def _affine(draw: Draw, shape: Shape, strength: float, mirrored: bool | None) -> np.ndarray:
    zoom = np.exp(strength * draw.uniform(-1, 1) * np.log(7.99))
    stretch = np.exp(strength * draw.uniform(-0.7, 0.7))
    flip = draw.random() < 0.5 if mirrored is None else mirrored
    core = turn(draw.uniform(-180, 180)) @ linear(zoom * stretch, 0, 0, zoom / stretch)
    core = core @ turn(draw.uniform(-180, 180)) @ linear(-1 if flip else 1, 0, 0, 1)
    # Some point of the picture lands on some point of it: something stays in view.
    source, target = (centre(shape) * draw.uniform(0.2, 1.8, 2) for _ in range(2))
    return (shift(*target) @ core @ shift(*-source)).astype(np.float32).astype(np.float64)


def projective_maps(
    draw: Draw, count: int, shape: Shape, *, strength: float = 1.0, mirrored: bool | None = None
) -> np.ndarray:
    """Homographies (n, 3, 3) with (A p)_3 in [0.2, 5] times its value at the centre.

    Of either sign and any magnitude: a homography is a matrix up to a factor.
    """
    affine = affine_maps(draw, count, shape, strength=strength, mirrored=mirrored)
    size = np.array([shape[1], shape[0]])
    tilts = []
    for matrix in affine:
        angle = draw.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        # w is 1 at the centre and 1 -+ this at the corners furthest along the direction.
        reach = strength * draw.uniform(0.05, 0.79) / np.abs(direction * size / 2).sum()
        tilt = np.eye(3)
        tilt[2, :2] = direction * reach
        factor = draw.choice([-1, 1]) * np.exp(draw.uniform(-3, 3))
        about = matrix @ shift(*centre(shape)) @ tilt @ shift(*-centre(shape))
        tilts.append(factor * about)
    return np.stack(tilts).astype(np.float32).astype(np.float64)
