"""Values brought to those of reference images: HistogramMatching and FDA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..typing import Array, ArrayLike, Key
from ._affine import uniform, uniform_index, unit_uniform
from ._base import Frame, Params, Photometric, Target, static, transform
from ._checked import flag, names
from ._levels import exactly
from ._settings import EntryNames, Ranged, setting


def _references(value: Any, field_name: str) -> Any:
    """Images of one shape, (n, h, w, c) float32; leaves that JAX puts there pass untouched."""
    if isinstance(value, jax.core.Tracer) or type(value) is object:
        return value
    meant = "an image (h, w, c) or (h, w), a list of images of one shape, or a stack (n, h, w, c)"
    if isinstance(value, jax.Array) and value.ndim == 4 and value.dtype == jnp.float32:
        return value  # as JAX makes transforms anew: with leaves of whatever device
    images = isinstance(value, list | tuple) and bool(value) and np.ndim(value[0]) in (2, 3)
    try:
        found = np.asarray([np.atleast_3d(one) for one in value] if images else value)
        found = found.astype(np.float32) if found.dtype.kind in "biuf" else found
    except (TypeError, ValueError) as error:
        shapes = [np.shape(one) for one in value] if images else None
        got = f"images of shapes {shapes}" if shapes else repr(type(value).__name__)
        raise ParameterError(f"`{field_name}` must be {meant}, got {got}.") from error
    if found.ndim in (2, 3):
        found = np.atleast_3d(found)[None]
    if found.dtype != np.float32 or found.ndim != 4 or not found.size:
        raise ParameterError(
            f"`{field_name}` must be {meant}, of numbers, got {found.dtype} {found.shape}."
        )
    if not np.isfinite(found).all():
        raise ParameterError(
            f"`{field_name}` must be finite, got NaN or infinity. Cut out a part without holes."
        )
    return found


class _OfReferences(Photometric):
    """A transform that draws one of its reference images for each record."""

    references: Any
    by_channel = True
    footprint = "statistic"

    def check(self, frame: Frame) -> None:
        """References have as many channels as each group of intensity that is changed."""
        super().check(frame)
        count = self.references.shape[-1]
        for name, entry in frame.spec.entries.items():
            for group in entry.groups:
                found = group.count or entry.channels
                if group.role != "intensity" or not self.touches(name) or found is None:
                    continue
                if found != count:
                    raise ParameterError(
                        f"`{self.owner}.references` must have the {found} channels of {name!r}, "
                        f"got {count}. Name the entries that they are like with `entries`."
                    )

    def _drawn(self, key: Key, limits: tuple[float, float], what: str) -> Params:
        u, v = unit_uniform(key, 2)
        index = uniform_index(u, self.references.shape[0])
        return {"reference": index, what: uniform(v, limits)}

    def _reference(self, params: Params, values: Array, target: Target) -> Array:
        """The image (h, w, c) that was drawn."""
        references = jnp.asarray(self.references, jnp.float32)
        if references.shape[-1] != values.shape[-1]:
            raise ParameterError(
                f"`{self.owner}.references` must have the {values.shape[-1]} channels of "
                f"{target.name!r}, got {references.shape[-1]}."
            )
        image: Array = references[params["reference"]]
        return image


@transform
class HistogramMatching(_OfReferences):
    """Give values the distribution that a reference image has, in each channel.

    ``v + b (R(F(v)) - v)``: F(v) is the share of valid values up to v, and R the value up to which
    that share of the reference lies, straight between those that occur. Only values count, so
    references may be of any size. Which one is drawn evenly for each record, b from U(lo, hi).

    Args:
        references: an image (h, w, c) or (h, w), a list of images of one shape, or a stack
            (n, h, w, c); in the units of the image where the transform stands. Documents hold them
            as numbers: small ones will do.
        blend_ratio: range of b in [0, 1]; a number is that very one. 1 is all of it.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: references that are no finite numbers, of several shapes, or of another
            number of channels than an entry; b out of [0, 1], or lo > hi.

    References:
        R. Gonzalez, R. Woods, Digital Image Processing: histogram matching. scikit-image's
        exposure.match_histograms; albumentations' HistogramMatching, whose references are read
        by a function, brought to the image's size, and rounded.
    """

    references: ArrayLike = setting(_references, static=False)
    blend_ratio: Ranged = setting(exactly, default=(0.5, 1.0), low=0, high=1)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``reference``, int32, and ``blend_ratio``, float32."""
        return self._drawn(key, self.blend_ratio, "blend_ratio")

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Matched, channel by channel."""
        image = self._reference(params, values, target)
        channels = values.shape[-1]
        valid = jnp.ones((1, 1, 1), bool) if target.valid is None else target.valid
        known = jnp.broadcast_to(valid, values.shape).reshape(-1, channels)
        flat = values.reshape(-1, channels)
        matched = jax.vmap(_matched, 1, 1)(flat, known, image.reshape(-1, channels))
        changed: Array = values + params["blend_ratio"] * (matched.reshape(values.shape) - values)
        return changed


def _matched(values: Array, known: Array, reference: Array) -> Array:
    """Values (n,) of one channel by the distribution of a reference (m,)."""
    ordered = jnp.sort(jnp.where(known, values, jnp.inf))
    count = jnp.maximum(known.sum(), 1).astype(jnp.float32)
    upto = jnp.searchsorted(ordered, values, side="right").astype(jnp.float32)
    there = jnp.sort(reference)
    most = there.shape[0]
    place = upto / count * most
    # The value of the reference with that rank, and its first and last place among equals.
    rank = jnp.clip(jnp.ceil(place).astype(jnp.int32) - 1, 0, most - 1)
    above = there[rank]
    first = jnp.searchsorted(there, above, side="left")
    last = jnp.searchsorted(there, above, side="right")
    below = jnp.where(first > 0, there[jnp.maximum(first - 1, 0)], above)
    before, equals = first.astype(jnp.float32), (last - first).astype(jnp.float32)
    share = jnp.clip((place - before) / equals, 0, 1)
    found: Array = below + share * (above - below)
    return found


@transform
class FDA(_OfReferences):
    """Fourier domain adaptation: low frequencies get the amplitudes that a reference image has.

    The phases stay. Low are those of at most ``floor(beta min(h, w))`` periods along x and along y
    over the image of h x w pixels, in each channel; their mean is always among them. A reference of
    another size is brought to that of the image along straight lines. Pixels without data count as
    the mean of their channel, and stay. Which reference is drawn evenly for each record.

    Args:
        references: an image (h, w, c) or (h, w), a list of images of one shape, or a stack
            (n, h, w, c); in the units of the image where the transform stands. Documents hold them
            as numbers: small ones will do.
        beta: range of beta in [0, 0.5]; a number is that very one. 0 only exchanges the mean.
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: references that are no finite numbers, of several shapes, or of another
            number of channels than an entry; beta out of [0, 0.5], or lo > hi.

    References:
        Y. Yang, S. Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation, CVPR 2020.
        albumentations' FDA takes a window that is not symmetric about the mean, and is empty at 0.
    """

    references: ArrayLike = setting(_references, static=False)
    beta: Ranged = setting(exactly, default=(0.0, 0.1), low=0, high=0.5)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def uses_range(self) -> bool:
        """Clipping does."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``reference``, int32, and ``beta``, float32."""
        return self._drawn(key, self.beta, "beta")

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Transformed, exchanged, and back."""
        image = self._reference(params, values, target)
        height, width = values.shape[:2]
        if image.shape[:2] != (height, width):
            image = jax.image.resize(image, values.shape, "linear")
        filled = values if target.valid is None else _filled(values, target.valid)
        found, other = (jnp.fft.fft2(v, axes=(0, 1)) for v in (filled, image))
        y, x = (
            np.abs(np.fft.fftfreq(n, 1 / n)).round().astype(np.float32) for n in (height, width)
        )
        reach = jnp.floor(params["beta"] * min(height, width))
        low = (y[:, None, None] <= reach) & (x[None, :, None] <= reach)
        strength, wanted = jnp.abs(found), jnp.abs(other)
        gain = jnp.where(low, wanted / jnp.where(strength > 0, strength, 1), 1)
        # What has no amplitude has no phase either: 0 stands for it.
        absent = jnp.where(low, wanted, 0).astype(found.dtype)
        mixed = jnp.where(strength > 0, found * gain.astype(found.dtype), absent)
        changed = jnp.fft.ifft2(mixed, axes=(0, 1)).real
        return jnp.clip(changed, *target.range) if self.clip else changed


def _filled(values: Array, valid: Array) -> Array:
    """Values (h, w, c) whose holes are the mean of their channel."""
    known = jnp.broadcast_to(valid, values.shape)
    count = jnp.maximum(known.sum((0, 1), keepdims=True), 1).astype(jnp.float32)
    mean = jnp.where(known, values, 0).sum((0, 1), keepdims=True) / count
    return jnp.where(known, values, mean)
