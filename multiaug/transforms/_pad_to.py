"""PadTo and PadToMultiple: frames that grow to what comes next."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..geometry import Map
from ..typing import Key, SpatialShape
from ._base import Frame, Geometric, Params, static, transform
from ._frames import window_map
from ._proportion import larger
from ._settings import Sized, setting
from ._windows import POSITIONS, frame_size, offset_of, placed, spare_of


class _Padded(Geometric):
    """Fields of the subclasses: where the image lies."""

    position: str

    def sample(self, key: Key, frame: Frame) -> Params:
        """``offset``, (2,) int32: x and y of the frame on the image; drawn where it is random."""
        spare = spare_of(frame.shape, self.out_shape(frame.shape))
        u = jax.random.uniform(key, (2,), jnp.float32)
        return {"offset": offset_of(self.position, u, spare)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The shift to the grown frame."""
        x, y = params["offset"].astype(jnp.float32)
        return window_map((x, y), shape, self.out_shape(shape))


@transform
class PadTo(_Padded):
    """Pad images that are smaller than a size, by each entry's border rule; an exact copy inside.

    A side that is longer already stays as it is.

    Args:
        size: (height, width) that the frame has at least; an int n is (n, n).
        position: where the image lies: ``center`` (what is left over goes to the right and to the
            bottom), ``random``, or a corner such as ``top_left``.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a size below 1, or another position.

    References:
        albumentations' ``PadIfNeeded``; kornia's ``PadTo`` and MONAI's ``SpatialPad``.
    """

    size: Sized = setting(frame_size, unit="pixels")
    position: str = setting(placed, default="center", options=POSITIONS)
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The larger of both, along each axis."""
        return larger(shape[0], self.size[0]), larger(shape[1], self.size[1])


@transform
class PadToMultiple(_Padded):
    """Pad each side to the next multiple of a number, by each entry's border rule.

    What networks ask for that halve their maps: 5 halvings need a multiple of 32.

    Args:
        multiple: of height and of width; an int n is (n, n).
        position: where the image lies: ``center`` (what is left over goes to the right and to the
            bottom), ``random``, or a corner such as ``top_left``.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a multiple below 1, or another position.

    Example:
        >>> PadToMultiple(32).out_shape((480, 650))
        (480, 672)

    References:
        albumentations' ``PadIfNeeded(pad_height_divisor=..)``, MONAI's ``DivisiblePad``.
    """

    multiple: Sized = setting(frame_size, unit="pixels")
    position: str = setting(placed, default="center", options=POSITIONS)
    p: float = static(default=1.0, kw_only=True)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The next multiples."""
        (height, width), (n, m) = shape, self.multiple
        return (height + n - 1) // n * n, (width + m - 1) // m * m
