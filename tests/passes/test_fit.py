import json
import logging

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._machine import parse_memory
from multiaug.errors import NotFittedError, ParameterError, RecordError
from multiaug.statistics import Covariance
from multiaug.store import ArraySource
from tests.statistics.pictures import covariance, pictures

SPEC = ma.DataSpec.from_dict(
    {"name": "pictures", "entries": {"image": {"role": "intensity", "channels": 3}}}
)
NAN = ma.DataSpec.from_dict(
    {
        "name": "with holes",
        "entries": {"image": {"role": "intensity", "channels": 3, "invalid": "nan"}},
    }
)


def source_of(records, block=16, spec=SPEC):
    return ArraySource({"image": records}, spec, block=block)


def assert_same(one, two):
    assert one.keys() == two.keys()
    for label, group in one.items():
        assert group.keys() == two[label].keys()
        for name, item in group.items():
            for key, array in item.arrays().items():
                np.testing.assert_array_equal(array, two[label][name].arrays()[key])


def subspace_gap(a, b):
    """How far two sets of orthonormal rows are from spanning the same space."""
    return 1 - np.linalg.svd(np.asarray(a, np.float64) @ np.asarray(b, np.float64).T)[1].min()


def test_moments_and_zca_in_one_pass():
    records = pictures(200)
    source = source_of(records)
    scans = []
    source.scan, scan = lambda blocks: scans.append(blocks) or scan(blocks), source.scan
    stats = ma.fit(source, ma.Moments(), ma.ZCA(), progress=False)
    assert [list(blocks) for blocks in scans] == [list(source.blocks)]
    assert sorted(stats["image"]) == ["covariance", "moments", "zca"]
    np.testing.assert_allclose(stats["image"].moments.mean(), records.mean(0), rtol=1e-14)
    np.testing.assert_allclose(
        stats["image"]["covariance"].covariance(), covariance(records), atol=1e-9
    )
    assert stats.info["records"] == 200
    assert stats["image"].spectrum().method == "primal"


def test_blocks_do_not_matter_to_integers():
    records = pictures(230)
    stats = [
        ma.fit(source_of(records, block), ma.Moments(), ma.ZCA(), progress=False)
        for block in (1, 64, 230)
    ]
    assert_same(stats[0], stats[1])
    assert_same(stats[0], stats[2])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("centre", ["pixel", "channel"])
def test_dual_has_the_spectrum_of_the_covariance(dtype, centre):
    records = pictures(40, 8, 8, dtype=dtype)
    # 192 numbers a record; small memory, so that pairs of several groups are read.
    memory = 300 * 10**6 + 24 * 40**2 + 192 * 40 * 4 + 4 * 192 * 4 * 15
    kwargs = {"progress": False, "solver": "dual", "memory": memory}
    stats = ma.fit(source_of(records, 4), ma.ZCA(center=centre, components=39), **kwargs)
    dual = stats["image"].spectrum(centre)
    primal = Covariance((8, 8, 3), dtype).init().update(records).spectrum(centre)
    assert dual.method == "dual"
    scale = primal.eigenvalues[0]
    bar = 1e-12 if dtype != "float32" else 1e-6
    assert np.abs(dual.eigenvalues - primal.eigenvalues[:39]).max() < bar * scale
    np.testing.assert_allclose(dual.mean, primal.mean, rtol=1e-6)
    assert subspace_gap(dual.vectors[:20], primal.vectors[:20]) < 1e-5
    assert abs(dual.total - primal.total) < 1e-6 * primal.total


def test_pairs_are_read_in_several_groups(monkeypatch):
    from multiaug.statistics.whitening import _solver

    records = pictures(50, 8, 8)
    whole = ma.fit(source_of(records, 5), ma.ZCA(), solver="dual", progress=False)
    monkeypatch.setattr(_solver, "pair_rows", lambda *_: 12)
    parts = ma.fit(source_of(records, 5), ma.Moments(), ma.ZCA(), solver="dual", progress=False)
    np.testing.assert_array_equal(
        whole["image"]["zca"].eigenvalues, parts["image"]["zca"].eigenvalues
    )
    np.testing.assert_allclose(parts["image"].moments.mean(), records.mean(0), rtol=1e-14)


@pytest.mark.parametrize("centre", ["pixel", "channel"])
def test_lowrank_is_close_to_the_optimum(centre):
    records = pictures(700, 8, 8)
    records[..., :4, :] //= 3  # the means of pixels are far from that of their channel
    request = ma.ZCA(components=12, center=centre)
    stats = ma.fit(source_of(records), request, solver="lowrank", progress=False)
    found = stats["image"].spectrum(centre)
    best = Covariance((8, 8, 3), "uint8").init().update(records).spectrum(centre)
    np.testing.assert_allclose(found.mean, best.mean, rtol=1e-12)
    assert subspace_gap(found.vectors[:3], best.vectors[:3]) < 1e-3
    optimum = best.eigenvalues[:12].sum()
    assert 0.999 < found.eigenvalues.sum() / optimum <= 1 + 1e-6
    assert found.captured_at_least <= found.eigenvalues.sum() / optimum
    assert abs(found.total - best.total) < 1e-9 * best.total


def test_the_solver_is_chosen_by_memory_and_logged(caplog):
    base, d, n = 300 * 10**6, 192, 60
    source = source_of(pictures(n, 8, 8))

    def solver(spare):
        with caplog.at_level(logging.INFO, "multiaug"):
            stats = ma.fit(source, ma.ZCA(), memory=base + spare, progress=False)
        return stats["image"].spectrum().method

    assert solver(50 * d * d) == "primal"
    assert solver(30 * d * d) == "dual"
    assert "dual, " in caplog.text
    assert "n = 60, d = 192" in caplog.text
    assert "needs 1.47 MB" in caplog.text


def test_too_little_memory_is_refused_before_reading():
    source = source_of(pictures(60, 8, 8))
    source.scan = lambda blocks: pytest.fail("the data were read")
    with pytest.raises(ParameterError, match=r"primal needs 1.47 MB, dual .* is left"):
        ma.fit(source, ma.ZCA(), memory="300.01MB", progress=False)
    with pytest.raises(ParameterError, match="solver='primal' does not fit"):
        ma.fit(source, ma.ZCA(), memory="301MB", solver="primal", progress=False)
    with pytest.raises(ParameterError, match="allowed is 100 MB"):
        ma.fit(source, ma.Moments(), memory="100MB", progress=False)


def test_groups_have_statistics_of_their_own():
    spec = ma.load_spec("rgbxyz")
    values = np.concatenate(
        [pictures(20, dtype="float32") / 255, pictures(20, dtype="float32", seed=1)], -1
    )
    values[3, 2, 2, 3:] = np.nan  # no point there
    source = ArraySource({"rgbxyz": values}, spec)
    stats = ma.fit(source, ma.Moments(), ma.ZCA(), progress=False)
    assert list(stats) == ["rgbxyz[0:3]", "rgbxyz[3:6]"]
    assert sorted(stats["rgbxyz[0:3]"]) == ["covariance", "moments", "zca"]
    assert list(stats["rgbxyz[3:6]"]) == ["moments"]
    points = stats["rgbxyz[3:6]"].moments
    np.testing.assert_allclose(points.channel_mean(), np.nanmean(values[..., 3:], (0, 1, 2)), 1e-6)
    assert points.channel_count().tolist() == [20 * 30 - 1] * 3
    assert points.mean()[2, 2] == pytest.approx(np.nanmean(values[:, 2, 2, 3:], 0), rel=1e-6)


def test_invalid_pixels():
    records = pictures(40, dtype="float32")
    records[5, 1, 2] = np.nan
    source = source_of(records, spec=NAN)
    with pytest.raises(RecordError, match=r"chunk 0, record 5, position \(1, 2, 0\)"):
        ma.fit(source, ma.ZCA(), progress=False)
    skipped = ma.fit(source, ma.Moments(), ma.ZCA(), invalid="skip", progress=False)
    kept = np.delete(records, 5, 0)
    np.testing.assert_allclose(
        skipped["image"]["covariance"].covariance(), covariance(kept), rtol=1e-3, atol=1e-3
    )
    assert skipped["image"].moments.n == 40
    masked = ma.fit(source, ma.ZCA(), invalid="mask", progress=False)
    filled = np.where(np.isnan(records), np.nanmean(records, 0), records)
    np.testing.assert_allclose(
        masked["image"]["covariance"].covariance(), covariance(filled), rtol=1e-3, atol=1e-3
    )
    dual = ma.fit(source, ma.ZCA(components=30), invalid="skip", solver="dual", progress=False)
    assert dual["image"]["zca"].n == 39
    np.testing.assert_allclose(
        dual["image"]["zca"].eigenvalues, skipped["image"]["zca"].eigenvalues[:30], rtol=1e-4
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_nobody_declared(value):
    records = pictures(40, dtype="float32")
    records[20, 1, 2, 0] = value
    source = source_of(records)
    with pytest.raises(RecordError, match=r"chunk 1, record 20, position \(1, 2, 0\)"):
        ma.fit(source, ma.Moments(), progress=False)
    stats = ma.fit(source, ma.Moments(), ma.ZCA(), invalid="skip", progress=False)
    assert stats.info["skipped"] == 1
    assert stats["image"].moments.n == 39
    np.testing.assert_allclose(
        stats["image"].moments.mean(), np.delete(records, 20, 0).mean(0), 1e-5
    )
    assert "1 records left out" in str(stats)


def test_a_number_marks_pixels_without_data():
    spec = ma.DataSpec.from_dict(
        {
            "name": "zeros",
            "entries": {"image": {"role": "intensity", "channels": 3, "invalid": 0}},
        }
    )
    records = pictures(40)
    records[:, 0, 0] = 0
    records[7, 3] = 0
    stats = ma.fit(source_of(records, spec=spec), ma.Moments(), progress=False)
    moments = stats["image"].moments
    assert np.isnan(moments.mean()[0, 0]).all()
    assert moments.count.reshape(6, 5, 3)[3, 1].tolist() == [39] * 3
    np.testing.assert_allclose(moments.mean()[3, 1], np.delete(records, 7, 0)[:, 3, 1].mean(0))
    assert moments.channel_minimum().min() > 0


def test_after_augmentation():
    records = pictures(48, 8, 8)
    pipeline = ma.Pipeline([ma.Flip("x", p=1.0), ma.Brightness(0.2)], SPEC)
    source = source_of(records)
    stats = ma.fit(
        source, ma.Moments(), ma.ZCA(), pipeline=pipeline, copies=2, seed=3, progress=False
    )
    seen = []
    for r in range(2):
        epoch = jax.random.fold_in(jax.random.key(3), r)
        keys = jax.vmap(lambda i, e=epoch: jax.random.fold_in(jax.random.fold_in(e, i), 0))(
            np.arange(48, dtype=np.uint32)
        )
        seen.append(np.asarray(pipeline.batch(keys, {"image": records})["image"]))
    seen = np.concatenate(seen)
    np.testing.assert_array_equal(stats["image"].moments.mean(), seen.mean(0))
    np.testing.assert_allclose(
        stats["image"]["covariance"].covariance(), covariance(seen), atol=1e-9
    )
    assert stats.info["copies"] == 2
    assert ma.Pipeline.from_dict(json.loads(json.dumps(stats.info["pipeline"]))).spec == SPEC
    assert "2 copies" in str(stats)


def test_merging_two_data_sets():
    records = pictures(90)
    parts = [
        ma.fit(source_of(r), ma.Moments(), ma.ZCA(), progress=False)
        for r in (records[:30], records[30:])
    ]
    both = parts[0] + parts[1]
    whole = ma.fit(source_of(records), ma.Moments(), ma.ZCA(), progress=False)
    np.testing.assert_array_equal(
        both["image"]["covariance"].gram, whole["image"]["covariance"].gram
    )
    np.testing.assert_allclose(both["image"]["zca"].eigenvalues, whole["image"]["zca"].eigenvalues)
    with pytest.raises(ParameterError, match="counted twice"):
        parts[0] + parts[0]
    dual = ma.fit(source_of(records), ma.ZCA(), solver="dual", progress=False)
    with pytest.raises(ParameterError, match="solver='primal'"):
        dual + dual


@pytest.mark.parametrize(
    ("args", "kwargs", "match"),
    [
        ((), {}, "must be told what to gather"),
        ((ma.Moments,), {}, "told statistics such as"),
        ((ma.Moments(), ma.Moments()), {}, "once, got two moments"),
        ((ma.Moments(entries="mask"),), {}, "must name pictures of the source, got 'mask'"),
        ((ma.Moments(),), {"memory": "lots"}, "text such as '4GB'"),
        ((ma.Moments(),), {"solver": "magic"}, "'auto', 'primal', 'dual' or 'lowrank'"),
        ((ma.Moments(),), {"invalid": "ignore"}, "'raise', 'skip' or 'mask'"),
        ((ma.Moments(),), {"copies": 2}, "must be 1 without a pipeline"),
    ],
)
def test_settings_that_mean_nothing(args, kwargs, match):
    with pytest.raises(ParameterError, match=match):
        ma.fit(source_of(pictures(4)), *args, **{"progress": False, **kwargs})


def test_records_that_teach_nothing():
    same = np.repeat(pictures(1), 20, 0)
    for solver in ("primal", "dual", "lowrank"):
        with pytest.raises(NotFittedError, match="all alike"):
            ma.fit(source_of(same), ma.ZCA(components=2), solver=solver, progress=False)
        with pytest.raises(NotFittedError, match="at least 2"):
            ma.fit(source_of(same[:1]), ma.ZCA(components=2), solver=solver, progress=False)
    with pytest.raises(NotFittedError, match="1 were left out"):
        bad = np.full((1, 6, 5, 3), np.nan, np.float32)
        ma.fit(source_of(bad), ma.Moments(), invalid="skip", progress=False)


def test_records_of_another_shape_halfway():
    source = source_of(pictures(40))
    scan = source.scan

    def changed(blocks):
        for block in scan(blocks):
            if block.id == 2:
                block._arrays["image"] = block["image"][:, :4]
            yield block

    source.scan = changed
    with pytest.raises(RecordError, match="chunk 2 holds 'image' as uint8"):
        ma.fit(source, ma.Moments(), progress=False)


def test_memory_in_words():
    assert parse_memory("4GB", "x") == 4 * 10**9
    assert parse_memory("1.5 MiB", "x") == 3 * 2**19
    assert parse_memory(17, "x") == 17
    for bad in ("", "-1", "4 apples", 0, -5, True, None):
        with pytest.raises(ParameterError):
            parse_memory(bad, "x")


def test_the_bar_counts_every_reading(capsys):
    source = source_of(pictures(64))
    ma.fit(source, ma.ZCA(), solver="dual", progress=True)
    assert "128/128" in capsys.readouterr().err
