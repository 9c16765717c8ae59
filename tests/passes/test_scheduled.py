"""Fits whose leaves others make: the same bits as those of one process."""

import random
import threading

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.passes import ThreadRunner, _parts, _run
from multiaug.statistics.whitening import _solver
from multiaug.store import ArraySource
from tests.passes.test_checkpoint import FITS, CutError, stop_after
from tests.passes.test_fit import NAN, assert_same, source_of
from tests.statistics.pictures import pictures


class Shuffled:
    """Hands results back in another order than that of the work, through pickle."""

    def __init__(self, seed=0, lose_after=None):
        self.draw, self.lose_after, self.spans = random.Random(seed), lose_after, []

    def run(self, work, context, blocks):
        import pickle

        waiting, blocks, returned = [], iter(blocks), 0
        while True:
            while len(waiting) < 4 and (block := next(blocks, None)) is not None:
                self.spans.append(block)
                waiting.append(block)
            if not waiting:
                return
            block = waiting.pop(self.draw.randrange(len(waiting)))
            sent = pickle.loads(pickle.dumps((work, context, block)))
            result = pickle.loads(pickle.dumps(sent[0](*sent[1:])))
            if returned == self.lose_after:
                raise CutError
            returned += 1
            yield block, result


@pytest.fixture
def short_leaves(monkeypatch):
    def shorten(name):
        monkeypatch.setattr(_run, "_FLUSH_ROWS", 48 if name == "lowrank" else 16)
        monkeypatch.setattr(_solver, "pair_rows", lambda *_: 24)
        monkeypatch.setattr(_parts, "_TASK_SECONDS", 1e-9)

    return shorten


@pytest.mark.parametrize("name", FITS)
def test_the_bits_of_one_process(name, short_leaves):
    short_leaves(name)
    dtype, statistics, kwargs = FITS[name]
    records = pictures(104, dtype=dtype)
    kwargs = {**kwargs, "progress": False}
    whole = ma.fit(source_of(records, 8), *statistics, **kwargs)
    runner = Shuffled()
    assert_same(ma.fit(source_of(records, 8), *statistics, **kwargs, scheduler=runner), whole)
    assert len(runner.spans) > 2


@pytest.mark.parametrize("invalid", ["mask", "skip"])
@pytest.mark.parametrize("solver", ["primal", "dual"])
def test_pixels_without_data(invalid, solver, short_leaves):
    short_leaves("")
    records = pictures(104, dtype="float32")
    records[[0, 1, 2, 3, 4, 5, 6, 7, 31, 80], 1, 2] = np.nan  # the first block is all left out
    source = ArraySource({"image": records}, NAN, block=8)
    fit = {"progress": False, "invalid": invalid, "solver": solver}
    statistics = [ma.Moments(), ma.ZCA(components=20)]
    whole = ma.fit(source, *statistics, **fit)
    found = ma.fit(source, *statistics, **fit, scheduler=Shuffled(1))
    assert_same(found, whole)
    assert found.info == whole.info


@pytest.mark.parametrize("name", ["primal", "floats", "dual"])
def test_what_a_lost_scheduler_has_made_is_kept(name, short_leaves, tmp_path):
    short_leaves(name)
    dtype, statistics, kwargs = FITS[name]
    records = pictures(104, dtype=dtype)
    kwargs = {**kwargs, "progress": False}
    whole = ma.fit(source_of(records, 8), *statistics, **kwargs)
    kwargs |= {"checkpoint": tmp_path / "checkpoint", "checkpoint_every": 0}
    with pytest.raises(CutError):
        ma.fit(source_of(records, 8), *statistics, **kwargs, scheduler=Shuffled(2, lose_after=5))
    # This process goes on for a while, then a scheduler again.
    with pytest.raises(CutError):
        ma.fit(stop_after(source_of(records, 8), 1), *statistics, **kwargs)
    runner = Shuffled(3)
    assert_same(ma.fit(source_of(records, 8), *statistics, **kwargs, scheduler=runner), whole)
    assert runner.spans[0][0] > 0


def test_threads_and_the_bar(capsys):
    records = pictures(104, dtype="float32")
    whole = ma.fit(source_of(records, 8), ma.ZCA(), progress=False)
    found = ma.fit(source_of(records, 8), ma.ZCA(), scheduler=ThreadRunner(2), progress=True)
    assert_same(found, whole)
    assert "104/104" in capsys.readouterr().err


def test_what_is_being_worked_on_is_not_lost_by_an_error():
    """Threads finish what they have begun, and hand it back before the error; no more is begun."""
    begun = []

    def work(failed, block):
        begun.append(block)
        if block == 1:
            failed.set()
            raise CutError
        assert failed.wait(10)
        return -block

    found = {}
    with pytest.raises(CutError):
        found.update(ThreadRunner(2).run(work, threading.Event(), range(100)))
    assert found[0] == 0
    assert set(begun) <= {0, 1, 2}  # as many as are begun before somebody hears of an error


def test_tasks_get_longer_until_they_take_a_second_or_two():
    lengths = _parts._Lengths(0, 1000)
    spans = lengths.spans()
    assert [next(spans), next(spans)] == [(0, 1), (1, 2)]
    lengths.took((0, 1), 3.0)  # compiling
    assert next(spans) == (2, 3)
    lengths.took((1, 2), 0.1)
    assert next(spans) == (3, 23)
    lengths.took((3, 23), 10.0)  # a busy moment does not make them short again
    assert [next(spans), *spans][-1][1] == 1000


def test_a_scheduler_that_is_none():
    with pytest.raises(ParameterError, match=r"`scheduler` must be None, a dask"):
        ma.fit(source_of(pictures(8)), ma.ZCA(), progress=False, scheduler=3)
