import json
import warnings

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import NotFittedError, ParameterError, StoreError
from multiaug.statistics import Covariance
from multiaug.store import ArraySource
from tests.nightly import NIGHTLY
from tests.statistics.pictures import pictures

SPEC = ma.DataSpec.from_dict(
    {"name": "pictures", "entries": {"image": {"role": "intensity", "channels": 3}}}
)
KEYS = jax.random.split(jax.random.key(0), 600)


def fitted(records, *statistics, spec=SPEC, **kwargs):
    source = ArraySource({"image": records}, spec)
    return ma.fit(source, *statistics, progress=False, **kwargs)


def run(transform, records, spec=SPEC):
    pipeline = ma.Pipeline([transform], spec)
    return np.asarray(pipeline.batch(KEYS[: len(records)], {"image": records})["image"])


def keras_zca(records, epsilon, rescale=1.0):
    """Mean, std and matrix as Keras 3 has them, in float64."""
    x = records.astype(np.float64) * rescale
    mean, std = x.mean((0, 1, 2)), x.std((0, 1, 2))
    flat = (x - mean).reshape(len(x), -1)
    u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
    # Directions that only rounding has found are no directions.
    gain = np.where(s > 1e-9 * s[0], np.sqrt(len(x)) / (s + epsilon), 0)
    return mean, std, (u * gain) @ u.T


@pytest.mark.parametrize(("n", "rescale"), [(600, 1.0), (600, 1 / 255), (60, 1.0), (60, 1 / 255)])
def test_the_formula_of_keras(n, rescale):
    records = pictures(n, 8, 8)
    mean, std, matrix = keras_zca(records, 1e-6, rescale)
    stats = fitted(records, ma.Moments(), ma.ZCA(center="channel"))
    values = stats["image"].spectrum("channel").eigenvalues[: min(n, 192)]
    assert values[0] < 1e4 * values[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the gain: that is what Keras does
        whiten = ma.Whiten(stats, epsilon=1e-6, eps_mode="keras", center="channel", rescale=rescale)
    found = whiten.matrix()
    assert np.linalg.norm(found - matrix) < 1e-6 * np.linalg.norm(matrix)
    expected = (records * rescale - mean).reshape(n, -1) @ matrix
    out = run(whiten, records).reshape(n, -1)
    assert np.linalg.norm(out - expected) < 2e-6 * np.linalg.norm(expected)
    standardised = run(ma.Standardize(stats, rescale=rescale), records)
    expected = (records * rescale - mean) / (std + 1e-6)
    assert np.linalg.norm(standardised - expected) < 2e-6 * np.linalg.norm(expected)


CASES = [(600, None), (600, 1 / 256), (60, None), (60, 1 / 256)]


@pytest.mark.parametrize(("n", "rescale"), CASES if NIGHTLY else CASES[2:])
@pytest.mark.filterwarnings("ignore:This ImageDataGenerator specifies")
def test_keras_itself(n, rescale, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    image = pytest.importorskip("keras.src.legacy.preprocessing.image")
    # Keras sums in float32: with 1 / 255 it is 2e-6 to 5e-4 from its own formula, where we are
    # 5e-7. A power of two leaves the sums exact.
    records = pictures(n, 8, 8)
    stats = fitted(records, ma.Moments(), ma.ZCA(center="channel"))
    oracle = image.ImageDataGenerator(zca_whitening=True, rescale=rescale)
    oracle.fit(records)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whiten = ma.Whiten(
            stats, epsilon=1e-6, eps_mode="keras", center="channel", rescale=rescale or 1.0
        )
    matrix = np.asarray(oracle.zca_whitening_matrix)
    assert np.linalg.norm(whiten.matrix() - matrix) < 1e-6 * np.linalg.norm(matrix)
    expected = oracle.standardize(records[:40].astype(np.float32))
    out = run(whiten, records[:40])
    assert np.linalg.norm(out - expected) < 2e-6 * np.linalg.norm(expected)
    oracle = image.ImageDataGenerator(
        featurewise_center=True, featurewise_std_normalization=True, rescale=rescale
    )
    # Its sums of squares are exact for few records only: with 600 they are 4e-6 off.
    oracle.fit(records[:60])
    expected = oracle.standardize(records[:40].astype(np.float32))
    stats = fitted(records[:60], ma.Moments())
    out = run(ma.Standardize(stats, rescale=rescale or 1.0), records[:40])
    assert np.linalg.norm(out - expected) < 2e-6 * np.linalg.norm(expected)


def test_whitened_pictures_are_white():
    records = pictures(900, 4, 4)
    whiten = ma.Whiten(fitted(records, ma.ZCA()), epsilon=0)
    rows = run(whiten, records[:500]), run(whiten, records[500:900])
    rows = np.concatenate(rows).reshape(900, -1).astype(np.float64)
    assert np.abs(rows.mean(0)).max() < 1e-4
    assert np.abs(np.cov(rows.T, bias=True) - np.eye(48)).max() < 1e-4
    np.testing.assert_array_equal(whiten.matrix(), whiten.matrix().T)
    again = ma.Whiten(fitted(rows.reshape(-1, 4, 4, 3).astype(np.float32), ma.ZCA()), epsilon=0)
    assert np.abs(again.matrix() - np.eye(48)).max() < 1e-3
    # ZCA is the whitening that changes pictures least; PCA is its rotation.
    pca = run(ma.Whiten(fitted(records, ma.ZCA()), method="pca", epsilon=0), records[:500])
    assert pca.shape == (500, 48)
    np.testing.assert_allclose(pca @ pca.T, rows[:500] @ rows[:500].T, atol=0.05)


def test_scaled_records_need_the_inverse_scale():
    records = pictures(300, 4, 4)
    one = ma.Whiten(fitted(records, ma.ZCA()), epsilon=0).matrix()
    two = ma.Whiten(fitted(records.astype(np.uint16) * 16, ma.ZCA()), epsilon=0).matrix()
    np.testing.assert_allclose(one / 16, two, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("n", [30, 500])
@pytest.mark.parametrize("method", ["zca", "pca"])
def test_inverse(n, method):
    records = pictures(n, 4, 4)
    stats = fitted(records, ma.ZCA())
    whiten = ma.Whiten(stats, method=method, components=29 if n == 30 else None)
    pipeline = ma.Pipeline([whiten], SPEC)
    params = pipeline.sample(KEYS[:20], (4, 4))
    out = pipeline.apply(params, {"image": records[:20]})
    back = np.asarray(pipeline.invert(params, out)["image"])
    assert np.abs(back - records[:20]).max() < 0.05
    one = pipeline.sample(KEYS[3], (4, 4))
    single = pipeline.invert(one, {"image": out["image"][3]})["image"]
    assert np.abs(np.asarray(single) - records[3]).max() < 0.05


def test_a_pipeline_with_geometry_before():
    records = pictures(100, 6, 6)
    stats = fitted(records, ma.Moments(), ma.ZCA())
    flip = ma.Pipeline([ma.Flip("x", p=0.5)], SPEC)
    whole = flip.then(ma.Whiten(stats))
    flipped = np.asarray(flip.batch(KEYS[:100], {"image": records})["image"])
    expected = run(ma.Whiten(stats), flipped)
    np.testing.assert_array_equal(whole.batch(KEYS[:100], {"image": records})["image"], expected)
    params = whole.sample(KEYS[:100], (6, 6))
    back = whole.invert(params, {"image": expected})
    assert np.abs(np.asarray(back["image"]) - records).max() < 0.05


@pytest.mark.cpu
@pytest.mark.parametrize("n", [40, 300])
def test_one_record_or_many_are_the_same_bits(n):
    records = pictures(n, 6, 6)
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Whiten(fitted(records, ma.ZCA()))], SPEC)
    whole = np.asarray(pipeline.batch(KEYS[:40], {"image": records[:40]})["image"])
    parts = [
        pipeline.batch(KEYS[i : i + 7], {"image": records[i : i + 7]}) for i in range(0, 35, 7)
    ]
    np.testing.assert_array_equal(whole[:35], np.concatenate([p["image"] for p in parts]))
    np.testing.assert_array_equal(whole[11], pipeline(KEYS[11], {"image": records[11]})["image"])
    traced = jax.jit(lambda p, k, r: p.batch(k, {"image": r})["image"])
    out = traced(pipeline, KEYS[:40], records[:40])
    np.testing.assert_allclose(out, whole, atol=1e-4)


def test_fewer_records_than_pixels():
    records = pictures(64, 8, 8)
    stats = fitted(records, ma.ZCA())
    spectrum = stats["image"].spectrum()
    whiten = ma.Whiten(stats, epsilon=0)
    # An eighth of the 63 directions, and the mean of the variance that is left.
    left = (spectrum.total - spectrum.eigenvalues[:7].sum()) / (192 - 7)
    vectors = spectrum.vectors[:7]
    expected = np.eye(192) / np.sqrt(left)
    expected += (vectors.T * (1 / np.sqrt(spectrum.eigenvalues[:7]) - 1 / np.sqrt(left))) @ vectors
    out = run(whiten, records)
    centred = (records - records.mean(0)).reshape(64, -1)
    np.testing.assert_allclose(out.reshape(64, -1), centred @ expected, atol=1e-4)
    zero = run(ma.Whiten(stats, epsilon=0, tail="zero"), records).reshape(64, -1)
    np.testing.assert_allclose(zero @ vectors.T, out.reshape(64, -1) @ vectors.T, atol=1e-4)
    assert np.abs(zero - zero @ vectors.T @ vectors).max() < 1e-4
    flat = run(ma.Whiten(stats, epsilon=0, tail="flat"), records).reshape(64, -1)
    rest = centred - centred @ vectors.T @ vectors
    gain = 1 / np.sqrt(spectrum.eigenvalues[6])
    np.testing.assert_allclose(flat - flat @ vectors.T @ vectors, rest * gain, atol=1e-4)


@pytest.mark.parametrize("solver", ["dual", "lowrank"])
def test_other_solvers_whiten_alike(solver):
    records = pictures(60 if solver == "dual" else 500, 8, 8)
    primal = ma.Whiten(fitted(records, ma.ZCA()), components=20)
    stats = fitted(records, ma.ZCA(components=20), solver=solver)
    other = ma.Whiten(stats, components=20, epsilon=primal.chosen_epsilon)
    bar = 1e-3 if solver == "dual" else 0.1
    one, two = run(primal, records[:40]), run(other, records[:40])
    assert np.linalg.norm(one - two) < bar * np.linalg.norm(one)


def test_the_older_formula():
    records = pictures(40, 4, 4)
    flat = (records - records.mean(0)).reshape(40, -1)
    values, vectors = np.linalg.eigh(flat.T @ flat / 40)
    expected = (vectors / np.sqrt(np.maximum(values, 0) + 0.1)) @ vectors.T
    stats = fitted(records, ma.ZCA())
    whiten = ma.Whiten(stats, epsilon=0.1, eps_mode="covariance")
    np.testing.assert_allclose(whiten.matrix(), expected, atol=1e-6)
    # And from the Gram matrix, which holds the 39 directions that the records span.
    dual = fitted(records, ma.ZCA(components=39), solver="dual")
    other = ma.Whiten(dual, epsilon=0.1, eps_mode="covariance")
    np.testing.assert_allclose(other.matrix(), expected, atol=1e-4)
    few = fitted(records, ma.ZCA(components=10), solver="dual")
    with pytest.raises(ParameterError, match="components=39"):
        ma.Whiten(few, epsilon=0.1, eps_mode="covariance")


def test_constant_pixels_stay_finite():
    records = pictures(300, 4, 4)
    records[:, 1] = 7
    stats = fitted(records, ma.Moments(), ma.ZCA())
    fresh = pictures(20, 4, 4, seed=5)
    for whiten in (
        ma.Whiten(stats),
        ma.Whiten(stats, epsilon=0),
        ma.Whiten(stats, epsilon=1e-6, eps_mode="keras"),
    ):
        assert whiten.gain < 1e3
        assert np.abs(run(whiten, fresh)).max() < 100
    assert np.isfinite(run(ma.Standardize(stats, center="pixel"), records)).all()
    np.testing.assert_array_equal(run(ma.Standardize(stats, center="pixel"), records)[:, 1], 0)


def test_large_gains_are_warned_of():
    records = pictures(300, 4, 4)
    records[:, 0, 0] = records[:, 0, 1]
    records[0, 0, 0, 0] += 1
    stats = fitted(records.astype(np.float32) / 255, ma.ZCA())
    with pytest.warns(UserWarning, match="the largest gain is"):
        whiten = ma.Whiten(stats, epsilon=1e-12)
    assert whiten.gain > 1e3
    assert ma.Whiten(stats).gain < 1e3
    assert ma.Whiten(stats).chosen_epsilon > 0


def test_pixels_without_data_stay_without():
    spec = ma.DataSpec.from_dict(
        {"name": "n", "entries": {"image": {"role": "intensity", "channels": 3, "invalid": "nan"}}}
    )
    records = pictures(60, 4, 4, dtype="float32")
    stats = fitted(records, ma.ZCA(), spec=spec)
    holed = records[:5].copy()
    holed[2, 1, 1] = np.nan
    filled = holed.copy()
    filled[2, 1, 1] = records.mean(0)[1, 1]
    whiten = ma.Whiten(stats)
    out, expected = run(whiten, holed, spec), run(whiten, filled, spec).copy()
    assert np.isnan(out[2, 1, 1]).all()
    assert np.isnan(out).sum() == 3
    expected[2, 1, 1] = np.nan
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_stationary():
    records = pictures(200, 8, 6)
    stats = fitted(records, ma.Stationary())
    whiten = ma.Whiten(stats, statistic="stationary", epsilon=0)
    out = run(whiten, records)
    # Moving a picture along its torus moves the result along.
    moved = run(whiten, np.roll(records, (3, 2), (1, 2)))
    np.testing.assert_allclose(np.roll(out, (3, 2), (1, 2)), moved, atol=1e-3)
    assert abs(np.square(out).mean() - 1) < 1e-3
    field = np.fft.rfft2(out, axes=(1, 2), norm="ortho")
    cross = np.einsum("nuvi,nuvj->uvij", field, field.conj()) / 200
    assert np.abs(cross - np.eye(3)).max() < 1e-3
    pipeline = ma.Pipeline([whiten], SPEC)
    params = pipeline.sample(KEYS[:9], (8, 6))
    back = pipeline.invert(params, {"image": out[:9]})["image"]
    assert np.abs(np.asarray(back) - records[:9]).max() < 0.05
    with pytest.raises(NotFittedError, match=r"Fit multiaug.ZCA\(\)"):
        ma.Whiten(stats)


def test_only_one_group_of_an_entry():
    spec = ma.load_spec("rgbxyz")
    colours = pictures(50, dtype="float32") / 255
    values = np.concatenate([colours, pictures(50, dtype="float32", seed=1)], -1)
    source = ArraySource({"rgbxyz": values}, spec)
    stats = ma.fit(source, ma.Moments(), ma.ZCA(), progress=False)
    pipeline = ma.Pipeline([ma.Whiten(stats)], spec)
    out = np.asarray(pipeline.batch(KEYS[:50], {"rgbxyz": values})["rgbxyz"])
    np.testing.assert_array_equal(out[..., 3:], values[..., 3:])
    alone = run(ma.Whiten(fitted(colours, ma.ZCA())), colours)
    np.testing.assert_allclose(out[..., :3], alone, atol=1e-3)
    pipeline = ma.Pipeline([ma.Standardize(stats)], spec)
    out = np.asarray(pipeline.batch(KEYS[:50], {"rgbxyz": values})["rgbxyz"])
    np.testing.assert_array_equal(out[..., 3:], values[..., 3:])
    np.testing.assert_allclose(out[..., :3].mean((0, 1, 2)), 0, atol=1e-5)


def test_pipelines_refer_to_saved_statistics(tmp_path):
    records = pictures(60, 4, 4)
    stats = fitted(records, ma.Moments(), ma.ZCA())
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Standardize(stats)], SPEC).then()
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Whiten(stats, epsilon=0.5)], SPEC)
    with pytest.raises(NotFittedError, match="save"):
        pipeline.to_dict()
    stats.save(tmp_path / "stats.zarr")
    document = json.loads(json.dumps(pipeline.to_dict()))
    assert document["transforms"][1]["statistics"] == {
        "path": str(tmp_path / "stats.zarr"),
        "sha256": stats.sha256,
    }
    again = ma.Pipeline.from_dict(document)
    batch = {"image": records[:40]}
    np.testing.assert_array_equal(
        again.batch(KEYS[:40], batch)["image"], pipeline.batch(KEYS[:40], batch)["image"]
    )
    fitted(records[:50], ma.ZCA()).save(tmp_path / "stats.zarr", overwrite=True)
    with pytest.raises(StoreError, match="not the expected ones"):
        ma.Pipeline.from_dict(document)


def test_where_it_may_stand():
    stats = fitted(pictures(20, 4, 4), ma.Moments(), ma.ZCA())
    with pytest.raises(ParameterError, match="must stand last"):
        ma.Pipeline([ma.Whiten(stats), ma.Flip("x")], SPEC)
    with pytest.raises(ParameterError, match="must stand last"):
        ma.Pipeline([ma.Maybe(ma.Whiten(stats))], SPEC)
    pipeline = ma.Pipeline([ma.Crop((3, 3)), ma.Whiten(stats)], SPEC)
    with pytest.raises(ParameterError, match="fitted on 4 x 4 pixels"):
        pipeline.batch(KEYS[:2], {"image": pictures(2, 4, 4)})
    per_pixel = ma.Pipeline([ma.Standardize(stats, center="pixel")], SPEC)
    with pytest.raises(ParameterError, match="fitted on 4 x 4 pixels"):
        per_pixel.batch(KEYS[:2], {"image": pictures(2, 6, 4)})
    one = ma.DataSpec.from_dict(
        {"name": "one", "entries": {"image": {"role": "intensity", "channels": 1}}}
    )
    with pytest.raises(ParameterError, match="fitted on 3 intensity channels"):
        ma.Pipeline([ma.Whiten(stats)], one).batch(KEYS[:2], {"image": pictures(2, 4, 4, 1)})


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"epsilon": -1}, "finite number in"),
        ({"epsilon": "little"}, "one of auto"),
        ({"eps_mode": "keras"}, "must be a number"),
        ({"tail": "long"}, "one of residual"),
        ({"method": "ica"}, "one of zca, pca"),
        ({"components": 49}, "at most 48"),
        ({"rescale": 0}, "above 0"),
        ({"center": "row"}, "one of pixel, channel"),
        ({"statistic": "stationary", "method": "pca"}, "must have method='zca'"),
    ],
)
def test_settings_that_mean_nothing(settings, match):
    stats = fitted(pictures(60, 4, 4), ma.ZCA())
    with pytest.raises(ParameterError, match=match):
        ma.Whiten(stats, **settings)


def test_what_was_not_fitted():
    stats = fitted(pictures(20, 4, 4), ma.Moments())
    with pytest.raises(NotFittedError, match=r"Fit multiaug.ZCA\(\)"):
        ma.Whiten(stats)
    with pytest.raises(NotFittedError, match="'mask'"):
        ma.Standardize(stats, entries="mask")
    with pytest.raises(NotFittedError, match=r"multiaug.fit\(source"):
        ma.Whiten({"mean": 3})
    state = Covariance((4, 4, 3), "uint8").init()
    with pytest.raises(NotFittedError, match=r"what multiaug\.fit"):
        ma.Standardize(state)


def test_standardize_per_pixel_and_back():
    records = pictures(80, 4, 4)
    stats = fitted(records, ma.Moments())
    declared = ma.DataSpec.from_dict(
        {
            "name": "bytes",
            "entries": {"image": {"role": "intensity", "channels": 3, "dtype": "uint8"}},
        }
    )
    pipeline = ma.Pipeline([ma.Standardize(stats, center="pixel")], declared)
    params = pipeline.sample(KEYS[:80], (4, 4))
    out = np.asarray(pipeline.apply(params, {"image": records})["image"])
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(0), 1, atol=1e-5)
    back = np.asarray(pipeline.invert(params, {"image": out})["image"])
    np.testing.assert_allclose(back, records, atol=0.5)
    centred = run(ma.Standardize(stats, scale=False), records)
    np.testing.assert_allclose(centred, records - records.mean((0, 1, 2)), atol=1e-4)
