"""What covered intensity becomes: a number, the mean of the image, or noise.

The functions take arrays of NumPy or of JAX and give both the same bits: sums go by halves, and no
compiler can make one operation of a product and a sum.
"""

from __future__ import annotations

import zlib
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...roles import has_data
from ...sampling import cast, constant, library_of
from ...spec import ChannelGroup
from ...transforms import Occluding, Step, hashed, keyed, keyed_on_host
from ...typing import Array, NDArray
from ._pointwise import beside_mark, value_range

_MOST = np.float32(3e38)


def fill_number(step: Step, group: ChannelGroup, dtype: np.dtype[Any]) -> float:
    """The number that covered intensity becomes; never the one of those without data."""
    assert isinstance(step.transform, Occluding)
    lo, hi = value_range(group, dtype)
    fill = lo + float(step.transform.fill) * (hi - lo)
    mark = _mark(group, dtype)
    if mark is not None and constant(fill, dtype) == mark:
        return float(beside_mark(group, (dtype, dtype)))
    return fill


def fill_values(step: Step, name: str, group: ChannelGroup, part: Array) -> Any:
    """What covered intensity becomes: a number, or an array that broadcasts to the values.

    Args:
        step: what covers; with what one record drew.
        name: of the entry.
        group: of its channels.
        part: (h, w, c), their values.
    """
    assert isinstance(step.transform, Occluding)
    if step.transform.fill == "mean":
        return off_mark(channel_means(part, group)[None, None], group, np.dtype(part.dtype))
    if step.transform.fill == "noise":
        counter = jnp.arange(part.size, dtype=jnp.uint32).reshape(part.shape)
        words = hashed(counter, *keyed(step.params["seed"], _stream(name, group)))
        return off_mark(_noise_of(words, group, np.dtype(part.dtype)), group, np.dtype(part.dtype))
    return fill_number(step, group, np.dtype(part.dtype))


def noise_in_box(
    seed: NDArray, name: str, group: ChannelGroup, like: NDArray, box: tuple[int, int, int, int]
) -> NDArray:
    """What `fill_values` says of noise, of the pixels of one box: (h, w, c) float32.

    Args:
        seed: (2,) uint32, of the record.
        name: of the entry.
        group: of its channels.
        like: (h, w, c), the channels of the whole image.
        box: first row, row behind the last, the same of columns.
    """
    y0, y1, x0, x1 = box
    width, channels = like.shape[1:]
    rows = np.arange(y0, y1, dtype=np.uint32)[:, None, None] * np.uint32(width * channels)
    columns = np.arange(x0 * channels, x1 * channels, dtype=np.uint32).reshape(1, -1, channels)
    counter: Any = rows + columns
    words = hashed(counter, *noise_words(seed, name, group))
    noise: NDArray = off_mark(_noise_of(words, group, like.dtype), group, like.dtype)
    return noise


def noise_words(seed: NDArray, name: str, group: ChannelGroup) -> tuple[NDArray, NDArray]:
    """The two words, (1,) uint32 each, that the counters of an entry's noise are mixed with."""
    return keyed_on_host(seed, _stream(name, group))


def _stream(name: str, group: ChannelGroup) -> int:
    """Tells the noise of an entry's channels from that of others: by name, not by place."""
    return zlib.crc32(f"{name}/{group.start}/covered".encode())


def _noise_of(words: Any, group: ChannelGroup, dtype: np.dtype[Any]) -> Any:
    """Random words as values, even between black and white, float32.

    Of integers every level is as likely as any other, the ends among them.
    """
    lib = library_of(words)
    lo, hi = (np.float32(v) for v in value_range(group, dtype))
    share = (words >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
    extent = np.float32(hi - lo)
    if dtype.kind in "iu":
        return lo + lib.minimum(lib.floor(share * np.float32(extent + 1)), extent)
    return lo + lib.minimum(share * extent, extent)


def channel_means(part: Any, group: ChannelGroup) -> Any:
    """(c,) float32: the mean of the valid values (h, w, c) of every channel; 0 of none."""
    lib = library_of(part)
    values = part.reshape(-1, part.shape[2])
    valid = has_data(values, group)
    values = values.astype(np.float32)
    if valid is not None:
        values = lib.where(valid, values, np.float32(0))
    total = _sum_by_halves(lib, values)
    if valid is None:
        # A reciprocal that is known: compilers make one of a division by a constant, too.
        mean = total * (np.float32(1) / np.float32(len(values)))
    else:
        count = lib.maximum(valid.sum(0, dtype=np.int32), 1)
        mean = total / count.astype(np.float32)
    return lib.clip(mean, -_MOST, _MOST)


def off_mark(fill: Any, group: ChannelGroup, dtype: np.dtype[Any]) -> Any:
    """Fills that would fall on the number of pixels without data are moved beside it."""
    mark = _mark(group, dtype)
    if mark is None:
        return fill
    lib = library_of(fill)
    other = np.float32(beside_mark(group, (dtype, dtype)))
    return lib.where(cast(fill, dtype) == mark, other, fill)


def _mark(group: ChannelGroup, dtype: np.dtype[Any]) -> Any:
    return constant(group.invalid, dtype) if isinstance(group.invalid, float | int) else None


def _sum_by_halves(lib: Any, values: Any) -> Any:
    """(c,), the sum of values (n, c), in an order that is the same on every machine."""
    while len(values) > 1:
        rest = len(values) // 2
        half = len(values) - rest
        values = lib.concatenate([values[:rest] + values[half:], values[rest:half]])
    return values[0]
