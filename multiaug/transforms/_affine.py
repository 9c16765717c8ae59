"""Rotate, Translate, Scale, Shear, Flip and Affine: maps given by an affine matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..geometry import Map, affine_map, centre, linear, pixel_matrix_map, product, rotation, shift
from ..typing import Array, ArrayLike, Key, SpatialShape
from ._base import (
    Frame,
    Geometric,
    Params,
    static,
    transform,
)
from ._checked import (
    choice,
    flag,
    fractions,
    logarithmic,
    probability,
    set_fields,
    symmetric,
    warn_of_radians,
)
from ._settings import Range, Ranged, Setting, setting

PerAxis = Setting[
    tuple[Range, Range] | None, float | Sequence[float] | Sequence[Sequence[float]] | None
]

# All numbers of a transform come from one call of the generator: its code, not its work, is
# what compiling a pipeline's draws costs.


def unit_uniform(key: Key, count: int) -> list[Array]:
    """Independent float32 numbers from U[0, 1)."""
    return list(jax.random.uniform(key, (count,), jnp.float32))


def uniform(u: Array, limits: Range) -> Array:
    """U(lo, hi) from U[0, 1); exactly lo when the two are equal."""
    lo, hi = limits
    return lo + (hi - lo) * u


def log_uniform(u: Array, limits: Range) -> Array:
    """A number whose logarithm is uniform, from U[0, 1); exactly lo when the two are equal."""
    lo, hi = limits
    return jnp.clip(lo * jnp.exp(u * logarithm(hi / lo)), lo, hi)


def logarithm(number: Any) -> Any:
    """Of a setting: in float64 where it is a number, and not an argument of a compiled function."""
    return math.log(number) if isinstance(number, int | float) else jnp.log(number)


def uniform_index(u: Array, count: int | Array) -> Array:
    """0 .. count - 1, int32, from U[0, 1); even to within count / 2^23."""
    return jnp.minimum((u * jnp.asarray(count, jnp.float32)).astype(jnp.int32), count - 1)


def angles(value: Any, field_name: str, **limits: float) -> Range:
    """A range of degrees; warns of what looks like radians."""
    degrees = symmetric(value, field_name, **limits)
    warn_of_radians(degrees, field_name)
    return degrees


def is_nested(value: Any) -> bool:
    """A range for each of several axes, not one."""
    return isinstance(value, tuple | list) and any(isinstance(v, tuple | list) for v in value)


def both_axes(value: Any, field_name: str) -> tuple[Range, Range]:
    """A range for x and one for y; one range is for both."""
    if not is_nested(value):
        limits = symmetric(value, field_name)
        return limits, limits
    if len(value) != 2:
        raise ParameterError(f"`{field_name}` must be a range for x and one for y, got {value!r}.")
    return symmetric(value[0], field_name), symmetric(value[1], field_name)


def _fractions_of_both_axes(value: Any, field_name: str) -> tuple[Range, Range]:
    ranges = both_axes(value, field_name)
    remedy = "1 is the whole side: write Translate(px=..) for pixels."
    fractions(ranges, field_name, most=1, remedy=remedy)
    return ranges


def _angles_of_both_axes(value: Any, field_name: str, **limits: float) -> tuple[Range, ...]:
    ranges = value if is_nested(value) else (value, (0.0, 0.0))
    if len(ranges) != 2:
        raise ParameterError(f"`{field_name}` must be a range or two ranges, got {value!r}.")
    degrees = tuple(symmetric(r, field_name, **limits) for r in ranges)
    warn_of_radians(degrees, field_name)
    return degrees


@transform
class Rotate(Geometric):
    """Turn the picture about its centre by an angle drawn from U(lo, hi).

    ``R(t) = [[cos t, sin t], [-sin t, cos t]]`` on (x, y), y down. Multiples of 90 degrees are
    exact copies where the frame is square or the turn is a half.

    Args:
        degrees: (lo, hi) in degrees, counter-clockwise as seen; a number d means (-d, d).
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite or lo > hi.

    Example:
        >>> Rotate(30).degrees
        (-30.0, 30.0)
    """

    degrees: Ranged = setting(angles, unit="degrees")
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``degrees``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"degrees": uniform(u, self.degrees)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The rotation about the centre."""
        degrees = params["degrees"]
        return affine_map(rotation(degrees), rotation(-degrees), shape)


@transform
class Translate(Geometric):
    """Shift the picture by an amount drawn for each axis; positive is right and down.

    Args:
        fraction: (lo, hi) as a fraction of the side; a number f means (-f, f); a pair of pairs
            ((lo, hi), (lo, hi)) is x and y. Default 0.1 when ``px`` is not given either.
        px: the same in pixels of the reference frame, in the place of ``fraction``.
        whole: round to whole pixels, which makes the shift an exact copy.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: both or ill-formed ranges, or not finite.
    """

    fraction: PerAxis = setting(_fractions_of_both_axes, default=None, unit="sides")
    px: PerAxis = setting(both_axes, default=None, unit="pixels")
    whole: bool = setting(flag, default=False)
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.fraction is not None and self.px is not None:
            raise ParameterError(
                "`Translate` takes `fraction` or `px`, got both. Leave one of them out."
            )
        if self.px is None and self.fraction is None:
            set_fields(self, fraction=both_axes(0.1, "Translate.fraction"))

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``px``, (2,) float32, x and y."""
        u, v = unit_uniform(key, 2)
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        ranges, unit = self.fraction, (width, height)
        if self.px is not None:
            ranges, unit = self.px, (jnp.float32(1), jnp.float32(1))
        assert ranges is not None  # one of them is given, or the default is
        x, y = ranges
        px = jnp.stack([uniform(u, x) * unit[0], uniform(v, y) * unit[1]])
        return {"px": jnp.round(px) if self.whole else px}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The shift."""
        x, y = params["px"]
        return affine_map(shift(x, y), shift(-x, -y), shape)


# Beyond these, float32 no longer keeps the reprojection law (see `multiaug.geometry.rq`).
MIN_SCALE, MAX_SCALE = 1 / 8, 8.0


@transform
class Scale(Geometric):
    """Zoom about the centre by a factor drawn log-uniformly; above 1 enlarges.

    Args:
        factor: (lo, hi) within [1/8, 8]; a number v means (1/v, v).
        per_axis: draw a factor for each axis, which changes the aspect ratio.
        antialias: low-pass intensities before shrinking; off by default, unlike in `Resize`: scales
            near 1 alias little, and every record would be filtered.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, not positive, lo > hi, or outside [1/8, 8].
    """

    factor: Ranged = setting(logarithmic, low=MIN_SCALE, high=MAX_SCALE)
    per_axis: bool = setting(flag, default=False)
    antialias: bool = setting(flag, default=False)
    p: float = static(default=1.0, kw_only=True)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """The lower bound, on both axes."""
        return self.factor[0], self.factor[0]

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``factor``, (2,) float32, x and y."""
        u, v = unit_uniform(key, 2)
        both = (u, v if self.per_axis else u)
        return {"factor": jnp.stack([log_uniform(w, self.factor) for w in both])}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The zoom."""
        x, y = params["factor"]
        return affine_map(linear(x, 0, 0, y), linear(1 / x, 0, 0, 1 / y), shape)


@transform
class Shear(Geometric):
    """Slant the picture about its centre: ``x' = x + tan(a) y``, then ``y' = y + tan(b) x'``.

    Args:
        degrees: (lo, hi) of a, within [-75, 75]; a number d means (-d, d); a pair of pairs
            ((lo, hi), (lo, hi)) is a and b. With one range, b is 0.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, lo > hi, or beyond 75 degrees.
    """

    degrees: Setting[tuple[Range, Range], float | Sequence[float] | Sequence[Sequence[float]]] = (
        setting(_angles_of_both_axes, low=-75, high=75, unit="degrees")
    )
    p: float = static(default=1.0, kw_only=True)

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """Across the slant, pictures get thinner."""
        a, b = (math.tan(math.radians(max(map(abs, limits)))) for limits in self.degrees)
        return 1 / math.hypot(1 + a * b, a), 1 / math.hypot(1, b)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``degrees``, (2,) float32, along x and along y."""
        u, v = unit_uniform(key, 2)
        x, y = self.degrees
        return {"degrees": jnp.stack([uniform(u, x), uniform(v, y)])}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The two shears, x first."""
        a, b = jnp.tan(jnp.deg2rad(params["degrees"]))
        forward = product(linear(1, 0, b, 1), linear(1, a, 0, 1))
        backward = product(linear(1, -a, 0, 1), linear(1, 0, -b, 1))
        return affine_map(forward, backward, shape)


@transform
class Flip(Geometric):
    """Mirror the picture with probability p; an exact copy.

    Args:
        axis: ``x`` swaps left and right, ``y`` swaps top and bottom.
        p: probability in [0, 1].

    Raises:
        ParameterError: another axis, or p outside [0, 1].
    """

    axis: Literal["x", "y"] = setting(choice, default="x", options=("x", "y"))
    p: float = setting(probability, default=0.5, low=0, high=1)
    mirrors = True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``on``, bool."""
        return {"on": jax.random.bernoulli(key, self.p)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The mirror, or the identity."""
        sign = jnp.where(params["on"], jnp.float32(-1), jnp.float32(1))
        matrix = linear(sign, 0, 0, 1) if self.axis == "x" else linear(1, 0, 0, sign)
        return affine_map(matrix, matrix, shape)


def least_magnification(matrix: Any, shape: SpatialShape) -> float:
    """Of a forward matrix, along any direction, where the centre of the output comes from.

    A tracer has no values: the least that `Scale` can draw stands for it.
    """
    if isinstance(matrix, jax.core.Tracer) or not isinstance(matrix, np.ndarray | jax.Array):
        return MIN_SCALE
    forward = np.asarray(matrix, np.float64)
    to = np.array([*centre(shape), 1])
    at = np.linalg.solve(forward, to)
    jacobian = (forward[:2, :2] - np.outer(to[:2], forward[2, :2])) * at[2]
    least = float(np.linalg.svd(jacobian, compute_uv=False)[-1])
    # Next to a horizon nothing can be seen that a low-pass would help.
    return max(least, MIN_SCALE**2)


def checked_matrix(value: Any, field_name: str, *, affine: bool) -> Any:
    """A (3, 3) float32 array; leaves that JAX puts in place of arrays pass untouched."""
    if isinstance(value, jax.core.Tracer) or type(value) is object:
        return value  # what JAX puts there while it looks at the structure
    try:
        matrix = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"`{field_name}` must be a matrix of numbers, got {value!r}."
        ) from error
    if affine and matrix.shape == (2, 3):
        matrix = np.concatenate([matrix, np.array([[0, 0, 1]], np.float32)])
    if matrix.shape != (3, 3):
        shapes = "(2, 3) or (3, 3)" if affine else "(3, 3)"
        raise ParameterError(f"`{field_name}` must have shape {shapes}, got {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ParameterError(f"`{field_name}` must be finite, got {matrix.tolist()}.")
    if affine and not np.array_equal(matrix[2], [0, 0, 1]):
        raise ParameterError(
            f"`{field_name}` must have the last row (0, 0, 1), got {matrix[2].tolist()}. "
            "Use `Perspective(matrix=...)` for a homography."
        )
    determinant = float(np.linalg.det(matrix.astype(np.float64)))
    if abs(determinant) < 1e-9 * max(1.0, float(np.abs(matrix[:2, :2]).max()) ** 2):
        raise ParameterError(
            f"`{field_name}` must be invertible, got determinant {determinant:.3g}. "
            "A map that flattens the picture cannot be sampled backwards."
        )
    return value if isinstance(value, jax.Array) and value.shape == (3, 3) else matrix


@transform
class Affine(Geometric):
    """A given affine map, the same for every record unless the params are changed.

    Args:
        matrix: (2, 3) or (3, 3) forward matrix on pixel coordinates (x, y, 1) of the frame:
            where an input position goes. An array, so that new values compile nothing anew.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: wrong shape, not finite, last row not (0, 0, 1), or singular.

    Example:
        >>> import numpy as np
        >>> Affine(np.array([[1, 0, 5], [0, 1, 0]])).matrix[0, 2]  # 5 pixels to the right
        np.float32(5.0)
    """

    matrix: ArrayLike = setting(checked_matrix, static=False, affine=True)
    p: float = static(default=1.0, kw_only=True)
    mirrors = True

    def given_scale(self, shape: SpatialShape) -> float:
        """The least magnification of the matrix."""
        return least_magnification(self.matrix, shape)

    def sample(self, key: Key, frame: Frame) -> Params:
        """``matrix``, (3, 3) float32, as given."""
        return {"matrix": jnp.asarray(self.matrix, jnp.float32)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The matrix, about the frame's pixel coordinates."""
        return pixel_matrix_map(params["matrix"], shape, affine=True)
