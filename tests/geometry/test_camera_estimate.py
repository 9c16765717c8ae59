"""Fitting a camera to an organised cloud."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

import multiaug as ma
from multiaug.errors import RecordError
from tests.roles import oracle, scenes

SHAPE = (30, 40)


def camera(draw: np.random.Generator) -> np.ndarray:
    k = scenes.cameras(draw, 1, SHAPE)[0]
    k[0, 1] = 0  # skew is not estimated
    return k


@given(seed=st.integers(0, 2**32 - 1))
def test_exact_on_synthetic_clouds(seed):
    draw = np.random.default_rng(seed)
    k = camera(draw)
    cloud = oracle.lift(scenes.depths(draw, 1, SHAPE), k[None])[0]
    found = ma.estimate_intrinsics(cloud)
    np.testing.assert_allclose(found.intrinsics, k, rtol=1e-9, atol=1e-9 * k[0, 0])
    assert found.residual < 1e-8
    assert found.intrinsics.dtype == np.float64
    # float32 clouds, as they are stored.
    found = ma.estimate_intrinsics(cloud.astype(np.float32))
    np.testing.assert_allclose(found.intrinsics, k, rtol=1e-4, atol=1e-5 * k[0, 0])
    assert found.residual < 1e-3


def test_the_camera_of_a_real_scene():
    _, _, disparity = data.stereo_motorcycle()
    k = np.array([[994.978, 0, 311.193], [0, 994.978, 254.877], [0, 0, 1]])
    known = np.isfinite(disparity)
    z = 193.001 * 994.978 / (np.where(known, disparity, 1).astype(np.float64) + 31.086)
    cloud = oracle.lift(np.where(known, z, np.nan)[None], k[None])[0].astype(np.float32)
    assert np.isnan(cloud[..., 2]).sum() > 20_000
    found = ma.estimate_intrinsics(cloud)
    np.testing.assert_allclose(found.intrinsics, k, rtol=1e-6)
    assert found.residual < 1e-4


def test_the_residual_is_in_pixels():
    """Known noise on the rays, of 0.3 pixels along x and 0.4 along y, comes back as 0.5."""
    draw = np.random.default_rng(0)
    shape, k = (200, 300), np.array([[250, 0, 140], [0, 260, 90], [0, 0, 1.0]])
    noisy = oracle.pixels(shape) + draw.normal(size=(*shape, 2)) * [0.3, 0.4]
    rays = np.concatenate([noisy, np.ones((*shape, 1))], axis=-1) @ np.linalg.inv(k).T
    found = ma.estimate_intrinsics(rays * draw.uniform(1, 5, (*shape, 1)))
    np.testing.assert_allclose(found.residual, 0.5, rtol=0.02)
    np.testing.assert_allclose(found.intrinsics, k, rtol=1e-3)
    # The residual is that of the returned camera.
    away = oracle.project(found.intrinsics, rays) - oracle.pixels(shape)
    np.testing.assert_allclose(found.residual, np.sqrt((away**2).sum(-1).mean()), rtol=1e-9)


def test_no_pinhole_has_a_large_residual():
    draw = np.random.default_rng(1)
    k = camera(draw)
    cloud = oracle.lift(draw.uniform(1, 3, (1, *SHAPE)), k[None])[0]
    wave = oracle.pixels(SHAPE)
    bent = cloud.copy()
    bent[..., 0] += cloud[..., 2] * 0.2 * np.sin(wave[..., 0] / 6)
    assert ma.estimate_intrinsics(bent).residual > 1


def test_what_is_not_seen_does_not_count():
    draw = np.random.default_rng(2)
    k = camera(draw)
    cloud = oracle.lift(draw.uniform(1, 3, (1, *SHAPE)), k[None])[0]
    clean = ma.estimate_intrinsics(cloud)
    cloud[3, 4], cloud[5, 6], cloud[7, 8] = np.nan, np.inf, [1, 1, -2]
    cloud[9, 9] = 0
    spoilt = ma.estimate_intrinsics(cloud)
    np.testing.assert_allclose(spoilt.intrinsics, clean.intrinsics, rtol=1e-9)
    assert spoilt.residual < 1e-8


def flat_cloud(*points: tuple[int, int]) -> np.ndarray:
    """Points of a pinhole at some pixels (y, x), nothing elsewhere."""
    k = np.array([[50, 0, 20], [0, 50, 15], [0, 0, 1.0]])
    cloud = oracle.lift(np.ones((1, *SHAPE)), k[None])[0]
    lost = np.ones(SHAPE, bool)
    for y, x in points:
        lost[y, x] = False
    cloud[lost] = np.nan
    return cloud


@pytest.mark.parametrize(
    ("cloud", "text"),
    [
        (np.zeros((30, 40)), r"must be an organised cloud \(H, W, 3\), got shape \(30, 40\)"),
        (np.zeros((30, 40, 4)), r"got shape \(30, 40, 4\)"),
        (np.zeros((100, 3)), r"unorganised"),
        (np.full((30, 40, 3), np.nan), "at least 4 valid points.*got 0"),
        (-np.ones((30, 40, 3)), "at least 4 valid points.*got 0"),
        (flat_cloud((1, 2), (9, 30), (5, 5)), "at least 4 valid points.*got 3"),
        (flat_cloud(*((4, x) for x in range(40))), "2 rows and 2 columns"),
        (np.ones((30, 40, 3)), "all points lie on one ray"),
        (flat_cloud(*np.ndindex(30, 40)) * [-1, 1, 1], "x right and y down, got fx = -50"),
        (flat_cloud(*np.ndindex(30, 40)) * [1, -1, 1], "fy = -50"),
    ],
)
def test_refuses(cloud, text):
    with pytest.raises(RecordError, match=f"(?s){text}"):
        ma.estimate_intrinsics(cloud)


def test_the_smallest_clouds():
    found = ma.estimate_intrinsics(flat_cloud((1, 2), (1, 30), (25, 2), (25, 30)))
    np.testing.assert_allclose(found.intrinsics, [[50, 0, 20], [0, 50, 15], [0, 0, 1]], atol=1e-9)
