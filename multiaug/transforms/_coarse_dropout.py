"""CoarseDropout: cover some rectangles, whose sides are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Array, Key, NDArray, SpatialShape
from ._affine import uniform, uniform_index, unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import names
from ._covering import Fill, counts, fill_of, lengths, mask_name, seed_of
from ._rectangles import boxes_of_rectangles, in_rectangles
from ._settings import EntryNames, Range, Ranged, Setting, setting
from ._stage_bases import Occluding

# Rectangles: each is looked at for every pixel.
_MOST = 64


@transform
class CoarseDropout(Occluding):
    """Cover random holes of whole pixels, in the same place of every entry.

    A hole is a rectangle of h x w pixels of the reference frame, h and w drawn evenly, and lies
    wholly inside of it, at every place as likely as at any other; holes may overlap. What a
    covered pixel becomes is said by its role, as of `Erase`; no data stay no data.

    Args:
        count: how many holes, at most 64; a pair (lo, hi) draws the number.
        height: (lo, hi) of their heights: pixels where they are ints, fractions of the frame's
            height where they are floats (rounded to whole pixels, at least one).
        width: the same of their widths.
        fill: what covered intensity becomes: a number in units of its range, ``"mean"`` or
            ``"noise"``; see `Erase`.
        entries: entries to cover; None for all.
        mask: the name of a new entry with what was covered; see `Erase`.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges, holes larger than the frame, or a covered entry that has
            no value for what is covered.

    Example:
        >>> CoarseDropout((1, 8), height=(0.05, 0.1), width=(8, 16)).width
        (8, 16)

    References:
        T. DeVries, G. Taylor, Improved Regularization of Convolutional Neural Networks with
        Cutout, 2017. The settings are those of albumentations' CoarseDropout, whose ``fill``
        is in levels, and whose masks keep their labels unless ``fill_mask`` says otherwise.
    """

    count: Setting[tuple[int, int], int | Sequence[int]] = setting(
        counts, default=(1, 2), low=0, high=_MOST
    )
    height: Ranged = setting(lengths, default=(0.1, 0.2), unit="pixels or frames")
    width: Ranged = setting(lengths, default=(0.1, 0.2), unit="pixels or frames")
    fill: Fill = setting(fill_of, default=0.0, unit="range")
    entries: EntryNames = setting(names, default=None)
    mask: Setting[str | None, str | None] = setting(mask_name, default=None)
    p: float = static(default=1.0, kw_only=True)

    def check(self, frame: Frame) -> None:
        """Holes must fit into the frame."""
        super().check(frame)
        for name, side in zip(("height", "width"), frame.shape, strict=True):
            longest = getattr(self, name)[1]
            if isinstance(longest, int) and longest > side:
                raise ParameterError(
                    f"`CoarseDropout.{name}` must be at most the {name} of the frame, {side} "
                    f"pixels, got {longest}. Give fractions of the frame, as floats, for images of "
                    "any size."
                )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``edges``, (count, 4) float32; see `Erase`. ``seed`` where the fill is noise."""
        lo, hi = self.count
        if hi == 0:
            return {"edges": jnp.zeros((0, 4), jnp.float32), **seed_of(self.fill, key)}
        u, *others = unit_uniform(key, 1 + 4 * hi)
        tall, wide, top, left = jnp.stack(others).reshape(4, hi)
        there = jnp.arange(hi) < lo + uniform_index(u, hi - lo + 1)
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        y, h = _span(tall, top, self.height, height)
        x, w = _span(wide, left, self.width, width)
        w, h = jnp.where(there, w, 0), jnp.where(there, h, 0)
        edges = jnp.stack([x, y, x + w, y + h], axis=-1) - 0.5
        return {"edges": edges, **seed_of(self.fill, key)}

    def covers(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Whether positions lie in a hole."""
        return in_rectangles(params["edges"], x, y)

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """The same of the pixels of an image."""
        return boxes_of_rectangles(params["edges"], x, y)


def _span(length: Array, place: Array, limits: Range, side: Any) -> tuple[Array, Array]:
    """The first pixel of a hole along one axis and how many it has, from U[0, 1), float32."""
    lo, hi = limits
    if isinstance(hi, int):
        pixels = (lo + uniform_index(length, int(hi - lo) + 1)).astype(jnp.float32)
    else:
        pixels = jnp.clip(jnp.round(uniform(length, limits) * side), 1, side)
    first = jnp.minimum(jnp.floor(place * (side - pixels + 1)), side - pixels)
    return first, pixels
