"""Label channels of different rules, beside one another in one picture."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
@pytest.mark.parametrize(("dtype", "count"), [("uint8", 2), ("uint8", 4), ("uint16", 2)])
def test_a_channel_is_copied_alone(without_c, dtype, count):
    """Small pixels are copied as a whole only where all of their channels are."""
    groups = [{"channels": [f"c{i}"], "role": "label", "fill": i} for i in range(count)]
    document = {"name": "t", "entries": {"mask": {"dtype": dtype, "channels": groups}}}
    spec = ma.DataSpec.from_dict(document)
    pipeline = ma.Pipeline([ma.Rotate(30)], spec)
    mask = np.random.default_rng(0).integers(0, 256, (3, 20, 24, count)).astype(dtype)
    keys = jax.random.split(jax.random.key(0), 3)
    found = np.array(pipeline.batch(keys, {"mask": mask})["mask"])
    without_c()
    np.testing.assert_array_equal(found, pipeline.batch(keys, {"mask": mask})["mask"])
