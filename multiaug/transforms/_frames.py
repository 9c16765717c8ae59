"""Crop, Pad, Resize and RandomResizedCrop: transforms that choose the output frame."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map, affine_map, centre, inverse, linear, product, shift
from ..typing import Array, Key, SpatialShape
from ._affine import log_uniform, uniform, uniform_index, unit_uniform
from ._base import Frame, Geometric, Params, static, transform
from ._checked import flag, pair, size, whole
from ._settings import Ranged, Setting, Sized, setting


def window_map(offset: tuple[Any, Any], shape: SpatialShape, out_shape: SpatialShape) -> Map:
    """The frame whose corner pixel lies at ``offset`` = (x, y) of the input."""
    (cx, cy), (ox, oy) = centre(shape), centre(out_shape)
    dx, dy = cx - offset[0] - ox, cy - offset[1] - oy
    return affine_map(shift(dx, dy), shift(-dx, -dy), shape, out_shape)


_POSITIONS = ("random", "centre")


def _position(value: Any, field_name: str, options: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in options:
        raise ParameterError(
            f"`{field_name}` must be {' or '.join(options)}, got {value!r}. "
            "Use `box` for a fixed place."
        )
    return value


def _box(value: Any, field_name: str) -> tuple[int, int, int, int]:
    if not isinstance(value, tuple | list) or len(value) != 4:
        raise ParameterError(f"`{field_name}` must be (x0, y0, x1, y1), got {value!r}.")
    x0, y0, x1, y1 = (whole(v, field_name, low=-(2**20)) for v in value)
    if x0 >= x1 or y0 >= y1:
        raise ParameterError(f"`{field_name}` must have x0 < x1 and y0 < y1, got {value!r}.")
    return x0, y0, x1, y1


@transform
class Crop(Geometric):
    """Cut out a window; whole pixels, so an exact copy.

    Args:
        size: (height, width) of the window; an int n is (n, n).
        position: ``random``, or ``centre`` (rounded towards the top left).
        box: (x0, y0, x1, y1), a fixed window of pixels x0 <= x < x1, y0 <= y < y1, in the place
            of ``size`` and ``position``.
        pad: where the window is larger than the picture, fill by each entry's border rule; else
            that is an error.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a window of no size, size and box together, or (when the shape of the
            picture is known) a window that does not fit without ``pad``.
    """

    size: Setting[SpatialShape | None, int | Sequence[int] | None] = setting(
        size, default=None, unit="pixels"
    )
    position: str = setting(_position, default="random", options=_POSITIONS)
    box: Setting[tuple[int, int, int, int] | None, Sequence[int] | None] = setting(
        _box, default=None, unit="pixels"
    )
    pad: bool = setting(flag, default=False)
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if (self.size is None) == (self.box is None):
            raise ParameterError(
                f"`Crop` takes `size` or `box`, got size={self.size!r} and box={self.box!r}."
            )
        if not self.pad:
            for edge in self.box or ():
                whole(edge, "Crop.box", low=0)

    def check(self, frame: Frame) -> None:
        """The window must fit, unless it may be padded."""
        (height, width), (h, w) = frame.shape, self.out_shape(frame.shape)
        beyond = self.box is not None and (self.box[2] > width or self.box[3] > height)
        if not self.pad and (h > height or w > width or beyond):
            what = f"box {self.box}" if self.box is not None else f"size {h} x {w}"
            raise ParameterError(
                f"`Crop` must fit into the picture of {height} x {width}, got {what}. "
                f"Give a smaller {what.split()[0]}, or larger images, as Resize before it makes "
                "them. Pass pad=True to fill the rest by the entries' border rule."
            )

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The window's size."""
        if self.box is not None:
            return self.box[3] - self.box[1], self.box[2] - self.box[0]
        assert self.size is not None  # it is given where the box is not
        return self.size

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``offset``, (2,) int32: x and y of the window's first pixel."""
        (height, width), (h, w) = frame.shape, self.out_shape(frame.shape)
        if self.box is not None:
            return {"offset": jnp.array(self.box[:2], jnp.int32)}
        spare = [jnp.asarray(s, jnp.int32) for s in (width - w, height - h)]
        if self.position == "centre":
            return {"offset": jnp.stack(spare) // 2}
        drawn = [
            jnp.minimum(s, 0) + uniform_index(u, jnp.abs(s) + 1)
            for u, s in zip(unit_uniform(key, 2), spare, strict=True)
        ]
        return {"offset": jnp.stack(drawn)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The shift to the window."""
        out = self.out_shape(shape)
        offset = params["offset"]
        if not self.pad:
            # As drawn; params that were edited cannot leave the picture either.
            most = [jnp.asarray(shape[i] - out[i], jnp.int32) for i in (1, 0)]
            offset = jnp.clip(offset, 0, jnp.stack(most))
        x, y = offset.astype(jnp.float32)
        return window_map((x, y), shape, out)


def _rims(value: Any, field_name: str, *, low: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    spread = {1: (0, 0, 0, 0), 2: (0, 0, 1, 1), 4: (0, 1, 2, 3)}.get(len(values))
    if spread is None:
        raise ParameterError(
            f"`{field_name}` must be one number, (y, x) or (top, bottom, left, right), "
            f"got {value!r}."
        )
    return tuple(whole(values[i], field_name, low=low) for i in spread)


@transform
class Pad(Geometric):
    """Add pixels around the picture, filled by each entry's border rule; an exact copy inside.

    Args:
        pixels: (top, bottom, left, right); (y, x) on both sides; or one int for all four.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: negative or not whole.
    """

    pixels: Setting[tuple[int, int, int, int], int | Sequence[int]] = setting(
        _rims, low=0, unit="pixels"
    )
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The grown frame."""
        top, bottom, left, right = self.pixels
        return shape[0] + top + bottom, shape[1] + left + right

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The shift to the grown frame."""
        return window_map((-self.pixels[2], -self.pixels[0]), shape, self.out_shape(shape))


@transform
class Resize(Geometric):
    """Bring the picture to a size; its area is mapped edge to edge.

    Args:
        size: (height, width); an int n is (n, n).
        antialias: low-pass intensities before shrinking, with a Gaussian of deviation
            (factor - 1) / 2, as Pillow, torchvision and scikit-image do with kernels of their own.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a size below 1.
    """

    size: Sized = setting(size, unit="pixels")
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The size."""
        return self.size

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The factor itself."""
        return self.size[1] / shape[1], self.size[0] / shape[0]

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The scaling."""
        (height, width), (h, w) = shape, self.size
        forward, backward = linear(w / width, 0, 0, h / height), linear(width / w, 0, 0, height / h)
        return affine_map(forward, backward, shape, self.size, resized=True)


# Like the peers: ten tries for a window that fits, then the largest central one.
_TRIES = 10


@transform
class RandomResizedCrop(Geometric):
    """Cut out a window of random area and aspect ratio and bring it to a size.

    Args:
        size: (height, width) of the result; an int n is (n, n).
        scale: (lo, hi) of the window's area as a fraction of the picture's.
        ratio: (lo, hi) of width / height, drawn log-uniformly.
        antialias: low-pass before shrinking, as `Resize` does; JSON documents that do not say it
            were written when the default was False, and mean that.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges or sizes.

    References:
        C. Szegedy et al., Going deeper with convolutions, CVPR 2015, section 6.
    """

    document_defaults = MappingProxyType({"antialias": False})

    size: Sized = setting(size, unit="pixels")
    scale: Ranged = setting(pair, default=(0.08, 1.0), low=1e-4, high=1, unit="areas")
    ratio: Ranged = setting(pair, default=(3 / 4, 4 / 3), low=1e-2, high=1e2)
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The size."""
        return self.size

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The window can be the whole picture."""
        return min(1.0, self.size[1] / shape[1]), min(1.0, self.size[0] / shape[0])

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``window``, (4,) float32: left, top, width, height in pixels of area."""
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        numbers = jax.random.uniform(key, (2 * _TRIES + 2,), jnp.float32)
        area = height * width * uniform(numbers[:_TRIES], self.scale)
        ratio = log_uniform(numbers[_TRIES : 2 * _TRIES], self.ratio)
        w, h = jnp.sqrt(area * ratio), jnp.sqrt(area / ratio)
        fits = (w <= width) & (h <= height)
        first = jnp.argmax(fits)
        fallback_w, fallback_h = self._largest(height, width)
        found = fits.any()
        w = jnp.where(found, w[first], fallback_w)
        h = jnp.where(found, h[first], fallback_h)
        x = jnp.where(found, numbers[-2], 0.5) * (width - w)
        y = jnp.where(found, numbers[-1], 0.5) * (height - h)
        return {"window": jnp.stack([x, y, w, h])}

    def _largest(self, height: Array, width: Array) -> tuple[Array, Array]:
        ratio = jnp.clip(width / height, *self.ratio)
        return jnp.minimum(width, height * ratio), jnp.minimum(height, width / ratio)

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The window, scaled to the size."""
        return area_window_map(params["window"], self.size, shape)


def area_window_map(window: Array, size: SpatialShape, shape: SpatialShape) -> Map:
    """The map of a window, (4,) left, top, width, height in pixels of area, onto a size."""
    x, y, w, h = window
    sx, sy = size[1] / w, size[0] / h
    # From the centre of the picture to the centre of the window.
    cx, cy = x + w / 2 - shape[1] / 2, y + h / 2 - shape[0] / 2
    zoom = linear(sx, 0, 0, sy)
    forward = product(zoom, shift(-cx, -cy))
    # Not 1 / sx: XLA makes w * (1 / 47) of it, and then 47 pixels to 47 are no copy.
    backward = product(shift(cx, cy), inverse(zoom))
    return affine_map(forward, backward, shape, size, resized=True)
