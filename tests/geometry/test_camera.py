"""Cameras: the decomposition of a moved picture's matrix, and the formulas around it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.geometry import (
    Projective,
    centre_intrinsics,
    deformation,
    intrinsics_from_fov,
    mirrors,
    rays,
    rq,
    uncentre_intrinsics,
)
from tests.roles import oracle, scenes

COUNT = 64
SHAPE = (480, 640)
SEEDS = st.integers(0, 2**32 - 1)

# Compiled once for all that hypothesis draws.
decompose = jax.jit(jax.vmap(rq))


def centred(matrices: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps and intrinsics as the library has them inside: the origin is the centre."""
    here, back = oracle.shift(*-oracle.centre(SHAPE)), oracle.shift(*oracle.centre(SHAPE))
    matrices = here @ matrices @ back
    return matrices / matrices[:, 2:, 2:], here @ k


def drawn(seed: int, *, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Strong maps and all kinds of cameras, float64 of float32 numbers, centred."""
    draw = np.random.default_rng(seed)
    half = COUNT // 2
    maps = np.concatenate(
        [
            scenes.affine_maps(draw, half, SHAPE, strength=strength),
            scenes.projective_maps(draw, half, SHAPE, strength=strength),
        ]
    )
    matrices, k = centred(maps, scenes.cameras(draw, COUNT, SHAPE))
    return matrices.astype(np.float32).astype(np.float64), k.astype(np.float32).astype(np.float64)


class TestRQ:
    """``A K = s K' M`` against SciPy in float64."""

    @given(seed=SEEDS)
    def test_against_scipy(self, seed):
        matrices, k = drawn(seed)
        products = (matrices @ k).astype(np.float32)
        upper, motion = (np.asarray(part, np.float64) for part in decompose(products))
        for i, product in enumerate(products.astype(np.float64)):
            expected, turn = oracle.refit(product, np.eye(3))
            np.testing.assert_allclose(motion[i], turn, atol=2e-5)
            np.testing.assert_allclose(upper[i], expected, rtol=1e-4, atol=2e-5 * expected[0, 0])

    @given(seed=SEEDS)
    def test_the_parts_are_what_they_should_be_and_multiply_back(self, seed):
        matrices, k = drawn(seed)
        products = (matrices @ k).astype(np.float32)
        upper, motion = (np.asarray(part, np.float64) for part in decompose(products))
        assert (upper[:, [1, 2, 2], [0, 0, 1]] == 0).all()
        assert (upper[:, 2, 2] == 1).all()
        assert (np.diagonal(upper, axis1=1, axis2=2) > 0).all()
        gram = motion @ motion.transpose(0, 2, 1)
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-6)
        np.testing.assert_array_equal(
            np.linalg.det(motion) < 0, np.linalg.det(products.astype(np.float64)) < 0
        )
        # K' M is A K but for a positive factor, row by row to the last digits of the row.
        again = (
            upper
            @ motion
            * np.linalg.norm(products[:, 2].astype(np.float64), axis=-1)[:, None, None]
        )
        size = np.linalg.norm(products, axis=-1, keepdims=True)
        assert (np.abs(again - products) / size).max() < 1e-6

    @given(seed=SEEDS)
    def test_points_are_seen_where_the_map_takes_them(self, seed):
        """What the decomposition is for: below a hundredth of a pixel on 640 x 480."""
        matrices, k = drawn(seed)
        draw = np.random.default_rng(seed)
        at = draw.uniform(-0.5, 0.5, (COUNT, 50, 2)) * [SHAPE[1], SHAPE[0]]
        homogeneous = np.concatenate([at, np.ones((COUNT, 50, 1))], axis=-1)
        points = np.einsum("nij,nkj->nki", np.linalg.inv(k), homogeneous)
        upper, motion = (
            np.asarray(part, np.float64) for part in decompose((matrices @ k).astype(np.float32))
        )
        seen = oracle.project(upper, np.einsum("nij,nkj->nki", motion, points))
        expected = np.stack([oracle.move(a, p) for a, p in zip(matrices, at, strict=True)])
        near = (np.abs(expected) < [SHAPE[1], SHAPE[0]]).all(-1)
        assert near.sum() > 200
        assert np.linalg.norm(seen - expected, axis=-1)[near].max() < 0.01

    def test_what_needs_no_arithmetic_is_exact(self):
        k = np.array([[500, 2, 10], [0, 400, -20], [0, 0, 1]], np.float32)
        signs = np.stack([np.diag([a, b, 1]) for a in (1, -1) for b in (1, -1)]).astype(np.float32)
        upper, motion = decompose(signs @ k)
        np.testing.assert_array_equal(motion, signs)
        np.testing.assert_array_equal(upper, signs @ k @ signs)


@given(seed=SEEDS)
def test_deformation(seed):
    """``H = K^-1 A K``, of one transform: 1 at the centre, over the zoom there."""
    matrices, k = drawn(seed, strength=0.7)
    draw = np.random.default_rng(seed)
    # The same numbers in pixels, about the centre of another frame.
    kept = oracle.shift(*draw.uniform(-50, 50, 2)) @ k
    found = np.asarray(
        _deform(matrices.astype(np.float32), k.astype(np.float32), kept.astype(np.float32)),
        np.float64,
    )
    origin = np.zeros(2)
    for matrix, before, after, h in zip(matrices, k, kept, found, strict=True):
        zoom = np.linalg.det(oracle.jacobian(lambda p, m=matrix: oracle.move(m, p), origin))
        expected = np.linalg.inv(after) @ matrix @ before / np.sqrt(np.abs(zoom))
        np.testing.assert_allclose(h, expected, atol=2e-5 * np.abs(expected).max())


def _segment(matrices):
    return Projective(matrices, jnp.linalg.inv(matrices), affine=False)


_deform = jax.jit(jax.vmap(lambda a, k, kept: deformation(_segment(a), k, kept)))


def test_zoom_under_fixed_intrinsics():
    k = np.array([[500, 0, 0], [0, 500, 0], [0, 0, 1]], np.float32)
    zoom = np.diag([2, 2, 1]).astype(np.float32)
    h = deformation(_segment(zoom), k, k)
    np.testing.assert_allclose(h, np.diag([1, 1, 0.5]), atol=1e-7)


@given(seed=SEEDS)
def test_mirrors_are_negative_determinants(seed):
    matrices, _ = drawn(seed)
    found = jax.vmap(lambda a: mirrors(_segment(a)))(matrices.astype(np.float32))
    np.testing.assert_array_equal(found, np.linalg.det(matrices) < 0)


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.5, 0.25), (1.7, 1.3)])
def test_centring_goes_by_half_pixels(scale):
    """An entry of (480, 640) in a reference frame of another size, and back."""
    k = np.array([[500, 3, 200], [0, 450, 300], [0, 0, 1]], np.float32)
    inside = np.asarray(centre_intrinsics(jnp.asarray(k), SHAPE, scale), np.float64)
    # The same camera in pixels of the reference, by p_r = (p + 0.5) / s - 0.5.
    sx, sy = scale
    to_reference = np.array([[1 / sx, 0, 0.5 / sx - 0.5], [0, 1 / sy, 0.5 / sy - 0.5], [0, 0, 1]])
    middle = [640 / sx / 2 - 0.5, 480 / sy / 2 - 0.5]
    np.testing.assert_allclose(
        inside, oracle.shift(*[-m for m in middle]) @ to_reference @ k, 1e-5, 1e-4
    )
    back = uncentre_intrinsics(jnp.asarray(inside, jnp.float32), SHAPE, scale)
    np.testing.assert_allclose(back, k, rtol=1e-6, atol=1e-4)


def test_centring_takes_the_scale_out_of_homogeneous_matrices():
    k = np.array([[500, 0, 200], [0, 450, 300], [0, 0, 1]], np.float32)
    given = centre_intrinsics(jnp.asarray(4 * k), SHAPE, (1.0, 1.0))
    np.testing.assert_array_equal(given, centre_intrinsics(jnp.asarray(k), SHAPE, (1.0, 1.0)))


def test_rays():
    draw = np.random.default_rng(0)
    k = scenes.cameras(draw, 1, SHAPE)[0]
    x, y = draw.uniform(-300, 300, (2, 5, 7))
    u, v = rays(jnp.asarray(k, jnp.float32), *(jnp.asarray(p, jnp.float32) for p in (x, y)))
    expected = np.einsum("ij,jhw->ihw", np.linalg.inv(k), np.stack([x, y, np.ones_like(x)]))
    np.testing.assert_allclose(u, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(v, expected[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("degrees", [1.0, 60.0, 90.0, 170.0])
def test_field_of_view(degrees):
    """The rays at the picture's left and right edges enclose the angle."""
    k = intrinsics_from_fov(degrees, SHAPE).astype(np.float64)
    left, right = (np.linalg.inv(k) @ [x, 239.5, 1] for x in (-0.5, 639.5))
    cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
    np.testing.assert_allclose(np.rad2deg(np.arccos(cosine)), degrees, rtol=1e-5)
    assert k[0, 0] == k[1, 1]
    np.testing.assert_array_equal(k[:2, 2], oracle.centre(SHAPE))


@pytest.mark.parametrize(
    "moved",
    [
        [[1, 0, -7], [0, 1, 3.5], [0, 0, 1]],
        [[-1, 0, 2], [0, 1, 0], [0, 0, 1]],
        [[0, 1, 2], [-1, 0, 0], [0, 0, 1]],
    ],
)
def test_the_motion_of_a_copy_is_exact_for_every_focal_length(moved):
    """A row divided by its own length is not its product with the reciprocal."""
    k = np.tile(np.eye(3), (512, 1, 1))
    draw = np.random.default_rng(0)
    k[:, 0, 0], k[:, 1, 1] = 10 ** draw.uniform(-2, 5, (2, 512))
    k[:, 0, 2], k[:, 1, 2] = draw.uniform(-300, 300, (2, 512))
    _, motion = decompose((np.array(moved) @ k.astype(np.float32)).astype(np.float32))
    turn = np.array(moved)
    turn[:2, 2] = 0
    np.testing.assert_array_equal(motion, np.broadcast_to(turn, (512, 3, 3)))
