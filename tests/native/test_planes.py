"""Quicker ways of native code than value by value: colours in planes, tables, rows and columns."""

from typing import Any

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available, library
from tests.reference.maps import about, shift
from tests.reference.sampling import sample

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

KEYS = jax.random.split(jax.random.key(0), 3)


def entry_of(
    dtype: str = "uint8", channels: str = "rgb", border: str = "constant"
) -> dict[str, Any]:
    return {
        "role": "intensity", "dtype": dtype, "channels": list(channels), "range": [0, 255],
        "border": border, "fill": 90,
    }  # fmt: skip


def spec_of(**entries: Any) -> ma.DataSpec:
    return ma.DataSpec.from_dict({"name": "t", "entries": entries})


def by_level(pipeline: ma.Pipeline, record: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The results of every instruction set of this machine."""
    found = []
    for level in range(library().multiaug_level() + 1):
        library().multiaug_allow(level)
        made = pipeline.batch(KEYS, record)
        found.append({name: np.array(made[name]) for name in record})
    library().multiaug_allow(2)
    return found


def test_colours_in_planes_are_those_of_jax(without_c):
    """Whole pieces and a rest; the same bits by every instruction set; noise among the colours."""
    steps = [
        ma.GaussianNoise(0.01),
        ma.HueSaturation(0, 0.6, 0.5, clip=True),
        ma.Contrast(0.4, clip=True, mean="grey"),
        ma.HueSaturation(0.2, 0),
    ]
    spec = spec_of(bytes=entry_of("uint8", "bgr"), floats=entry_of("float32"))
    rng = np.random.default_rng(0)
    record = {
        name: rng.integers(0, 256, (3, 37, 41, 3)).astype(spec.entries[name].dtypes[0])
        for name in ("bytes", "floats")
    }
    pipeline = ma.Pipeline(steps, spec)
    found = by_level(pipeline, record)
    without_c()
    expected = pipeline.batch(KEYS, record)
    for name, levels in (("bytes", 1), ("floats", 0.02)):
        assert all(np.array_equal(one[name], found[0][name]) for one in found)
        off = np.abs(found[0][name].astype(float) - np.asarray(expected[name]).astype(float))
        # A hue may be another one where two channels are as bright but for rounding.
        assert (off > levels).mean() < 1e-3


@pytest.mark.parametrize(
    ("border", "scale"), [("constant", (0.35, 0.8)), ("constant", (-0.22, 0.6)), ("wrap", (0.5, 1))]
)
def test_shrunk_by_rows_and_columns(border, scale):
    """Blended bytes, also beyond the image; against SciPy in float64."""
    matrix = shift(5.3, -2.1) @ about(np.diag(scale), (45, 150))
    pipeline = ma.Pipeline([ma.Affine(matrix)], spec_of(image=entry_of(border=border)))
    image = np.random.default_rng(1).integers(0, 256, (3, 45, 150, 3)).astype(np.uint8)
    found = [one["image"] for one in by_level(pipeline, {"image": image})]
    assert all(np.array_equal(one, found[0]) for one in found)
    y, x = np.mgrid[:45, :150].astype(float)
    back = np.linalg.inv(matrix)
    at_x, at_y = back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]
    for k in range(3):
        wanted = sample(image[0, ..., k].astype(float), at_x, at_y, "linear", border, 90.0)
        assert np.abs(found[0][0, ..., k] - wanted).max() <= 0.52


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_tables_of_levels(channels):
    """Bytes that are looked up, of any number of channels, and a rest behind the last vector."""
    names = [f"c{k}" for k in range(channels)]
    entry = {"role": "intensity", "dtype": "uint8", "channels": names}
    pipeline = ma.Pipeline([ma.ChannelShift((0.05, 0.3))], spec_of(image=entry))
    image = np.random.default_rng(2).integers(0, 256, (3, 67, 71, channels)).astype(np.uint8)
    amount = np.asarray(pipeline.sample(KEYS, (67, 71)).values[0]["image"])
    wanted = image + 255 * amount[:, None, None, :].astype(float)
    for found in by_level(pipeline, {"image": image}):
        assert np.abs(found["image"] - np.clip(wanted, 0, 255)).max() <= 0.502
