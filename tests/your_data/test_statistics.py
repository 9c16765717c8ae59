"""The rows of "Statistics" in docs/your-data.md."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import MultiaugWarning, NotFittedError, ParameterError
from multiaug.statistics import Moments
from multiaug.transforms import Frame

FLOATS = ma.DataSpec.from_dict(
    {"name": "floats", "entries": {"image": {"role": "intensity", "invalid": "nan"}}}
)
BYTES = ma.DataSpec.from_dict({"name": "bytes", "entries": {"image": {"role": "intensity"}}})


def fit(records, *statistics, spec=FLOATS, **settings):
    source = ma.open_source({"image": records}, spec, block=4)
    return ma.fit(source, *statistics, progress=False, **settings)


@pytest.mark.row("large offsets, black first records, pixels that are empty at first")
def test_floats_of_any_order():
    records = (4.5e6 + np.random.default_rng(0).normal(0, 100, (40, 4, 4, 1))).astype(np.float32)
    records[:4], records[:8, 0, 0] = 0, np.nan
    moments = fit(records, ma.Moments())["image"].moments
    expected = np.nanvar(records.astype(np.float64), 0)
    np.testing.assert_allclose(moments.variance(), expected, rtol=1e-11)


@pytest.mark.row("records of more than 2^20 numbers")
def test_large_records_by_channel(monkeypatch):
    monkeypatch.setattr("multiaug.statistics.moments._moments.MOST_BY_PIXEL", 40)
    records = np.ones((8, 4, 4, 3), np.float32)
    with pytest.warns(MultiaugWarning, match=r"by channel, because 48 numbers"):
        stats = fit(records, ma.Moments())
    assert stats["image"].moments.count.shape == (3,)
    assert "by channel" in str(stats)
    with pytest.raises(NotFittedError, match="per='pixel'"):
        ma.Standardize(stats, center="pixel")
    fit(records, ma.Moments(per="channel"))
    assert fit(records, ma.Moments(per="pixel"))["image"].moments.mean().shape == (4, 4, 3)
    assert ma.Moments((1, 1, 13), "uint8", per="channel").held_bytes() < 2**26


@pytest.mark.row("pictures with other channels than the fitted ones")
def test_other_channels():
    stats = fit(np.random.default_rng(0).random((8, 4, 4, 3), np.float32), ma.Moments())
    pipeline = ma.Pipeline([ma.Standardize(stats)], FLOATS)
    for channels in (1, 4):
        with pytest.raises(ParameterError, match=f"3 channels of 'image', got {channels}"):
            pipeline(jax.random.key(0), {"image": np.zeros((4, 4, channels), np.float32)})


@pytest.mark.row("pictures of another size than the fitted one")
def test_other_sizes():
    stats = fit(np.random.default_rng(0).random((8, 4, 4, 3), np.float32), ma.Moments())
    with pytest.raises(ParameterError, match="4 x 4 pixels of 'image', got a frame of 8 x 8"):
        ma.Standardize(stats, center="pixel").check(Frame((8, 8), FLOATS))
    ma.Standardize(stats).check(Frame((8, 8), FLOATS))


@pytest.mark.row("int32, uint32, int64")
def test_wide_integers():
    assert not Moments((3,), "int32").exact
    assert Moments((3,), "uint16").exact
    records = np.random.default_rng(0).integers(-(2**30), 2**30, (9, 3)).astype(np.int32)
    state = Moments((3,), "int32").init().update(records)
    np.testing.assert_allclose(state.std(), records.astype(np.float64).std(0), rtol=1e-12)


@pytest.mark.row("a picture twice, fewer pictures than pixels")
def test_duplicates_in_the_form_of_keras():
    records = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
    records[7] = records[3]
    for solver in ("primal", "dual"):
        stats = fit(records, ma.ZCA(components=19), spec=BYTES, solver=solver)
        ma.Whiten(stats, eps_mode="keras", epsilon=1e-3)
