"""Chunks are read once, and their records come to their places, whatever their size."""

import threading
import time
import warnings
from bisect import bisect_left
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import multiaug as ma
from multiaug._native import library
from multiaug.loader import _chunks
from multiaug.loader._workers import Workers
from multiaug.spec import DataSpec
from multiaug.store import ArraySource, _pool

SPEC = DataSpec.from_dict(
    {
        "name": "chunks",
        "entries": {
            "image": {"role": "intensity", "channels": 1},
            "label": {"role": "scalar", "dtype": "uint8"},
        },
    }
)


class Counted:
    """Records in memory, read in chunks; counts how often each chunk is.

    Args:
        count: of records.
        chunk: length of one.
        side: of a record's picture.
    """

    remote = False

    def __init__(self, count: int, chunk: int, side: int = 1) -> None:
        values = np.arange(count, dtype=np.float32)
        image = np.broadcast_to(values[:, None, None, None], (count, side, side, 1))
        self._source = ArraySource({"image": image, "label": (values % 251).astype("u1")}, SPEC)
        self.chunk = chunk
        self.reads: Counter[int] = Counter()
        self.failing: dict[int, BaseException] = {}

    def __getattr__(self, name):
        return getattr(self._source, name)

    def __len__(self) -> int:
        return len(self._source)

    def read_range(self, start, stop, out):
        assert start % self.chunk == 0
        self.reads[start // self.chunk] += 1
        if start // self.chunk in self.failing:
            raise self.failing[start // self.chunk]
        self._source.read_range(start, stop, out)


def make_loader(source, **settings) -> ma.Loader:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of narrow windows
        return ma.Loader(source, **settings)


def check(batches, expected: list[int] | None = None) -> None:
    found: list[int] = []
    for batch in batches:
        index = np.asarray(batch["index"])
        for name, value in (("image", index), ("label", index % 251)):
            array = np.asarray(batch[name]).reshape(len(index), -1)
            assert (array == value[:, None]).all()
        found += index.tolist()
    assert expected is None or sorted(found) == expected


@pytest.mark.parametrize(("batch", "chunk"), [(3, 7), (60, 2), (16, 50)])
@pytest.mark.parametrize(
    "settings",
    [
        {"window": 1},
        {"window": 5},
        {"window": 1000},
        {"shuffle": None},
        {"window": 6, "copies": 3},
        {"window": 3, "streams": 4},
        {"window": 6, "indices": np.random.default_rng(0).integers(0, 599, 300)},
        {"window": 6, "weights": np.random.default_rng(1).random(599)},
    ],
    ids=lambda s: ", ".join(s),
)
def test_each_chunk_is_read_once(batch, chunk, settings):
    source = Counted(599, chunk)
    streams = settings.get("streams", 1)
    loader = make_loader(source, batch_size=batch * streams, **settings)
    for _ in range(2):
        source.reads.clear()
        check(loader)
        assert set(source.reads.values()) == {1}


def test_chunks_of_later_batches_are_read_meanwhile():
    source = Counted(600, 10)
    loop = iter(make_loader(source, batch_size=10, window=5, prefetch=0))
    own = {i // 10 for i in next(loop)["index"].tolist()}
    deadline = time.monotonic() + 5
    while len(source.reads) < len(own) + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    loop.close()
    assert len(own) + 3 <= len(source.reads) < 60


@pytest.mark.parametrize("shuffle", ["block", None])
def test_after_a_resumption_each_chunk_is_read_once(shuffle):
    first = make_loader(Counted(599, 7), batch_size=8, window=5, shuffle=shuffle)
    loop = iter(first)
    seen = [i for _ in range(30) for i in next(loop)["index"].tolist()]
    source = Counted(599, 7)
    second = make_loader(source, batch_size=8, window=5, shuffle=shuffle)
    second.restore(first.state())
    first.close()
    check(second, sorted(set(range(599)) - set(seen)))
    assert set(source.reads.values()) == {1}
    # Of what was handed out before, only chunks that the window reaches into come again.
    assert len(source.reads) <= 86 - 30 + 5


def test_in_too_little_memory_chunks_are_read_again_and_records_are_right():
    source = Counted(1000, 250, side=8)
    # Bytes: a chunk of 250 records is 65 kB, a batch of 4 is 1, and with what is noted of them
    # twice to three times as much.
    loader = make_loader(source, batch_size=4, threads=1, prefetch=0, memory=2_000_000)
    assert loader.window == 4

    def is_enough(memory):
        try:
            make_loader(source, batch_size=4, threads=1, prefetch=0, memory=memory)
        except ma.ParameterError:
            return False
        return True

    tight = bisect_left(range(2_000_000), True, key=is_enough)
    again = make_loader(source, batch_size=4, threads=1, prefetch=0, memory=tight, copies=1)
    assert again._budget.batches * 4 < 3 * 250
    check(again, list(range(1000)))
    with pytest.raises(ma.ParameterError, match="Lower window, or raise memory"):
        make_loader(source, batch_size=4, threads=1, prefetch=0, memory=tight, window=3)


def test_an_error_of_a_source_is_raised_at_the_batch_that_needs_it():
    source = Counted(200, 10)
    source.failing[7] = ZeroDivisionError("a bug of the source")
    batches = []
    with pytest.raises(ZeroDivisionError, match="a bug of the source"):
        batches.extend(make_loader(source, batch_size=8, shuffle=None))
    check(batches, list(range(64)))


@pytest.mark.parametrize("compiled", [True, False])
@given(
    side=st.sampled_from([1, 5, 31, 32, 33, 47]),
    chunk=st.sampled_from([1, 3, 16]),
    batch=st.integers(1, 20),
)
def test_records_of_every_size(compiled, side, chunk, batch):
    """Short ones, lines and parts of lines, with starts that no vector divides."""
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(_chunks, "library", lambda: None)
        source = Counted(50, chunk, side)
        check(make_loader(source, batch_size=batch, window=3), list(range(50)))


@pytest.mark.skipif(library() is None, reason="nothing was compiled")
@given(size=st.integers(1, 9000), start=st.integers(0, 70), data=st.data())
def test_nothing_else_is_written(size, start, data):
    """In the middle of memory that holds a guard."""
    count = data.draw(st.integers(1, 4))
    rows = np.random.default_rng(size).integers(0, 255, (count, size), np.uint8)
    order = data.draw(st.permutations(range(count)))
    memory = np.full(start + (count + 2) * size, 255, np.uint8)
    entries = np.array([[rows.ctypes.data, size]], np.int64)
    batches = np.array([[0], [memory.ctypes.data + start]], np.int64)
    moves = np.array([[1, i, 1 + place] for place, i in enumerate(order)], np.int64)
    library().multiaug_scatter(
        entries.ctypes.data, 1, batches.ctypes.data, moves.ctypes.data, count
    )
    expected = np.full_like(memory, 255)
    expected[start + size : start + (count + 1) * size] = rows[order].reshape(-1)
    np.testing.assert_array_equal(memory, expected)


@pytest.mark.parametrize("empty", [(0,), (0, 3), (2, 0)], ids=str)
def test_nothing_is_written_behind_records_of_no_bytes(tmp_path, monkeypatch, empty):
    """NumPy gives an array without elements the strides of one with them."""
    guarded = []

    def aligned(size):
        memory = np.full(size + 512, 1 + len(guarded) % 250, np.uint8)
        guarded.append((memory[size:], memory[size]))
        return memory[:size]

    for module in (_pool, _chunks):
        monkeypatch.setattr(module, "aligned", aligned)
    entries = {"image": {"role": "intensity", "channels": 1}, "table": {"role": "scalar"}}
    spec, count = DataSpec.from_dict({"name": "empty", "entries": entries}), 24
    image = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    arrays = {"image": image, "table": np.zeros((count, *empty), np.int64)}
    source = ma.open_source(ma.write_zarr([arrays], spec, tmp_path / "empty.zarr", chunk=6))
    batches = list(make_loader(source, batch_size=4, window=2))
    found = np.concatenate([np.ravel(batch["image"]) for batch in batches])
    assert sorted(found.tolist()) == list(range(count))
    assert batches[0]["table"].shape == (4, *empty)
    assert len({number for _, number in guarded}) > 4
    for behind, number in guarded:
        assert (behind == number).all()


def test_workers_end_without_jobs_that_were_not_begun():
    begun, may_end, done = threading.Event(), threading.Event(), []

    def first():
        begun.set()
        assert may_end.wait(10)
        done.append("first")

    with Workers(1, "test") as workers:
        workers.put(first)
        workers.put(lambda: done.append("second"))
        begun.wait(10)
        threading.Timer(0.05, may_end.set).start()
    assert done == ["first"]
