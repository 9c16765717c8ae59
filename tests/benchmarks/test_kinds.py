"""The table of kinds of record, on tiny records, with PyTorch as the only peer."""

import threading
from dataclasses import replace

import jax
import numpy as np
import pytest

import multiaug as ma
from benchmarks import levels, measure
from benchmarks.check import WrongWork
from benchmarks.contender import Form, Peer
from benchmarks.kinds import __main__ as command
from benchmarks.kinds import aims, ours, report, rows, sizes
from benchmarks.kinds.check import check
from benchmarks.peers import load


def tiny(name, side=24):
    return replace(rows.choose([name])[0], shape=(side, side), batch=2)


@pytest.fixture(scope="module")
def base():
    return rows.make_case(tiny("base"))


@pytest.fixture(scope="module")
def normals():
    return rows.make_case(tiny("normals"))


def peer(call, **settings):
    return Peer("another", lambda _: [Form("call", call)], lambda out: out, "1", "", **settings)


def test_rows_are_unique_begin_with_the_base_and_know_every_shipped_spec():
    names = [row.name for row in rows.all_rows()]
    assert len(set(names)) == len(names)
    assert names[0] == "base"
    assert {f"spec-{name}" for name in ma.shipped_specs()} < set(names)
    assert [row.name for row in rows.choose(["depth*"])] == ["depth", "depth-camera"]
    assert [row.name for row in rows.choose([], quick=True)] == list(rows.QUICK)


@pytest.mark.parametrize("row", rows.all_rows(), ids=lambda row: row.name)
def test_every_row_is_a_pipeline_for_its_spec(row):
    assert ma.Pipeline(list(row.transforms), row.spec).spec == row.spec
    assert row.out_shape == row.shape or row.resized is not None


@pytest.mark.parametrize("name", ["opencv", "torch"])
def test_peers_by_hand_do_what_roles_ask_for(normals, name):
    loaded, missing = load([name], (name,), "benchmarks.kinds.peers")
    if missing:
        pytest.skip(missing[name])
    form = loaded[0].forms(normals)[0]
    form.enter()
    check(normals, loaded[0], loaded[0].host(form.call()))


def test_a_row_is_measured_beside_the_base_and_reported(base, normals, monkeypatch):
    loaded = [peer(lambda: ours.host(normals.expected))]
    monkeypatch.setattr(rows, "make_case", lambda row: normals)
    options = ["--repeats", "3", "--seconds", "0.1", "--levels", "base", "--within", "1e9"]
    args = command.arguments(options)
    result = command.measure_row(normals.row, base, loaded, args)
    assert result["refused"] == {}
    for mode in ("fresh", "recycled"):
        found = result["modes"][mode]
        assert found["to_base"]["turns"] == 3
        assert found["peer"] == "another: call"
        assert set(found["levels"]) == set(levels.below(["base"]))
    about = {"date": "", "commit": "", "changed": False, "cpu": "", "level": "", "cores": 2}
    about |= {"python": "", "jax": "", "peers": {}, "missing": {"gone": "ImportError"}}
    text = report.markdown({"about": about, "rows": {"normals": result}, "sizes": {}})
    assert "| normals | + normals |" in text
    assert "| gone | not here | - | ImportError |" in text


def test_who_forgets_to_turn_the_normals_is_found_out(normals):
    right = {name: np.array(a) for name, a in ours.host(normals.expected).items()}
    turned = right["normals"]
    # Multiplied by the inverse of what they were multiplied by.
    unturned = np.einsum("nji,nhwj->nhwi", normals.motions, turned).astype(np.float32)
    wrong = {**right, "normals": unturned}
    assert measure.enter(normals, [peer(lambda: right)], check)[1] == {}
    entrants, refused = measure.enter(normals, [peer(lambda: wrong)], check)
    assert entrants == []
    assert refused["another: call"].startswith("wrong result: normals of record 0 is off by")
    labels = {**right, "mask": right["mask"] + 1}
    with pytest.raises(WrongWork, match="of mask of record 0 are other labels"):
        check(normals, peer(None), labels)
    with pytest.raises(WrongWork, match="no normals"):
        check(normals, peer(None), {name: right[name] for name in ("image", "mask")})
    # Whoever draws its own geometry is compared by shape.
    check(normals, peer(None, draws="own"), wrong)
    with pytest.raises(WrongWork, match=r"mask is \(2, 5, 24, 1\)"):
        check(normals, peer(None, draws="own"), {**right, "mask": right["mask"][:, :5]})


def test_who_takes_single_pixels_for_a_low_pass_is_found_out():
    case = rows.make_case(replace(tiny("resize-512-224", 32), transforms=(ma.Resize(14),)))
    right = {name: np.array(a) for name, a in ours.host(case.expected).items()}
    check(case, peer(None), right)
    places = (np.arange(14) * 32 + 16) // 14
    picked = case.images["image"][:, places][:, :, places]
    with pytest.raises(WrongWork, match="image of record 0 is off by"):
        check(case, peer(None), {**right, "image": picked})


def row_of(fresh, recycled=None, **more):
    modes = {
        name: mode and {"ratios": {}, "ours_s": 1.0, **mode}
        for name, mode in (("fresh", fresh), ("recycled", recycled))
    }
    return {"aim": None, "batch": 16, "modes": modes, **more}


def test_aims_compare_with_the_base_row_and_with_those_they_name():
    ratio = {"median": 2.0}
    document = {
        "rows": {
            "base": row_of({"ours_s": 16 * 1e-4}),
            "flow": row_of({"to_base": {"median": 2.4}}, {"to_base": {"median": 2.6}}, aim=2.5),
            "jit": row_of({"to_base": {"median": 1.2}}, aim=1.3),
            "cubic": row_of(None, aim=4),
            "one": row_of({"ours_s": 3.4e-4}),
            "resize-512-224": row_of({"ratios": {"opencv": ratio, "pillow": {"median": 0.9}}}),
            "resize-1024-8": row_of({"ratios": {"pillow": ratio, "opencv": {"median": 0.1}}}),
        },
        "sizes": {
            "sizes-call": {"asked": 9, "records": 9, "ratio": 1.5, "compilations": 4},
            "sizes-loader": {"asked": 9, "error": "cannot"},
        },
    }
    found = {(aim.row, aim.what): aim.met for aim in aims.aims(document)}
    assert found == {
        ("flow", "times the base row"): False,
        ("jit", "times the base row"): True,
        ("resize-512-224", "pillow, torchvision v2, opencv / multiaug"): False,
        ("resize-1024-8", "pillow / multiaug"): True,
        ("one", "ms, 0.15 and twice the base row"): True,
        ("sizes-call", "records"): True,
        ("sizes-call", "times a pixel of one size"): True,
        ("sizes-call", "compilations"): False,
        ("sizes-loader", "records"): False,
        ("cubic", "measured"): False,
    }


def test_sizes_differ_and_what_any_thread_compiles_is_counted():
    assert len(set(sizes.shapes(1000))) == 1000
    spent = sizes.Spent()
    with sizes._counted(spent):
        thread = threading.Thread(target=jax.jit(lambda x: x * 3 + 1), args=(np.float32(1),))
        thread.start()
        thread.join()
    assert spent.compiled == 1


def test_levels_are_limited_to_and_given_back():
    best = levels.best()
    if best == "none":
        pytest.skip("nothing was compiled")
    assert levels.below(levels.NAMES) == list(levels.NAMES[: levels.NAMES.index(best)])
    try:
        levels.use("base")
        assert levels._library().multiaug_level() == 0
    finally:
        levels.use()
    assert levels.best() == best


def test_without_compiled_code_there_are_no_levels(monkeypatch):
    monkeypatch.setattr(levels, "_library", lambda: None)
    assert levels.best() == "none"
    assert levels.below(["avx2"]) == []
    levels.use("avx2")
