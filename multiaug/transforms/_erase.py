"""Erase: cover random rectangles."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp

from ..typing import Array, Key, NDArray, SpatialShape
from ._affine import logarithm, uniform, uniform_index, unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import names, pair
from ._covering import Fill, counts, fill_of, mask_name, seed_of
from ._rectangles import boxes_of_rectangles, in_rectangles
from ._settings import EntryNames, Ranged, Setting, setting
from ._stage_bases import Occluding

# Rectangles: each is looked at for every pixel.
_MOST = 64


@transform
class Erase(Occluding):
    """Cover random rectangles, in the same place of every entry.

    Covered intensity becomes ``fill``, labels their ignore value, a density or a probability 0;
    depth, positions, directions, orientations and flow become invalid. Values without data stay
    so, whatever the fill. ``<name>_valid`` of covered
    pixels, and ``<name>_visible`` of keypoints and boxes whose centre is covered, become False
    (the share of a box 0). A rectangle lies wholly inside the frame, and its area is kept: ratios
    that do not fit are brought to the nearest one that does. A pixel is covered when its centre is.

    Args:
        scale: (lo, hi) of the area of a rectangle as a fraction of the frame's.
        ratio: (lo, hi) of width / height, drawn log-uniformly.
        count: how many rectangles, at most 64; a pair (lo, hi) draws the number. They may overlap.
        fill: what covered intensity becomes: a number in units of its range, 0 is black and 1 is
            white; ``"mean"``, of every channel over the record's valid pixels; ``"noise"``,
            independent for every pixel and channel, even between black and white (torchvision and
            timm draw it from N(0, 1), for images that are normalised already).
        entries: entries to cover; None for all.
        mask: the name of a new entry with what was covered: a label map, bool, of the size of the
            frame, which later stages move along.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges, or a covered entry that has no value for what is covered,
            such as labels without an ignore value.

    Example:
        >>> Erase((0.02, 0.1), count=(1, 3)).count
        (1, 3)

    References:
        Z. Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
        T. DeVries, G. Taylor, Improved Regularization of Convolutional Neural Networks with
        Cutout, 2017: squares of one size are ``scale=(s, s), ratio=(1, 1)``; its squares may reach
        over the border.
    """

    scale: Ranged = setting(pair, default=(0.02, 1 / 3), low=1e-6, high=1, unit="areas")
    ratio: Ranged = setting(pair, default=(0.3, 1 / 0.3), low=1e-2, high=1e2)
    count: Setting[tuple[int, int], int | Sequence[int]] = setting(
        counts, default=1, low=0, high=_MOST
    )
    fill: Fill = setting(fill_of, default=0.0, unit="range")
    entries: EntryNames = setting(names, default=None)
    mask: Setting[str | None, str | None] = setting(mask_name, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``edges``, (count, 4) float32: x0, y0, x1, y1 on the pixel-area scale.

        They are in pixels of the reference frame, where pixel 0 reaches from -0.5 to 0.5; those
        beyond the number that was drawn are empty. And ``seed``, where the fill is noise.
        """
        lo, hi = self.count
        if hi == 0:
            return {"edges": jnp.zeros((0, 4), jnp.float32), **seed_of(self.fill, key)}
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        u, *others = unit_uniform(key, 1 + 4 * hi)
        area, ratio, left, top = jnp.stack(others).reshape(4, hi)
        area = height * width * uniform(area, self.scale)
        log_lo, log_hi = (logarithm(r) for r in self.ratio)
        wanted = jnp.exp(uniform(ratio, (log_lo, log_hi)))
        # Neither side may be longer than the frame's.
        fitting = jnp.clip(wanted, area / height**2, width**2 / area)
        w = jnp.minimum(jnp.sqrt(area * fitting), width)
        h = jnp.minimum(jnp.sqrt(area / fitting), height)
        x, y = left * (width - w) - 0.5, top * (height - h) - 0.5
        there = jnp.arange(hi) < lo + uniform_index(u, hi - lo + 1)
        w, h = jnp.where(there, w, 0), jnp.where(there, h, 0)
        edges = jnp.stack([x, y, x + w, y + h], axis=-1)
        return {"edges": edges, **seed_of(self.fill, key)}

    def covers(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Whether positions lie in a rectangle."""
        return in_rectangles(params["edges"], x, y)

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """The same of the pixels of an image."""
        return boxes_of_rectangles(params["edges"], x, y)
