"""SafeRotate: a rotation that keeps the whole image in view."""

from __future__ import annotations

import math

import jax.numpy as jnp

from ..geometry import Map, affine_map, cos_sin, linear, product, rotation
from ..typing import Array, Key, SpatialShape
from ._affine import angles, uniform, unit_uniform
from ._base import Frame, Geometric, Params, static, transform
from ._checked import flag
from ._settings import Ranged, setting


@transform
class SafeRotate(Geometric):
    """Turn the image about its centre, and zoom out until all of it is in view.

    A turn by t needs a frame of ``W |cos t| + H |sin t|`` by ``W |sin t| + H |cos t|`` pixels. The
    factor is what brings that into the frame, the same along both axes; or the frame grows to the
    largest one that the range of angles can need, and nothing is zoomed. What the image does not
    fill is filled by each entry's border rule.

    Args:
        degrees: (lo, hi) in degrees, counter-clockwise as seen; a number d means (-d, d).
        expand: enlarge the frame, for all records alike, instead of zooming out.
        antialias: low-pass intensities before shrinking; off by default, as in `Scale`.
        p: the probability that a pipeline runs it; below 1, ``expand`` must be False.

    Raises:
        ParameterError: the range is not finite or lo > hi.

    References:
        albumentations' ``SafeRotate``, which may scale the axes differently; torchvision's
        ``RandomRotation(expand=True)``, whose frame depends on the angle that is drawn.
    """

    degrees: Ranged = setting(angles, default=90, low=-360, high=360, unit="degrees")
    expand: bool = setting(flag, default=False)
    antialias: bool = setting(flag, default=False)
    p: float = static(default=1.0, kw_only=True)

    def _turned(self, shape: SpatialShape) -> list[tuple[float, float]]:
        """(height, width) that the turned image needs, at every angle where they can be largest."""
        height, width = shape
        steep = math.degrees(math.atan2(height, width))
        # Between quarter turns, width and height have their maxima at the angles of the diagonals.
        first, last = (math.floor(d / 90) for d in self.degrees)
        found = [90.0 * k + d for k in range(first - 1, last + 2) for d in (0, steep, 90 - steep)]
        lo, hi = self.degrees
        needed = []
        for degrees in [lo, hi, *(d for d in found if lo <= d <= hi)]:
            c, s = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
            needed.append((width * s + height * c, width * c + height * s))
        return needed

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The frame, or the largest one that is needed."""
        if not self.expand:
            return shape
        height, width = (max(sides) for sides in zip(*self._turned(shape), strict=True))
        return math.ceil(height - 1e-6), math.ceil(width - 1e-6)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The strongest zoom, along every direction."""
        if self.expand:
            return 1.0, 1.0
        least = min(min(shape[0] / h, shape[1] / w) for h, w in self._turned(shape))
        return min(1.0, least), min(1.0, least)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``degrees``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"degrees": uniform(u, self.degrees)}

    def _zoom(self, degrees: Array, shape: SpatialShape) -> Array:
        c, s = (jnp.abs(part) for part in cos_sin(degrees))
        height, width = shape
        fits = jnp.minimum(width / (width * c + height * s), height / (width * s + height * c))
        return jnp.minimum(fits, 1)

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The rotation about the centre, and the zoom."""
        degrees = params["degrees"]
        forward, backward = rotation(degrees), rotation(-degrees)
        if not self.expand:
            zoom = self._zoom(degrees, shape)
            forward = product(linear(zoom, 0, 0, zoom), forward)
            backward = product(backward, linear(1 / zoom, 0, 0, 1 / zoom))
        return affine_map(forward, backward, shape, self.out_shape(shape))
