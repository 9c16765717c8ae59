"""CLAHE: contrast limited adaptive histogram equalization."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from ..typing import Key
from ._affine import uniform, unit_uniform
from ._base import Frame, Params, Target, static, transform
from ._checked import names, size
from ._field_operations import EqualizeTiles
from ._levels import OfLevels, exactly
from ._operations import Operation
from ._settings import EntryNames, Ranged, Sized, setting


@transform
class CLAHE(OfLevels):
    """Equalize the histogram of each tile of the frame, with limited contrast, and blend tiles.

    256 levels from black to white are counted in each tile and channel. A level may have
    ``clip_limit`` times the mean count, and what is above is spread over all levels; the sums of
    counts are the tile's curve. A value goes along the curves of the four tiles around its pixel.

    Args:
        clip_limit: a number is that very limit, a pair (lo, hi) draws one; at least 1.
        tile_grid_size: (rows, columns) of tiles, at most 64 each; an int for both.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a limit below 1 or above 256; more than 64 tiles along a side.

    References:
        K. Zuiderveld, Contrast Limited Adaptive Histogram Equalization, in: Graphics Gems IV, 1994.
        Counts are clipped and spread as in OpenCV, whose tiles are blended half a pixel off. It is
        for one channel: albumentations has it change the lightness of Lab, kornia each channel, as
        here.
    """

    clip_limit: Ranged = setting(exactly, default=(1.0, 4.0), low=1, high=256)
    tile_grid_size: Sized = setting(size, default=8)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    footprint = "statistic"

    def __post_init__(self) -> None:
        if max(self.tile_grid_size) > 64:
            raise ParameterError(
                "`CLAHE.tile_grid_size` must be at most 64 along a side, got "
                f"{self.tile_grid_size}. It counts tiles, not pixels."
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``clip_limit``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"clip_limit": uniform(u, self.clip_limit)}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """One curve for each tile and channel."""
        tiles = self.tile_grid_size
        low, extent = target.range[0], target.extent
        return [EqualizeTiles(low, extent, tiles, params["clip_limit"], target.valid)]
