"""RandomScaledCrop: resize by a random factor, then cut or pad to a fixed size, in one resample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map
from ..typing import Array, Key, SpatialShape
from ._affine import MAX_SCALE, MIN_SCALE
from ._base import Frame, Geometric, Params, static, transform
from ._checked import choice, flag, number, pair, plain
from ._entry_names import entry_name
from ._label_windows import (
    MOST_TRIES,
    first_below,
    ignore_of,
    label_entry,
    labels_of,
    largest_share,
    samples_of,
    tries,
)
from ._settings import Ranged, Setting, Sized, setting
from ._windows import (
    DISTRIBUTIONS,
    POSITIONS,
    check_steps,
    drawn_factor,
    frame_size,
    offset_of,
    placed,
    resized_window_map,
    rounded_sides,
    side_length,
    sides_of,
)


def _base(value: Any, field_name: str) -> int | SpatialShape:
    """A length of the shorter side, or a size."""
    given = plain(value)
    return (
        side_length(given, field_name) if isinstance(given, int) else frame_size(given, field_name)
    )


@transform
class RandomScaledCrop(Geometric):
    """Resize by a random factor s, then cut a window of a fixed size out of it at a random place.

    The image becomes ``round(s f W) x round(s f H)`` pixels, f = 1 or what brings it to ``base``;
    where that is smaller than the window, it is padded by each entry's border rule. Both are one
    map, so every entry is resampled once. Offsets are whole pixels of the resized image, and s = 1
    without ``base`` is an exact copy.

    Args:
        size: (height, width) of the result; an int n is (n, n).
        scale: (lo, hi) of s, within [1/8, 8]; above 1 enlarges.
        distribution: ``uniform``, or ``log`` for s whose logarithm is uniform, as likely to halve
            as to double.
        step: draw s from lo, lo + step, .. hi only.
        base: what the image is brought to before s: an int is the length of its shorter side; a
            pair is mmseg's: the largest size that keeps the ratio of the sides, with neither the
            longer nor the shorter side longer than those of the pair, whichever way up.
        keep_ratio: False brings the image to (height, width) = ``base`` exactly.
        max_share: the window is placed anew, up to ``tries`` times, until no label has a larger
            share of it, within [0.5, 1]; None for no limit. mmsegmentation's ``cat_max_ratio``; see
            `LabelCrop`. It reads the label map where its stage begins, so no other geometric
            transform of the stage may stand before it.
        tries: how often the window may be placed anew for that.
        entry: the label map; None where the spec has only one.
        position: where the window lies: ``random``, ``center``, or a corner such as ``top_left``.
        pad_position: where the image lies along axes that have to be padded; mmseg and DeepLab
            have it at ``top_left``.
        antialias: low-pass before shrinking, as `Resize` does.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges or sizes; steps that do not end at hi; ``max_share``
            where the window does not move, or where no label map is named of several.

    Example:
        >>> RandomScaledCrop(512, (0.5, 2), base=(512, 2048)).size  # mmseg's recipe for ADE20K
        (512, 512)

    References:
        L.-C. Chen et al., DeepLab, IEEE TPAMI 40(4), 2018, section 4: scales 0.5 to 2.
        mmsegmentation's ``RandomResize`` and ``RandomCrop``, torchvision's ``ScaleJitter`` and
        albumentations' ``RandomScale`` and ``RandomCrop`` are the same in two resamples.
    """

    size: Sized = setting(frame_size, unit="pixels")
    scale: Ranged = setting(pair, default=(0.5, 2.0), low=MIN_SCALE, high=MAX_SCALE)
    distribution: str = setting(choice, default="uniform", options=DISTRIBUTIONS)
    step: float | None = setting(number, default=None, low=1e-3, high=MAX_SCALE)
    base: Setting[int | SpatialShape | None, int | Sequence[int] | None] = setting(
        _base, default=None, unit="pixels"
    )
    keep_ratio: bool = setting(flag, default=True)
    max_share: float | None = setting(number, default=None, low=0.5, high=1)
    tries: int = setting(tries, default=10, low=1, high=MOST_TRIES)
    entry: str | None = setting(entry_name, default=None)
    position: str = setting(placed, default="random", options=POSITIONS)
    pad_position: str = setting(placed, default="random", options=POSITIONS)
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        check_steps(self.owner, self.scale, self.distribution, self.step)
        if not self.keep_ratio and not isinstance(self.base, tuple):
            raise ParameterError(
                "`RandomScaledCrop.base` must be (height, width) where keep_ratio is False, got "
                f"{self.base!r}. Give the size that the image is brought to."
            )

        if self.max_share is not None and self.position != "random":
            raise ParameterError(
                "`RandomScaledCrop.position` must be random where the window is placed anew, got "
                f"{self.position!r}. Leave out max_share or the position."
            )

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """The label map, where it decides."""
        if self.max_share is None:
            return frozenset()
        return frozenset({"label" if self.entry is None else self.entry})

    def check(self, frame: Frame) -> None:
        """There must be one label map, where it decides."""
        if self.max_share is not None:
            label_entry(self.owner, frame.spec, self.entry)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The size."""
        return self.size

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """At the lower end of the scale; sides are rounded to whole pixels."""
        x, y = self._base_factors(shape[1], shape[0], min, max)
        sides = (shape[1], x), (shape[0], y)
        w, h = (max(1, math.floor(n * f * self.scale[0] + 0.499)) / n for n, f in sides)
        return w, h

    def _base_factors(
        self, width: Any, height: Any, least: Callable[..., Any], most: Callable[..., Any]
    ) -> tuple[Any, Any]:
        """What width and height are multiplied by before the random factor.

        Args:
            width: of the frame, a number or an array.
            height: likewise.
            least: the smaller of two of these.
            most: the larger of two.
        """
        if self.base is None:
            return 1.0, 1.0
        if isinstance(self.base, int):
            factor = self.base / least(width, height)
            return factor, factor
        if not self.keep_ratio:
            return self.base[1] / width, self.base[0] / height
        longer, shorter = max(self.base), min(self.base)
        factor = least(longer / most(width, height), shorter / least(width, height))
        return factor, factor

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``sides``, (2,) int32, of the resized image; ``offset``, (2,) int32, on it."""
        times = 1 if self.max_share is None else self.tries + 1
        u = jax.random.uniform(key, (1 + 2 * times,), jnp.float32)
        sides = self._sides(u[0], frame.shape)
        spare = (sides - jnp.array(self.size[::-1], jnp.int32))[None]
        offsets = offset_of(self.position, u[1:].reshape(times, 2), spare, self.pad_position)
        best = 0 if self.max_share is None else self._least_filled(sides, offsets, frame)
        return {"sides": sides, "offset": offsets[best]}

    def _least_filled(self, sides: Array, offsets: Array, frame: Frame) -> Array:
        """The first of several places where no label has more than its share, or the last one."""
        assert self.max_share is not None
        entry = label_entry(self.owner, frame.spec, self.entry)
        labels, ignore = labels_of(frame, entry), ignore_of(entry)
        height, width = (float(side) for side in self.size)
        # The window in pixels of the frame before it was resized.
        x, y = jnp.stack(sides_of(frame.shape)) / sides.astype(jnp.float32)

        def share(offset: Array) -> Array:
            window = (offset[0] * x, offset[1] * y, width * x, height * y)
            return largest_share(labels, ignore, frame.shape, window, samples_of(self.size))

        return first_below(share, offsets.astype(jnp.float32), self.max_share)

    def _sides(self, u: Array, shape: SpatialShape) -> Array:
        factor = drawn_factor(u, self.scale, self.distribution, self.step)
        width, height = sides_of(shape)
        x, y = self._base_factors(width, height, jnp.minimum, jnp.maximum)
        return rounded_sides(width * x * factor, height * y * factor)

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The resized image, and the window on it."""
        return resized_window_map(params["sides"], params["offset"], shape, self.size)
