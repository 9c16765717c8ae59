"""Every interpolation and border, on random fused maps, against references in float64."""

import os

import jax
import numpy as np
import pytest

import multiaug as ma
from tests.reference.banded import (
    ALL_BANDS,
    banded,
    bar,
    beyond,
    errors,
    grids,
    is_resized,
    worst,
)
from tests.reference.moving import moved, random_matrices
from tests.reference.sampling import BORDERS

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SMALL = (33, 47)
AFFINE = (
    ma.Rotate(180),
    ma.Scale((0.6, 1.7), per_axis=True),
    ma.Translate(0.3),
    ma.Shear(((-20, 20), (-20, 20))),
    ma.Flip("x"),
    ma.Flip("y"),
)
# Taps are what compiling costs: all rules once, then each border, then hardly any.
EACH_BORDER = (
    ("nearest", "wrap"),
    ("linear", "constant"),
    ("linear", "edge"),
    ("cubic", "mirror"),
    ("spline3", "reflect"),
)
FEW_BANDS = (("nearest", "reflect"), ("linear", "constant"), ("cubic", "mirror"))


def noise(shape, channels, records, dtype=np.float32, seed=0):
    """The hardest picture: no two neighbours have anything in common."""
    rng = np.random.default_rng(seed)
    size = (records, *shape, channels)
    if dtype == np.float32:
        return rng.random(size, np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, size, dtype, endpoint=True)


def measure(transforms, shape, bands, records, seed=0):
    """(method border) -> largest error over a batch of noise pictures."""
    pipeline = ma.Pipeline(transforms, ma.DataSpec("noise", [banded("x", bands)]))
    keys = jax.random.split(jax.random.key(seed), records)
    source = noise(shape, len(bands), records)
    result = np.asarray(pipeline.batch(keys, {"x": source})["x"])
    params = pipeline.sample(keys, shape)
    resized = is_resized(pipeline)
    found = [
        errors(source[i], result[i], grid, bands, resized=resized)
        for i, grid in grids(pipeline, params)
    ]
    return worst(found, bands)


def test_affine_runs_agree():
    assert beyond(measure(AFFINE, SMALL, ALL_BANDS, records=8), bar(SMALL[1])) == {}


def test_every_kind_of_map_in_one_run_agrees():
    size = (224, 224)
    run = (
        ma.Elastic(0.03, (4, 5)),
        *AFFINE,
        ma.Perspective(0.1),
        ma.RandomResizedCrop(size, scale=(0.3, 1.0), antialias=False),
    )
    assert beyond(measure(run, size, EACH_BORDER, records=3), bar(size[1])) == {}


BENT = {
    "affine-elastic": (*AFFINE[:4], ma.Elastic(0.03, (4, 5))),
    # By day the run of every kind has these two orders.
    "elastic-affine": (ma.Elastic(0.03, (4, 5)), *AFFINE[:4]),
    "perspective-crop": (ma.Perspective(0.2), ma.RandomResizedCrop((29, 31), antialias=False)),
}


@pytest.mark.parametrize("name", BENT if NIGHTLY else ["affine-elastic"])
def test_runs_that_are_not_affine_agree(name):
    assert beyond(measure(BENT[name], SMALL, FEW_BANDS, records=8), bar(SMALL[1])) == {}


def test_wide_pictures_agree():
    # Not as wild as the others: a fold of a place two pictures away reads what float32 can
    # only say to 1e-4 pixels there.
    size = (600, 800)
    run = (
        ma.Rotate(180),
        ma.Scale(1.25),
        ma.Translate(0.1),
        ma.Shear(10),
        ma.Flip("x"),
        ma.Perspective(0.1),
    )
    assert beyond(measure(run, size, EACH_BORDER, records=2), bar(size[1])) == {}


def test_pictures_smaller_than_a_kernel_agree_far_outside():
    # Every border folds several times within one spline. (At two pixels the reference's own
    # `reflect` is off by 2e-4.)
    shape, records = (4, 5), 16
    bands = [(method, border) for method in ("nearest", "spline3") for border in BORDERS]
    spec = ma.DataSpec("noise", [banded("x", bands)])
    source = noise(shape, len(bands), records)
    result, positions = moved(spec, {"x": source}, random_matrices(records, seed=1, reach=30))
    found = [errors(source[i], result["x"][i], grid, bands) for i, grid in positions.items()]
    assert beyond(worst(found, bands), bar(shape[1])) == {}


def test_integers_agree():
    entries = {"u8": (np.uint8, EACH_BORDER), "u16": (np.uint16, FEW_BANDS)}
    spec = ma.DataSpec(
        "noise",
        [banded(name, bands, np.dtype(d).name, fill=7) for name, (d, bands) in entries.items()],
    )
    pipeline = ma.Pipeline(AFFINE, spec)
    keys = jax.random.split(jax.random.key(0), 8)
    batch = {name: noise(SMALL, len(b), 8, dtype) for name, (dtype, b) in entries.items()}
    result = jax.tree.map(np.asarray, pipeline.batch(keys, batch))
    params = pipeline.sample(keys, SMALL)
    for name, (dtype, bands) in entries.items():
        assert result[name].dtype == dtype
        found = [
            errors(batch[name][i], result[name][i], grid, bands, fill=7)
            for i, grid in grids(pipeline, params)
        ]
        # One grey level; where there are more than 256, the bar of floats.
        limit = max(1.0, bar(SMALL[1]) * np.iinfo(dtype).max)
        assert beyond(worst(found, bands), limit) == {}, name
