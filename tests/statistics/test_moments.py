from contextlib import nullcontext

import numpy as np
import pytest

from benchmarks.accuracy import moments_error
from multiaug.errors import NotFittedError, ParameterError, RecordError
from multiaug.statistics import Covariance, Moments
from tests.statistics.pictures import pictures

DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "float16", "float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_matches_numpy(dtype):
    records = pictures(1100, 3, 2, dtype=dtype)
    state = Moments(records.shape[1:], dtype).init()
    for start in (0, 300, 999):
        state = state.update(records[start : {0: 300, 300: 999, 999: 1100}[start]])
    values = records.astype(np.float64)
    bar = {"rtol": 1e-12}
    np.testing.assert_allclose(state.mean(), values.mean(0), **bar)
    np.testing.assert_allclose(state.variance(), values.var(0), **bar)
    np.testing.assert_allclose(state.std(), values.std(0), **bar)
    np.testing.assert_array_equal(state.minimum(), records.min(0))
    np.testing.assert_array_equal(state.maximum(), records.max(0))
    table = state.finalize()
    channels = values.reshape(-1, 3)
    np.testing.assert_allclose(table["mean"], channels.mean(0), **bar)
    np.testing.assert_allclose(table["variance"], channels.var(0), **bar)
    np.testing.assert_array_equal(table["minimum"], channels.min(0))
    np.testing.assert_array_equal(table["maximum"], channels.max(0))
    assert table["count"].tolist() == [6600] * 3


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_integers_have_the_same_bits_in_any_order(dtype):
    records = pictures(500, dtype=dtype)
    statistic = Moments(records.shape[1:], dtype)
    one = statistic.init().update(records)
    two = statistic.init().update(records[200:][::-1]) + statistic.init().update(records[:200])
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, two.arrays()[name])


@pytest.mark.parametrize(("dtype", "worst"), [("uint8", 0), ("uint16", 0), ("int16", -32768)])
def test_sums_of_the_worst_values(dtype, worst):
    records = np.full((3000, 2), worst, dtype)
    state = Moments((2,), dtype).init().update(records)
    assert state.mean().tolist() == [worst, worst]
    assert state.variance().tolist() == [0, 0]


def test_large_offsets_do_not_cancel():
    records = (np.random.default_rng(0).standard_normal((4000, 3)) + 1e6).astype(np.float32)
    state = Moments((3,), "float32").init().update(records)
    np.testing.assert_allclose(state.variance(), records.astype(np.float64).var(0), rtol=1e-12)


def test_huge_values():
    records = pictures(20, dtype="float32") * np.float32(1e25)
    state = Moments(records.shape[1:], "float32").init().update(records)
    np.testing.assert_allclose(state.variance(), records.astype(np.float64).var(0), rtol=1e-9)


def test_float16_is_summed_in_float32():
    records = np.full((300, 4, 4, 3), 60000, np.float16)
    state = Moments((4, 4, 3), "float16").init().update(records)
    assert state.channel_mean().tolist() == [60000] * 3


@pytest.mark.parametrize("mark", ["nan", 0])
def test_pixels_without_data_are_left_out(mark):
    records = pictures(50, dtype="float32")
    hole = np.random.default_rng(0).random(records.shape) < 0.2
    hole[:, 0, 0, 0] = True
    held = np.where(hole, np.nan, records)
    given = np.where(hole, np.float32(np.nan if mark == "nan" else 0), records)
    with pytest.raises(RecordError, match="found nan") if mark == "nan" else nullcontext():
        Moments(records.shape[1:], "float32").init().update(given)
    statistic = Moments(records.shape[1:], "float32", invalid=mark)
    state = statistic.init().update(given)
    assert np.isnan(state.mean()[0, 0, 0])
    valid = ~hole.all(0)
    held = held[:, valid].astype(np.float64)
    np.testing.assert_allclose(state.mean()[valid], np.nanmean(held, 0), rtol=1e-12)
    np.testing.assert_allclose(state.variance()[valid], np.nanvar(held, 0), rtol=1e-11)
    np.testing.assert_array_equal(state.count.reshape(hole.shape[1:]), (~hole).sum(0))


def test_no_records():
    state = Moments((2, 2, 1), "uint8").init()
    for ask in (state.mean, state.finalize, state.minimum):
        with pytest.raises(NotFittedError, match="no records"):
            ask()
    one = state.update(np.full((1, 2, 2, 1), 7, np.uint8))
    assert one.mean().ravel().tolist() == [7] * 4
    assert one.variance().ravel().tolist() == [0] * 4


def test_states_that_do_not_belong_together():
    with pytest.raises(ParameterError, match="same statistic"):
        Moments((3,), "uint8").init() + Moments((3,), "uint16").init()
    one, other = (Moments((2, 3), "float32", per=per).init() for per in ("pixel", "channel"))
    with pytest.raises(ParameterError, match="which differ in per"):
        one + other
    with pytest.raises(ParameterError, match="'pixel', 'channel' or None"):
        Moments((3,), "uint8", per="row")


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [*((dtype, (4, 6, 3)) for dtype in DTYPES), ("uint8", (5, 7)), ("float32", (3, 1, 13))],
)
def test_channels_alone_have_the_moments_of_all_pixels(dtype, shape):
    records = np.resize(pictures(60, 8, 8, dtype=dtype), (60, *shape))
    whole, by_pixel = (
        Moments(shape, dtype, per=per, invalid=records.reshape(-1)[0]).init().update(records)
        for per in ("channel", "pixel")
    )
    parts = Moments(shape, dtype, per="channel", invalid=records.reshape(-1)[0])
    parts = parts.init().update(records[40:]) + parts.init().update(records[:40])
    assert sum(array.size for array in whole.arrays().values()) <= 7 * whole.channel_count().size
    for name, expected in by_pixel.finalize().items():
        np.testing.assert_allclose(whole.finalize()[name], expected, rtol=1e-12)
        np.testing.assert_allclose(parts.finalize()[name], expected, rtol=1e-12)
    for ask in (whole.mean, whole.std, whole.minimum):
        with pytest.raises(NotFittedError, match="no pixel has its own"):
            ask()


def test_large_records_are_summed_by_channel_unless_it_is_said():
    assert Moments((1098, 1098, 13), "float32").per == "channel"
    assert Moments((1098, 1098, 13), "float32", per="pixel").cells == 1098**2 * 13
    assert Moments((224, 224, 3), "float32").per == "pixel"


def test_squares_of_channels_that_leave_64_bits():
    statistic = Moments((2, 2, 1), "uint16", per="channel")
    state = statistic.init().update(np.array([0, 65535] * 2, np.uint16).reshape(1, 2, 2, 1))
    for _ in range(36):  # 2^38 values of 2^30 each
        state = state + state
    assert state.square[0, 0] > 2**31
    assert state.channel_mean()[0] == 32767.5
    assert state.channel_variance()[0] == 32767.5**2


@pytest.mark.parametrize("per", ["pixel", "channel"])
def test_floats_are_as_good_as_two_passes(per):
    assert max(moments_error(seed, per) for seed in range(60)) < 1e-9


def test_one_value_infinity_and_what_float64_does_not_hold():
    one = Moments((2,), "float32").init().update(np.full((9, 2), 0.1, np.float32))
    assert one.std().tolist() == [0, 0]
    with pytest.raises(RecordError, match=r"found inf at record 3, position \(1,\)"):
        bad = np.zeros((9, 2), np.float32)
        bad[2, 0], bad[3, 1] = np.nan, np.inf
        Moments((2,), "float32", invalid="nan").init().update(bad)
    for dtype, value in (("float64", 1e200), ("int64", 2**60)):
        with pytest.raises(RecordError, match="record 1, expected"):
            Moments((1,), dtype).init().update(np.array([[1], [value]], dtype))


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
def test_bytes_in_the_other_order(dtype):
    records = pictures(20, dtype=dtype)
    swapped = records.astype(records.dtype.newbyteorder())
    for one in (Moments, Covariance):
        statistic = one(records.shape[1:], dtype)
        a, b = (statistic.init().update(r).arrays() for r in (records, swapped))
        assert all(np.array_equal(a[name], b[name]) for name in a)
