"""Low-pass before shrinking: scikit-image's rule, copies where nothing shrinks, no aliases."""

import math
import os

import jax
import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import resize

import multiaug as ma
from tests.reference import sampling
from tests.reference.banded import banded, bar, beyond, drawn, grids, worst

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SHAPE = (33, 47)
NUMPY_MODES = {
    "constant": "edge",
    "edge": "edge",
    "reflect": "symmetric",
    "mirror": "reflect",
    "wrap": "wrap",
}


def noise(count, channels, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).random((count, *shape, channels), np.float32)


def run(transforms, spec, batch, seed=0):
    pipeline = ma.Pipeline(transforms, spec)
    keys = jax.random.split(jax.random.key(seed), len(next(iter(batch.values()))))
    result = jax.tree.map(np.asarray, pipeline.batch(keys, batch))
    shape = next(iter(batch.values())).shape[1:3]
    return pipeline, pipeline.sample(keys, shape), result


# Shrunk on both axes under every border; then on one alone, where it is the rim of the other that
# is new.
BORDERS = {(16, 20): sampling.BORDERS, (50, 13): ("constant", "reflect")}


@pytest.mark.parametrize("size", BORDERS, ids=str)
def test_resize_is_scikit_images(size):
    bands = [("linear", border) for border in (sampling.BORDERS if NIGHTLY else BORDERS[size])]
    if NIGHTLY or size == (16, 20):  # which XLA compiles
        bands.append(("spline3", "mirror"))
    source = noise(1, len(bands))
    _, _, result = run([ma.Resize(size)], ma.DataSpec("x", [banded("x", bands)]), {"x": source})
    found = {}
    for k, (method, border) in enumerate(bands):
        picture = source[0, ..., k].astype(np.float64)
        # Of the constant border nothing is seen: what is soft is a mean of the picture alone.
        steps = [max(s / t, 1) for s, t in zip(SHAPE, size, strict=True)]
        if border == "constant":
            sigma = [(step - 1) / 2 for step in steps]
            picture = sampling.softened(picture, sigma, math.ceil(4 * max(sigma)))
        want = resize(
            picture,
            size,
            order=1 if method == "linear" else 3,
            mode=NUMPY_MODES[border],
            anti_aliasing=border != "constant",
            clip=False,
        )
        found[method, border] = np.abs(result["x"][0, ..., k] - want).max()
    assert {k: v for k, v in found.items() if v > bar(SHAPE[1])} == {}


def blurred_then_sampled(image, sigma, radius, grid, border, fill, *, resized):
    """Gaussian of deviations (y, x) with a given reach, then linear, in float64."""
    if resized and border == "constant":
        source = sampling.softened(image, sigma, radius)
        return sampling.sample_resized(source, *grid, "linear", border, fill)
    source = np.float64(image)
    for axis in (0, 1):
        source = ndimage.gaussian_filter1d(
            source,
            max(sigma[axis], 1e-12),
            axis=axis,
            mode=sampling.SCIPY_MODES[border],
            cval=fill,
            radius=radius,
        )
    return sampling.sample(source, *grid, "linear", border, fill)


@pytest.mark.parametrize("kind", ["scale", "crop"])
def test_drawn_scales_agree(kind):
    bands = [("linear", "constant"), ("linear", "reflect")]
    # The least scale that can be drawn decides how far the taps reach.
    if kind == "scale":
        transform = ma.Scale((0.4, 2.0), per_axis=True, antialias=True)
        reach = math.ceil(4 * (1 / 0.4 - 1) / 2)
    else:
        transform = ma.RandomResizedCrop((16, 20), scale=(0.05, 1.0), antialias=True)
        reach = math.ceil(4 * (47 / 20 - 1) / 2)
    source = noise(8, len(bands))
    pipeline, params, result = run(
        [transform, ma.Flip("x")], ma.DataSpec("x", [banded("x", bands)]), {"x": source}
    )
    found = []
    for i, grid in grids(pipeline, params):
        values = drawn(params, i)[0]
        if kind == "scale":
            steps = 1 / np.float64(values["factor"][::-1])
        else:
            steps = np.float64(values["window"][:1:-1]) / (16, 20)
        sigma = np.maximum(steps - 1, 0) / 2
        found.append(
            [
                np.abs(
                    result["x"][i, ..., k]
                    - blurred_then_sampled(
                        source[i, ..., k], sigma, reach, grid, border, 0.25, resized=kind == "crop"
                    )
                ).max()
                for k, (_, border) in enumerate(bands)
            ]
        )
    assert beyond(worst(found, bands), bar(SHAPE[1])) == {}


def test_what_does_not_shrink_is_copied():
    rules = (("linear", "constant"), ("spline3" if NIGHTLY else "cubic", "mirror"))
    dtypes = ("int32", "float32")
    spec = ma.DataSpec("x", [banded(dtype, rules, dtype, fill=1) for dtype in dtypes])
    transforms = [
        ma.Scale((0.5, 2), antialias=True),
        ma.RandomResizedCrop(SHAPE, antialias=True),
        ma.Flip("y"),
    ]
    rng = np.random.default_rng(1)
    batch = {
        "int32": rng.integers(-(2**31), 2**31, (2, *SHAPE, 2), np.int32),
        "float32": rng.normal(size=(2, *SHAPE, 2)).astype(np.float32),
    }
    pipeline = ma.Pipeline(transforms, spec)
    params = pipeline.sample(jax.random.split(jax.random.key(0), 2), SHAPE)
    params.values[0]["factor"] = np.ones((2, 2), np.float32)
    params.values[1]["window"] = np.array([[0, 0, 47, 33]] * 2, np.float32)
    params.values[2]["on"] = np.array([False, True])
    result = jax.tree.map(np.asarray, pipeline.apply(params, batch))
    for dtype in dtypes:
        want = np.stack([batch[dtype][0], batch[dtype][1, ::-1]])
        assert np.array_equal(result[dtype], want), dtype


def test_frequencies_above_nyquist_vanish():
    # 64 pixels become 24: waves shorter than 5.3 pixels cannot be told apart any more.
    size = (24, 24)
    x = np.arange(64)
    fine, coarse = (np.cos(2 * np.pi * f * x) for f in (0.45, 0.03))
    source = np.stack([np.tile(w, (64, 1)) for w in (fine, coarse)] + [np.tile(fine, (64, 1)).T])
    batch = {"x": source[..., None].astype(np.float32)}
    spec = ma.DataSpec("x", [banded("x", [("linear", "mirror")])])
    plain = run([ma.Resize(size, antialias=False)], spec, batch)[2]["x"]
    soft = run([ma.Resize(size)], spec, batch)[2]["x"]
    sigma = (64 / 24 - 1) / 2
    kept = [math.exp(-2 * (math.pi * f * sigma) ** 2) for f in (0.45, 0.03, 0.45)]
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert (np.abs(plain[inner]).max((1, 2, 3)) > 0.5).all()
    amplitude = np.abs(soft[inner]).max((1, 2, 3))
    assert amplitude == pytest.approx(kept, abs=0.02)


def test_a_turn_does_not_lose_the_axis_that_shrinks():
    # The rows that shrink are columns of the source.
    source = noise(1, 1)
    spec = ma.DataSpec("x", [banded("x", [("linear", "edge")])])
    _, _, result = run([ma.Rot90(1), ma.Resize((12, 33))], spec, {"x": source})
    want = resize(
        np.rot90(source[0, ..., 0]).astype(np.float64),
        (12, 33),
        order=1,
        mode="edge",
        anti_aliasing=True,
        clip=False,
    )
    assert np.abs(result["x"][0, ..., 0] - want).max() <= bar(SHAPE[1])


def test_every_resolution_is_softened_by_its_own_step():
    frame, size = (40, 60), (16, 20)
    spec = ma.DataSpec("x", [banded(n, [("linear", "edge")]) for n in ("x", "twice", "half")])
    shapes = {"x": (40, 60), "twice": (80, 120), "half": (20, 30)}
    outs = {"x": size, "twice": (32, 40), "half": (8, 10)}
    batch = {name: noise(1, 1, shape) for name, shape in shapes.items()}
    _, params, result = run([ma.Resize(size)], spec, batch)
    assert params.in_shape == frame
    for name, out in outs.items():
        want = resize(
            batch[name][0, ..., 0].astype(np.float64),
            out,
            order=1,
            mode="edge",
            anti_aliasing=True,
            clip=False,
        )
        assert np.abs(result[name][0, ..., 0] - want).max() <= bar(SHAPE[1]), name


def test_holes_do_not_spread_into_what_is_softened():
    spec = ma.DataSpec(
        "x",
        [
            ma.EntrySpec.of_role(
                "x", "intensity", channels=1, dtype="float32", invalid="nan", border="edge"
            )
        ],
    )
    source, size = noise(1, 1), (11, 47)
    missing = np.random.default_rng(2).random(SHAPE) < 0.2
    missing[3:9, 10:20] = True
    source[0, missing] = np.nan
    pipeline, params, result = run([ma.Resize(size)], spec, {"x": source})
    # Three rows become one: the Gaussian has deviation 1, over what is valid only.
    clean = np.where(missing, 0, np.float64(source[0, ..., 0]))
    soft, mass = (
        ndimage.gaussian_filter1d(a, 1.0, axis=0, mode="nearest", radius=4)
        for a in (clean, np.float64(~missing))
    )
    ((_, (x, y)),) = grids(pipeline, params)
    mean = np.where(missing, 0, soft / np.where(mass > 0, mass, 1))
    want, share = sampling.linear_over_valid(mean, ~missing, x, y, "edge")
    found = result["x"][0, ..., 0]
    sure = np.abs(share - 0.5) > 1e-3
    assert (np.isnan(found) == (share < 0.5))[sure].all()
    known = sure & (share > 0.5)
    assert np.abs(found - want)[known].max() <= bar(SHAPE[1])
