"""Long runs of maps, wide pictures and tiny ones, against references in float64.

Every method and border by itself is in tests/reference/test_conformance.py.
"""

import jax
import numpy as np

import multiaug as ma
from tests.reference.banded import (
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

AFFINE = (
    ma.Rotate(180),
    ma.Scale((0.6, 1.7), per_axis=True),
    ma.Translate(0.3),
    ma.Shear(((-20, 20), (-20, 20))),
    ma.Flip("x"),
    ma.Flip("y"),
)
# Taps are what compiling costs.
EACH_BORDER = (
    ("nearest", "wrap"),
    ("linear", "constant"),
    ("linear", "edge"),
    ("cubic", "mirror"),
    ("spline3", "reflect"),
)


def noise(shape, channels, records):
    """The hardest picture: no two neighbours have anything in common."""
    return np.random.default_rng(0).random((records, *shape, channels), np.float32)


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


def test_every_kind_of_map_in_one_run_agrees():
    size = (224, 224)
    run = (
        ma.Elastic(0.03, (4, 5)),
        *AFFINE,
        ma.Perspective(0.1),
        ma.RandomResizedCrop(size, scale=(0.3, 1.0), antialias=False),
    )
    assert beyond(measure(run, size, EACH_BORDER, records=3), bar(size[1])) == {}


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
