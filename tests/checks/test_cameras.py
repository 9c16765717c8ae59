"""What is fine is not spoken of: the projection check on clouds in our convention."""

import os

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import multiaug as ma
from multiaug.checks._fit import pinhole_fits, residual_of_any_camera
from multiaug.checks._inspect import findings
from tests.roles import oracle, scenes

SPEC = ma.load_spec("rgbxyz-separate")
SEEDS = st.integers(0, 2**32 - 1)


def told(points, k, spec=SPEC, **others):
    batch = {"image": np.zeros(points.shape, np.uint8), "xyz": points.astype(np.float32), **others}
    if k is not None:
        batch["intrinsics"] = k.astype(np.float32)
    return findings(spec, batch)


@given(seed=SEEDS, shape=st.sampled_from([(8, 8), (30, 40), (48, 20)]))
def test_sound_clouds_pass(seed, shape):
    """Wide and long lenses, skew, crops, slants, steps, noise along the ray, holes, any unit."""
    draw = np.random.default_rng(seed)
    k = scenes.cameras(draw, 2, shape)
    points = scenes.clouds(draw, 2, shape, k)
    assert told(points, k) == []
    assert told(points, None) == []


@pytest.mark.parametrize("shape", [(2000, 30), (1000, 64), (50, 2000)])
def test_tall_and_wide_clouds_pass(shape):
    draw = np.random.default_rng(0)
    k = scenes.cameras(draw, 1, shape)
    points = scenes.clouds(draw, 1, shape, k)
    assert told(points, k) == []
    assert told(points, None) == []
    assert "opengl" in str(told(points * [1, -1, -1], None)[0])


@given(seed=SEEDS)
def test_noise_and_quantisation_pass(seed):
    """Every coordinate is off by up to two pixels on average, or rounded to millimetres."""
    draw = np.random.default_rng(seed)
    shape, k = (60, 80), np.array([[[70.0, 1, 41], [0, 75, 27], [0, 0, 1]]])
    points = oracle.lift(scenes.depths(draw, 1, shape), k)
    size = np.nanmedian(points[..., 2])
    for sigma in (0.001, 0.03):
        noisy = points + draw.normal(size=points.shape) * sigma * size
        noisy[noisy[..., 2] <= 0.1 * size] = np.nan
        assert told(noisy, k) == []
        assert told(noisy, None) == []
    rounded = np.round(points / size * 2000) / 1000
    assert told(rounded, k) == []
    assert told(rounded, None) == []


@pytest.mark.parametrize("frame", ["camera", "world"])
def test_distorted_lenses_pass(frame):
    y, x = np.mgrid[:60, :80]
    u, v = (x - 40) / 60, (y - 30) / 60
    bend = 1 + 0.15 * (u**2 + v**2)
    points = np.stack([u * bend, v * bend, np.ones_like(u)], -1)[None] * (2 + 0.01 * x[..., None])
    k = np.array([[[60.0, 0, 40], [0, 60, 30], [0, 0, 1]]])
    if frame == "camera":
        assert told(points, k) == []
        return
    spec = ma.DataSpec.from_dict(SPEC.to_dict() | {"camera": {"frame": "world"}})
    # Without extrinsics there is nothing to compare with.
    assert told(points @ np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]), k, spec) == []


def test_few_points_say_nothing():
    points = np.full((1, 20, 20, 3), np.nan)
    points[0, :5, :6] = np.random.default_rng(0).normal(size=(5, 6, 3))
    k = np.diag([60.0, 60, 1])[None]
    assert told(points, k) == []
    assert told(np.ones((1, 20, 20, 3)), k) == []  # a placeholder


def test_values_that_stay_are_not_looked_at():
    spec = ma.DataSpec.from_dict(SPEC.to_dict() | {"camera": {"policy": "none"}})
    noise = np.random.default_rng(0).normal(size=(1, 20, 20, 3))
    assert told(noise, np.array([[[20.0, 0, 9], [0, 20, 9], [0, 0, 1]]]), spec) == []


def test_intrinsics_of_an_entry_at_another_resolution():
    """Those of the image, for a cloud of half its size."""
    document = SPEC.to_dict()
    document["entries"]["intrinsics"]["of"] = "image"
    spec = ma.DataSpec.from_dict(document)
    k = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
    small = ma.scale_intrinsics(k, (48, 64), (24, 32))
    points = oracle.lift(2 + np.mgrid[:24, :32][1][None] / 20, small[None])
    image = np.zeros((1, 48, 64, 3), np.uint8)
    assert told(points, k[None], spec, image=image) == []
    errors = ma.reprojection_error(spec, {"image": image[0], "xyz": points[0], "intrinsics": k})
    assert errors["xyz"].shape == (24, 32)
    assert errors["xyz"].max() < 1e-9
    many = {"image": image, "xyz": points, "intrinsics": k[None]}
    np.testing.assert_array_equal(ma.reprojection_error(spec, many)["xyz"][0], errors["xyz"])
    behind = ma.reprojection_error(spec, many | {"xyz": -points})["xyz"]
    assert np.isinf(behind).all()
    (one,) = told(points, small[None], spec, image=image)
    assert "ma.scale_intrinsics(K, (12, 16), (24, 32))" in str(one)


def test_the_default_camera_of_the_spec_is_looked_at():
    y, x = np.mgrid[:48, :64]
    k = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
    points = oracle.lift(2 + x[None] / 20 + y[None] / 30, k[None])
    good = ma.DataSpec.from_dict(
        SPEC.to_dict() | {"camera": {"fx": 60, "fy": 60, "cx": 31.5, "cy": 23.5}}
    )
    assert told(points, None, good) == []
    (one,) = told(
        points, None, ma.DataSpec.from_dict(SPEC.to_dict() | {"camera": {"fov_degrees": 20}})
    )
    assert one.entry == "xyz"
    assert "fx = 60.0" in str(one)


@given(seed=SEEDS)
def test_the_fit_finds_the_camera(seed):
    draw = np.random.default_rng(seed)
    shape = (30, 40)
    k = scenes.cameras(draw, 1, shape)
    points = oracle.lift(scenes.depths(draw, 1, shape), k)[0]
    valid = np.isfinite(points[..., 0])
    xy = oracle.pixels(shape)[valid]
    fit = next(pinhole_fits(points[valid], xy))
    assert fit.is_usual
    np.testing.assert_allclose(fit.k, k[0], rtol=1e-7, atol=1e-6 * k[0, 0, 0])
    turn = np.linalg.qr(draw.normal(size=(3, 3)))[0]
    moved = points[valid] @ turn.T + draw.normal(size=3)
    assert residual_of_any_camera(moved, xy) < 1e-3


@pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "nightly", reason="compiling it takes seconds"
)
def test_augmented_records_pass():
    """What a pipeline gives back is in the convention that it takes."""
    y, x = np.mgrid[:48, :64]
    k = np.array([[60.0, 0, 31.5], [0, 64, 23.5], [0, 0, 1]])
    points = oracle.lift(2 + 0.4 * np.sin(x / 9)[None] + y[None] / 60, k[None])
    batch = {
        "image": np.zeros((4, 48, 64, 3), np.uint8),
        "xyz": np.repeat(points, 4, 0).astype(np.float32),
        "intrinsics": np.repeat(k[None], 4, 0).astype(np.float32),
    }
    transforms = [ma.Rotate(180), ma.Flip("x"), ma.RandomResizedCrop((40, 50))]
    out = ma.Pipeline(transforms, SPEC).batch(jax.random.split(jax.random.key(0), 4), batch)
    out = {name: np.asarray(array) for name, array in out.items()}
    assert findings(SPEC, out) == []
    assert findings(SPEC, {n: a for n, a in out.items() if n != "intrinsics"}) == []
    error = ma.reprojection_error(SPEC, out)["xyz"]
    assert error.shape == (4, 40, 50)
    assert np.nanmax(error) < 0.01
