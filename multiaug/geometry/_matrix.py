"""3x3 matrices on centred pixel coordinates.

Everything in this package works in *centred* coordinates: the origin is the centre of the
picture, ((W - 1) / 2, (H - 1) / 2). Rotations and scales are then linear, translations stay
small, so that float32 keeps its precision, and going from a picture to a half-size mask over the
same field of view is a plain scaling.
"""

from __future__ import annotations

import jax.numpy as jnp

from ..typing import Array, ArrayLike, SpatialShape

Number = ArrayLike | float


def product(a: Array, b: Array) -> Array:
    """Matrix product ``a @ b`` of (3, 3) arrays, in full float32 on every platform.

    A dot would run in TF32 or bfloat16 on accelerators, and would round differently for
    different batch sizes; nine short sums do neither.
    """
    return a[:, 0:1] * b[0:1, :] + a[:, 1:2] * b[1:2, :] + a[:, 2:3] * b[2:3, :]


def transform(matrix: Array, vectors: Array) -> Array:
    """``matrix @ v`` for every (..., 3) vector, in full float32."""
    x, y, z = vectors[..., 0:1], vectors[..., 1:2], vectors[..., 2:3]
    first, second, third = (column.reshape((1,) * (vectors.ndim - 1) + (3,)) for column in matrix.T)
    moved: Array = first * x + second * y + third * z
    return moved


def adjugate(m: Array) -> tuple[Array, Array]:
    """The adjugate and the determinant of a (3, 3) matrix."""
    rows = [jnp.cross(m[1], m[2]), jnp.cross(m[2], m[0]), jnp.cross(m[0], m[1])]
    return jnp.stack(rows, axis=1), jnp.sum(m[0] * rows[0])


def determinant(m: Array) -> Array:
    """The determinant of a (3, 3) matrix."""
    return adjugate(m)[1]


def inverse(m: Array) -> Array:
    """The inverse of a (3, 3) matrix, in closed form."""
    adjoint, determinant = adjugate(m)
    return adjoint / determinant


def cos_sin(degrees: Array) -> tuple[Array, Array]:
    """Cosine and sine of an angle in degrees; multiples of 90 give exact 0 and 1."""
    quarter = jnp.round(degrees / 90)
    rest = jnp.deg2rad(degrees - 90 * quarter)
    c, s = jnp.cos(rest), jnp.sin(rest)
    turn = jnp.mod(quarter, 4).astype(jnp.int32)
    odd, negative = turn % 2 == 1, turn >= 2
    cos = jnp.where(odd, -s, c)
    sin = jnp.where(odd, c, s)
    return jnp.where(negative, -cos, cos), jnp.where(negative, -sin, sin)


def linear(a: Number, b: Number, c: Number, d: Number) -> Array:
    """The matrix ``[[a, b, 0], [c, d, 0], [0, 0, 1]]`` in float32."""
    zero, one = jnp.float32(0), jnp.float32(1)
    rows = [[a, b, zero], [c, d, zero], [zero, zero, one]]
    return jnp.stack([jnp.stack([jnp.asarray(v, jnp.float32) for v in row]) for row in rows])


def shift(x: Number, y: Number) -> Array:
    """The translation by (x, y) pixels."""
    return (
        jnp.eye(3, dtype=jnp.float32)
        .at[:2, 2]
        .set(jnp.stack([jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)]))
    )


def rotation(degrees: Array) -> Array:
    """Counter-clockwise as seen; y points down, hence the sign of the sines."""
    cos, sin = cos_sin(degrees)
    return linear(cos, sin, -sin, cos)


def centre(shape: SpatialShape) -> tuple[float, float]:
    """(x, y) of the centre of a picture of (height, width), in pixels."""
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def to_centred(matrix: Array, in_shape: SpatialShape, out_shape: SpatialShape) -> Array:
    """A forward map on pixel coordinates, rewritten for centred coordinates."""
    (cx, cy), (ox, oy) = centre(in_shape), centre(out_shape)
    return product(product(shift(-ox, -oy), matrix), shift(cx, cy))


def to_pixels(matrix: Array, in_shape: SpatialShape, out_shape: SpatialShape) -> Array:
    """The inverse of `to_centred`."""
    (cx, cy), (ox, oy) = centre(in_shape), centre(out_shape)
    return product(product(shift(ox, oy), matrix), shift(-cx, -cy))


def homography(source: Array, target: Array) -> Array:
    """The projective map taking four points (4, 2) to four points (4, 2).

    Closed form: each quadrilateral is the image of the unit frame under
    ``[s0 p0, s1 p1, s2 p2]`` with ``s = adj([p0 p1 p2]) p3``; no linear solver is called, so the
    result is the same in every batch.

    References:
        R. Hartley and A. Zisserman, Multiple View Geometry, 2nd ed. 2004, section 2.3.
    """

    def frame(points: Array) -> Array:
        h = jnp.concatenate([points, jnp.ones((4, 1), points.dtype)], axis=1)
        basis = h[:3].T
        adjoint, _ = adjugate(basis)
        weights = transform(adjoint, h[3])
        return basis * weights[None, :]

    adjoint, _ = adjugate(frame(source))
    matrix = product(frame(target), adjoint)
    return matrix / matrix[2, 2]
