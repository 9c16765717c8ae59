"""ResizeShortest, ResizeLongest and LetterBox: sizes that keep the ratio of the sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map
from ..typing import Key, SpatialShape
from ._affine import uniform_index
from ._base import Frame, Geometric, Params, static, transform
from ._checked import flag, plain
from ._proportion import larger, scaled_shape, shortened, smaller
from ._settings import Setting, Sized, setting
from ._windows import (
    POSITIONS,
    frame_size,
    offset_of,
    placed,
    resized_window_map,
    rounded_sides,
    side_length,
    sides_of,
)

Lengths = Setting[tuple[int, ...], int | Sequence[int]]


def _lengths(value: Any, field_name: str) -> tuple[int, ...]:
    """One length or several, in pixels."""
    given = plain(value)
    lengths = given if isinstance(given, tuple | list) else (given,)
    if not lengths:
        raise ParameterError(f"`{field_name}` must be one length or several, got none.")
    return tuple(side_length(length, field_name) for length in lengths)


def _whole_image(shape: SpatialShape, out: SpatialShape) -> Map:
    """The image, edge to edge on a frame of another size."""
    sides = jnp.stack([jnp.asarray(side, jnp.int32) for side in out[::-1]])
    return resized_window_map(sides, jnp.zeros(2, jnp.int32), shape, out)


@transform
class ResizeShortest(Geometric):
    """Bring the shorter side to a length, with the ratio of the sides kept.

    Sides are rounded to whole pixels, half up. Frames of images of other sizes differ. Of several
    lengths one is drawn, each as likely as the others; then ``crop`` says what size all results
    have, because one pipeline gives images of one size.

    Args:
        size: length of the shorter side in pixels, or several to draw from.
        max_size: the longer side gets no longer than this; then the shorter one is shorter.
        multiple: both sides are brought to the nearest multiple of this.
        crop: (height, width) of a window that is cut out of the resized image, at a random place;
            an int n is (n, n). What is smaller is padded by each entry's border rule.
        pad_position: where the image lies along axes that have to be padded: ``random``,
            ``center``, or a corner such as ``top_left``.
        antialias: low-pass before shrinking, as `Resize` does.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: lengths below 1; several lengths without ``crop``.

    Example:
        >>> ResizeShortest(518, multiple=14).out_shape((480, 640))
        (518, 686)

    References:
        torchvision's ``RandomShortestSize``, mmsegmentation's ``ResizeShortestEdge`` and
        albumentations' ``SmallestMaxSize``; they round the longer side down or to nearest.
    """

    size: Lengths = setting(_lengths, unit="pixels")
    max_size: int | None = setting(side_length, default=None, low=1, unit="pixels")
    multiple: int = setting(side_length, default=1, low=1, unit="pixels")
    crop: Setting[SpatialShape | None, int | Sequence[int] | None] = setting(
        frame_size, default=None, unit="pixels"
    )
    pad_position: str = setting(placed, default="random", options=POSITIONS)
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.size) > 1 and self.crop is None:
            raise ParameterError(
                f"`ResizeShortest.crop` must be (height, width) where the length is drawn, got "
                f"None beside the lengths {self.size}: results of one pipeline have one size. "
                "Give a window, or a single length."
            )

    def _shapes(self, shape: SpatialShape) -> list[SpatialShape]:
        """The frames that the lengths lead to."""
        found = []
        for length in self.size:
            to, of = length, smaller(*shape)
            if self.max_size is not None:
                to, of = shortened(length, self.max_size, shape)
            found.append(scaled_shape(shape, to, of, self.multiple))
        return found

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The window, or the resized frame."""
        return self._shapes(shape)[0] if self.crop is None else self.crop

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """Of the shortest length."""
        shapes = self._shapes(shape)
        return min(w for _, w in shapes) / shape[1], min(h for h, _ in shapes) / shape[0]

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``sides``, (2,) int32, and ``offset``; nothing without a window."""
        if self.crop is None:
            return {}
        u = jax.random.uniform(key, (3,), jnp.float32)
        width, height = sides_of(frame.shape)
        length = jnp.array(self.size, jnp.float32)[uniform_index(u[0], len(self.size))]
        factor = length / jnp.minimum(width, height)
        if self.max_size is not None:
            factor = jnp.minimum(factor, self.max_size / jnp.maximum(width, height))
        n = self.multiple
        sides = n * rounded_sides(width * factor / n, height * factor / n)
        spare = sides - jnp.array(self.crop[::-1], jnp.int32)
        return {"sides": sides, "offset": offset_of("random", u[1:], spare, self.pad_position)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The resized image, or the window on it."""
        if self.crop is None:
            return _whole_image(shape, self.out_shape(shape))
        return resized_window_map(params["sides"], params["offset"], shape, self.crop)


@transform
class ResizeLongest(Geometric):
    """Bring the longer side to a length, with the ratio of the sides kept.

    Args:
        size: length of the longer side, in pixels; the other one is rounded, half up.
        multiple: both sides are brought to the nearest multiple of this.
        antialias: low-pass before shrinking, as `Resize` does.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a length below 1.

    Example:
        >>> ResizeLongest(512).out_shape((480, 640))
        (384, 512)

    References:
        albumentations' ``LongestMaxSize``.
    """

    size: int = setting(side_length, low=1, unit="pixels")
    multiple: int = setting(side_length, default=1, low=1, unit="pixels")
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The resized frame."""
        return scaled_shape(shape, self.size, larger(*shape), self.multiple)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The factor itself, of each axis."""
        height, width = self.out_shape(shape)
        return width / shape[1], height / shape[0]

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The scaling."""
        return _whole_image(shape, self.out_shape(shape))


@transform
class LetterBox(Geometric):
    """Fit the whole image into a frame, with the ratio of its sides kept, and pad the rest.

    The factor is ``min(h / H, w / W)``; sides are rounded to whole pixels, half up. What is padded
    is filled by each entry's border rule.

    Args:
        size: (height, width) of the frame; an int n is (n, n).
        position: where the image lies: ``center`` (what is left over goes to the right and to the
            bottom), ``random``, or a corner such as ``top_left``.
        scale_up: enlarge images that are smaller than the frame; ultralytics' ``scaleup``.
        antialias: low-pass before shrinking, as `Resize` does.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a size below 1, or another position.

    References:
        ultralytics' ``LetterBox``; albumentations' ``LongestMaxSize`` and ``PadIfNeeded``.
    """

    size: Sized = setting(frame_size, unit="pixels")
    position: str = setting(placed, default="center", options=POSITIONS)
    scale_up: bool = setting(flag, default=True)
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The size."""
        return self.size

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The factor, of sides that may be rounded down."""
        factor = min(self.size[0] / shape[0], self.size[1] / shape[1])
        factor = factor if self.scale_up else min(1.0, factor)
        w, h = (max(1.0, side * factor - 0.5) / side for side in shape[::-1])
        return w, h

    def sample(self, key: Key, frame: Frame) -> Params:
        """``sides``, (2,) int32, of the resized image; ``offset``, drawn where it is random."""
        width, height = sides_of(frame.shape)
        factor = jnp.minimum(self.size[0] / height, self.size[1] / width)
        if not self.scale_up:
            factor = jnp.minimum(factor, 1)
        frame_sides = jnp.array(self.size[::-1], jnp.int32)
        sides = jnp.minimum(rounded_sides(width * factor, height * factor), frame_sides)
        u = jax.random.uniform(key, (2,), jnp.float32)
        return {"sides": sides, "offset": offset_of(self.position, u, sides - frame_sides)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The image, scaled and put in its place."""
        return resized_window_map(params["sides"], params["offset"], shape, self.size)
