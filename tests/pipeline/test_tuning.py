"""Opt-in settings, each in a process of its own."""

import sys

import pytest

import multiaug as ma
from tests.nightly import by_night

RUN = """
import time
import jax, numpy as np
import multiaug as ma
from multiaug.testing import compilations
ma.enable_compilation_cache({folder!r})
spec = ma.load_spec("rgb-segmentation")
pipeline = ma.Pipeline([ma.Rotate(30), ma.Brightness(0.1)], spec)
batch = {{"image": np.full((3, 40, 40, 3), 9, np.uint8), "mask": np.ones((3, 40, 40), np.uint8)}}
out = pipeline.batch(jax.random.split(jax.random.key(0), 3), batch)
print(int(np.asarray(out["image"], np.int64).sum()))
"""

COUNT = """
import jax
seen = []
jax.monitoring.register_event_listener(lambda event, **_: seen.append(event))
{run}
print(sum("cache_hits" in event for event in seen), sum("cache_misses" in event for event in seen))
"""


@by_night
def test_the_second_process_compiles_nothing(tmp_path, fresh_python):
    folder = tmp_path / "cache"
    code = COUNT.format(run=RUN.format(folder=str(folder)))
    first = fresh_python(code).split()
    assert any(folder.iterdir())
    second = fresh_python(code).split()
    assert first[0] == second[0]
    assert int(first[2]) > 0
    assert (int(second[1]) > 0, int(second[2])) == (True, 0)


FAULTS = """
import resource
import numpy as np
import multiaug as ma
from multiaug.runtime import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(16_000_000, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""


def test_it_is_a_no_op_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert ma.tune_malloc() is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
@pytest.mark.parametrize("set_before", [True, False])
def test_freed_memory_is_kept_for_a_while_or_for_good(fresh_python, monkeypatch, set_before):
    """In nested blocks, too; and nothing is changed where it could not be put back.

    What is tuned for good stays so behind a block that keeps memory for a while.
    """
    if set_before:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    else:
        monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    code = """
before = faults()
with keep_freed_memory():
    with keep_freed_memory():
        faults()
    inside = faults()
after = faults()
tuned = ma.tune_malloc()
faults()
kept = faults()
with keep_freed_memory():
    faults()
print(before, inside, after, kept, faults(), tuned)
"""
    *counts, tuned = fresh_python(FAULTS + code).split()
    before, inside, after, kept, in_the_end = map(int, counts)
    # Huge pages need few faults: only the ratio says something.
    assert before > 100
    assert (inside < before / 10) == set_before
    assert after > before / 2
    if tuned == "False":
        pytest.skip("this C library has no mallopt")
    assert kept < before / 10
    assert in_the_end < before / 10
