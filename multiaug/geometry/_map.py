"""The composed map of a run of geometric transforms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .._pytrees import register_dataclass
from ..typing import Array, SpatialShape
from ._displacement import displacement, undisplace
from ._length import shape_leaves, shapes_of_leaves
from ._matrix import inverse, product, to_centred
from ._segment import Jacobian, Segment, check_segment

# A position without an image (behind the horizon) is sent to FAR. What is further than LOST is
# nowhere: no map brings it back, and no border continues a picture to it. Not NaN, which would
# spoil the gradients of every pixel.
FAR, LOST = 1e12, 1e9
# Of the terms of w: nearer to the horizon, w is little more than their rounding.
_HORIZON = 1e-5


@register_dataclass
@dataclass(frozen=True)
class Projective:
    """A matrix segment: ``p' ~ forward p`` and ``p ~ backward p'`` on centred coordinates.

    Both directions are kept, because an exact forward matrix has an exact backward one (flips,
    quarter turns, whole-pixel shifts), which a numerical inverse would blur. Both have w > 0 in
    front of the horizon: the sign is kept when matrices are multiplied, because the centre of
    the source or of the output may itself be behind it.

    Args:
        forward: (3, 3) float32.
        backward: (3, 3) float32, its inverse.
        affine: the last rows are exactly (0, 0, 1).
    """

    forward: Array
    backward: Array
    affine: bool = field(default=True, metadata={"static": True})
    dense: ClassVar[bool] = False

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step."""
        return _apply(self.backward, x, y, self.affine)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""
        return _apply(self.forward, x, y, self.affine)

    def inverted(self) -> Projective:
        """The segment that undoes this one."""
        return Projective(self.backward, self.forward, self.affine)

    def gated(self, on: Array) -> Projective:
        """The identity unless ``on``."""
        eye = jnp.eye(3, dtype=jnp.float32)
        forward, backward = (jnp.where(on, m, eye) for m in (self.forward, self.backward))
        return Projective(forward, backward, self.affine)


@jax.tree_util.register_pytree_with_keys_class
@dataclass(frozen=True)
class Displacement:
    """A dense segment: the backward map is ``p' + d(p')`` in the segment's output frame.

    Args:
        control: (R, C, 2) float32, control values of d in pixels.
        shape: the frame that the control grid spans.
        undo: the segment runs the other way round (see `inverted`).
    """

    control: Array
    shape: SpatialShape
    undo: bool = False
    dense: ClassVar[bool] = True

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """Control values, and sizes where they are data."""
        lengths, known = shape_leaves(self.shape)
        return _keyed(control=self.control, shape=lengths), (known, self.undo)

    @classmethod
    def tree_unflatten(cls, static: Any, leaves: Any) -> Displacement:
        """The inverse of `tree_flatten_with_keys`."""
        (control, lengths), (known, undo) = leaves, static
        (shape,) = shapes_of_leaves(lengths, known)
        return cls(control, shape, undo)

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step."""
        return self._solve(x, y) if self.undo else self._add(x, y)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""
        return self._add(x, y) if self.undo else self._solve(x, y)

    def inverted(self) -> Displacement:
        """The segment that undoes this one."""
        return replace(self, undo=not self.undo)

    def gated(self, on: Array) -> Displacement:
        """No displacement unless ``on``."""
        return replace(self, control=jnp.where(on, self.control, 0))

    def _add(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        dx, dy, (a, b, c, d) = displacement(self.control, x, y, self.shape)
        return x + dx, y + dy, (1 + a, b, c, 1 + d)

    def _solve(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        qx, qy, (a, b, c, d) = undisplace(self.control, x, y, self.shape)
        return qx, qy, invert_jacobian((1 + a, b, c, 1 + d))


@jax.tree_util.register_pytree_with_keys_class
@dataclass(frozen=True)
class Map:
    """A map from an input frame to an output frame: segments in the order they act.

    Args:
        segments: of any kind that has what `Segment` asks for; no two neighbouring `Projective`
            ones, which are multiplied on composing.
        in_shape: (height, width) of the input frame.
        out_shape: (height, width) of the output frame.
        resized: a picture is brought to another size on the way. Its area is then mapped edge to
            edge, and what lies inside of it is read inside, not blended with a border.

    Raises:
        ParameterError: a segment lacks a method of `Segment`, is no pytree, or says that it is
            not dense though it is no `Projective`.
    """

    segments: tuple[Segment, ...]
    in_shape: SpatialShape
    out_shape: SpatialShape
    resized: bool = False

    def __post_init__(self) -> None:
        # JAX puts other things there while it compares trees.
        for segment in self.segments if isinstance(self.segments, tuple) else ():
            if not isinstance(segment, Projective | Displacement):
                check_segment(segment)

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """Segments, and sizes where they are data; all other sizes are static."""
        lengths, known = shape_leaves(self.in_shape, self.out_shape)
        return _keyed(segments=self.segments, shapes=lengths), (known, self.resized)

    @classmethod
    def tree_unflatten(cls, static: Any, leaves: Any) -> Map:
        """The inverse of `tree_flatten_with_keys`."""
        (segments, lengths), (known, resized) = leaves, static
        before, after = shapes_of_leaves(lengths, known)
        return cls(segments, before, after, resized)

    @property
    def dense(self) -> bool:
        """True when some segment displaces pixels by a field."""
        return any(segment.dense for segment in self.segments)

    @property
    def projective(self) -> bool:
        """True when some segment may have perspective."""
        return any(isinstance(s, Projective) and not s.affine for s in self.segments)

    @property
    def affine(self) -> bool:
        """True when the map is affine whatever its parameters are."""
        return not (self.dense or self.projective)

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """The backward map B at centred output positions, and its Jacobian there."""
        return _chain([segment.pull for segment in reversed(self.segments)], x, y)

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """The forward map F at centred input positions, and its Jacobian there."""
        return _chain([segment.push for segment in self.segments], x, y)

    def push_outline(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The forward map of corners (..., P) of closed polygons at centred input positions.

        Corners behind a horizon become NaN. Sides that cross one are cut in front of it: every
        segment that has a horizon adds a corner to each side.
        """
        for segment in self.segments:
            if isinstance(segment, Projective) and not segment.affine:
                x, y = _cut(segment.forward, x, y)
            x, y, _ = segment.push(x, y)
            lost = jnp.isnan(x) | (jnp.abs(x) > LOST)
            x, y = jnp.where(lost, jnp.nan, x), jnp.where(lost, jnp.nan, y)
        return x, y

    def then(self, other: Map) -> Map:
        """First this map, then the other; neighbouring matrices become one."""
        segments = list(self.segments)
        for segment in other.segments:
            last = segments[-1] if segments else None
            if isinstance(last, Projective) and isinstance(segment, Projective):
                segments[-1] = _fuse(last, segment)
            else:
                segments.append(segment)
        resized = self.resized or other.resized
        return Map(tuple(segments), self.in_shape, other.out_shape, resized)

    def inverted(self) -> Map:
        """The map from the output frame back to the input frame."""
        segments = tuple(segment.inverted() for segment in reversed(self.segments))
        return Map(segments, self.out_shape, self.in_shape, self.resized)

    def gated(self, on: Array) -> Map:
        """This map where ``on``, the identity (centre on centre) where not."""
        return replace(self, segments=tuple(segment.gated(on) for segment in self.segments))

    def matrix(self) -> Projective:
        """The product of the matrix segments; the whole map when it is not dense."""
        total = identity_segment()
        for segment in self.segments:
            if isinstance(segment, Projective):
                total = _fuse(total, segment)
        return total


def _keyed(**children: Any) -> tuple[tuple[Any, Any], ...]:
    return tuple((jax.tree_util.GetAttrKey(name), child) for name, child in children.items())


def identity_segment() -> Projective:
    """The matrix segment that does nothing."""
    eye = jnp.eye(3, dtype=jnp.float32)
    return Projective(eye, eye)


def identity(shape: SpatialShape) -> Map:
    """The map that does nothing to a frame."""
    return Map((), shape, shape)


def affine_map(
    forward: Array,
    backward: Array,
    in_shape: SpatialShape,
    out_shape: SpatialShape | None = None,
    *,
    resized: bool = False,
) -> Map:
    """A map from an affine matrix on centred coordinates and its inverse; see `Map`."""
    return Map((Projective(forward, backward),), in_shape, out_shape or in_shape, resized)


def projective_map(
    forward: Array, in_shape: SpatialShape, out_shape: SpatialShape | None = None
) -> Map:
    """A map from a homography on centred coordinates, scaled so that the centre has w = 1."""
    forward = forward / forward[2, 2]
    segment = Projective(forward, inverse(forward), affine=False)
    return Map((segment,), in_shape, out_shape or in_shape)


def pixel_matrix_map(matrix: Array, in_shape: SpatialShape, *, affine: bool) -> Map:
    """A map from a forward matrix on pixel coordinates; the frame keeps its shape."""
    forward = to_centred(matrix, in_shape, in_shape)
    if affine:
        return affine_map(forward, inverse(forward), in_shape)
    return projective_map(forward, in_shape)


def displacement_map(control: Array, shape: SpatialShape) -> Map:
    """A map from a control grid of backward displacements, in pixels of the frame."""
    return Map((Displacement(control, shape),), shape, shape)


def invert_jacobian(jacobian: Jacobian) -> Jacobian:
    """The inverse of a field of 2x2 matrices."""
    a, b, c, d = jacobian
    determinant = a * d - b * c
    return d / determinant, -b / determinant, -c / determinant, a / determinant


def _apply(m: Array, x: Array, y: Array, affine: bool) -> tuple[Array, Array, Jacobian]:
    u = m[0, 0] * x + m[0, 1] * y + m[0, 2]
    v = m[1, 0] * x + m[1, 1] * y + m[1, 2]
    if affine:
        one = jnp.ones_like(x)
        return u, v, (m[0, 0] * one, m[0, 1] * one, m[1, 0] * one, m[1, 1] * one)
    terms = m[2, 0] * x, m[2, 1] * y, m[2, 2]
    w = terms[0] + terms[1] + terms[2]
    size = jnp.abs(terms[0]) + jnp.abs(terms[1]) + jnp.abs(terms[2])
    seen = (w > _HORIZON * size) & (jnp.abs(x) < LOST)
    w = jnp.where(seen, w, 1)
    u, v = u / w, v / w
    jacobian = (
        (m[0, 0] - u * m[2, 0]) / w,
        (m[0, 1] - u * m[2, 1]) / w,
        (m[1, 0] - v * m[2, 0]) / w,
        (m[1, 1] - v * m[2, 1]) / w,
    )
    return jnp.where(seen, u, FAR), jnp.where(seen, v, FAR), jacobian


def _cut(m: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Corners (..., P), each followed by where the side to the next one crosses the horizon.

    A side that does not cross it has its corner twice.
    """
    terms = m[2, 0] * x, m[2, 1] * y, m[2, 2]
    size = sum((jnp.abs(term) for term in terms[1:]), start=jnp.abs(terms[0]))
    # A little in front, where the position is still one.
    ahead = terms[0] + terms[1] + terms[2] - 2 * _HORIZON * size.max(-1, keepdims=True)
    after = jnp.roll(ahead, -1, -1)
    crosses = (ahead > 0) != (after > 0)
    share = jnp.where(crosses, ahead / jnp.where(crosses, ahead - after, 1), 0)

    def joined(v: Array) -> Array:
        cut = v + (jnp.roll(v, -1, -1) - v) * share
        return jnp.stack([v, cut], axis=-1).reshape(*v.shape[:-1], -1)

    return joined(x), joined(y)


def _chain(steps: Iterable, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:  # type: ignore[type-arg]
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    total: Jacobian = (one, zero, zero, one)
    for step in steps:
        x, y, (a, b, c, d) = step(x, y)
        e, f, g, h = total
        total = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
    return x, y, total


def _fuse(first: Projective, second: Projective) -> Projective:
    forward = product(second.forward, first.forward)
    backward = product(first.backward, second.backward)
    return Projective(forward, backward, first.affine and second.affine)
