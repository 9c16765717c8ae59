"""CameraRotate and CanonicalCamera: maps that depend on the record's camera."""

from __future__ import annotations

import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from ..geometry import Map, cos_sin, inverse, product, projective_map
from ..typing import Array, Key, SpatialShape
from ._affine import MAX_SCALE, MIN_SCALE, angles, uniform, unit_uniform
from ._base import Frame, Geometric, Params, static, transform
from ._checked import flag, number, pair
from ._record_camera import check_intrinsics, record_intrinsics
from ._settings import Ranged, Sized, setting
from ._windows import (
    POSITIONS,
    frame_size,
    offset_of,
    placed,
    resized_window_map,
    rounded_sides,
    sides_of,
)

# Degrees that a camera may be tilted by, along each axis.
_MOST_TILT = 60
# Of (A p)_3 relative to the centre, as in `Perspective`; and the steps in which a tilt is reduced.
_MIN_W, _MAX_W = 0.2, 5.0
_STEPS = 64


def camera_rotation(degrees: Array) -> Array:
    """(3, 3), from pitch, yaw and roll: what points in the camera's frame are multiplied by."""
    (cp, sp), (cy, sy), (cr, sr) = (cos_sin(angle) for angle in degrees)
    zero, one = jnp.float32(0), jnp.float32(1)

    def matrix(*rows: tuple[Array, Array, Array]) -> Array:
        return jnp.stack([jnp.stack(row) for row in rows])

    yaw = matrix((cy, zero, -sy), (zero, one, zero), (sy, zero, cy))
    pitch = matrix((one, zero, zero), (zero, cp, sp), (zero, -sp, cp))
    roll = matrix((cr, sr, zero), (-sr, cr, zero), (zero, zero, one))
    return product(roll, product(pitch, yaw))


@transform
class CameraRotate(Geometric):
    """Turn the camera about its centre: the homography ``K R K^-1`` on every entry.

    Points and normals turn by ``R = R_roll R_pitch R_yaw``, depths become the new Z, and K stays:
    what a camera that had been turned would have recorded, as far as it is in view. No point moves
    against another one. K is that of the record, or the default camera of the spec.

    A tilt that would bring the horizon near to the image is reduced, in steps of 1/64: ``(A p)_3``
    stays within 0.2 to 5 times its value at the centre. The params say which angles are taken.

    Args:
        pitch: (lo, hi) in degrees within [-60, 60]; positive turns the camera up, so that the image
            moves down; a number d means (-d, d).
        yaw: likewise; positive turns the camera right, so that the image moves left.
        roll: (lo, hi) in degrees; positive turns the image counter-clockwise, as `Rotate` does, but
            about the principal point.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ranges that are not finite or reach beyond 60 degrees; a spec without
            intrinsics and without a default camera.

    References:
        R. Hartley and A. Zisserman, Multiple View Geometry, 2nd ed. 2004, section 8.4.2. No other
        library turns clouds, normals and depth with the image; kornia's ``RandomPerspective`` and
        albumentations' ``Perspective`` draw corners, not angles.
    """

    pitch: Ranged = setting(angles, default=10, low=-_MOST_TILT, high=_MOST_TILT, unit="degrees")
    yaw: Ranged = setting(angles, default=10, low=-_MOST_TILT, high=_MOST_TILT, unit="degrees")
    roll: Ranged = setting(angles, default=0, low=-360, high=360, unit="degrees")
    p: float = static(default=1.0, kw_only=True)
    projective = True
    reads: ClassVar[frozenset[str]] = frozenset({"intrinsics"})

    def check(self, frame: Frame) -> None:
        """There must be a camera."""
        check_intrinsics(self.owner, frame)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """At the centre, of a camera that looks at it: the square of the cosine of the tilt."""
        up, right = (math.radians(max(map(abs, limits))) for limits in (self.pitch, self.yaw))
        least = (math.cos(up) * math.cos(right)) ** 2
        return least, least

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``degrees``, (3,) float32, pitch, yaw and roll.

        ``homography``, (3, 3) float32, is ``K R K^-1`` on positions from the frame's centre.
        """
        k = record_intrinsics(frame)
        ranges = (self.pitch, self.yaw, self.roll)
        pitch, yaw, roll = map(uniform, unit_uniform(key, 3), ranges)
        share = _bearable(pitch, yaw, k, frame.shape)
        degrees = jnp.stack([pitch * share, yaw * share, roll])
        homography = product(product(k, camera_rotation(degrees)), inverse(k))
        return {"degrees": degrees, "homography": homography}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The homography."""
        return projective_map(params["homography"], shape)


def _bearable(pitch: Array, yaw: Array, k: Array, shape: SpatialShape) -> Array:
    """The largest share of a tilt that keeps the horizon away from the frame."""
    shares = jnp.arange(_STEPS, -1, -1, dtype=jnp.float32) / _STEPS
    (cp, sp), (cy, sy) = cos_sin(pitch * shares), cos_sin(yaw * shares)
    # The last row of R: what becomes of Z. A roll changes nothing.
    row = jnp.stack([sy * cp, -sp, cy * cp], -1)
    half = jnp.stack(sides_of(shape)) / 2
    signs = jnp.array([[0, 0], [-1, -1], [1, -1], [1, 1], [-1, 1]], jnp.float32)
    places = jnp.concatenate([signs * half[None], jnp.ones((5, 1), jnp.float32)], 1)
    back = inverse(k)
    rays = jnp.stack([(back[i][None] * places).sum(-1) for i in range(3)], -1)
    w = (row[:, None, :] * rays[None]).sum(-1)
    relative = w[:, 1:] / jnp.where(w[:, :1] > 0, w[:, :1], jnp.inf)
    good = ((relative >= _MIN_W) & (relative <= _MAX_W)).all(-1)
    # The last one is no tilt at all.
    return shares[jnp.where(good.any(), jnp.argmax(good), _STEPS)]


@transform
class CanonicalCamera(Geometric):
    """Resize every image by ``f_c / f``, so that all cameras have the focal length f_c.

    f is the mean of fx and fy; the image becomes ``round(W f_c / f)`` pixels wide, and a window of
    a fixed size is cut out of it, or it is padded to that by each entry's border rule. Depths and
    points keep their values, and K follows. Factors are kept within 1/8 to 8, and K says what was
    done. `CanonicalDepth` does the same to the depths instead, and leaves the pixels.

    Args:
        size: (height, width) of the result; an int n is (n, n).
        focal: f_c in pixels of the result.
        scale: (lo, hi) of a random factor on top, drawn evenly; K follows that, too.
        position: where the window lies: ``center``, ``random``, or a corner such as ``top_left``.
        pad_position: where the image lies along axes that have to be padded.
        antialias: low-pass before shrinking, as `Resize` does.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges or sizes; a spec without intrinsics and without a default
            camera.

    References:
        W. Yin et al., Metric3D: Towards Zero-shot Metric 3D Prediction from A Single Image, ICCV
        2023, section 3.2 (CSTM_image); its code draws scale in (0.9, 1.4).
    """

    size: Sized = setting(frame_size, unit="pixels")
    focal: float = setting(number, default=1000.0, low=1, high=1e6, unit="pixels")
    scale: Ranged = setting(pair, default=(1.0, 1.0), low=MIN_SCALE, high=MAX_SCALE)
    position: str = setting(placed, default="center", options=POSITIONS)
    pad_position: str = setting(placed, default="center", options=POSITIONS)
    antialias: bool = setting(flag, default=True)
    p: float = static(default=1.0, kw_only=True)
    reads: ClassVar[frozenset[str]] = frozenset({"intrinsics"})

    def check(self, frame: Frame) -> None:
        """There must be a camera."""
        check_intrinsics(self.owner, frame)

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The size."""
        return self.size

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The least factor, of sides that may be rounded down."""
        x, y = (max(1.0, side * MIN_SCALE - 0.5) / side for side in shape[::-1])
        return x, y

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``sides``, (2,) int32, of the resized image; ``offset``, (2,) int32, on it."""
        u = jax.random.uniform(key, (3,), jnp.float32)
        k = record_intrinsics(frame)
        mean = (k[0, 0] + k[1, 1]) / 2
        factor = jnp.clip(self.focal / mean * uniform(u[0], self.scale), MIN_SCALE, MAX_SCALE)
        width, height = sides_of(frame.shape)
        sides = rounded_sides(width * factor, height * factor)
        spare = sides - jnp.array(self.size[::-1], jnp.int32)
        return {"sides": sides, "offset": offset_of(self.position, u[1:], spare, self.pad_position)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The resized image, and the window on it."""
        return resized_window_map(params["sides"], params["offset"], shape, self.size)
