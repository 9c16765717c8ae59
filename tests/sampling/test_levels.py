"""The compiled sampler at every instruction set that this machine has: the same bits."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available, library
from multiaug.testing import make_record
from tests.sampling.entries import (
    BORDERS,
    CLOUD,
    KINDS,
    RANDOM,
    entries_of,
    is_compiled,
    picture,
    spec_of,
)

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

NAMES = ("base", "avx2", "avx512")


@pytest.fixture(params=range(1, len(NAMES)), ids=NAMES[1:])
def level(request):
    """A level above the lowest, which it is compared with."""
    if library().multiaug_level() < request.param:
        pytest.skip("this machine cannot run it")
    yield request.param
    library().multiaug_allow(len(NAMES) - 1)


def at(level, pipeline, keys, batch):
    library().multiaug_allow(level)
    assert is_compiled(pipeline, keys, batch)
    return {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}


def assert_same_bits(level, pipeline, shape, seeds=2, **settings):
    for seed in range(seeds):
        batch = make_record(pipeline.spec, shape, seed, batch=3, holes=True, **settings)
        keys = jax.random.split(jax.random.key(seed), 3)
        expected, found = (at(k, pipeline, keys, batch) for k in (0, level))
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name].view(np.uint8), array.view(np.uint8), name)


def every_entry(border):
    """Beside those of test_compiled.py, every number of channels that vectors divide otherwise."""
    counts = {"uint8": (4, 9), "uint16": (1, 3, 8, 32), "float32": (1, 3, 5, 12, 16, 20)}
    more = {
        f"{dtype} {n}": picture(dtype, n, border=border)
        for dtype, channels in counts.items()
        for n in channels
    }
    return {**entries_of(border), **more}


@pytest.mark.parametrize(("kind", "border"), CASES)
def test_every_entry(level, kind, border):
    pipeline = ma.Pipeline(KINDS[kind], spec_of(every_entry(border)))
    # More than a chunk of pixels in a row, and a rest that no vector divides.
    assert_same_bits(level, pipeline, (21, 151))


@pytest.mark.parametrize("kind", ["affine", "perspective"])
def test_points_on_rays(level, kind):
    pipeline = ma.Pipeline(KINDS[kind], spec_of(CLOUD))
    assert_same_bits(level, pipeline, (21, 151), content="smooth")


def test_pixels_of_whole_lines(level):
    """A picture that no cache holds: written past them."""
    pipeline = ma.Pipeline(RANDOM, spec_of({"many": picture("float32", 32)}))
    assert_same_bits(level, pipeline, (97, 90), seeds=1)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 9), (3, 17)])
def test_small_pictures(level, shape):
    entries = {n: e for n, e in entries_of("reflect").items() if n in {"rgb", "two", "hole"}}
    assert_same_bits(level, ma.Pipeline(RANDOM, spec_of(entries)), shape)
