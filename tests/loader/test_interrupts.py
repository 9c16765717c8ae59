"""Ctrl-C at a random moment of a batch, a loop, a fit and an export: nothing stays behind.

Nightly 40 moments of each (`make nightly`; ``-s`` shows the counts), else a few.
"""

import gc
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest

import multiaug as ma

MOMENTS = 40 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 3
SPEC = ma.load_spec("rgb-segmentation")
COUNT, SIDE = 96, 64
PIPELINE = ma.Pipeline([ma.Rotate(30), ma.Brightness(0.2)], SPEC)

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts"),
]


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Have the block raise KeyboardInterrupt wherever it is then, as Ctrl-C does."""
    armed = True

    def interrupt(*_signal: object) -> None:
        if armed:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
    folder = tmp_path_factory.mktemp("interrupts")
    return ma.open_source(ma.write_zarr([{"image": image}], SPEC, folder / "in.zarr", chunk=8))


def batch_of(source) -> Callable[[Path], object]:
    keys = jax.random.split(jax.random.key(0), COUNT)
    image = source.read(np.arange(COUNT))["image"]

    def job(_folder: Path) -> object:
        return np.array(PIPELINE.batch(keys, {"image": image.copy()})["image"])

    return job


def loop_of(source) -> Callable[[Path], object]:
    loader = ma.Loader(source, PIPELINE, batch_size=8, window=12)

    def job(_folder: Path) -> object:
        # Whatever was begun before: this epoch.
        loader.restore({**loader.state(), "epoch": 0, "position": 0})
        return np.concatenate([np.array(batch["image"]) for batch in loader])

    return job


def fit_of(source) -> Callable[[Path], object]:
    def job(_folder: Path) -> object:
        return ma.fit(source, ma.Moments(), progress=False)["image"].moments.mean()

    return job


def export_of(source) -> Callable[[Path], object]:
    def job(folder: Path) -> object:
        shutil.rmtree(folder / "out.zarr", ignore_errors=True)
        done = ma.export(source, PIPELINE, folder / "out.zarr", shard_bytes="200kB", progress=False)
        return ma.open_source(done).read(np.arange(COUNT))["image"]

    return job


def open_files() -> int:
    found = Path("/proc/self/fd")
    return len(list(found.iterdir())) if found.exists() else 0


def resident() -> int:
    found = Path("/proc/self/statm")
    return int(found.read_text().split()[1]) * 4096 if found.exists() else 0


# Python goes on after an interrupt in a destructor, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [batch_of, loop_of, fit_of, export_of])
def test_an_interrupt_leaves_nothing_behind(source, tmp_path, kind):
    job, rng = kind(source), random.Random(0)
    expected = job(tmp_path)
    begun = time.perf_counter()
    job(tmp_path)
    length = time.perf_counter() - begun
    gc.collect()
    threads, files = set(threading.enumerate()), open_files()
    hits = tries = memory = 0
    while hits < MOMENTS and tries < 20 * MOMENTS:
        tries += 1
        begun = time.perf_counter()
        try:
            with interrupted_after(rng.uniform(0, length)):
                job(tmp_path)
            length = min(length, time.perf_counter() - begun)
        except KeyboardInterrupt:
            hits += 1
            if hits == MOMENTS // 2:  # what is kept for the next call has been by now
                memory = resident()
    # The next call works, and is right.
    np.testing.assert_array_equal(job(tmp_path), expected)
    gc.collect()
    # Threads of a pool stay, one for each core; those of a loop end with it.
    loops = ("multiaug-prefetch", "multiaug-read", "multiaug-scan", "multiaug-pass")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = [t for t in threading.enumerate() if t not in threads and t.name.startswith(loops)]
        if not left and open_files() <= files:
            break
        time.sleep(0.01)
    grown = resident() - memory
    print(
        f"{kind.__name__}: {hits} interrupts in {tries} calls, {len(left)} threads left, "
        f"{open_files() - files} files left, {grown / 1e6:.1f} MB more memory in the later half"
    )
    assert hits
    assert not left
    # An interrupt that comes while the system opens a folder or a lock is raised before Python has
    # the number: one handle in some hundred interrupts cannot be closed by anybody.
    assert open_files() <= files + 1
    # A batch has a megabyte, and all records have: twenty that are kept would be seen.
    assert grown < 16e6 or MOMENTS < 40  # what is kept for the next call takes a few
