"""Settings that are arguments do what settings do, in every transform that the studio offers."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.studio._controls import describe_transforms
from multiaug.studio._lifted import Runner
from tests.nightly import by_night
from tests.studio.conftest import SPEC, records

OFFERED = {d["name"]: d["start"] for d in describe_transforms(SPEC, (64, 64))}


def moved(value, factor):
    """Every float nearer to 0, as a slider would have it."""
    if isinstance(value, list):
        return [moved(part, factor) for part in value]
    return value * factor if isinstance(value, float) else value


def outcome(name, settings, run):
    """What comes out, or what the library says."""
    try:
        pipeline = ma.Pipeline([ma.transforms.from_config({"type": name, **settings})], SPEC)
    except ma.MultiaugError as error:
        return str(error)
    batch = records()

    def work(made):
        keys = ma.record_keys(3, 0, np.arange(3), np.zeros(3, np.int64))
        params = made.sample(keys, (64, 64), record=batch)
        return {n: np.asarray(a) for n, a in made.apply(params, batch, check=False).items()}

    try:
        return run(pipeline, work)
    except ma.MultiaugError as error:
        return str(error)


@by_night
@pytest.mark.parametrize("name", OFFERED)
def test_a_lifted_transform_makes_what_the_transform_makes(name):
    runner = Runner()
    try:
        for factor in (1.0, 0.9, 0.8):
            settings = moved(OFFERED[name], factor)
            expected = outcome(name, settings, lambda pipeline, work: work(pipeline))
            found = outcome(name, settings, runner.run)
            if isinstance(expected, str):
                assert found == expected
                continue
            assert not isinstance(found, str), found
            for entry, array in expected.items():
                assert found[entry].dtype == array.dtype
                if array.dtype.kind in "iu":
                    # Limits are float32 numbers here, and float64 there: a rounding of positions.
                    far = np.abs(found[entry].astype(int) - array)
                    assert (far > 1).mean() < 0.002, (entry, factor, far.max())
                else:
                    np.testing.assert_allclose(found[entry], array, rtol=1e-3, atol=1e-3)
    finally:
        runner.close()
