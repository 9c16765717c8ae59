"""Gram matrix, low rank and cross spectra: what serves where d x d does not fit."""

import os

import numpy as np
import pytest

from benchmarks.accuracy import crops, zca_error
from multiaug.errors import NotFittedError, ParameterError, RecordError
from multiaug.statistics import Covariance, Gram, LowRank, RayleighRitz, Stationary
from tests.statistics.pictures import covariance, pictures, rows

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "float32", "float64"])
def test_gram_holds_the_products_of_all_pairs(dtype):
    records = pictures(30, 20, 20, dtype=dtype)  # more features than one block of 1024
    statistic = Gram(records.shape[1:], dtype, records=30)
    a, b = records[:11], records[11:]
    one = statistic.init().update(a, 0).update(b, 11)
    two = statistic.init().update(a, 0, b, 11)
    state = two + one
    assert state.is_complete
    centred = rows(records) - rows(records).mean(0)
    expected = np.linalg.eigvalsh(centred @ centred.T / 30)[::-1]
    bar = 1e-6 if dtype == "float32" else 1e-12
    assert np.abs(state.eigenvalues() - expected).max() < bar * expected[0]
    if dtype in ("uint8", "uint16"):
        shifted = rows(records).astype(np.int64) - {"uint8": 128, "uint16": 32896}[dtype]
        upper = np.triu_indices(30)
        np.testing.assert_array_equal(state.gram[upper], (shifted @ shifted.T)[upper])


def test_gram_of_the_worst_values_does_not_overflow():
    # 200,000 products of 2^14 leave the range of an int32.
    records = np.zeros((3, 200_000), np.uint8)
    records[1, :7] = 255
    state = Gram((200_000,), "uint8", records=3).init().update(records, 0)
    corner = 199_993 * 2**14 - 7 * 128 * 127
    assert state.gram[0].tolist() == [200_000 * 2**14, corner, 200_000 * 2**14]


def test_gram_refuses_what_it_cannot_count():
    records = pictures(10)
    statistic = Gram(records.shape[1:], "uint8", records=10)
    state = statistic.init().update(records[:4], 0)
    with pytest.raises(NotFittedError, match="all 55 pairs of 10 records, got 10"):
        state.finalize()
    with pytest.raises(ParameterError, match="Record 3 has been seen"):
        state.update(records[3:6], 3)
    with pytest.raises(ParameterError, match="within 10 records"):
        state.update(records, 4)
    with pytest.raises(ParameterError, match="would be counted twice"):
        state + statistic.init().update(records[:2], 0)
    with pytest.raises(ParameterError, match="position of the batch"):
        statistic.accumulator(state).add(records)


@pytest.mark.parametrize(
    "order", ["as they are", "sorted", "in parts"] if NIGHTLY else ["sorted", "in parts"]
)
def test_lowrank_captures_what_there_is(order):
    records = pictures(1500, 7, 7)
    best = Covariance(records.shape[1:], "uint8").init().update(records).spectrum()
    if order == "sorted":  # the order that drifts most
        records = records[np.argsort((rows(records) - best.mean) @ best.vectors[0])]
    statistic = LowRank(records.shape[1:], "uint8", components=10)
    if order == "in parts":
        parts = [statistic.init().update(p) for p in np.array_split(records, 3)]
        state = parts[0] + (parts[1] + parts[2])
    else:
        state = statistic.init().update(records)
    second = RayleighRitz(state)
    second.add(records[:700])
    second.add(records[700:])
    spectrum = second.spectrum()
    optimum = best.eigenvalues[:10].sum()
    share = spectrum.eigenvalues.sum() / optimum
    assert 0.999 < share <= 1 + 1e-6
    assert spectrum.captured_at_least <= share
    difference = covariance(records) - state.sketch.T.astype(np.float64) @ state.sketch / 1500
    values = np.linalg.eigvalsh(difference)
    assert values[-1] <= state.bound * (1 + 1e-6)
    assert values[0] > -1e-4 * best.eigenvalues[0]
    assert abs(spectrum.total - best.total) < 1e-9 * best.total
    np.testing.assert_allclose(spectrum.mean, best.mean, rtol=1e-12)
    whitened = (rows(records) - spectrum.mean) @ spectrum.vectors.T / np.sqrt(spectrum.eigenvalues)
    assert np.abs(whitened.T @ whitened / 1500 - np.eye(10)).max() < 1e-4


def test_lowrank_of_full_rank_is_exact():
    records = pictures(100, 3, 3)
    state = LowRank((3, 3, 3), "uint8", components=27).init().update(records)
    best = Covariance((3, 3, 3), "uint8").init().update(records).spectrum()
    np.testing.assert_allclose(state.finalize().eigenvalues, best.eigenvalues, rtol=1e-4)
    assert state.bound < 1e-6 * best.total
    second = RayleighRitz(state)
    with pytest.raises(ParameterError, match="the 100 records of the sketch, got 0"):
        second.spectrum()


def test_stationary_is_the_mean_of_all_shifts():
    records = pictures(12, 6, 4)
    state = Stationary(records.shape[1:], "uint8").init().update(records[:5]).update(records[5:])
    shifted = [np.roll(records, (i, j), (1, 2)) for i in range(6) for j in range(4)]
    every = np.concatenate(shifted).astype(np.float64)
    field = np.fft.rfft2(every - every.mean((0, 1, 2)), axes=(1, 2), norm="ortho")
    expected = np.einsum("nuvi,nuvj->uvij", field, field.conj()) / len(every)
    np.testing.assert_allclose(state.cross_spectrum(), expected, atol=2e-2)
    np.testing.assert_allclose(state.channel_mean(), records.mean((0, 1, 2)), rtol=1e-6)
    parts = [
        Stationary(records.shape[1:], "uint8").init().update(r) for r in (records[:5], records[5:])
    ]
    np.testing.assert_allclose((parts[0] + parts[1]).cross, state.cross, rtol=1e-5, atol=1)
    with pytest.raises(NotFittedError, match="at least 2"):
        Stationary((4, 4, 1), "uint8").init().update(np.ones((1, 4, 4, 1), np.uint8)).finalize()
    with pytest.raises(NotFittedError, match="one colour"):
        Stationary((4, 4, 1), "uint8").init().update(np.ones((9, 4, 4, 1), np.uint8)).finalize()
    with pytest.raises(ParameterError, match=r"\(H, W, C\)"):
        Stationary((4,), "uint8")


def test_a_shift_is_for_floats():
    with pytest.raises(ParameterError, match="uint8 are about 128"):
        Gram((4, 4, 1), "uint8", shift=3.0)


def test_values_whose_squares_leave_float32():
    records = pictures(20, 4, 4, dtype="float32")
    large = records * np.float32(1e19)
    for statistic in (LowRank, Stationary):
        with pytest.raises(RecordError, match="expected values up to 1e12"):
            statistic((4, 4, 3), "float32").init().update(large)
    # Where d^2 or n^2 fits, float64 takes them.
    state = Gram((4, 4, 3), "float32", records=20).init().update(large, 0)
    small = Gram((4, 4, 3), "float32", records=20).init().update(records, 0)
    np.testing.assert_allclose(state.eigenvalues()[:9], small.eigenvalues()[:9] * 1e38, rtol=1e-5)
    # As large as is allowed.
    allowed = LowRank((4, 4, 3), "float32", components=5).init().update(records * np.float32(1e9))
    expected = small.eigenvalues()[:5] * 1e18
    np.testing.assert_allclose(allowed.finalize().eigenvalues, expected, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:Whiten of 'image':UserWarning")
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_zca_of_real_pictures_beside_float64(dtype):
    pytest.importorskip("skimage")
    records = crops(60, 6)
    records[7] = records[3]
    records = records if dtype == "uint8" else records.astype(np.float32) / np.float32(255)
    for solver, eps_mode, epsilon in (
        ("primal", "keras", 1e-6),
        ("dual", "keras", 1e-6),
        ("dual", "variance", "auto"),
    ):
        found = zca_error(records, solver, eps_mode, epsilon)
        assert found["matrix, relative"] < 1e-4
        assert found["whitened covariance, largest gap"] < 1e-4


@pytest.mark.parametrize("decay", [0.3, 3.0])
def test_what_a_low_rank_spectrum_lacks_is_bounded(decay):
    rng = np.random.default_rng(int(10 * decay))
    d, n = 48, 1200
    turned = np.linalg.qr(rng.standard_normal((d, d)))[0] * np.arange(1.0, d + 1) ** -decay
    records = (rng.standard_normal((n, d)) @ turned.T).astype(np.float32)
    state = LowRank((d,), "float32", components=5).init().update(records)
    look = RayleighRitz(state)
    look.add(records)
    for found in (state.spectrum(), look.spectrum()):
        held = (found.vectors.T * found.eigenvalues) @ found.vectors
        lacking = np.linalg.eigvalsh(covariance(records) - held)
        assert np.abs(lacking).max() <= found.bound
        best = np.linalg.eigvalsh(covariance(records))[-5:].sum()
        assert found.captured_at_least <= found.eigenvalues.sum() / best
    vectors = look.spectrum().vectors.astype(np.float64)
    assert np.abs(vectors @ vectors.T - np.eye(5)).max() < 1e-6
