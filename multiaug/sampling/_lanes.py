"""Kernels of the CPU formulation. Each reads neighbouring taps of one padded picture.

A lane holds one or several bands that are read together. Its padded picture stays from record to
record: the rim is written once, the inside every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from ..typing import Array, NDArray
from ._axis import CLASSIC, FILLED
from ._blend import bilinear, bilinear_of_small, lowpass_of, prepared
from ._dtype import constant, is_float
from ._locate import Located, padded_shape
from ._plan import Band, Job, LowPass, SampleContext, materialize
from ._taps import HALF, gather

# One part of an array: its job, and a band of it.
Part = tuple[Job, Band]


class Reading(NamedTuple):
    """What a lane reads for one of its parts at some rows of the output.

    Args:
        values: (k, w, c) blended or copied; or planes (k, w), encoded where the band encodes,
            NaN where nothing is known.
        known: (k, w, 1 or c) bool, where there is something to see; None for everywhere, and of
            planes.
    """

    values: Array | list[Array]
    known: Array | None = None


class ChannelBand(Protocol):
    """Bands that are read together."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it reads."""

    def source(self, arrays: Mapping[str, Array], sites: Mapping[str, SampleContext]) -> Any:
        """What is read of a record: (H, W, ...), or planes; sites are of its source pixels."""

    def rim(self) -> NDArray:
        """One pixel of the rim, or what stands in all its channels."""

    def read(self, padded: Any, at: Located) -> list[Reading]:
        """What every part reads."""


def lanes_of(
    jobs: Sequence[Job], dtypes: Mapping[str, np.dtype[Any]], low: LowPass | None
) -> tuple[list[ChannelBand], list[Part]]:
    """Lanes for the bands of some jobs, and the parts that only the reference can do."""
    lanes: list[ChannelBand] = []
    rest: list[Part] = []
    bytes_: dict[str, list[Part]] = {}
    for job in jobs:
        for band in job.bands:
            part, dtype = (job, band), dtypes[job.name]
            filtered = low is not None and band.lowpass
            if band.border in CLASSIC and (filtered or not is_plain(band)):
                rest.append(part)
            elif _is_packable(band, dtype, low):
                bytes_.setdefault(band.border, []).append(part)
            elif band.method == "nearest" and band.invalid is None and band.fill is not None:
                lanes.append(Nearest((part,), dtype))
            elif band.method == "linear" and is_plain(band):
                if dtype.itemsize < 4 or dtype == np.float32:
                    lanes.append(Linear((part,), dtype, low))
                else:
                    rest.append(part)
            elif band.method == "linear" and is_float(dtype) and _is_aware(band):
                lanes.append(Aware((part,), dtype, low))
            else:
                rest.append(part)
    for parts in bytes_.values():
        if any(band.method == "linear" for _, band in parts):
            lanes.append(Packed(tuple(parts)))
        else:
            lanes += [Nearest((part,), dtypes[part[0].name]) for part in parts]
    return lanes, rest


def _is_packable(band: Band, dtype: np.dtype[Any], low: LowPass | None) -> bool:
    if band.invalid is not None or band.fill is None or dtype != np.uint8:
        return False
    if band.method == "nearest":
        return True
    filtered = low is not None and band.lowpass
    return band.method == "linear" and is_plain(band) and not filtered


def is_plain(band: Band) -> bool:
    """Nothing can be invalid."""
    known = band.invalid is None and band.fill is not None and band.encode is None
    return known and band.max_jump is None


def _is_aware(band: Band) -> bool:
    """Invalid values are NaN in the lane, and joint ones are NaN together."""
    fill_is_number = band.border == "constant" and band.fill is not None
    return band.max_jump is None and not (band.encode is not None and fill_is_number)


def padded_rim(lane: ChannelBand, source: Any) -> Any:
    """The padded picture, or planes, before the first record, for sources of these shapes."""
    rim = lane.rim()
    if isinstance(source, list):
        rims = np.broadcast_to(rim, (len(source),))
        return [_padded_rim(value, shape) for value, shape in zip(rims, source, strict=True)]
    return _padded_rim(rim, source)


def _padded_rim(rim: NDArray, source: jax.ShapeDtypeStruct) -> NDArray:
    height, width, *channels = source.shape
    shape = (*padded_shape((height, width)), *channels)
    return np.broadcast_to(rim.astype(source.dtype), shape).copy()


def write(padded: Any, source: Any, border: str) -> Any:
    """Put a picture, or planes, inside the rim."""
    return jax.tree.map(lambda p, s: _write(p, s, border), padded, source)


def _write(padded: Array, picture: Array, border: str) -> Array:
    """Where the picture repeats, its first rows and columns follow it."""
    start = (1, 1) + (0,) * (picture.ndim - 2)
    padded = lax.dynamic_update_slice(padded, picture, start)
    if border == "wrap":
        height, width = picture.shape[:2]
        padded = padded.at[height + 1, 1 : width + 1].set(picture[0])
        padded = padded.at[1 : height + 1, width + 1].set(picture[:, 0])
        padded = padded.at[height + 1, width + 1].set(picture[0, 0])
    return padded


def _taps(padded: Array, index: Array) -> list[Array]:
    """Upper left, upper right, lower left, lower right: four views read with one index."""
    height, width = padded.shape[:2]
    flat = padded.reshape(height * width, *padded.shape[2:])
    reach = width * (height - 1)
    return [gather(flat[o : o + reach], index) for o in (0, 1, width, width + 1)]


def _nearest_of(taps: Sequence[Array], fx: Array, fy: Array) -> Array:
    upper = jnp.where(fx < 0.5, taps[0], taps[1])
    lower = jnp.where(fx < 0.5, taps[2], taps[3])
    return jnp.where(fy < 0.5, upper, lower)


def rim_value(band: Band, dtype: np.dtype[Any]) -> NDArray:
    """(C,) what stands beyond the picture; NaN where nothing does."""
    if band.border not in FILLED or band.fill is None:
        return np.full((count_of(band),), np.nan if is_float(dtype) else 0, dtype)
    fill = np.stack([constant(value, dtype) for value in band.fill])
    return np.broadcast_to(fill, (count_of(band),))


@dataclass(frozen=True)
class Linear:
    """Linear where everything is valid: rows of neighbouring channels, in the array's dtype."""

    parts: tuple[Part, ...]
    dtype: np.dtype[Any]
    low: LowPass | None

    def _stored(self) -> np.dtype[Any]:
        # XLA converts bfloat16 tap by tap, at six times the price of float32.
        band = self.parts[0][1]
        filtered = self.low is not None and band.lowpass
        if filtered or self.dtype == ml_dtypes.bfloat16:
            return np.dtype(np.float32)
        return self.dtype

    def source(self, arrays: Mapping[str, Array], sites: Mapping[str, SampleContext]) -> Array:
        job, band = self.parts[0]
        picture = arrays[job.name][..., band.channels]
        if self.low is not None and band.lowpass:
            picture = lowpass_of(picture, band, job, self.low, sites[job.name])
        return picture.astype(self._stored())

    def rim(self) -> NDArray:
        return rim_value(self.parts[0][1], self.dtype)

    def read(self, padded: Array, at: Located) -> list[Reading]:
        taps = [tap.astype(jnp.float32) for tap in _taps(padded, at.first)]
        return [Reading(bilinear(taps, at.fx[..., None], at.fy[..., None]))]


@dataclass(frozen=True)
class Aware:
    """Linear over the valid taps, renormalised; unknown where they carry less than half.

    Channel by channel: roles mix channels afterwards, and loops over three of them are too short
    to be vectorised.
    """

    parts: tuple[Part, ...]
    dtype: np.dtype[Any]
    low: LowPass | None

    def _prepared_band(self) -> Band:
        return replace(self.parts[0][1], invalid="nan")

    def source(
        self, arrays: Mapping[str, Array], sites: Mapping[str, SampleContext]
    ) -> list[Array]:
        job, band = self.parts[0]
        picture = arrays[job.name][..., band.channels]
        source = prepared(picture, band, sites[job.name])
        if self.low is not None and band.lowpass:
            source = lowpass_of(source, self._prepared_band(), job, self.low, sites[job.name])
        planes = [source[..., c] for c in range(source.shape[-1])]
        if band.joint and (band.invalid is not None or band.encode is not None):
            # Invalid together: then every plane can judge for itself.
            bad = reduce(jnp.logical_or, [jnp.isnan(plane) for plane in planes])
            planes = [jnp.where(bad, jnp.nan, plane) for plane in planes]
        return planes

    def rim(self) -> NDArray:
        band = self.parts[0][1]
        if band.encode is not None:
            return np.array([np.nan], np.float32)
        fill = rim_value(self._prepared_band(), np.dtype(np.float32))
        if isinstance(band.invalid, float):
            # Compared in the array's dtype, as its own values are.
            missing = fill.astype(self.dtype) == constant(band.invalid, self.dtype)
            missing = missing.all() if band.joint else missing
            fill = np.where(missing, np.float32(np.nan), fill)
        return fill

    def read(self, padded: list[Array], at: Located) -> list[Reading]:
        band = self.parts[0][1]

        def blend(at: Located) -> list[Array]:
            return [_blend_known(plane, at, lost=band.border != "constant") for plane in padded]

        return [Reading(materialize(blend, at))]


def _blend_known(plane: Array, at: Located, *, lost: bool) -> Array:
    """The weighted mean of what is not NaN; NaN where that has less than half of the weight."""
    fx, fy = at.fx, at.fy
    weights = [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
    taps = _taps(plane, at.first)
    weights = [jnp.where(jnp.isnan(t), 0, w) for t, w in zip(taps, weights, strict=True)]
    total = sum(weights[1:], start=weights[0])
    # Negative zeros, to which adding changes nothing: a copy keeps the sign of its zeros.
    value = sum(
        (jnp.where(w > 0, t, -0.0) * w for t, w in zip(taps, weights, strict=True)),
        start=jnp.float32(-0.0),
    )
    known = (total >= HALF) & ~at.lost if lost else total >= HALF
    return jnp.where(known, value * (1 / jnp.where(total > 0, total, 1)), jnp.nan)


@dataclass(frozen=True)
class Nearest:
    """Copies of single pixels, in the array's dtype."""

    parts: tuple[Part, ...]
    dtype: np.dtype[Any]

    def source(self, arrays: Mapping[str, Array], sites: Mapping[str, SampleContext]) -> Array:
        job, band = self.parts[0]
        return arrays[job.name][..., band.channels]

    def rim(self) -> NDArray:
        return rim_value(self.parts[0][1], self.dtype)

    def read(self, padded: Array, at: Located) -> list[Reading]:
        height, width = padded.shape[:2]
        down = jnp.where(at.fy < 0.5, jnp.uint32(0), jnp.uint32(width))
        index = at.first + down + (at.fx >= 0.5).astype(jnp.uint32)
        return [Reading(gather(padded.reshape(height * width, -1), index))]


@dataclass(frozen=True)
class Packed:
    """Bytes of several arrays in words of four, which one gather reads together."""

    parts: tuple[Part, ...]

    def _bytes(self) -> list[tuple[Job, Band]]:
        """The part of every byte in a pixel."""
        return [part for part in self.parts for _ in range(count_of(part[1]))]

    def _words(self) -> int:
        return -(-len(self._bytes()) // 4)

    def _pack(self, planes: list[Array]) -> Array:
        held = jnp.concatenate(planes, axis=-1)
        spare = 4 * self._words() - held.shape[-1]
        if spare:
            held = jnp.concatenate([held, jnp.zeros((*held.shape[:-1], spare), jnp.uint8)], -1)
        words = held.reshape(*held.shape[:-1], self._words(), 4)
        words = words[..., 0, :] if self._words() == 1 else words
        return lax.bitcast_convert_type(words, jnp.uint32)

    def source(self, arrays: Mapping[str, Array], sites: Mapping[str, SampleContext]) -> Array:
        return self._pack([arrays[job.name][..., band.channels] for job, band in self.parts])

    def rim(self) -> NDArray:
        row = np.concatenate([rim_value(band, np.dtype(np.uint8)) for _, band in self.parts])
        words = np.pad(row, (0, 4 * self._words() - len(row))).view(np.uint32)
        return words[0] if self._words() == 1 else words

    def read(self, padded: Array, at: Located) -> list[Reading]:
        # Both arrays are made of the words: in memory, they are mixed once.
        words = materialize(lambda part: self._mixed(padded, part), at)
        held = lax.bitcast_convert_type(words, jnp.uint8).reshape(*at.first.shape, -1)
        result = []
        start = 0
        for _, band in self.parts:
            result.append(Reading(held[..., start : start + count_of(band)]))
            start += count_of(band)
        return result

    def _mixed(self, padded: Array, at: Located) -> Array:
        taps, fx, fy = _taps(padded, at.first), at.fx, at.fy
        if self._words() > 1:
            fx, fy = fx[..., None], fy[..., None]
        methods = [band.method for _, band in self._bytes()]
        methods += ["linear"] * (4 * self._words() - len(methods))
        word = jnp.zeros_like(taps[0])
        for place in range(4):
            word = word | self._place(place, methods[place::4], taps, fx, fy)
        return word

    def _place(
        self, place: int, methods: list[str], taps: list[Array], fx: Array, fy: Array
    ) -> Array:
        """One byte of every word of the result, in its place."""
        linear = np.array([method == "linear" for method in methods])
        shift = jnp.uint32(8 * place)
        mask = jnp.uint32(255 << 8 * place)
        copied: Array = _nearest_of(taps, fx, fy) & mask
        if not linear.any():
            return copied
        # By way of int32: AVX2 has no conversion of unsigned words.
        bytes_ = [((t >> shift) & 255).astype(jnp.int32).astype(jnp.float32) for t in taps]
        blended = bilinear_of_small(bytes_, fx, fy)
        mixed: Array = _round_half_up(blended).astype(jnp.uint32) << shift
        return mixed if linear.all() else jnp.where(linear, mixed, copied)


def _round_half_up(values: Array) -> Array:
    """int32 of floats in [0, 255]; `cast` for those that cannot overflow."""
    whole = values.astype(jnp.int32)
    return whole + (values - whole.astype(jnp.float32) >= 0.5).astype(jnp.int32)


def resolve_slices(job: Job, channels: int) -> Job:
    """The job with bands whose slices have both ends."""
    bands = [replace(b, channels=slice(*b.channels.indices(channels)[:2])) for b in job.bands]
    return replace(job, bands=tuple(bands))


def count_of(band: Band) -> int:
    """Channels of a band whose slice has been settled."""
    return int(band.channels.stop) - int(band.channels.start)
