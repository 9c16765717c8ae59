"""Erase: the same place in every entry, by the rule of each role."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError

SIZE = (24, 36)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "much",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
            "depth": {"role": "depth", "dtype": "uint16", "invalid": 0},
            "normals": {"role": "direction", "dtype": "float32"},
            "flow": {"role": "flow", "dtype": "float32"},
            "heat": {"role": "density", "dtype": "float32", "channels": 1},
            "dark": {
                "role": "intensity",
                "dtype": "uint8",
                "channels": 1,
                "invalid": 0,
                "validity": True,
            },
            "points": {"role": "keypoints", "dtype": "float32"},
            "boxes": {"role": "boxes", "dtype": "float32", "box_convention": "coco"},
        },
    }
)
COUNT = 3
KEYS = jax.random.split(jax.random.key(8), COUNT)


def batch():
    rng = np.random.default_rng(2)
    height, width = SIZE
    return {
        "image": rng.integers(1, 255, (COUNT, height, width, 3), np.uint8),
        "mask": rng.integers(0, 9, (COUNT, height // 2, width // 2), np.uint8),
        "depth": rng.integers(1, 9000, (COUNT, height, width), np.uint16),
        "normals": np.full((COUNT, height, width, 3), -1 / np.sqrt(3), np.float32),
        "flow": rng.random((COUNT, height // 3, width // 3, 2), np.float32),
        "heat": rng.random((COUNT, height, width, 1), np.float32) + 1,
        "dark": rng.integers(1, 255, (COUNT, height, width, 1), np.uint8),
        "points": rng.uniform(0, 24, (COUNT, 40, 2)).astype(np.float32),
        "boxes": rng.uniform(1, 12, (COUNT, 40, 4)).astype(np.float32),
    }


def covered(edges, size):
    """The reference, in float64: pixels whose centre lies in a rectangle."""
    y = (np.arange(size[0]) + 0.5) * SIZE[0] / size[0] - 0.5
    x = (np.arange(size[1]) + 0.5) * SIZE[1] / size[1] - 0.5
    inside = np.zeros(size, bool)
    for x0, y0, x1, y1 in np.asarray(edges, np.float64):
        inside |= ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))
    return inside


def test_every_role_is_covered_in_one_place():
    given = batch()
    pipeline = ma.Pipeline([ma.Erase((0.1, 0.3), count=(1, 2), fill=0.5)], SPEC)
    params = pipeline.sample(KEYS, SIZE)
    done = {n: np.asarray(a) for n, a in pipeline.apply(params, given).items()}
    marks = {
        "image": 128,
        "mask": 255,
        "depth": 0,
        "normals": np.nan,
        "flow": np.nan,
        "heat": 0,
        "dark": 128,
    }
    for i, edges in enumerate(np.asarray(params.values[0]["edges"])):
        for name, mark in marks.items():
            inside = covered(edges, given[name].shape[1:3])
            assert inside.any()
            expected = given[name][i].copy()
            expected[inside] = mark
            # A flow of another resolution is scaled to the frame's pixels and back.
            tolerance = 1e-6 if name == "flow" else 0
            np.testing.assert_allclose(done[name][i], expected, rtol=tolerance, err_msg=name)
        np.testing.assert_array_equal(done["dark_valid"][i], ~covered(edges, SIZE))
        centres = {
            "points": given["points"][i],
            "boxes": given["boxes"][i, :, :2] + given["boxes"][i, :, 2:] / 2 - 0.5,
        }
        for name, places in centres.items():
            inside = np.zeros(len(places), bool)
            for x0, y0, x1, y1 in edges:
                x, y = places.T
                inside |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
            assert inside.any()
            visible = done[f"{name}_visible"][i]
            assert not visible[inside].any()
            in_view = (places >= -0.5).all(-1) & (places <= np.array(SIZE)[::-1] - 0.5).all(-1)
            assert (visible[~inside & in_view] > 0).all()
            np.testing.assert_allclose(done[name][i], given[name][i], atol=1e-5)


def test_a_fill_on_the_number_of_no_data_is_still_data():
    done = ma.Pipeline([ma.Erase((0.2, 0.2))], SPEC).batch(KEYS, batch())
    dark = np.asarray(done["dark"])
    assert (dark != 0).all()
    assert ((dark == 1).mean(axis=(1, 2, 3)) > 0.15).all()


def test_the_stated_distribution():
    keys = jax.random.split(jax.random.key(1), 3000)
    erase = ma.Erase((0.05, 0.2), ratio=(0.5, 2), count=(0, 2), entries=["image"])
    edges = np.asarray(ma.Pipeline([erase], SPEC).sample(keys, SIZE).values[0]["edges"], np.float64)
    w, h = edges[..., 2] - edges[..., 0], edges[..., 3] - edges[..., 1]
    there = w > 0
    counts = np.bincount(there.sum(1), minlength=3)
    assert stats.chisquare(counts).pvalue > 1e-3
    area, ratio = w[there] * h[there] / (SIZE[0] * SIZE[1]), w[there] / h[there]
    assert stats.kstest(area, stats.uniform(0.05, 0.15).cdf).pvalue > 1e-3
    assert stats.kstest(np.log2(ratio), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert edges[there].min() >= -0.5001
    assert (edges[there][:, 2] <= SIZE[1] - 0.4999).all()
    assert (edges[there][:, 3] <= SIZE[0] - 0.4999).all()


def test_an_area_is_kept_where_a_ratio_does_not_fit():
    keys = jax.random.split(jax.random.key(1), 50)
    erase = ma.Erase((0.9, 0.9), ratio=(0.01, 0.02), entries=["image"])
    edges = np.asarray(ma.Pipeline([erase], SPEC).sample(keys, SIZE).values[0]["edges"], np.float64)
    w, h = edges[..., 2] - edges[..., 0], edges[..., 3] - edges[..., 1]
    np.testing.assert_allclose(w * h, 0.9 * SIZE[0] * SIZE[1], rtol=1e-4)
    np.testing.assert_allclose(h, SIZE[0], rtol=1e-4)


def test_what_has_no_value_for_it_is_refused_by_name():
    for entry, text in [
        ({"role": "label", "dtype": "uint8"}, r"'b': labels without an ignore value.*\"ignore\""),
        ({"role": "depth", "dtype": "uint16"}, r"'b': a depth without an invalid value"),
    ]:
        image = {"role": "intensity", "dtype": "uint8", "channels": 1}
        spec = ma.DataSpec.from_dict({"name": "x", "entries": {"a": image, "b": entry}})
        with pytest.raises(ParameterError, match=r"`Erase` cannot cover the entry " + text):
            ma.Pipeline([ma.Erase()], spec)
        with pytest.raises(ParameterError, match=r"Erase\(entries=\['a'\]\)"):
            ma.Pipeline([ma.Erase(p=0.5)], spec)
        ma.Pipeline([ma.Erase(entries=["a"])], spec)
    with pytest.raises(ParameterError, match=r"`Erase.entries` must name entries of the spec"):
        ma.Pipeline([ma.Erase(entries=["c"])], spec).sample(KEYS[0], SIZE)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"scale": (0.3, 0.1)}, "Erase.scale"),
        ({"ratio": 0}, "Erase.ratio"),
        ({"count": 1.5}, "Erase.count"),
        ({"count": (3, 1)}, "Erase.count"),
        ({"fill": 128}, "Erase.fill"),
    ],
)
def test_settings(settings, text):
    with pytest.raises(ParameterError, match=text):
        ma.Erase(**settings)


def test_covers_broadcasts():
    params = {"edges": jnp.array([[1.0, 2, 4, 5]])}
    x, y = jnp.arange(6.0)[None, :], jnp.arange(7.0)[:, None]
    found = np.asarray(ma.Erase().covers(params, x, y, (7, 6)))
    assert found.sum() == 9
    assert found[2:5, 1:4].all()
