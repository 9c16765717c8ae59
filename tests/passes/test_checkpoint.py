import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, StoreError
from multiaug.passes import _checkpoint
from multiaug.store import ArraySource
from tests.passes.test_fit import SPEC, assert_same, source_of
from tests.statistics.pictures import pictures

ROOT = Path(__file__).resolve().parents[2]
# As this process began. Dask's tests leave other numbers of threads behind, which BLAS reads when
# it begins, and on which the last bits of eigenvectors depend.
ENVIRONMENT = dict(os.environ)
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
KILLS = 20 if NIGHTLY else 1


class CutError(Exception):
    """Stands for a power cut."""


def stop_after(source, blocks):
    """A source whose reading ends in an error after some blocks."""
    scan, left = source.scan, [blocks]

    def cut(ids):
        for block in scan(ids):
            if not left[0]:
                raise CutError
            left[0] -= 1
            yield block

    source.scan = cut
    return source


FITS = {
    "primal": ("uint8", [ma.Moments(), ma.ZCA()], {}),
    "floats": ("float32", [ma.Moments(), ma.ZCA()], {}),
    "dual": ("uint8", [ma.Moments(), ma.ZCA(components=20)], {"solver": "dual"}),
    "lowrank": ("uint8", [ma.ZCA(components=4)], {"solver": "lowrank"}),
    "stationary": ("uint8", [ma.Stationary()], {}),
}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_was_cut_short_continues(name, tmp_path, monkeypatch):
    from multiaug.passes import _run
    from multiaug.statistics.whitening import _solver

    monkeypatch.setattr(_run, "_FLUSH_ROWS", 48 if name == "lowrank" else 16)
    monkeypatch.setattr(_solver, "pair_rows", lambda *_: 24)
    dtype, statistics, kwargs = FITS[name]
    records = pictures(96, dtype=dtype)
    kwargs = {**kwargs, "progress": False, "checkpoint_every": 0}
    whole = ma.fit(source_of(records, 8), *statistics, **kwargs)
    folder = tmp_path / "checkpoint"
    read = []
    for blocks in (7, 3, 1):
        cut = stop_after(source_of(records, 8), blocks)
        with pytest.raises(CutError):
            ma.fit(cut, *statistics, **kwargs, checkpoint=folder)
        read.append(newest(folder))
    assert "" < read[0] <= read[1] <= read[2]
    resumed = ma.fit(source_of(records, 8), *statistics, **kwargs, checkpoint=folder)
    assert_same(resumed, whole)
    # Once more is nothing to do but finishing.
    assert_same(ma.fit(source_of(records, 8), *statistics, **kwargs, checkpoint=folder), whole)


@pytest.mark.parametrize("centre", ["pixel", "channel"])
@pytest.mark.parametrize("solver", ["dual", "lowrank"])
def test_a_second_look_that_was_cut_short_continues(solver, centre, tmp_path, monkeypatch):
    from multiaug.passes import _looks

    monkeypatch.setattr(_looks, "_LOOK_ROWS", 8)
    records = pictures(96)
    statistics = [ma.Moments(), ma.ZCA(components=5, center=centre)]
    kwargs = {"solver": solver, "progress": False}
    whole = ma.fit(source_of(records, 8), *statistics, **kwargs)
    kwargs |= {"checkpoint": tmp_path / "checkpoint", "checkpoint_every": 0}
    for blocks in (12 + 5, 4):  # 12 blocks twice: five, then four more of the second time
        with pytest.raises(CutError):
            ma.fit(stop_after(source_of(records, 8), blocks), *statistics, **kwargs)
    # Three are left.
    resumed = ma.fit(stop_after(source_of(records, 8), 3), *statistics, **kwargs)
    assert_same(resumed, whole)
    again = ma.fit(stop_after(source_of(records, 8), 0), *statistics, **kwargs)
    assert_same(again, whole)


SCRIPT = """
import sys
import multiaug as ma
from multiaug.passes import _looks
_looks._LOOK_ROWS = 8
source = ma.open_source(sys.argv[1])
stats = ma.fit(source, ma.Moments(), ma.ZCA(components=60), progress=False, solver=sys.argv[4],
               checkpoint=sys.argv[2], checkpoint_every=0)
print("done", flush=True)
stats.save(sys.argv[3])
"""


# Dual and lowrank spend most of their checkpoints in the second look at the records.
@pytest.mark.parametrize("solver", ["primal", "dual", "lowrank"] if NIGHTLY else ["primal"])
def test_kill_at_random_moments(solver, tmp_path, monkeypatch):
    from multiaug.passes import _looks

    monkeypatch.setattr(_looks, "_LOOK_ROWS", 8)
    records = pictures(2400 if NIGHTLY else 480)
    store = ma.write_zarr([{"image": records}], SPEC, tmp_path / "data.zarr", chunk=8)
    source = ma.open_source(store)
    request = ma.ZCA(components=60)
    whole = ma.fit(source, ma.Moments(), request, solver=solver, progress=False)
    rng = random.Random(0)
    folder = tmp_path / "checkpoint"

    def start():
        arguments = [
            sys.executable,
            "-c",
            SCRIPT,
            str(store),
            str(folder),
            str(tmp_path / "s.zarr"),
            solver,
        ]
        return subprocess.Popen(
            arguments, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        )

    reached = set()
    for _ in range(KILLS):
        process = start()
        before = newest(folder)
        # Imports take a second or two: the moment counts from its first checkpoint.
        while process.poll() is None and newest(folder) == before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        reached.add(newest(folder))
    assert len(reached) == KILLS  # every one of them came further
    process = start()
    assert process.communicate()[0] == "done\n"
    assert_same(ma.load_statistics(tmp_path / "s.zarr"), whole)


def newest(folder):
    names = [p.name for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []
    return max(names, default="")


def test_an_interrupt_while_writing_loses_nothing(tmp_path, monkeypatch):
    records = pictures(64)
    folder = tmp_path / "checkpoint"
    kwargs = {"progress": False, "checkpoint": folder, "checkpoint_every": 0}
    write, count = _checkpoint.write_group, [0]

    def interrupted(staged, document, arrays):
        count[0] += 1
        if count[0] == 3:
            (staged / "half").write_text("written")
            raise KeyboardInterrupt
        return write(staged, document, arrays)

    monkeypatch.setattr(_checkpoint, "write_group", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ma.fit(source_of(records), ma.ZCA(), **kwargs)
    assert [p.name for p in folder.iterdir()] == ["00000001"]
    resumed = ma.fit(source_of(records), ma.ZCA(), **kwargs)
    assert_same(resumed, ma.fit(source_of(records), ma.ZCA(), progress=False))


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    kwargs = {"progress": False, "checkpoint": tmp_path / "checkpoint"}
    ma.fit(source_of(pictures(30)), ma.ZCA(), **kwargs)
    with pytest.raises(ParameterError, match="differs in source"):
        ma.fit(source_of(pictures(30, seed=1)), ma.ZCA(), **kwargs)
    with pytest.raises(ParameterError, match="differs in statistics"):
        ma.fit(source_of(pictures(30)), ma.Moments(), **kwargs)
    zarr_json = next((tmp_path / "checkpoint").glob("*/0/gram/c/0"))
    zarr_json.write_bytes(zarr_json.read_bytes()[:-3])
    with pytest.raises(StoreError, match="damaged"):
        ma.fit(source_of(pictures(30)), ma.ZCA(), **kwargs)


def test_left_overs_of_a_killed_write_are_swept(tmp_path):
    folder = tmp_path / "checkpoint"
    kwargs = {"progress": False, "checkpoint": folder}
    ma.fit(source_of(pictures(30)), ma.ZCA(), **kwargs)
    (folder / f"00000001.tmp-{32 * 'a'}").mkdir()
    (folder / "notes.tmp-1").mkdir()  # somebody's own
    ma.fit(source_of(pictures(30)), ma.ZCA(), **kwargs)
    assert [p.name for p in folder.iterdir() if ".tmp-" in p.name] == ["notes.tmp-1"]


def test_masked_fits_continue_too(tmp_path):
    from tests.passes.test_fit import NAN

    records = pictures(48, dtype="float32")
    records[5, 1, 2] = np.nan
    kwargs = {"progress": False, "invalid": "mask"}
    whole = ma.fit(ArraySource({"image": records}, NAN, block=8), ma.ZCA(), **kwargs)
    kwargs |= {"checkpoint": tmp_path / "checkpoint", "checkpoint_every": 0}
    for blocks in (3, 8):
        with pytest.raises(CutError):
            ma.fit(
                stop_after(ArraySource({"image": records}, NAN, block=8), blocks),
                ma.ZCA(),
                **kwargs,
            )
    assert_same(ma.fit(ArraySource({"image": records}, NAN, block=8), ma.ZCA(), **kwargs), whole)
