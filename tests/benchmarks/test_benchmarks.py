"""The benchmark harness on one tiny row, with the contenders that need no peer installed."""

import json

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import bars, measure, peers, report, run, work
from benchmarks.check import WrongWork, check, reference
from benchmarks.contender import Cannot, Form, Peer
from benchmarks.install import requirements


def small_row(monkeypatch, work_name="c", kind="u8x1"):
    monkeypatch.setattr(work.Row, "batch", property(lambda _: 3))
    return work.Row(work_name, kind, 16)


def test_names_of_rows_are_unique_and_chosen_by_pattern():
    names = [row.name for row in work.all_rows()]
    assert len(set(names)) == len(names) == 4 * 8 * 4 + 4
    assert [row.name for row in work.choose(["a-u8x3-*"])] == [
        f"a-u8x3-{s}" for s in (32, 224, 512, 1024)
    ]
    assert len(work.choose([], quick=True)) == len(work.QUICK)


def test_a_row_is_measured_and_reported(monkeypatch, tmp_path):
    row = small_row(monkeypatch)
    loaded, missing = peers.load(["floor", "ours", "numpy_only"])
    assert missing == {}
    loaded += peers.limited_to(["base"])
    args = run.arguments(["--repeats", "3", "--seconds", "0.1", "--out", str(tmp_path)])
    document = report.empty()
    document["about"] = report.about(args, loaded, missing)
    document["rows"][row.name] = run.measure_row(row, loaded, args)
    assert not [
        r for r in document["rows"][row.name]["refused"].values() if not r.startswith("cannot")
    ]
    fresh = document["rows"][row.name]["modes"]["fresh"]
    assert fresh["peer"] == "numpy"
    assert fresh["ratio"]["turns"] == 3
    report.save_json(document, tmp_path)
    assert report.load(tmp_path) == json.loads(json.dumps(document))
    modes = document["rows"][row.name]["modes"]
    assert {mode["levels"]["base"]["ratio"]["turns"] for mode in modes.values()} == {3}
    text = report.markdown(document)
    assert f"| {row.name} |" in text
    assert "recycled | base: fresh | base: recycled |" in text


@pytest.mark.parametrize("work_name", ["e"])
def test_the_reference_knows_what_was_drawn(monkeypatch, work_name):
    row = small_row(monkeypatch, work_name, "rgbxyz" if work_name == "e" else "f32x3")
    case = work.make_case(row)
    geometry = case.geometry
    picture, labels, inside = reference(case, 0)
    assert picture.shape == (16, 16, row.channels)
    assert labels.shape == inside.shape == (16, 16)
    assert (geometry.control is not None) == (work_name in "bd")
    assert (geometry.photometry is not None) == (work_name in "bd")
    assert (geometry.motion is not None) == (work_name == "e")
    np.testing.assert_allclose(geometry.maps[1, 0], geometry.positions(1)[0], atol=1e-3)


def test_given_matrices_are_those_of_multiaug(monkeypatch):
    case = work.make_case(small_row(monkeypatch, "a", "f32x3"))
    out = np.asarray(case.pipeline.apply(case.params, case.record)["image"])
    for i in range(3):
        want, _, inside = reference(case, i)
        np.testing.assert_allclose(out[i][inside], want[inside], atol=1e-4)


def test_wrong_work_is_not_timed(monkeypatch):
    case = work.make_case(small_row(monkeypatch, "a", "f32x3"))

    def blurred():
        return {"image": ndimage.uniform_filter(case.image, (0, 5, 5, 0)), "mask": case.mask}

    def raises(_):
        raise Cannot("too lazy")

    cheat = Peer("cheat", lambda _: [Form("blur", blurred)], lambda out: out, "1", "")
    lazy = Peer("lazy", raises, lambda out: out, "1", "")
    with pytest.raises(WrongWork, match="off by"):
        check(case, cheat, blurred())
    entrants, refused = measure.enter(case, [cheat, lazy])
    assert entrants == []
    assert refused["lazy"] == "cannot: too lazy"
    assert refused["cheat: blur"].startswith("wrong result: record 0 is off by")


def test_ratios_are_of_the_same_turn():
    assert measure.paired([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == {
        "median": 2.0,
        "q1": 2.0,
        "q3": 2.5,
        "turns": 3,
    }


def test_requirements_are_read_line_by_line():
    assert requirements("# a\nx==1\n--no-deps y==2  # why\n\n") == [["x==1"], ["--no-deps", "y==2"]]


def test_bars_are_of_every_level_with_fresh_outputs():
    def row(size, best, avx2):
        levels = {"avx2": {"ratio": {"median": avx2}}}
        fresh = {"ratio": {"median": best}, "levels": levels}
        return {"work": "a", "size": size, "modes": {"fresh": fresh, "recycled": None}}

    unmeasured = {"work": "a", "size": 32, "modes": {"fresh": None, "recycled": None}}
    rows = {"good": row(512, 1.6, 1.5), "slow": row(512, 1.6, 1.4), "large": row(1024, 1.3, 1.4)}
    assert bars.misses({**rows, "unmeasured": unmeasured}) == {"slow": {"best": 1.6, "avx2": 1.4}}
    assert [bars.bar(work, 224) for work in "abcde"] == [1.5, 1.4, 1.0, 1.5, 1.0]
