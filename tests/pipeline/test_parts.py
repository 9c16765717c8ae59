"""Batches in parts: memory that is used again, threads, and what compiles."""

import gc
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError, RecordError
from multiaug.pipeline.backends import _native, _native_programs
from multiaug.testing import compilations, make_record

SHAPE = (32, 48)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "a picture, depth and points",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8"},
            "depth": {"role": "depth", "dtype": "float32"},
            "points": {"role": "keypoints", "dtype": "float32", "optional": True},
            "id": {"role": "scalar", "optional": True},
        },
    }
)
PIPELINE = ma.Pipeline([ma.Rotate(30), ma.Flip("x"), ma.Brightness(0.2)], SPEC)


def batch_of(count, shape=SHAPE, seed=0, **settings):
    return make_record(SPEC, shape, seed, batch=count, **settings)


def keys_of(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def copies(out):
    return {name: np.array(array) for name, array in out.items()}


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(expected[name]), name)


@pytest.mark.cpu
def test_results_go_into_the_memory_of_earlier_ones():
    count = 40
    expected = [copies(PIPELINE.batch(keys_of(count, s), batch_of(count))) for s in range(4)]
    out = None
    places = []
    for seed in range(4):
        previous = out
        out = PIPELINE.batch(keys_of(count, seed), batch_of(count), out=out)
        assert_same(out, expected[seed])
        places.append(out["depth"].unsafe_buffer_pointer())
        if previous is not None:
            assert all(previous[n].is_deleted() for n in ("image", "mask", "depth", "points"))
    # The first memory is NumPy's: XLA copies it once, and then keeps its own.
    assert places[1] == places[2] == places[3]


@pytest.mark.cpu
def test_apply_takes_the_memory_of_earlier_results():
    params = PIPELINE.sample(keys_of(5), SHAPE)
    expected = jax.tree.map(np.array, PIPELINE.apply(params, batch_of(5)))
    out = PIPELINE.apply(PIPELINE.sample(keys_of(5, 3), SHAPE), batch_of(5))
    jax.tree.map(
        np.testing.assert_array_equal, PIPELINE.apply(params, batch_of(5), out=out), expected
    )
    assert out["image"].is_deleted()


def test_memory_is_not_written_while_it_is_read():
    count = 33
    batch = batch_of(count)
    out = PIPELINE.batch(keys_of(count), batch)
    out = PIPELINE.batch(keys_of(count), batch, out=out)

    @jax.jit
    def slow(depth):
        field = jnp.nan_to_num(depth)
        for _ in range(300):
            field = jnp.sqrt(field * field + 1e-9)
        return field

    expected = np.asarray(slow(jnp.array(np.asarray(out["depth"]).copy())))
    out = PIPELINE.batch(keys_of(count), batch, out=out)
    pending = slow(out["depth"])
    PIPELINE.batch(keys_of(count, 5), batch, out=out)
    np.testing.assert_array_equal(np.asarray(pending), expected)


def test_results_are_not_the_callers_memory_nor_each_others():
    batch = batch_of(8)
    first = PIPELINE.batch(keys_of(8), batch)
    del first["id"]  # handed through
    kept = copies(first)
    for array in batch.values():
        array[...] = 1
    PIPELINE.batch(keys_of(8, 1), batch_of(8, seed=3))
    gc.collect()
    assert_same(first, kept)


@pytest.mark.cpu
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda out: {n: a for n, a in out.items() if n != "depth"}, ["'depth'", "None"]),
        (lambda out: out | {"mask": out["mask"][:3]}, ["'mask'", "(3, 32, 48)"]),
        (lambda out: out | {"image": np.asarray(out["image"])}, ["'image'"]),
        (lambda out: out | {"depth": out["depth"].astype(jnp.float16)}, ["float16"]),
    ],
)
def test_out_must_be_what_comes_out(change, words):
    out = PIPELINE.batch(keys_of(4), batch_of(4))
    kept = copies(out)
    with pytest.raises(RecordError, match="`out`") as caught:
        PIPELINE.batch(keys_of(4), batch_of(4), out=change(out))
    assert all(word in str(caught.value) for word in words)
    assert_same(out, kept)  # refused before anything was deleted


@pytest.mark.cpu
def test_out_that_is_spent_is_refused():
    out = PIPELINE.batch(keys_of(4), batch_of(4))
    PIPELINE.batch(keys_of(4), batch_of(4), out=out)
    with pytest.raises(RecordError, match="deleted"):
        PIPELINE.batch(keys_of(4), batch_of(4), out=out)


def test_one_program_for_batches_of_every_size():
    PIPELINE.batch(keys_of(5), batch_of(5))
    with compilations() as found:
        for count in (1, 2, 7, 16, 31, 32, 33, 70):
            out = PIPELINE.batch(keys_of(count), batch_of(count))
            assert len(out["image"]) == count
    assert not [line for line in found if "_run_part" in line or "draw" in line]


def test_warmup_compiles_what_batch_runs():
    pipeline = ma.Pipeline([ma.Translate(0.1)], SPEC)
    pipeline.warmup((20, 28))
    batch = batch_of(6, (20, 28), without=("points", "id"))
    with compilations() as found:
        pipeline.batch(keys_of(6), batch)
    assert not [line for line in found if "_run_part" in line or "draw" in line]
    record = make_record(SPEC, (20, 28), 0, half=("mask",))
    pipeline.warmup((20, 28), like=record)
    with compilations() as found:
        pipeline.batch(keys_of(3), make_record(SPEC, (20, 28), 1, batch=3, half=("mask",)))
    assert not [line for line in found if "_run_part" in line]


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({"role": "intensity", "dtype": "uint8"}, "number of channels"),
        ({"role": "intensity", "channels": 3}, "dtype"),
        ({"role": "keypoints", "dtype": "float32"}, "number of rows"),
    ],
)
def test_warmup_asks_for_what_the_spec_leaves_open(entry, word):
    entries = {"image": {"role": "intensity", "dtype": "uint8", "channels": 1}, "it": entry}
    spec = ma.DataSpec.from_dict({"name": "open", "entries": entries})
    with pytest.raises(ParameterError, match=f"{word}.*'it'.*`like`"):
        ma.Pipeline([ma.Flip()], spec).warmup((8, 8))


def test_a_bad_value_in_a_late_part_is_named_where_it_is():
    batch = batch_of(41)
    batch["depth"][37, 5, 6] = np.inf
    with pytest.raises(RecordError, match=r"depth: found inf at record 37, y 5, x 6"):
        PIPELINE.batch(keys_of(41), batch)
    PIPELINE.batch(keys_of(41), batch, check=False)


@pytest.fixture
def in_jax(without_c):
    """Nothing is sampled in C."""
    without_c()


@pytest.mark.cpu
@pytest.mark.usefixtures("in_jax")
def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    run = _native.CompiledCall._run_part

    def fail(self, call, own, block, span, length):
        if span.start == 32:
            raise MemoryError("no room")
        run(self, call, own, block, span, length)

    PIPELINE.batch(keys_of(40), batch_of(40))
    with monkeypatch.context() as patch:
        patch.setattr(_native.CompiledCall, "_run_part", fail)
        with pytest.raises(MemoryError, match="no room"):
            PIPELINE.batch(keys_of(40), batch_of(40))
    assert len(PIPELINE.batch(keys_of(40), batch_of(40))["mask"]) == 40


def test_callers_may_have_threads_of_their_own():
    expected = [copies(PIPELINE.batch(keys_of(20, s), batch_of(20, seed=s))) for s in range(4)]
    found = [None] * 4

    def work(seed):
        found[seed] = PIPELINE.batch(keys_of(20, seed), batch_of(20, seed=seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        assert_same(found[seed], expected[seed])


def test_arrays_that_are_not_contiguous_or_aligned():
    batch = batch_of(6)
    expected = PIPELINE.batch(keys_of(6), batch)
    raw = np.zeros(batch["depth"].nbytes + 1, np.uint8)
    odd = raw[1:].view(np.float32).reshape(batch["depth"].shape)
    odd[...] = batch["depth"]
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(batch["image"], -1, 1)), 1, -1)
    assert_same(PIPELINE.batch(keys_of(6), batch | {"depth": odd, "image": planes}), expected)
    device = {n: jnp.asarray(a) if n != "id" else a for n, a in batch.items()}
    assert_same(PIPELINE.batch(keys_of(6), device), expected)


@pytest.mark.cpu
def test_several_devices_take_and_give_results(fresh_python):
    code = """
import sys
sys.path.insert(0, ".")
import numpy as np
from tests.pipeline.test_parts import PIPELINE, batch_of, keys_of
out = None
for count in (6, 7):
    out = PIPELINE.batch(keys_of(count), batch_of(count))
    again = PIPELINE.batch(keys_of(count), batch_of(count), out=out)
    print(len(again["image"].sharding.device_set), np.asarray(again["image"], np.int64).sum())
"""
    sums = [np.asarray(PIPELINE.batch(keys_of(c), batch_of(c))["image"], int).sum() for c in (6, 7)]
    assert fresh_python(code, devices=2).split() == ["2", str(sums[0]), "1", str(sums[1])]


@pytest.mark.cpu
@pytest.mark.usefixtures("in_jax")
def test_memory_of_programs_that_are_not_used_is_given_back(monkeypatch):
    monkeypatch.setattr(_native_programs._WORKS, "with_memory", 1)
    before = PIPELINE.batch(keys_of(3), batch_of(3))
    monkeypatch.setattr(_native_programs._WORKS, "kept", 2)
    for size in (8, 12):
        PIPELINE.batch(keys_of(1), batch_of(1, (size, size)))
    assert [bool(program._idle) for program in _native_programs._WORKS.values()] == [False, True]
    assert_same(PIPELINE.batch(keys_of(3), batch_of(3)), before)
