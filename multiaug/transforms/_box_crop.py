"""BoxSafeCrop: a random window that keeps boxes whole."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map
from ..roles import box_edges
from ..spec import DataSpec, EntrySpec
from ..typing import Array, Key, SpatialShape
from ._affine import MAX_SCALE
from ._base import Frame, Geometric, Params, static, transform
from ._checked import flag, probability
from ._entry_names import entry_name
from ._frames import area_window_map
from ._settings import Sized, setting
from ._windows import frame_size, size_of


@transform
class BoxSafeCrop(Geometric):
    """Cut out a random window that keeps boxes whole, and bring it to a size.

    The window's edges are drawn evenly between those of the frame and those of the smallest
    window that holds the boxes; its sides need not have the ratio of the result's. A record without
    boxes keeps a random point in view instead. Nothing is enlarged by more than 8.

    Args:
        size: (height, width) of the result; an int n is (n, n).
        share: of the boxes of a record, the share that is kept whole, rounded up; which ones they
            are is drawn. 1 keeps all. The others are clipped, as by any crop.
        entry: the boxes; None where the spec has only one entry of them.
        antialias: low-pass before shrinking, as `Resize` does.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: no entry of boxes, or several.

    References:
        albumentations' ``RandomSizedBBoxSafeCrop``, which is share = 1.
    """

    size: Sized = setting(frame_size, unit="pixels")
    share: float = setting(probability, default=1.0, low=0, high=1)
    entry: str | None = setting(entry_name, default=None)
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """The boxes."""
        return frozenset({"boxes" if self.entry is None else self.entry})

    def _boxes(self, spec: DataSpec) -> EntrySpec:
        tables = {name: entry for name, entry in spec.entries.items() if entry.role == "boxes"}
        if self.entry is None and len(tables) == 1:
            return next(iter(tables.values()))
        if self.entry not in tables:
            raise ParameterError(
                f"`BoxSafeCrop.entry` must name one of the entries with role boxes of the spec "
                f"{spec.name!r}, {sorted(tables)}, got {self.entry!r}."
            )
        return tables[self.entry]

    def check(self, frame: Frame) -> None:
        """There must be one entry of boxes."""
        self._boxes(frame.spec)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The size."""
        return self.size

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The window can be the whole image."""
        return min(1.0, self.size[1] / shape[1]), min(1.0, self.size[0] / shape[0])

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``window``, (4,) float32: left, top, width, height in pixels of area."""
        entry = self._boxes(frame.spec)
        boxes = jnp.asarray(frame.record[entry.name], jnp.float32)
        # Boxes may count the pixels of an image of another resolution.
        size = size_of(frame, entry.of)
        sides = [jnp.asarray(frame.shape[i], jnp.float32) for i in (1, 0)]
        scales = [side / size[i] for side, i in zip(sides, (1, 0), strict=True)]
        u = jax.random.uniform(key, (6,), jnp.float32)
        x0, y0, x1, y1 = (edge + 0.5 for edge in box_edges(boxes, entry.groups[0].convention))
        first = [
            jnp.clip(e * s, 0, side) for e, s, side in zip((x0, y0), scales, sides, strict=True)
        ]
        last = [
            jnp.clip(e * s, 0, side) for e, s, side in zip((x1, y1), scales, sides, strict=True)
        ]
        # Not a number is neither below nor above.
        there = (last[0] > first[0]) & (last[1] > first[1])
        kept = self._drawn(jax.random.fold_in(key, 1), there)
        window = [
            _window_along(u[2 * i : 2 * i + 2], u[4 + i], first[i], last[i], kept, sides[i], wide)
            for i, wide in enumerate(self.size[::-1])
        ]
        (x, w), (y, h) = window
        return {"window": jnp.stack([x, y, w, h])}

    def _drawn(self, key: Key, there: Array) -> Array:
        """(K,) bool: the boxes that are kept, evenly drawn among those that are there."""
        if self.share == 1:
            return there
        chance = jnp.where(there, jax.random.uniform(key, there.shape, jnp.float32), 2)
        before = (chance[None, :] < chance[:, None]).sum(1, dtype=jnp.int32).astype(jnp.float32)
        count = jnp.ceil(self.share * there.sum(dtype=jnp.int32).astype(jnp.float32) - 1e-6)
        return there & (before < count)

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The window, scaled to the size."""
        return area_window_map(params["window"], self.size, shape)


def _window_along(
    u: Array, point: Array, first: Array, last: Array, kept: Array, side: Array, size: int
) -> tuple[Any, Any]:
    """Where the window begins along an axis, and how long it is."""
    begin = jnp.min(jnp.where(kept, first, side), initial=jnp.inf)
    end = jnp.max(jnp.where(kept, last, 0), initial=0.0)
    nothing = ~kept.any()
    begin = jnp.where(nothing, point * side, begin)
    end = jnp.where(nothing, point * side, end)
    low, high = u[0] * begin, end + u[1] * (side - end)
    length = jnp.maximum(high - low, jnp.minimum(size / MAX_SCALE, side))
    start = jnp.clip((low + high - length) / 2, 0, side - length)
    return start, length
