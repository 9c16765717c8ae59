import itertools
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.errors import NotFittedError, ParameterError, RecordError
from multiaug.statistics import Covariance
from tests.nightly import by_night
from tests.statistics.pictures import covariance, pictures, rows

INTEGERS = ("bool", "int8", "uint8", "int16", "uint16")
FLOATS = ("float16", "float32", "float64", "int32")
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def assert_same_bits(one, two):
    assert one.n == two.n
    assert one.arrays().keys() == two.arrays().keys()
    for name, array in one.arrays().items():
        assert array.dtype == two.arrays()[name].dtype
        np.testing.assert_array_equal(array, two.arrays()[name], name)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_matches_two_passes_in_float64(dtype):
    records = pictures(70, dtype=dtype)
    state = Covariance(records.shape[1:], dtype).init().update(records[:33]).update(records[33:])
    expected = covariance(records)
    assert np.abs(state.covariance() - expected).max() <= 1e-13 * np.abs(expected).max()
    np.testing.assert_allclose(state.mean().ravel(), rows(records).mean(0), rtol=1e-13, atol=1e-9)
    assert state.mean().shape == records.shape[1:]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_states_have_the_same_bits_in_any_order(dtype):
    records = pictures(2600, 2, 3, dtype=dtype)
    statistic = Covariance(records.shape[1:], dtype)
    whole = statistic.init().update(records)
    rng = np.random.default_rng(1)
    assert_same_bits(whole, statistic.init().update(rng.permutation(records)))
    chained = statistic.init()
    for start in range(0, len(records), 777):
        chained = chained.update(records[start : start + 777])
    assert_same_bits(whole, chained)
    parts = [statistic.init().update(p) for p in np.array_split(records, 7)]
    merged = statistic.init()
    for i in rng.permutation(7):
        merged = merged + parts[i]
    assert_same_bits(whole, merged)
    centred = rows(records) - rows(records).mean(0)
    np.testing.assert_allclose(whole.covariance(), centred.T @ centred / 2600, rtol=1e-9, atol=1e-9)


SEVERAL_DEVICES = """
import hashlib, jax, numpy as np
from multiaug.statistics import Covariance
n, d = {n}, {d}
rows = np.random.default_rng(0).integers(0, 256, (n, d), dtype=np.uint8)
statistic = Covariance((d,), "uint8")
def digest(state):
    return hashlib.sha256(b"".join(a.tobytes() for a in state.arrays().values())).hexdigest()
states = [statistic.init().update(rows)]
if len(jax.devices()) == 1:
    rng = np.random.default_rng(1)
    states.append(statistic.init().update(rng.permutation(rows)))
    state = statistic.init()
    for start in range(0, n, 777):
        state = state.update(rows[start:start + 777])
    states.append(state)
    parts = [statistic.init().update(p) for p in np.array_split(rows, 7)]
    states.append(sum((parts[i] for i in rng.permutation(7)), statistic.init()))
print(len(jax.devices()), *sorted(set(map(digest, states))))
"""


@by_night
def test_one_or_two_devices(fresh_python):
    # By night 20,000 x 3,072, the size of a CIFAR-10 batch file in each of five orders.
    code = SEVERAL_DEVICES.format(n=20_000 if NIGHTLY else 9_000, d=3_072 if NIGHTLY else 96)
    one = fresh_python(code, devices=1).split()
    two = fresh_python(code, devices=2).split()
    assert (one[0], two[0]) == ("1", "2")
    assert one[1:] == two[1:]
    assert len(one) == 2


@pytest.mark.parametrize("dtype", INTEGERS)
def test_blas_and_xla_find_the_same_bits(dtype, monkeypatch):
    from multiaug.statistics.covariance import _covariance

    records = pictures(5300, 2, 3, dtype=dtype)
    found = []
    for host in (True, False):
        monkeypatch.setattr(_covariance, "on_host", lambda host=host: host)
        found.append(Covariance(records.shape[1:], dtype).init().update(records))
    assert_same_bits(*found)
    shift = {"uint8": 128, "int16": 128, "uint16": 32896}.get(dtype, 0)
    values = rows(records).astype(np.int64) - shift
    gram = found[0].arrays()["gram"].reshape(18, 18)
    np.testing.assert_array_equal(gram, values.T @ values)


def test_blocks_of_any_length_take_one_compiled_step(monkeypatch):
    from multiaug.statistics.covariance import _covariance
    from multiaug.statistics.sums._products import add_blocks

    monkeypatch.setattr(_covariance, "on_host", lambda: False)
    before = add_blocks._cache_size()
    state = Covariance((11,), "uint8").init()
    for count in (1, 30, 1024, 1025, 3000):
        state = state.update(np.zeros((count, 11), np.uint8))
    assert add_blocks._cache_size() == before + 1


def test_many_rows_at_once_only_where_no_sum_is_rounded():
    # Dim rows, of which thousands fit; then bright ones, whose odd squares would be rounded.
    rng = np.random.default_rng(0)
    dim = rng.integers(120, 137, (6000, 5), dtype=np.uint8)
    bright = np.where(rng.random((6000, 5)) < 0.9, 1, 255).astype(np.uint8)
    for records in (np.concatenate([dim, bright, dim]), bright):
        state = Covariance((5,), "uint8").init().update(records)
        values = records.astype(np.int64) - 128
        np.testing.assert_array_equal(state.gram.reshape(5, 5), values.T @ values)


@pytest.mark.parametrize(("dtype", "worst"), [("uint8", 0), ("int8", -128), ("uint16", 0)])
def test_int32_accumulators_do_not_overflow(dtype, worst):
    # Every product is the largest there is; 131,072 of them leave the range of an int32.
    count = 131_072 + 1_024
    rows = np.full((count, 2), worst, dtype)
    rows[0, 1] = 7  # not all alike
    state = Covariance((2,), dtype).init().update(rows)
    values = rows.astype(np.int64) - {"uint8": 128, "int8": 0, "uint16": 32896}[dtype]
    assert state.arrays()["sum"].tolist() == values.sum(0).tolist()
    assert state.arrays()["gram"].reshape(2, 2)[0].tolist() == (values.T @ values)[0].tolist()


def test_several_tile_rows_make_the_same_matrix():
    records = np.random.default_rng(0).integers(0, 256, (40, 1700), dtype=np.uint8)
    state = Covariance((1700,), "uint8").init().update(records)
    assert state.gram.size < 1700**2
    np.testing.assert_allclose(state.covariance(), covariance(records), atol=1e-9)


@pytest.mark.parametrize("black", [0, 8, 1500])
def test_large_offsets_and_black_first_records(black):
    rng = np.random.default_rng(0)
    records = (rng.standard_normal((3000, 4)) + 30000).astype(np.float32)
    records[:black] = 0
    statistic = Covariance((4,), "float32")
    expected = covariance(records)
    parts = [statistic.init().update(p) for p in np.array_split(records, [8, 700, 1900])]
    for state in (statistic.init().update(records), sum(parts[::-1], statistic.init())):
        assert np.abs(state.covariance() - expected).max() < 1e-11 * np.abs(expected).max()
        np.testing.assert_allclose(state.mean(), rows(records).mean(0), rtol=1e-14)


@given(
    cuts=st.lists(st.integers(0, 40), max_size=4),
    seed=st.integers(0, 2**16),
    dtype=st.sampled_from(["uint8", "int16"]),
)
def test_cutting_does_not_matter(cuts, seed, dtype):
    records = pictures(40, 2, 2, dtype=dtype, seed=seed)
    statistic = Covariance(records.shape[1:], dtype)
    edges = [0, *sorted(cuts), 40]
    parts = [records[a:b] for a, b in itertools.pairwise(edges)]
    merged = sum((statistic.init().update(p) for p in parts), statistic.init())
    assert_same_bits(merged, statistic.init().update(records))


def test_deterministic_floats_have_the_same_bits_in_any_order():
    records = pictures(300, dtype="float32") / np.float32(255)
    statistic = Covariance(records.shape[1:], "float32", deterministic=True, range=(-1, 2))
    whole = statistic.init().update(records)
    again = statistic.init().update(records[170:][::-1]) + statistic.init().update(records[:170])
    assert_same_bits(whole, again)
    expected = covariance(records)
    assert np.abs(whole.covariance() - expected).max() < 1e-7
    np.testing.assert_allclose(whole.mean(), records.mean(0), atol=1e-6)
    with pytest.raises(RecordError, match="within the range -1 to 2"):
        whole.update(records + 5)


def test_channel_centre_is_the_second_moment_about_channel_means():
    records = pictures(50)
    state = Covariance(records.shape[1:], "uint8").init().update(records)
    centred = (records - records.mean((0, 1, 2))).reshape(50, -1)
    np.testing.assert_allclose(
        state.covariance("channel"), centred.T @ centred / 50, rtol=1e-10, atol=1e-9
    )
    np.testing.assert_allclose(state.channel_mean(), records.mean((0, 1, 2)))


def test_values_beyond_the_squares_of_float32():
    records = pictures(30, dtype="float32") * np.float32(1e19)
    state = Covariance(records.shape[1:], "float32").init().update(records)
    expected = covariance(records)
    assert np.abs(state.covariance() - expected).max() <= 1e-12 * np.abs(expected).max()


def test_spectrum_rebuilds_the_covariance():
    records = pictures(400)
    spectrum = Covariance(records.shape[1:], "uint8").init().update(records).finalize()
    rebuilt = (spectrum.vectors.T * spectrum.eigenvalues) @ spectrum.vectors
    np.testing.assert_allclose(rebuilt, covariance(records), atol=1e-9)
    assert spectrum.rank == spectrum.d == 90
    assert abs(spectrum.captured - 1) < 1e-12


def test_empty_batches_and_states_change_nothing():
    records = pictures(20)
    statistic = Covariance(records.shape[1:], "uint8")
    state = statistic.init().update(records)
    assert_same_bits(state.update(records[:0]), state)
    assert_same_bits(state + statistic.init(), state)
    assert_same_bits(statistic.init() + state, state)
    before = state.gram.copy()
    state.update(records)
    np.testing.assert_array_equal(state.gram, before)


def test_too_few_records():
    records = pictures(4)
    empty = Covariance(records.shape[1:], "uint8").init()
    for ask in (empty.mean, empty.covariance):
        with pytest.raises(NotFittedError, match="no records"):
            ask()
    with pytest.raises(NotFittedError, match="at least 2 records, got 1"):
        empty.update(records[:1]).finalize()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("centre", ["pixel", "channel"])
def test_records_that_are_all_alike(dtype, centre):
    records = np.repeat(pictures(1, dtype=dtype), 30, axis=0)
    state = Covariance(records.shape[1:], dtype).init().update(records)
    with pytest.raises(NotFittedError, match="all alike"):
        state.spectrum(centre)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bad_values_are_named(value, dtype):
    records = pictures(9, dtype=dtype)
    records[7, 2, 1, 0] = value
    state = Covariance(records.shape[1:], dtype).init()
    with pytest.raises(RecordError, match=r"chunk 3, record 7, position \(2, 1, 0\)"):
        state.update(records, chunk=3)
    assert state.n == 0


def test_batches_of_another_kind():
    records = pictures(4)
    state = Covariance(records.shape[1:], "uint8").init()
    with pytest.raises(RecordError, match="must be uint8, got float32"):
        state.update(records.astype(np.float32))
    with pytest.raises(RecordError, match=r"must have shape \(n, 6, 5, 3\)"):
        state.update(records.transpose(0, 3, 1, 2))


def test_states_that_do_not_belong_together():
    a = Covariance((2, 2, 1), "uint8").init().update(np.zeros((3, 2, 2, 1), np.uint8))
    for other in (
        Covariance((4,), "uint8").init(),
        Covariance((2, 2, 1), "int8").init(),
        Covariance((2, 2, 1), "float32", deterministic=True, range=(0, 1)).init(),
    ):
        with pytest.raises(ParameterError, match="same statistic"):
            a + other
    given = Covariance((3,), "float32", deterministic=True, range=(0, 1)).init()
    with pytest.raises(ParameterError, match="which differ in deterministic, range"):
        Covariance((3,), "float32").init() + given


def test_chunks_are_counted_once():
    records = pictures(8)
    statistic = Covariance(records.shape[1:], "uint8")
    a = statistic.init().update(records[:4], chunk=0).update(records[4:], chunk=(1, 2))
    with pytest.raises(ParameterError, match="chunk 0 would be counted twice"):
        a.update(records, chunk=0)
    b = statistic.init().update(records, chunk=(1, 2))
    with pytest.raises(ParameterError, match=r"chunk \(1, 2\)"):
        a + b
    assert (a + statistic.init().update(records, chunk=5)).n == 16
    assert (a + statistic.init().update(records, chunk=0, source="another")).n == 16


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"record_shape": (0, 3), "dtype": "uint8"}, "lengths >= 1"),
        ({"record_shape": (3,), "dtype": "complex64"}, "must be one of"),
        ({"record_shape": (3,), "dtype": "float32", "deterministic": True}, "must be .lo, hi."),
        ({"record_shape": (3,), "dtype": "uint8", "range": (0, 1)}, "is for deterministic"),
        ({"entries": [3]}, "names of entries"),
    ],
)
def test_settings_that_mean_nothing(settings, match):
    with pytest.raises(ParameterError, match=match):
        Covariance(**settings)
    with pytest.raises(ParameterError, match="must know the shape"):
        Covariance().init()
