"""Exact moments in native code beside NumPy's int64, for every dtype, level and leftover."""

import numpy as np
import pytest

from multiaug._native import library
from multiaug.statistics import Moments
from multiaug.statistics.moments import _moments

DTYPES = ["bool", "uint8", "int8", "uint16", "int16"]
needs_library = pytest.mark.skipif(library() is None, reason="there is no compiled library")


def records_of(dtype, shape, seed=0):
    """Of the whole range, the ends of it in one column each."""
    info = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    records = np.random.default_rng(seed).integers(info[0], info[1] + 1, shape).astype(dtype)
    records[:, 0, 0, 0], records[:, 0, 1, 0] = info
    return records


def check(state, records, invalid):
    shift = {"uint8": 128, "int16": 128, "uint16": 32896}.get(records.dtype.name, 0)
    if state.statistic.by_channel:
        records = records.reshape(-1, records.shape[-1])
    else:
        records = records.reshape(len(records), -1)
    valid = np.ones(records.shape, bool) if invalid is None else records != invalid
    about = (records.astype(np.int64) - shift) * valid
    square = state.square
    if state.statistic.by_channel:
        square = [int(high) * 2**32 + int(low) for high, low in square.T]
    np.testing.assert_array_equal(state.count, valid.sum(0))
    np.testing.assert_array_equal(state.sum, about.sum(0))
    np.testing.assert_array_equal(square, (about**2).sum(0))
    empty = Moments((1, 1, 1), records.dtype.name).init()
    for found, pick, start in ((state.low, np.min, empty.low), (state.high, np.max, empty.high)):
        wanted = pick(records, 0, initial=start[0], where=valid)
        np.testing.assert_array_equal(found, wanted)


@needs_library
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("per", ["pixel", "channel"])
def test_every_dtype_and_level(dtype, per):
    records = records_of(dtype, (23, 19, 21, 3))  # strips and vectors are left over
    marks = [None, 1, int(records[0, 0, 0, 0])]
    try:
        for level in (0, 1, 2):
            library().multiaug_allow(level)
            for invalid in marks:
                statistic = Moments(records.shape[1:], dtype, per=per, invalid=invalid)
                state = statistic.init().update(records[:5]).update(records[5:])
                check(state, records, invalid)
    finally:
        library().multiaug_allow(2)


@needs_library
def test_many_rows_do_not_overflow():
    records = np.full((5000, 1, 8, 4), 255, np.uint8)
    check(Moments((1, 8, 4), "uint8", per="pixel").init().update(records), records, None)
    dark = np.zeros_like(records)
    check(Moments((1, 8, 4), "uint8", per="channel").init().update(dark), dark, None)


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_the_bits_of_xla(dtype, monkeypatch):
    records = records_of(dtype, (40, 6, 5, 3))
    states = []
    for per in ("pixel", "channel"):
        statistic = Moments((6, 5, 3), dtype, per=per, invalid=3)
        states.append(statistic.init().update(records[:9]).update(records[9:]))
    monkeypatch.setattr(_moments, "native_is_available", lambda: False)
    for state in states:
        check(state, records, 3)
        other = state.statistic.init().update(records)
        for name, array in state.arrays().items():
            assert array.dtype == other.arrays()[name].dtype
            np.testing.assert_array_equal(array, other.arrays()[name])


def test_a_mark_that_no_value_can_be():
    records = records_of("uint8", (4, 3, 3, 1))
    for invalid in (-9999.0, 0.5, 256):
        assert (
            Moments((3, 3, 1), "uint8", invalid=invalid).init().update(records).count == 4
        ).all()


def test_records_that_are_not_contiguous():
    records = records_of("uint8", (12, 6, 5, 3))
    state = Moments((6, 5, 3), "uint8").init().update(records[::2])
    check(state, np.ascontiguousarray(records[::2]), None)
