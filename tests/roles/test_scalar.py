"""What the geometry does not touch comes out as it went in."""

import numpy as np

import multiaug as ma
from tests.roles.running import entry, picture, pipeline, run


def test_values_of_every_kind_are_handed_through():
    names = ("weight", "label", "vector", "words", "flag")
    line = pipeline(
        ma.Rotate(90),
        ma.Flip("x"),
        ma.Crop(6),
        entries=[picture(), *(entry(name, "scalar") for name in names)],
    )
    draw = np.random.default_rng(0)
    values = {
        "weight": np.array([0.5, np.nan, np.inf, -0.0], np.float32),
        "label": np.array([2**31 - 1, -(2**31), 0, 16_777_217], np.int32),
        "vector": draw.normal(size=(4, 3, 2)).astype(np.float16),
        "words": draw.integers(-(2**60), 2**60, (4, 5)),
        "flag": np.array([True, False, True, True]),
    }
    out = run(line, {"image": np.zeros((4, 8, 8, 1), np.float32), **values}, (8, 8)).out
    for name, value in values.items():
        assert out[name].dtype == value.dtype
        np.testing.assert_array_equal(out[name], value)
