"""A value that a transform makes the number of no data is still one."""

import jax
import numpy as np
import pytest

import multiaug as ma

CASES = {
    # dtype, the number, transforms, what stands beside it
    "dark bytes": ("uint8", 0, [ma.Brightness((-0.5, -0.4))], 1),
    "bright bytes": ("uint8", 255, [ma.Brightness((0.4, 0.5))], 254),
    "noisy words": ("uint16", 0, [ma.GaussianNoise(0.3), ma.Brightness((-0.4, -0.3))], 1),
    "floats": ("float32", 0.0, [ma.Normalize(mean=0.5, std=0.25)], np.finfo(np.float32).tiny),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_valid_values_stay_valid(name, compiled):
    dtype, mark, transforms, beside = CASES[name]
    extent = 1 if dtype == "float32" else np.iinfo(dtype).max
    source = (np.random.default_rng(0).random((1, 70, 80, 1)) * extent).astype(dtype)
    source[0, :20] = mark
    source[0, 30] = 0.5 if dtype == "float32" else 100
    settings = {"range": (0, 1)} if dtype == "float32" else {}
    entry = ma.EntrySpec.of_role(
        "x", "intensity", channels=1, dtype=dtype, invalid=mark, **settings
    )
    line = ma.Pipeline(transforms, ma.DataSpec("x", [entry]))
    key = jax.random.key(0)
    if compiled:
        out = np.asarray(line.batch(key[None], {"x": source})["x"])
    else:
        out = np.asarray(line(key, {"x": source[0]})["x"])[None]
    assert ((out == mark) == (source == mark)).all()
    assert (out == out.dtype.type(beside)).any()


def test_rounding_a_blend_makes_no_hole():
    # A cubic overshoots below 0 beside a step.
    source = np.where(np.arange(20) < 10, 1, 250)[None, None, :, None].repeat(20, 1)
    entry = ma.EntrySpec.of_role(
        "x", "intensity", channels=1, dtype="uint8", invalid=0, interpolation="cubic", border="edge"
    )
    line = ma.Pipeline([ma.Translate(px=((0.5, 0.5), (0, 0)))], ma.DataSpec("x", [entry]))
    out = np.asarray(line.batch(jax.random.key(0)[None], {"x": source.astype(np.uint8)})["x"])
    assert out.min() == 1
