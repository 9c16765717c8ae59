"""Where a window lies on an image that was brought to another size first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map, affine_map, inverse, linear, product, shift
from ..typing import Array, SpatialShape
from ._affine import log_uniform, uniform, uniform_index
from ._base import Frame
from ._checked import size, whole
from ._settings import Range

POSITIONS = ("random", "center", "top_left", "top_right", "bottom_left", "bottom_right")
"""Where an image lies in a larger frame, or a window on a larger image."""

DISTRIBUTIONS = ("uniform", "log")

_MOST_PIXELS = 2**24


def placed(value: Any, field_name: str, options: Sequence[str]) -> str:
    """One of the positions; ``centre`` is understood, too."""
    word = value if isinstance(value, str) else ""
    word = "center" if word == "centre" else word
    if word not in options:
        raise ParameterError(f"`{field_name}` must be one of {', '.join(options)}, got {value!r}.")
    return word


def side_length(value: Any, field_name: str, *, low: int = 1) -> int:
    """A number of whole pixels that float32 tells apart from the next one."""
    found = whole(value, field_name, low=low)
    if found > _MOST_PIXELS:
        raise ParameterError(f"`{field_name}` must be at most {_MOST_PIXELS} pixels, got {found}.")
    return found


def frame_size(value: Any, field_name: str) -> SpatialShape:
    """(height, width) of such lengths; an int n stands for (n, n)."""
    height, width = size(value, field_name)
    return side_length(height, field_name), side_length(width, field_name)


def sides_of(shape: SpatialShape) -> tuple[Array, Array]:
    """Width and height of a frame as float32 arrays, whether they are known or traced."""
    return jnp.asarray(shape[1], jnp.float32), jnp.asarray(shape[0], jnp.float32)


def size_of(frame: Frame, image: str | None) -> SpatialShape:
    """(height, width) of an image that was read; those of the frame where it was not."""
    array = frame.record.get(image or "")
    if array is None:
        return frame.shape
    height, width = frame.spec.entries[image or ""].image_shape(array.shape)[:2]
    return height, width


def spare_of(shape: SpatialShape, size: SpatialShape) -> Array:
    """(2,) int32, by how much a frame is wider and higher than a window."""
    width, height = (jnp.asarray(shape[i] - size[i], jnp.int32) for i in (1, 0))
    return jnp.stack([width, height])


def rounded_sides(width: Array, height: Array) -> Array:
    """(2,) int32, width and height in whole pixels: half up, and at least 1."""
    both = jnp.floor(jnp.stack([width, height]) + 0.5)
    return jnp.maximum(both, 1).astype(jnp.int32)


def offset_of(where: str, u: Array, spare: Array, pad: str | None = None) -> Array:
    """(..., 2) int32, x and y of the window's first pixel on the image.

    Args:
        where: one of `POSITIONS`.
        u: (..., 2) from U[0, 1), for x and y; only ``random`` looks at it.
        spare: (2,) or (..., 2) int32, by how much the image is wider and higher than the window;
            negative where it has to be padded.
        pad: the position along axes where the image is padded, when it is another one.
    """
    spare = jnp.broadcast_to(spare, u.shape)
    found = _offset(where, u, spare)
    return found if pad is None else jnp.where(spare < 0, _offset(pad, u, spare), found)


def _offset(where: str, u: Array, spare: Array) -> Array:
    if where == "random":
        length = jnp.abs(spare) + 1
        steps = jnp.minimum((u * length.astype(jnp.float32)).astype(jnp.int32), length - 1)
        return jnp.minimum(spare, 0) + steps
    if where == "center":  # what is left over goes to the right and to the bottom
        return jnp.sign(spare) * (jnp.abs(spare) // 2)
    ends = jnp.array(["right" in where, "bottom" in where])
    return jnp.where(jnp.broadcast_to(ends, spare.shape), spare, 0)


def resized_window_map(
    sides: Array, offset: Array, shape: SpatialShape, out_shape: SpatialShape
) -> Map:
    """The map that brings an image to a size and cuts a window out of it, or pads it to one.

    Args:
        sides: (2,) int32, width and height that the whole image is brought to.
        offset: (2,) int32, x and y of the window's first pixel on it.
        shape: of the frame.
        out_shape: of the window.
    """
    width, height = sides_of(shape)
    w, h = sides.astype(jnp.float32)
    # A division by a number that the compiler knows becomes a product with its reciprocal, and
    # 47 (1 / 47) is not 1: an image that keeps its size is to be copied.
    sx, sy = jnp.where(w == width, 1, w / width), jnp.where(h == height, 1, h / height)
    x, y = offset.astype(jnp.float32)
    out_width, out_height = sides_of(out_shape)
    dx, dy = (w - out_width) / 2 - x, (h - out_height) / 2 - y
    zoom = linear(sx, 0, 0, sy)
    forward = product(shift(dx, dy), zoom)
    backward = product(inverse(zoom), shift(-dx, -dy))
    return affine_map(forward, backward, shape, out_shape, resized=True)


def drawn_factor(u: Array, limits: Range, distribution: str, step: float | None) -> Array:
    """A factor within limits from U[0, 1): uniform, uniform in its logarithm, or one of steps."""
    if step is not None:
        count = round((limits[1] - limits[0]) / step) + 1
        return limits[0] + step * uniform_index(u, count).astype(jnp.float32)
    return log_uniform(u, limits) if distribution == "log" else uniform(u, limits)


def check_steps(owner: str, limits: Range, distribution: str, step: float | None) -> None:
    """Refuse steps that do not end at the upper limit, and steps of a logarithm."""
    if step is None:
        return
    count = (limits[1] - limits[0]) / step
    if abs(count - round(count)) > 1e-6 * max(1.0, count):
        raise ParameterError(
            f"`{owner}.step` must divide scale[1] - scale[0] = {limits[1] - limits[0]:g} evenly, "
            f"got {step:g}. The factors are {limits[0]:g}, {limits[0] + step:g}, .. and must end "
            f"at {limits[1]:g}."
        )
    if distribution != "uniform":
        raise ParameterError(
            f"`{owner}.distribution` must be uniform where there are steps, got "
            f"{distribution!r}. Leave one of them out."
        )
