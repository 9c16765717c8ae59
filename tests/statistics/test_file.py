import json
import shutil

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import StoreError
from multiaug.statistics import _file
from tests.passes.test_fit import assert_same, source_of
from tests.statistics.pictures import pictures


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    source = source_of(pictures(60, 4, 4))
    stats = ma.fit(source, ma.Moments(), ma.ZCA(), ma.Stationary(), progress=False)
    return stats, stats.save(tmp_path_factory.mktemp("saved") / "stats.zarr")


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[1], tmp_path / "copy.zarr")


def test_everything_comes_back(saved):
    stats, path = saved
    again = ma.load_statistics(path)
    assert_same(again, stats)
    assert again.sha256 == stats.sha256
    assert again == stats
    assert hash(again) == hash(stats)
    assert again.info == json.loads(json.dumps(stats.info))
    assert str(again) == str(stats)
    state, other = again["image"]["covariance"], stats["image"]["covariance"]
    assert state.seen == other.seen
    assert state.statistic == other.statistic
    more = pictures(5, 4, 4, seed=9)
    np.testing.assert_array_equal(state.update(more).gram, other.update(more).gram)
    assert ma.load_statistics(path, sha256=stats.sha256) == stats


def test_nothing_is_overwritten_unasked(saved, tmp_path):
    stats, path = saved
    with pytest.raises(StoreError, match="already exists"):
        stats.save(path)
    stats.save(path, overwrite=True)
    (tmp_path / "precious").mkdir()
    with pytest.raises(StoreError, match="holds no statistics"):
        stats.save(tmp_path / "precious", overwrite=True)


def test_a_write_that_fails_leaves_nothing(saved, tmp_path, monkeypatch):
    stats, _ = saved
    write = _file._write_array

    def failing(group, name, array):
        if "vectors" in name:
            raise OSError("disk full")
        write(group, name, array)

    monkeypatch.setattr(_file, "_write_array", failing)
    with pytest.raises(OSError, match="disk full"):
        stats.save(tmp_path / "new.zarr")
    assert not list(tmp_path.iterdir())


def change(path, act):
    document = json.loads((path / "zarr.json").read_text())
    act(document["attributes"]["multiaug"])
    (path / "zarr.json").write_text(json.dumps(document))


DAMAGE = {
    "nothing there": (shutil.rmtree, "nothing there"),
    "no metadata": (lambda p: (p / "zarr.json").unlink(), "not statistics"),
    "truncated metadata": (
        lambda p: (p / "zarr.json").write_text((p / "zarr.json").read_text()[:-40]),
        "not statistics",
    ),
    "another schema": (
        lambda p: change(p, lambda m: m.update(schema="multiaug.statistics/9")),
        "expected 'multiaug.statistics/1'",
    ),
    "incomplete": (lambda p: change(p, lambda m: m.update(complete=False)), "cut short"),
    "another count": (
        lambda p: change(p, lambda m: m["document"]["info"].update(records=7)),
        "does not fit its checksum",
    ),
    "no document": (lambda p: change(p, lambda m: m.pop("document")), "document is not there"),
    "a lost chunk": (
        lambda p: (p / "0/covariance/gram/c/0").unlink(),
        "does not fit its checksum",
    ),
    "a truncated chunk": (
        lambda p: (p / "0/covariance/gram/c/0").write_bytes(
            (p / "0/covariance/gram/c/0").read_bytes()[:-9]
        ),
        "cannot be read",
    ),
    "a lost array": (lambda p: shutil.rmtree(p / "0/zca/vectors"), "cannot be read"),
    "swapped arrays": (
        lambda p: shutil.copy(p / "0/moments/square/c/0", p / "0/moments/sum/c/0"),
        "does not fit its checksum",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(copy, name):
    act, match = DAMAGE[name]
    act(copy)
    with pytest.raises(StoreError, match=match):
        ma.load_statistics(copy)


def test_a_data_set_is_not_statistics(tmp_path):
    from tests.passes.test_fit import SPEC

    path = ma.write_zarr([{"image": pictures(4)}], SPEC, tmp_path / "data.zarr")
    with pytest.raises(StoreError, match=r"schema is 'multiaug\.store/1'"):
        ma.load_statistics(path)


def test_the_summary_says_what_matters(saved):
    text = str(saved[0])
    moments = saved[0]["image"].moments
    assert "60 records" in text
    assert f"{moments.channel_mean()[1]:.4g}" in text
    assert "zca: primal, n = 60, d = 48" in text
    assert "primal, " in text
    assert "stationary: 60 records" in text
