"""Borders, weights, rounding and matrices: small laws on drawn numbers."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import linalg

from multiaug.geometry import (
    cos_sin,
    homography,
    inverse,
    product,
    rotation,
    rq,
    to_centred,
    to_pixels,
)
from multiaug.sampling import cast
from multiaug.sampling._axis import LIMIT, fold, nearest, split, weights
from tests.reference import maps, sampling

SEEDS = st.integers(0, 2**32 - 1)
# What NumPy calls the borders; a constant one clips.
PAD = {
    "constant": "edge",
    "edge": "edge",
    "reflect": "symmetric",
    "mirror": "reflect",
    "wrap": "wrap",
}


@pytest.mark.parametrize("border", PAD)
def test_fold_is_numpys_padding(border):
    # Traced, because compiled integer arithmetic is what runs.
    margin = 25
    folded = jax.jit(
        lambda index: [fold(index, size, border) for size in range(1, 8)],
    )(jnp.arange(-margin, margin + 8, dtype=jnp.int32))
    for size, found in enumerate(folded, start=1):
        want = np.pad(np.arange(size), margin, mode=PAD[border])
        assert np.array_equal(found[: 2 * margin + size], want), size


@given(
    index=hnp.arrays(np.int32, 16, elements=st.integers(-(2**22), 2**22)),
    border=st.sampled_from(sorted(PAD)),
    size=st.sampled_from((1, 2, 5, 224)),
)
def test_fold_stays_inside(index, border, size):
    folded = np.asarray(jitted_fold(size, border)(index))
    assert folded.min() >= 0
    assert folded.max() < size
    if border != "constant":
        assert np.array_equal(folded, sampling.fold(index, size, border))


@functools.cache
def jitted_fold(size, border):
    return jax.jit(lambda index: fold(index, size, border))


FLOATS = hnp.arrays(
    np.float32,
    16,
    elements=st.one_of(
        st.floats(-(2.0**34), 2.0**34, width=32),
        st.floats(-300, 300, width=32),
        st.integers(-(2**25), 2**25).map(lambda n: float(np.float32(n / 2))),
        # The last floats before a half.
        st.integers(-300, 300).map(lambda n: float(np.nextafter(np.float32(n + 0.5), -1e9))),
    ),
)


@functools.cache
def jitted_cast(dtype):
    return jax.jit(lambda values: cast(values, np.dtype(dtype)))


@given(values=FLOATS, dtype=st.sampled_from(("uint8", "uint16", "int16", "int32")))
def test_cast_rounds_half_up_and_clips(values, dtype):
    info = np.iinfo(dtype)
    found = np.asarray(jitted_cast(dtype)(values))
    want = np.clip(np.floor(values.astype(np.float64) + 0.5), info.min, info.max)
    if dtype == "int32":
        # Beyond the last float32 that an int32 can hold, it is that one.
        want = np.minimum(want, 2**31 - 128)
    assert found.dtype == dtype
    assert np.array_equal(found, want.astype(dtype))


def test_cast_of_ends_and_other_kinds():
    ends = jnp.array([-jnp.inf, jnp.inf, 2.0**31, -(2.0**31)], jnp.float32)
    assert cast(ends, np.dtype(np.int32)).tolist() == [-(2**31), 2**31 - 128, 2**31 - 128, -(2**31)]
    assert cast(ends, np.dtype(np.uint8)).tolist() == [0, 255, 255, 0]
    # Where adding a half rounds by itself.
    hard = jnp.array([2.0**23 + 1, 2.0**24 - 1, 0.49999997, -0.5, -0.50000006], jnp.float32)
    assert cast(hard, np.dtype(np.int32)).tolist() == [2**23 + 1, 2**24 - 1, 0, 0, -1]
    half = jnp.array([0.49999997, 0.5, 1, 0], jnp.float32)
    assert cast(half, np.dtype(bool)).tolist() == [False, True, True, False]
    assert cast(half, np.dtype(ml_dtypes.bfloat16)).dtype == jnp.bfloat16
    exact = jnp.array([2**31 - 1, -(2**31), 2**24 + 1], jnp.int32)
    assert cast(exact, np.dtype(np.int32)) is exact


@functools.cache
def jitted_weights(method):
    return jax.jit(lambda f: jnp.stack([w for _, w in weights(f, method)]))


@given(
    fraction=hnp.arrays(np.float32, 16, elements=st.floats(0, 1, width=32)),
    method=st.sampled_from(("linear", "cubic", "spline3")),
)
def test_weights_share_out_one_and_keep_lines_straight(fraction, method):
    offsets = np.array([offset for offset, _ in weights(fraction[:1], method)])
    found = np.float64(jitted_weights(method)(fraction))
    assert np.abs(found.sum(0) - 1).max() < 5e-7
    assert np.abs(offsets @ found - fraction).max() < 1e-6


@functools.cache
def jitted_split():
    return jax.jit(lambda x: (*split(x), nearest(x)))


@given(
    values=hnp.arrays(
        np.float32,
        16,
        elements=st.one_of(
            st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
            st.floats(width=32, allow_subnormal=False),
            st.integers(-99, 99).map(lambda n: n / 2),
        ),
    )
)
def test_split_keeps_the_coordinate(values):
    whole, fraction, near = (np.asarray(a) for a in jitted_split()(values))
    held = np.clip(np.where(np.isnan(values), LIMIT, np.float64(values)), -LIMIT, LIMIT)
    assert np.array_equal(whole, np.floor(held))
    # 1 where a hair below a whole number is all that is left of the fraction.
    assert fraction.min() >= 0
    assert fraction.max() <= 1
    assert np.abs(whole + np.float64(fraction) - held).max() <= 2**-24
    assert np.array_equal(near, np.floor(held + 0.5))


@functools.cache
def jitted_cos_sin():
    return jax.jit(cos_sin)


@given(quarters=hnp.arrays(np.int32, 16, elements=st.integers(-100_000, 100_000)))
def test_quarter_turns_are_exact(quarters):
    cos, sin = jitted_cos_sin()(np.float32(90) * quarters.astype(np.float32))
    assert np.array_equal(cos, np.array([1, 0, -1, 0])[quarters % 4])
    assert np.array_equal(sin, np.array([0, 1, 0, -1])[quarters % 4])


@given(degrees=hnp.arrays(np.float32, 16, elements=st.floats(-720, 720, width=32)))
def test_cos_sin_are_those_of_float64(degrees):
    cos, sin = jitted_cos_sin()(degrees)
    angle = np.deg2rad(degrees.astype(np.float64))
    assert np.abs(cos - np.cos(angle)).max() < 1.5e-7
    assert np.abs(sin - np.sin(angle)).max() < 1.5e-7


@functools.cache
def jitted_homography():
    return jax.jit(homography)


@given(seed=SEEDS)
def test_homography_meets_its_points(seed):
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 1000, 2)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    source, target = (
        (square * size / 2 + rng.uniform(-0.2, 0.2, (4, 2)) * size).astype(np.float32)
        for _ in range(2)
    )
    found = np.float64(jitted_homography()(source, target))
    want = maps.homography(np.float64(source), np.float64(target))
    # Compared by where they send the picture: matrices have no natural unit.
    inside = rng.dirichlet(np.ones(4), 50) @ source
    points = np.concatenate([inside, source], 0)
    points = np.concatenate([points, np.ones((54, 1))], 1) @ np.stack([found, want]).mT
    points = points[..., :2] / points[..., 2:]
    assert np.abs(points[0, -4:] - target).max() < 2e-6 * size.max()
    assert np.abs(points[0] - points[1]).max() < 2e-6 * size.max()


@functools.cache
def jitted_algebra():
    return jax.jit(
        lambda a, b: (
            product(a, b),
            inverse(a),
            to_pixels(to_centred(a, (30, 40), (50, 60)), (30, 40), (50, 60)),
            to_centred(a, (30, 40), (50, 60)),
        )
    )


@given(seed=SEEDS)
def test_matrix_algebra_is_numpys(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, (2, 3, 3)).astype(np.float32) + 2 * np.eye(3, dtype=np.float32)
    multiplied, inverted, same, centred = (np.float64(m) for m in jitted_algebra()(a, b))
    assert np.abs(multiplied - np.float64(a) @ b).max() < 2e-6
    condition = np.linalg.cond(a)
    assert np.abs(inverted @ a - np.eye(3)).max() < 1e-6 * condition
    assert np.abs(same - a).max() < 2e-3
    # The centre of one frame, (19.5, 14.5), and of the other, (29.5, 24.5), are the origins.
    moved = np.float64(a) @ [19.5, 14.5, 1]
    assert centred @ [0, 0, 1] == pytest.approx(maps.shift(-29.5, -24.5) @ moved, abs=1e-4)


def random_camera(rng):
    """(A K, K, A): a map within the promise, in front of a camera with skew."""
    f = rng.uniform(200, 1500)
    cx, cy = rng.uniform(-300, 300, 2)
    k = np.array([[f, rng.uniform(-5, 5), cx], [0, f * 1.1, cy], [0, 0, 1]])
    linear = np.array(maps.turn(rng.uniform(-180, 180))) @ np.diag(rng.uniform(0.25, 4, 2))
    linear = linear @ [[1, rng.uniform(-0.5, 0.5)], [0, 1]]
    if rng.random() < 0.5:
        linear = linear @ np.diag([-1, 1])
    a = np.eye(3)
    a[:2, :2] = linear
    a[:2, 2] = rng.uniform(-1000, 1000, 2)
    if rng.random() < 0.7:
        a[2, :2] = rng.uniform(-0.4, 0.4, 2) / 500
    return a @ k, a


def rq_in_float64(matrix):
    """K with a positive diagonal and K[2, 2] = 1, and M, by SciPy's decomposition."""
    k, m = linalg.rq(matrix)
    signs = np.sign(np.diag(k))
    k, m = k * signs, signs[:, None] * m
    return k / k[2, 2], m


def test_rq_is_that_of_float64():
    # Many at once: the maps that lose digits are few.
    rng = np.random.default_rng(0)
    pairs = [random_camera(rng) for _ in range(400)]
    matrices = np.stack([matrix for matrix, _ in pairs]).astype(np.float32)
    cameras, motions = (np.asarray(m) for m in jax.jit(jax.vmap(rq))(matrices))
    for matrix, (_, a), k, motion in zip(matrices, pairs, cameras, motions, strict=True):
        want_k, want_motion = rq_in_float64(np.float64(matrix))
        assert np.array_equal(np.tril(k, -1), np.zeros((3, 3)))
        assert (np.diag(k) > 0).all()
        assert k[2, 2] == pytest.approx(1, abs=2e-7)
        m = np.float64(motion)
        assert np.abs(m @ m.T - np.eye(3)).max() < 5e-7
        assert np.sign(np.linalg.det(m)) == np.sign(np.linalg.det(a))
        assert np.abs(motion - want_motion).max() < 1e-5
        # What counts: a point in view, seen through both, lands on the same pixel.
        points = np.concatenate([rng.uniform(-0.5, 0.5, (50, 2)), np.ones((50, 1))], 1)
        depth = points @ matrix[2] / matrix[2, 2]
        points = points[(depth > 0.2) & (depth < 5)]
        seen = points @ np.stack([np.float64(k) @ m, want_k @ want_motion]).mT
        seen = seen[..., :2] / seen[..., 2:]
        assert np.abs(seen[0] - seen[1]).max() < 0.01


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rq_of_quarter_turns_is_exact(degrees):
    k = np.array([[500, 0, 3], [0, 400, -7], [0, 0, 1]], np.float32)
    for mirror in (1, -1):
        turn = np.asarray(rotation(jnp.float32(degrees))) @ np.diag([mirror, 1, 1])
        found, motion = rq(jnp.asarray(turn @ k, jnp.float32))
        assert np.array_equal(motion, turn)
        assert np.array_equal(found @ turn, turn @ k)
