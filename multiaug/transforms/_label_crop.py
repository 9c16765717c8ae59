"""LabelCrop: a window that is placed by what a label map shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map
from ..typing import Array, Key, SpatialShape
from ._base import Frame, Geometric, Params, static, transform
from ._checked import flag, number, plain, probability, set_fields, whole
from ._entry_names import entry_name
from ._frames import window_map
from ._label_windows import (
    MOST_TRIES,
    first_below,
    ignore_of,
    label_entry,
    labels_of,
    largest_share,
    pixel_of,
    row_of,
    rows_of_labels,
    samples_of,
    tries,
)
from ._settings import Setting, Sized, setting
from ._windows import frame_size, offset_of, placed, sides_of, spare_of

_MOST_LABELS = 256


def _labels(value: Any, field_name: str) -> tuple[int, ...]:
    given = plain(value)
    labels = given if isinstance(given, tuple | list) else (given,)
    found = tuple(whole(label, field_name, low=0) for label in labels)
    few = 1 <= len(found) <= _MOST_LABELS and len(set(found)) == len(found)
    if not few or max(found) >= 2**31:
        raise ParameterError(
            f"`{field_name}` must be 1 to {_MOST_LABELS} different labels below 2^31, "
            f"got {given!r}."
        )
    return found


def _weights(value: Any, field_name: str) -> tuple[float, ...]:
    given = plain(value)
    weights = given if isinstance(given, tuple | list) else (given,)
    found = tuple(number(weight, field_name, low=0) for weight in weights)
    if sum(found) <= 0:
        raise ParameterError(f"`{field_name}` must have a positive sum, got {given!r}.")
    return found


@transform
class LabelCrop(Geometric):
    """Cut out a window that shows given labels, or that no single label fills.

    With probability ``share`` the window is placed on a pixel of ``labels``: each such pixel is as
    likely as the others, or, with ``weights``, a label is drawn first, among those that the record
    has, and then one of its pixels. Otherwise, and where a record has none of them, it lies
    anywhere. With ``max_share`` it is placed anew, up to ``tries`` times, until no label has a
    larger share of its pixels; the last place is taken whatever it shows. Pixels of the spec's
    ``ignore`` label are never aimed at, and never counted.

    The window is an exact copy. It reads the label map where its stage begins, so it stands before
    all other geometric transforms of the stage; `RandomScaledCrop` has ``max_share`` for what is
    resized first.

    Args:
        size: (height, width) of the window; an int n is (n, n).
        labels: what it is to show; None for every label but 0 and the ignore label.
        share: the probability that it is placed on them: MONAI's ``pos / (pos + neg)``, and 0.33 in
            nnU-Net. 0 with ``max_share`` is mmsegmentation's crop.
        weights: how likely each of ``labels`` is, in proportion; one number is for all of them, so
            that 1 makes rare labels as likely as common ones. None: each pixel is as likely.
        position: where in the window the pixel lies: ``center``, or ``random``, anywhere in it.
            Windows stay inside the frame.
        max_share: the largest share that one label may have of the window, within [0.5, 1]; None
            for no limit. mmsegmentation's ``cat_max_ratio``, 0.75 in its recipes. Of windows wider
            than 64 pixels, 64 columns and 64 rows are counted.
        tries: how often the window may be placed anew for that.
        entry: the label map; None where the spec has only one.
        pad: where the window is larger than the image, fill by each entry's border rule; else that
            is an error.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: weights without labels, or of another number; no or several label maps.

    Example:
        >>> LabelCrop(512, share=0, max_share=0.75).tries
        10

    References:
        mmsegmentation's ``RandomCrop(cat_max_ratio=..)``; MONAI's ``RandCropByPosNegLabeld``, whose
        other crops lie on a pixel of the background, and ``RandCropByLabelClassesd``;
        albumentations' ``CropNonEmptyMaskIfExists`` is ``position="random"``.
        F. Isensee et al., nnU-Net, Nature Methods 18, 2021: a third of the patches on foreground.
    """

    size: Sized = setting(frame_size, unit="pixels")
    labels: Setting[tuple[int, ...] | None, int | Sequence[int] | None] = setting(
        _labels, default=None
    )
    share: float = setting(probability, default=1.0, low=0, high=1)
    weights: Setting[tuple[float, ...] | None, float | Sequence[float] | None] = setting(
        _weights, default=None
    )
    position: str = setting(placed, default="center", options=("center", "random"))
    max_share: float | None = setting(number, default=None, low=0.5, high=1)
    tries: int = setting(tries, default=10, low=1, high=MOST_TRIES)
    entry: str | None = setting(entry_name, default=None)
    pad: bool = setting(flag, default=False)
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.weights is None:
            return
        if self.labels is None:
            raise ParameterError(
                f"`LabelCrop.labels` must name the labels that the weights {self.weights} are for, "
                "got None."
            )
        if len(self.weights) == 1:
            set_fields(self, weights=self.weights * len(self.labels))
        if len(self.weights) != len(self.labels):
            raise ParameterError(
                f"`LabelCrop.weights` must have one number for each of {len(self.labels)} labels, "
                f"got {self.weights}."
            )

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """The label map."""
        return frozenset({"label" if self.entry is None else self.entry})

    def check(self, frame: Frame) -> None:
        """There must be one label map, and the window must fit, unless it may be padded."""
        label_entry(self.owner, frame.spec, self.entry)
        (height, width), (h, w) = frame.shape, self.size
        if not self.pad and (h > height or w > width):
            raise ParameterError(
                f"`LabelCrop.size` must fit into the image of {height} x {width}, got {h} x {w}. "
                "Pass pad=True to fill the rest by the entries' border rule."
            )

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The window's size."""
        return self.size

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``offset``, (2,) int32: x and y of the window's first pixel."""
        entry = label_entry(self.owner, frame.spec, self.entry)
        labels, ignore = labels_of(frame, entry), ignore_of(entry)
        times = 1 if self.max_share is None else self.tries + 1
        u = jax.random.uniform(key, (1 + 5 * times,), jnp.float32)
        spare = spare_of(frame.shape, self.size)[None]
        anywhere, aimed = u[1:].reshape(times, 5)[:, :2], u[1:].reshape(times, 5)[:, 2:]
        offsets = offset_of("random", anywhere, spare)
        if self.share > 0:
            at, found = self._on_labels(aimed, anywhere, labels, ignore, frame.shape)
            at = jnp.clip(at, jnp.minimum(spare, 0), jnp.maximum(spare, 0))
            offsets = jnp.where((u[0] < self.share) & found, at, offsets)
        if self.max_share is None:
            return {"offset": offsets[0]}
        return {"offset": offsets[self._least_filled(offsets, labels, ignore, frame.shape)]}

    def _on_labels(
        self, u: Array, within: Array, labels: Array, ignore: int | None, shape: SpatialShape
    ) -> tuple[Array, Array]:
        """(times, 2) offsets of windows on a pixel of the labels, and whether there is one."""
        values = labels.astype(jnp.int32)
        wanted = None if self.labels is None else [n for n in self.labels if n != ignore]
        if self.weights is not None:
            weights = [
                w for w, n in zip(self.weights, self.labels or (), strict=True) if n != ignore
            ]
            rows = rows_of_labels(labels, wanted or [])
            likely = jnp.where(rows.any(1), jnp.array(weights, jnp.float32), 0)
            edges = jnp.cumsum(likely)
            found = edges[-1] > 0

            def pixel(u: Array) -> Array:
                chosen = jnp.searchsorted(edges, u[0] * edges[-1], side="right")
                chosen = jnp.minimum(chosen, len(weights) - 1)
                row = row_of(u[1], rows[chosen])
                on = values[row] == jnp.array(wanted, jnp.int32)[chosen]
                return jnp.stack([pixel_of(u[1], rows[chosen], on, row), row])

        else:
            on = values != 0
            if wanted is not None:
                on = jnp.isin(values, jnp.array(wanted, jnp.int32))
            elif ignore is not None:
                on &= values != ignore
            rows = on.sum(1, dtype=jnp.int32)
            found = rows.any()

            def pixel(u: Array) -> Array:
                row = row_of(u[1], rows)
                return jnp.stack([pixel_of(u[1], rows, on[row], row), row])

        pixels = jax.vmap(pixel)(u).astype(jnp.float32)
        # To the pixel of the frame over whose place its centre lies.
        sides = (
            jnp.stack(sides_of(shape)) / jnp.stack(sides_of((labels.shape[0], labels.shape[1])))
        )[None]
        at = jnp.floor((pixels + 0.5) * sides).astype(jnp.int32)
        size = jnp.array([self.size[::-1]], jnp.int32)
        if self.position == "random":
            steps = (within * size.astype(jnp.float32)).astype(jnp.int32)
            return at - jnp.minimum(steps, size - 1), found
        return at - size // 2, found

    def _least_filled(
        self, offsets: Array, labels: Array, ignore: int | None, shape: SpatialShape
    ) -> Array:
        """The first of several windows where no label has more than its share, or the last one."""
        assert self.max_share is not None
        h, w = (jnp.float32(side) for side in self.size)
        samples = samples_of(self.size)

        def share(offset: Array) -> Array:
            window = (offset[0], offset[1], w, h)
            return largest_share(labels, ignore, shape, window, samples)

        return first_below(share, offsets.astype(jnp.float32), self.max_share)

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The shift to the window."""
        x, y = params["offset"].astype(jnp.float32)
        return window_map((x, y), shape, self.size)
