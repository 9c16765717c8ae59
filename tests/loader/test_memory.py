"""The memory contract, measured: an epoch over a store four times as large as what is allowed."""

import sys

import numpy as np
import pytest

import multiaug as ma
from tests.nightly import by_night

CODE = """
import sys, warnings
from pathlib import Path
import multiaug as ma
from multiaug.loader import _budget
_budget._SMALL_BATCH = 0  # two batches are augmented at a time
warnings.simplefilter("ignore")
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
def epoch(name):
    source = ma.open_source({folder!r} + name)
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Flip("x")], source.spec) if {augmented} else None
    loader = ma.Loader(source, pipeline, batch_size=8, memory={memory}, threads=2)
    return sum(len(batch["index"]) for batch in loader)
epoch("/small")
before = peak()
count = epoch("/large")
print(count, peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
# Reading alone needs less than reading and augmenting.
@pytest.mark.parametrize("augmented", [pytest.param(False, marks=by_night), True])
def test_an_epoch_stays_within_the_memory_given(tmp_path, fresh_python, augmented):
    spec = ma.load_spec("rgb-segmentation")
    draw = np.random.default_rng(0)
    picture = draw.integers(0, 256, (32, 96, 96, 3), np.uint8)
    for name, batches in (("small", 1), ("large", 48)):
        ma.write_zarr(
            ({"image": picture, "mask": picture[..., 0]} for _ in range(batches)),
            spec,
            tmp_path / name,
            chunk=8,
        )
    memory = 48 * 32 * 96 * 96 * 4 // 4
    code = CODE.format(folder=str(tmp_path), memory=memory, augmented=augmented)
    count, grown = map(int, fresh_python(code).split())
    assert count == 48 * 32
    assert grown < memory
