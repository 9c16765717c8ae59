"""Label channels of different rules, beside one another in one picture."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
def test_a_channel_is_copied_alone(without_c):
    """Small pixels are copied as a whole only where all of their channels are."""
    masks = [("uint8", 2), ("uint8", 4), ("uint16", 2)]
    entries, batch = {}, {}
    for dtype, count in masks:
        groups = [{"channels": [f"c{i}"], "role": "label", "fill": i} for i in range(count)]
        entries[f"{dtype}_x{count}"] = {"dtype": dtype, "channels": groups}
        values = np.random.default_rng(0).integers(0, 256, (3, 20, 24, count))
        batch[f"{dtype}_x{count}"] = values.astype(dtype)
    pipeline = ma.Pipeline(
        [ma.Rotate(30)], ma.DataSpec.from_dict({"name": "t", "entries": entries})
    )
    keys = jax.random.split(jax.random.key(0), 3)
    found = {name: np.array(array) for name, array in pipeline.batch(keys, batch).items()}
    without_c()
    expected = pipeline.batch(keys, batch)
    for name in batch:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
