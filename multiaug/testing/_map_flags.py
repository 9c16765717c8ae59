"""What a geometric transform claims about its maps, tried on many draws."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..geometry import Projective, centre
from ..transforms import Geometric
from ..typing import Array, NDArray, SpatialShape
from ._compilations import QUICKLY

# Pixels that a position may be off by rounding.
_OFF = 1e-2
# A step of the central differences that Jacobians are compared with, in pixels.
_STEP = 0.05
_SLOPE = 0.02
# What a magnification may fall short of its bound by rounding.
_ROUNDING = 1e-3
# Of the last row of an affine matrix, which its inverse may have rounded.
_STRAIGHT = 1e-4


class _Maps(NamedTuple):
    """The maps of some draws, at the centres of the output's pixels: arrays with a leading N."""

    source: NDArray  # (N, h, w, 2) x and y in pixels of the input
    jacobian: NDArray  # (N, h, w, 2, 2) of the backward map
    slopes: NDArray  # (N, h, w, 2, 2) the same by differences
    gated: NDArray  # (N, h, w, 2) where the map reads that is switched off, less where it stands
    undone: NDArray  # (N, h, w, 2) the inverted map's forward direction, less the backward map
    rows: NDArray  # (N, segments, 2, 3) last rows of what says that it is affine
    middle: NDArray  # (N, 2, 2) the Jacobian at the centre of the output


def check_map_flags(transform: Geometric, drawn: Any, count: int, shape: SpatialShape) -> None:
    """Raise AssertionError where a draw contradicts what the transform claims.

    Args:
        transform: the transform.
        drawn: its params, leading N.
        count: N.
        shape: of the frame.
    """
    kinds: set[tuple[bool, bool]] = set()

    def look(params: Any) -> tuple[Array, ...]:
        warp = transform.map(params, shape)
        kinds.add((warp.dense, warp.projective))
        x, y = _grid(warp.out_shape)
        px, py, (a, b, c, d) = warp.pull(x, y)
        right, left = warp.pull(x + _STEP, y), warp.pull(x - _STEP, y)
        below, above = warp.pull(x, y + _STEP), warp.pull(x, y - _STEP)
        slopes = [
            (u - v) / (2 * _STEP)
            for u, v in (
                (right[0], left[0]), (below[0], above[0]),
                (right[1], left[1]), (below[1], above[1]),
            )
        ]  # fmt: skip
        off = warp.gated(jnp.bool_(False)).pull(x, y)
        back = warp.inverted().push(x, y)
        flat = [s for s in warp.segments if isinstance(s, Projective) and s.affine]
        rows = [jnp.stack([s.forward[2], s.backward[2]]) for s in flat]
        cx, cy = centre(warp.in_shape)
        full = jnp.broadcast_arrays(
            px + cx, py + cy, a, b, c, d, *slopes,
            off[0] - x, off[1] - y, back[0] - px, back[1] - py,
        )  # fmt: skip
        middle = jnp.stack(warp.pull(*jnp.zeros((2, 1, 1)))[2], -1)
        return jnp.stack(full, -1), jnp.stack(rows) if rows else jnp.zeros((0, 2, 3)), middle

    found = jax.jit(jax.vmap(look, axis_size=count), compiler_options=QUICKLY)(drawn)
    fields, rows, middle = (np.asarray(array, np.float64) for array in found)
    square = (*fields.shape[:3], 2, 2)
    maps = _Maps(
        fields[..., :2], fields[..., 2:6].reshape(square), fields[..., 6:10].reshape(square),
        fields[..., 10:12], fields[..., 12:], rows, middle.reshape(-1, 2, 2),
    )  # fmt: skip
    ((dense, projective),) = kinds
    _kinds(transform, maps, dense=dense, projective=projective)
    _mirrors(transform, maps)
    _min_scale(transform, maps, shape, dense=dense)
    _consistent(transform, maps)


def _grid(shape: SpatialShape) -> tuple[Array, Array]:
    cx, cy = centre(shape)
    x = jnp.arange(shape[1], dtype=jnp.float32) - cx
    y = jnp.arange(shape[0], dtype=jnp.float32) - cy
    return jnp.broadcast_to(x, shape), jnp.broadcast_to(y[:, None], shape)


def _kinds(transform: Geometric, maps: _Maps, *, dense: bool, projective: bool) -> None:
    owner = transform.owner
    assert transform.dense or not dense, (
        f"`{owner}.dense` is False, but its map displaces pixels by a field, which no camera can "
        "follow. Set dense = True"
    )
    assert transform.projective or not projective, (
        f"`{owner}.projective` is False, but its map is one that may have perspective. "
        "Set projective = True"
    )
    wrong = np.abs(maps.rows - np.array([0.0, 0, 1])).max((-1, -2)).max(-1, initial=0) > _STRAIGHT
    if wrong.any():
        i = int(wrong.argmax())
        raise AssertionError(
            f"`{owner}.projective`: its map says affine, but draw {i} has a matrix with the last "
            f"row {maps.rows[i, 0, 0].tolist()}, not (0, 0, 1): that is perspective. "
            "Make the map with geometry.projective_map, and set projective = True"
        )


def _mirrors(transform: Geometric, maps: _Maps) -> None:
    middle = np.linalg.det(maps.middle)
    if not transform.mirrors and (middle < 0).any():
        i = int((middle < 0).argmax())
        raise AssertionError(
            f"`{transform.owner}.mirrors` is False, but draw {i} turns left into right: the "
            f"determinant of its map is {middle[i]:.3g}. Set mirrors = True"
        )


def _min_scale(transform: Geometric, maps: _Maps, shape: SpatialShape, *, dense: bool) -> None:
    given = transform.given_scale(shape)
    claimed = np.array(transform.min_scale(shape)) * min(1.0, given)
    # How much of the source's x and of its y a step of one output pixel covers at most.
    reach = np.linalg.norm(maps.middle, axis=-1)
    if dense:
        reach = np.linalg.norm(maps.jacobian, axis=-1).max((1, 2))
    seen = 1 / reach
    short = (seen < claimed * (1 - _ROUNDING)).any(-1)
    if short.any():
        i = int(short.argmax())
        raise AssertionError(
            f"`{transform.owner}.min_scale` says ({claimed[0]:.3g}, {claimed[1]:.3g}) along x and "
            f"y, but draw {i} shrinks to ({seen[i, 0]:.3g}, {seen[i, 1]:.3g}): antialiasing would "
            "not reach far enough. Return the least magnification that can be drawn"
        )


def _consistent(transform: Geometric, maps: _Maps) -> None:
    owner = transform.owner
    scale = 1 + np.abs(maps.jacobian).max()
    wrong = np.abs(maps.jacobian - maps.slopes).max((-1, -2))
    # A spline has corners in its second derivative, a perspective map a horizon.
    share = float((wrong > _SLOPE * scale).mean())
    assert share <= _SLOPE, (
        f"`{owner}.map`: the Jacobian of pull is not its derivative at {share:.0%} of the pixels; "
        f"it is off by up to {wrong.max():.3g}. geometry.with_jacobian finds it"
    )
    moved = float(np.abs(maps.gated).max())
    assert moved < _OFF, (
        f"`{owner}.map`: gated(False) is not the identity, it moves pixels by {moved:.3g}"
    )
    apart = float(np.abs(maps.undone).max())
    assert apart < _OFF * scale, (
        f"`{owner}.map`: inverted().push is not pull, they are {apart:.3g} pixels apart"
    )
