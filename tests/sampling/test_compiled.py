"""The native sampler in a pipeline: threads, memory, layouts; what it computes is in
tests/reference/test_conformance.py.
"""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available, library
from multiaug.pipeline.backends import _blocks, _threads
from multiaug.pipeline.backends import _native as _compiled
from multiaug.pipeline.backends import _native_programs as _programs
from multiaug.pipeline.buffers import _outputs as _target
from multiaug.testing import make_record
from multiaug.transforms import Photometric, static, transform
from tests.sampling.entries import RANDOM, is_compiled, mask, picture, spec_of

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@pytest.mark.parametrize("before", [ma.Perspective(0.1), ma.Rotate(30)])
def test_splines_are_added_up(before):
    """An elastic step that comes last: no field in memory, the same bits on all machines."""
    entries = {"float": picture("float32", 3), "mask": mask()}
    transforms = [before, ma.Maybe(ma.Elastic(0.02, grid=(3, 7)), p=0.5)]
    pipeline = ma.Pipeline(transforms, spec_of(entries))
    batch = make_record(pipeline.spec, (40, 130), 0, batch=5)
    keys = jax.random.split(jax.random.key(2), 5)
    assert is_compiled(pipeline, keys, batch)
    assert not _programs._WORKS.values()[-1].kernel.dense
    found = []
    for level in range(library().multiaug_level() + 1):
        library().multiaug_allow(level)
        found.append(np.asarray(pipeline.batch(keys, batch)["float"]).tobytes())
    library().multiaug_allow(2)
    assert len(set(found)) == 1


def test_pixels_of_whole_lines():
    """An image that no cache holds: written past them, by every instruction set alike."""
    pipeline = ma.Pipeline(RANDOM, spec_of({"many": picture("float32", 32)}))
    batch = make_record(pipeline.spec, (97, 90), 0, batch=3)
    keys = jax.random.split(jax.random.key(0), 3)
    assert is_compiled(pipeline, keys, batch)
    found = []
    for level in range(library().multiaug_level() + 1):
        library().multiaug_allow(level)
        found.append(np.asarray(pipeline.batch(keys, batch)["many"]).tobytes())
    library().multiaug_allow(2)
    assert len(set(found)) == 1


@pytest.mark.parametrize("workers", [1, 3, 5] if NIGHTLY else [3])
@pytest.mark.parametrize("compiled", [True, False])
def test_any_number_of_threads(monkeypatch, without_c, workers, compiled):
    """More threads than parts of a block, and blocks that no part divides."""
    entries = {"rgb": picture("uint8", 3), "mask": mask(), "hole": picture("float32", 1)}
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Elastic(0.03), ma.Brightness(0.2)], spec_of(entries))
    batch = make_record(pipeline.spec, (24, 32), 0, batch=45)
    keys = jax.random.split(jax.random.key(0), 45)
    if not compiled:
        without_c()
    expected = {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}
    for module in (_blocks, _compiled, _threads):
        monkeypatch.setattr(module, "core_count", lambda: workers)
    found = pipeline.batch(keys, batch)
    for name, array in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), array, name)


def test_without_compiled_code_jax_does_the_work(without_c):
    entries = {"rgb": picture("uint8", 3), "mask": mask()}
    pipeline = ma.Pipeline(RANDOM, spec_of(entries))
    batch = make_record(pipeline.spec, (33, 20), 0, batch=5)
    keys = jax.random.split(jax.random.key(1), 5)
    found = pipeline.batch(keys, batch)
    without_c()
    other = pipeline.batch(keys, batch)
    off = np.asarray(found["rgb"]).astype(int) - np.asarray(other["rgb"]).astype(int)
    assert np.abs(off).max() <= 1
    assert (np.asarray(found["mask"]) != np.asarray(other["mask"])).mean() < 1e-3


@transform
class Shaded(Photometric):
    """Depends on where a pixel is: no operation says that."""

    entries: tuple[str, ...] | None = static()

    def sample(self, key, frame):
        """Nothing is drawn."""
        return {}

    def apply(self, params, values, target):
        """Darker from pixel to pixel."""
        return values - jnp.arange(values.shape[0], dtype=jnp.float32).reshape(-1, 1, 1)


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    entries = {"rgb": picture("float32", 3), "mask": mask()}
    pipeline = ma.Pipeline([*RANDOM, Shaded()], spec_of(entries))
    batch = make_record(pipeline.spec, (20, 20), 0, batch=40)
    keys = jax.random.split(jax.random.key(1), 40)
    expected = {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}
    put, calls = _target.Target.put, []

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError("no room")
        put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_target.Target, "put", fail)
        with pytest.raises(MemoryError, match="no room"):
            pipeline.batch(keys, batch)
    for name, array in pipeline.batch(keys, batch).items():
        np.testing.assert_array_equal(np.asarray(array), expected[name], name)


def test_memory_of_pipelines_that_are_not_used_is_given_back(monkeypatch):
    monkeypatch.setattr(_programs._WORKS, "with_memory", 1)
    monkeypatch.setattr(_programs._WORKS, "kept", 2)
    pipeline = ma.Pipeline([ma.Rotate(9), Shaded()], spec_of({"rgb": picture("uint8", 3)}))
    for size in (8, 12):
        batch = make_record(pipeline.spec, (size, size), 0, batch=3)
        pipeline.batch(jax.random.split(jax.random.key(1), 3), batch)
    assert [bool(work._idle) for work in _programs._WORKS.values()] == [False, True]


def test_arrays_of_any_layout():
    """Reversed, transposed, every second record: read as what they are."""
    pipeline = ma.Pipeline(RANDOM, spec_of({"float": picture("float32", 6), "mask": mask()}))
    batch = make_record(pipeline.spec, (20, 20), 0, batch=8)
    keys = jax.random.split(jax.random.key(1), 4)
    views = {
        "float": batch["float"].transpose(0, 2, 1, 3)[::2, ::-1],
        "mask": batch["mask"][::-2].transpose(0, 2, 1),
    }
    found = pipeline.batch(keys, views)
    plain = pipeline.batch(keys, {n: np.ascontiguousarray(a) for n, a in views.items()})
    for name in plain:
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(plain[name]), name)


# By night every level; sanitizers look at all of them, see tests/native.
@pytest.mark.parametrize("level", [0, 1, 2] if NIGHTLY else [2])
def test_nothing_is_read_or_written_outside(level):
    """Pictures between pages that nobody may touch: the process would not survive."""
    if library().multiaug_level() < level:
        pytest.skip("this machine cannot run it")
    borders = "constant edge reflect mirror wrap" if NIGHTLY else "constant"
    widths = "16 17 33 48 272 273 300" if NIGHTLY else "17 273"
    script = subprocess.run(
        [sys.executable, "-c", GUARDED + _WARPS, str(level), borders, widths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    assert "survived" in script.stdout


GUARDED = """
import ctypes, mmap, sys
import jax, numpy as np
import multiaug as ma
from multiaug.pipeline.backends import _native as _compiled, _native_programs as _programs
from multiaug.pipeline.buffers import _outputs as _target
from multiaug._native import library

library().multiaug_allow(int(sys.argv[1]))
_target._SMALL = -1  # all results into memory from `empty`
libc, kept = ctypes.CDLL(None, use_errno=True), []
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PAGE = mmap.PAGESIZE

def guarded(shape, dtype, at_end):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = -(-size // PAGE)
    held = mmap.mmap(-1, (pages + 2) * PAGE)
    kept.append(held)
    start = ctypes.addressof(ctypes.c_char.from_buffer(held))
    for page in (0, pages + 1):
        assert libc.mprotect(start + page * PAGE, PAGE, 0) == 0
    first = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(held, np.uint8, size, first).view(dtype).reshape(shape)
"""
_WARPS = """
rng = np.random.default_rng(0)
# Of a row of nine, one pixel is left when eight are done.
SIZE = (2, 9, 9)
# Beyond the picture, and within it up to the last pixel of the result.
over, within = [[1.1, 0.2, -1], [-0.1, 0.9, 1]], [[2, 0.1, -4.1], [0, 2.1, -4.2]]
transforms = [ma.D4(), ma.OneOf([ma.Affine(over), ma.Affine(within), ma.Flip("x")])]
for border in sys.argv[2].split():
    entries = {}
    for dtype in ("uint8", "uint16", "float32"):
        whole = dtype.replace("float", "int")
        entries[f"m {dtype}"] = {"role": "label", "dtype": whole, "border": border}
        for channels in (1, 2, 3, 4, 5, 6, 9, 13, 16, 33):
            entry = {"role": "intensity", "dtype": dtype, "channels": channels, "border": border,
                     "range": [0, 255]}
            entries[f"{dtype} {channels}"] = entry
            if dtype == "float32" and channels <= 6:
                entries[f"holes {channels}"] = {**entry, "invalid": "nan"}
    if border == "constant":
        # Points are the last of the channels of their pixel.
        roles = [{"channels": 3, "role": "intensity"}, {"channels": 3, "role": "position"}]
        entries["cloud"] = {"dtype": "float32", "channels": roles}
        entries["intrinsics"] = {"role": "intrinsics", "dtype": "float32"}
    spec = ma.DataSpec.from_dict({"name": "guarded", "entries": entries})
    pipeline = ma.Pipeline(transforms, spec)
    for at_end in (True, False):
        # Results need not be aligned for XLA to take them over: it copies them.
        _target.empty = lambda shape, dtype: guarded(shape, dtype, at_end)
        batch = {}
        for name, e in entries.items():
            shape = {"m": SIZE, "cloud": (*SIZE, 6), "intrinsics": (2, 3, 3)}.get(name.split()[0])
            shape = shape or (*SIZE, e["channels"])
            batch[name] = guarded(shape, e["dtype"], at_end)
            batch[name][...] = rng.integers(0, 255, shape)
        if "intrinsics" in batch:
            batch["intrinsics"][...] = [[9, 0, 4], [0, 9, 4], [0, 0, 1]]
        for seed in range(8):
            # Random numbers are no cloud of any camera.
            pipeline.batch(jax.random.split(jax.random.key(seed), 2), batch, check=False)
        assert not _programs._WORKS.values()[-1].refused, "not C"

# Whole rows, forwards and backwards, of more pixels than a vector has, or a chunk.
roles = [{"channels": 3, "role": "intensity"}, {"channels": 3, "role": "position"}]
entries = {
    "cloud": {"dtype": "float32", "channels": roles},
    "points": {"dtype": "float32", "role": "position", "channels": 3},
    "holes": {"dtype": "float32", "role": "intensity", "channels": 3, "invalid": "nan"},
    "intrinsics": {"role": "intrinsics", "dtype": "float32"},
}
spec = ma.DataSpec.from_dict({"name": "guarded rows", "entries": entries})
pipeline = ma.Pipeline([ma.Flip("x", p=0.5), ma.Flip("y", p=0.5)], spec)
for width in map(int, sys.argv[3].split()):
    for at_end in (True, False):
        _target.empty = lambda shape, dtype: guarded(shape, dtype, at_end)
        batch = {n: guarded((4, 3, width, c), "float32", at_end)
                 for n, c in (("cloud", 6), ("points", 3), ("holes", 3))}
        for array in batch.values():
            array[...] = rng.integers(1, 255, array.shape)
        batch["intrinsics"] = np.float32([[[9, 0, 4], [0, 9, 4], [0, 0, 1]]] * 4)
        batch["cloud"][0, 1, 3, 4] = batch["points"][1, 2, -1, 2] = np.nan
        params = pipeline.sample(jax.random.split(jax.random.key(width), 4), (3, width))
        done = pipeline.apply(params, batch, check=False)
        assert not _programs._WORKS.values()[-1].refused, "not C"
        for i in range(4):
            rows, columns = (slice(None, None, -1 if leaf[i] else 1) for leaf in (
                jax.tree.leaves(params.values[1])[0], jax.tree.leaves(params.values[0])[0]))
            turned = batch["holes"][i][rows, columns]
            np.testing.assert_array_equal(np.asarray(done["holes"][i]), turned)
            points = batch["points"][i][rows, columns].copy()
            points[np.isnan(points).any(-1)] = np.nan
            # A mirrored camera has mirrored axes.
            found = np.abs(np.asarray(done["points"][i]))
            np.testing.assert_array_equal(found, points)
print("survived")
"""
