"""What native code does by quicker ways than value by value: colours in planes, tables, rows and columns."""

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


def spec_of(dtype: str = "uint8", channels: str = "rgb", border: str = "constant") -> ma.DataSpec:
    entry = {
        "role": "intensity", "dtype": dtype, "channels": list(channels), "range": [0, 255],
        "border": border, "fill": 90,
    }  # fmt: skip
    return ma.DataSpec.from_dict({"name": "t", "entries": {"image": entry}})


def by_level(pipeline: ma.Pipeline, image: np.ndarray) -> list[np.ndarray]:
    """The results of every instruction set of this machine."""
    found = []
    for level in range(library().multiaug_level() + 1):
        library().multiaug_allow(level)
        found.append(np.array(pipeline.batch(KEYS, {"image": image})["image"]))
    library().multiaug_allow(2)
    return found


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", "bgr"), ("float32", "rgb")])
def test_colours_in_planes_are_those_of_jax(without_c, dtype, channels):
    """Whole pieces and a rest; the same bits by every instruction set; noise among the colours."""
    steps = [
        ma.ColorJitter(0.4, 0.4, 0.4, 0.2, clip=True),
        ma.GaussianNoise(0.01),
        ma.HueSaturation(0, 0.6, 0.5, clip=True),
        ma.Gamma((0.7, 0.9)),
        ma.ColorJitter(0.2, 0.5, 0.3, 0.5),
    ]
    pipeline = ma.Pipeline(steps, spec_of(dtype, channels))
    image = np.random.default_rng(0).integers(0, 256, (3, 37, 41, 3)).astype(dtype)
    found = by_level(pipeline, image)
    assert all(np.array_equal(one, found[0]) for one in found)
    without_c()
    expected = np.asarray(pipeline.batch(KEYS, {"image": image})["image"]).astype(float)
    off = np.abs(found[0].astype(float) - expected)
    # A hue may be another one where two channels are as bright but for rounding: no more than that.
    assert (off > (1 if dtype == "uint8" else 0.02)).mean() < 1e-3


@pytest.mark.parametrize("border", ["constant", "reflect", "wrap"])
@pytest.mark.parametrize("scale", [(0.35, 0.8), (-0.22, 0.6)])
def test_shrunk_by_rows_and_columns(border, scale):
    """Blended bytes, also beyond the image; against SciPy in float64."""
    matrix = shift(5.3, -2.1) @ about(np.diag(scale), (45, 150))
    pipeline = ma.Pipeline([ma.Affine(matrix)], spec_of(border=border))
    image = np.random.default_rng(1).integers(0, 256, (3, 45, 150, 3)).astype(np.uint8)
    found = by_level(pipeline, image)
    assert all(np.array_equal(one, found[0]) for one in found)
    y, x = np.mgrid[:45, :150].astype(float)
    back = np.linalg.inv(matrix)
    at_x, at_y = back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]
    for k in range(3):
        wanted = sample(image[0, ..., k].astype(float), at_x, at_y, "linear", border, 90.0)
        assert np.abs(found[0][0, ..., k] - wanted).max() <= 0.52


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_tables_of_levels(channels):
    """Bytes that are looked up, of any number of channels and with a rest behind the last vector."""
    names = [f"c{k}" for k in range(channels)]
    entry = {"role": "intensity", "dtype": "uint8", "channels": names}
    spec = ma.DataSpec.from_dict({"name": "t", "entries": {"image": entry}})
    pipeline = ma.Pipeline([ma.ChannelShift((0.05, 0.3))], spec)
    image = np.random.default_rng(2).integers(0, 256, (3, 67, 71, channels)).astype(np.uint8)
    amount = np.asarray(pipeline.sample(KEYS, (67, 71)).values[0]["image"])
    wanted = image + 255 * amount[:, None, None, :].astype(float)
    for found in by_level(pipeline, image):
        assert np.abs(found - np.clip(wanted, 0, 255)).max() <= 0.502
