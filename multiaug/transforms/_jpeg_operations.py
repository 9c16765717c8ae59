"""What JPEG leaves of values: blocks of 8 x 8 cosines, rounded to the steps of its tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array, NDArray
from ._operations import Footprint, Mean

BLOCK = 8

LUMINANCE = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
"""Steps of quality 50, of a grey image or of the luma of colours: ITU-T T.81, table K.1."""

CHROMINANCE = np.full((BLOCK, BLOCK), 99)
"""Steps of quality 50, of the two differences of colours: table K.2."""
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# To luma and differences of colours, of which half a range is no difference: ITU-T T.871 (JFIF).
_TO_YCC = np.array([
    [0.299, 0.587, 0.114],
    [-0.168735892, -0.331264108, 0.5],
    [0.5, -0.418687589, -0.081312411],
])  # fmt: skip
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136286, -0.714136286], [1, 1.772, 0]])


def cosines() -> NDArray:
    """(8, 8), the orthonormal transform to cosines: a frequency for every row."""
    k, n = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None]
    found: NDArray = np.sqrt(2 / BLOCK) * np.cos(np.pi * (2 * n + 1) * k / (2 * BLOCK))
    found[0] /= np.sqrt(2)
    return found


def steps(table: NDArray, quality: Any) -> Array:
    """A table of steps at a quality from 1 to 100, int32, as the library of the IJG has them."""
    quality = jnp.asarray(quality, jnp.int32)
    percent = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    scaled = (jnp.asarray(table, jnp.int32) * percent + 50) // 100
    return jnp.clip(scaled, 1, 255)


class Compress(NamedTuple):
    """What JPEG leaves. 255 levels lie between black and white; nothing is clipped.

    Red, green and blue become luma and two differences of colours; any other channel is a luma of
    its own. Rounding has the slope of the identity, so that gradients pass.

    Args:
        quality: int32, from 1 to 100.
        at: the channels that are red, green and blue; None where there are none.
        halved: differences of colours are of pairs of rows and columns (4:2:0).
        low: black.
        extent: from black to white.
        valid: `Target.valid`: what is not valid is filled with the mean of the valid values of its
            block; and a pixel stays that lacks one of red, green and blue.
    """

    quality: Any
    at: tuple[int, int, int] | None
    halved: bool
    low: Any
    extent: Any
    valid: Any = None

    @property
    def footprint(self) -> Footprint:
        """See `Footprint`."""
        return "stencil"

    def apply(self, values: Array, mean: Mean) -> Array:
        """Values (h, w, c) -> new ones."""
        height, width, channels = values.shape
        unit = BLOCK * (2 if self.at is not None and self.halved else 1)
        margins = ((0, -height % unit), (0, -width % unit), (0, 0))
        levels = (jnp.pad(values, margins, mode="edge") - self.low) / self.extent * 255 - 128
        if self.valid is not None:
            levels = _filled(levels, jnp.pad(self.valid, margins, mode="edge"), unit)
        luma = steps(LUMINANCE, self.quality)
        if self.at is None:
            changed = _rounded(levels, luma)
        else:
            others = np.setdiff1d(np.arange(channels), self.at)
            parts = [self._colours(levels[..., np.array(self.at)], luma)]
            parts += [_rounded(levels[..., others], luma)] if others.size else []
            order = np.argsort(np.concatenate([np.array(self.at), others]))
            changed = jnp.concatenate(parts, axis=-1)[..., order]
        changed = (changed[:height, :width] + 128) / 255 * self.extent + self.low
        return changed if self.valid is None else jnp.where(self._known(channels), changed, values)

    def _known(self, channels: int) -> Array:
        valid: Array = self.valid
        if self.at is None:
            return valid
        coloured = np.isin(np.arange(channels), self.at)[None, None]
        colours = valid[..., np.array(self.at)].all(-1, keepdims=True)
        return jnp.where(jnp.asarray(coloured), colours, valid)

    def _colours(self, rgb: Array, luma: Array) -> Array:
        ycc = _mixed(rgb, _TO_YCC)
        chroma = steps(CHROMINANCE, self.quality)
        y, colours = ycc[..., :1], ycc[..., 1:]
        if self.halved:
            pairs = colours.reshape(colours.shape[0] // 2, 2, colours.shape[1] // 2, 2, 2)
            colours = _doubled(_doubled(_rounded(pairs.mean((1, 3)), chroma), 0), 1)
        else:
            colours = _rounded(colours, chroma)
        return _mixed(jnp.concatenate([_rounded(y, luma), colours], -1), _TO_RGB)

    def inverse(self) -> None:
        """What was rounded is lost."""
        return


def _mixed(values: Array, matrix: NDArray) -> Array:
    return jnp.einsum("hwc,dc->hwd", values, jnp.asarray(matrix, jnp.float32), precision="highest")


def _rounded(levels: Array, table: Array) -> Array:
    """Values (h, w, c) of whole blocks, of which the cosines are rounded to steps (8, 8)."""
    height, width, channels = levels.shape
    shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
    basis, step = jnp.asarray(cosines(), jnp.float32), table.astype(jnp.float32)
    blocks = levels.reshape(shape)
    forth = jnp.einsum("aybxc,uy,vx->aubvc", blocks, basis, basis, precision="highest")
    count = forth / step[None, :, None, :, None]
    count = count + lax.stop_gradient(jnp.round(count) - count)
    back = count * step[None, :, None, :, None]
    blocks = jnp.einsum("aubvc,uy,vx->aybxc", back, basis, basis, precision="highest")
    return blocks.reshape(levels.shape)


def _doubled(values: Array, axis: int) -> Array:
    """Twice as many along an axis: of two neighbours three quarters and one, whoever is nearer."""
    margins = [(0, 0)] * values.ndim
    margins[axis] = (1, 1)
    wide = jnp.pad(values, margins, mode="edge")
    size = values.shape[axis]
    before, behind = (lax.slice_in_dim(wide, k, k + size, axis=axis) for k in (0, 2))
    pair = jnp.stack([0.75 * values + 0.25 * before, 0.75 * values + 0.25 * behind], axis + 1)
    shape = list(values.shape)
    shape[axis] *= 2
    return pair.reshape(shape)


def _filled(levels: Array, valid: Array, unit: int) -> Array:
    """The mean of the valid values of its block in the place of each value that is not."""
    height, width, channels = levels.shape
    shape = (height // unit, unit, width // unit, unit, channels)
    blocks, there = levels.reshape(shape), valid.reshape(shape)
    count = jnp.maximum(there.sum((1, 3), keepdims=True), 1).astype(jnp.float32)
    mean = jnp.where(there, blocks, 0).sum((1, 3), keepdims=True) / count
    return jnp.where(there, blocks, mean).reshape(levels.shape)
