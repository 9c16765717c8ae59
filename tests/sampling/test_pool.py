"""Threads of the compiled library: several batches at once, a fork, errors between batches."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.pipeline.backends import _native as _compiled
from multiaug.testing import make_record
from tests.sampling.entries import RANDOM, mask, picture, spec_of

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

PIPELINE = ma.Pipeline(RANDOM, spec_of({"rgb": picture("uint8", 3), "mask": mask()}))


def batch_of(seed, count=40):
    keys = jax.random.split(jax.random.key(seed), count)
    return keys, make_record(PIPELINE.spec, (48, 40), seed, batch=count)


def as_numpy(batch):
    return {name: np.array(array) for name, array in batch.items()}


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_batches_of_many_threads_at_once(monkeypatch, cores):
    cases = [batch_of(seed) for seed in range(4)]
    monkeypatch.setattr(_compiled, "core_count", lambda: 1)
    expected = [as_numpy(PIPELINE.batch(*case)) for case in cases]
    monkeypatch.setattr(_compiled, "core_count", lambda: cores)

    def often(k):
        return [as_numpy(PIPELINE.batch(*cases[k % 4])) for _ in range(10)]

    with ThreadPoolExecutor(8) as callers:
        for k, found in enumerate(callers.map(often, range(8))):
            for batch in found:
                for name, array in batch.items():
                    np.testing.assert_array_equal(array, expected[k % 4][name])


def test_an_error_while_helpers_are_at_work(monkeypatch):
    """The second block fails: the first is finished before its memory goes."""
    monkeypatch.setattr(_compiled, "core_count", lambda: 3)
    keys, batch = batch_of(0)
    expected = as_numpy(PIPELINE.batch(keys, batch))
    pointed, calls = _compiled.CompiledCall._pointed, []

    def fail(*arguments, **settings):
        calls.append(pointed(*arguments, **settings))
        if len(calls) == 2:
            raise MemoryError("no room")
        return calls[-1]

    with monkeypatch.context() as patch:
        patch.setattr(_compiled.CompiledCall, "_pointed", fail)
        with pytest.raises(MemoryError, match="no room"):
            PIPELINE.batch(keys, batch)
    # Every record of the first block was handed out, and nobody is at work on it any more.
    assert calls[0]._state.next >= 32
    assert calls[0]._state.job.helping == 0
    for name, array in PIPELINE.batch(keys, batch).items():
        np.testing.assert_array_equal(np.asarray(array), expected[name])


def test_a_forked_child_has_threads_of_its_own(fresh_python):
    """The library alone: JAX does not survive a fork."""
    assert fresh_python(_FORK).split() == ["parent", "0"]


_FORK = """
import ctypes, os, signal, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from multiaug.sampling._bound import BatchState, BatchStruct
from multiaug._native import library

held = library()

def nothing(helpers):
    state = BatchState()
    place = ctypes.addressof(state)
    state.batch = BatchStruct(next=place + BatchState.next.offset, blocks=1)
    state.job.batch = place
    held.multiaug_start(place + BatchState.job.offset, helpers)
    held.multiaug_finish((ctypes.c_void_p * 2)(None, place + BatchState.job.offset), 2)

for helpers in (0, 1, 3):
    nothing(helpers)
child = os.fork()
if child == 0:
    signal.alarm(20)  # a child that waits for threads it does not have is ended
    for helpers in (3, 1, 0):
        nothing(helpers)
    tasks = Path("/proc/self/task")
    os._exit(0 if not tasks.exists() or len(list(tasks.iterdir())) == 4 else 1)
print("parent", os.waitpid(child, 0)[1])
"""
