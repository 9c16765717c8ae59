"""Opt-in settings, each in a process of its own; and that importing sets nothing."""

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


def test_importing_starts_no_backend_and_sets_nothing(fresh_python):
    code = """
import jax
from jax._src import xla_bridge
before = dict(jax.config.values)
import multiaug
assert not xla_bridge._backends, "a backend was started"
assert dict(jax.config.values) == before, "a setting was changed"
print("clean")
"""
    assert fresh_python(code).strip() == "clean"


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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_large_blocks_stay_with_the_process(fresh_python):
    code = """
loose = faults()
tuned = ma.tune_malloc()
faults()
print(loose, faults(), tuned)
"""
    loose, kept, tuned = fresh_python(FAULTS + code).split()
    if tuned == "False":
        pytest.skip("this C library has no mallopt")
    # Huge pages need few faults: only the ratio says something.
    assert int(loose) > 100
    assert int(kept) < int(loose) / 10


def test_it_is_a_no_op_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert ma.tune_malloc() is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
@pytest.mark.parametrize("set_before", [True, False])
def test_freed_memory_is_kept_for_a_while(fresh_python, monkeypatch, set_before):
    """In nested blocks, too; and nothing is changed where it could not be put back."""
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
print(before, inside, faults())
"""
    before, inside, after = map(int, fresh_python(FAULTS + code).split())
    # Huge pages need few faults: only the ratio says something.
    assert before > 100
    assert (inside < before / 10) == set_before
    assert after > before / 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_what_is_tuned_for_good_stays_so(fresh_python):
    code = """
loose = faults()
ma.tune_malloc()
with keep_freed_memory():
    faults()
print(loose, faults())
"""
    loose, kept = map(int, fresh_python(FAULTS + code, MALLOC_TRIM_THRESHOLD_="65536").split())
    assert kept < loose / 10
