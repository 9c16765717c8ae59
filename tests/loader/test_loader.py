"""Batches: the right records, the same ones whatever reads them, from any point on."""

import gc
import json
import pickle
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import jax
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import multiaug as ma
from multiaug.errors import CorruptChunkError, ParameterError, StoreError
from multiaug.loader import Loader, _chunks, class_weights, hash_split
from multiaug.loader._read import RowReader
from tests.loader.conftest import arrays


@pytest.fixture(scope="module", autouse=True)
def two_batches_at_a_time():
    """As large ones are augmented."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multiaug.loader._budget._SMALL_BATCH", 0)
        patch.setattr("multiaug.loader._budget.core_count", lambda: 2)
        yield


@pytest.fixture(scope="module")
def pipeline(spec):
    return ma.Pipeline([ma.Flip("x"), ma.Rotate(20), ma.Brightness(0.2)], spec)


def wide(source, **settings) -> Loader:
    """A loader that is not warned about its window."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Loader(source, **settings)


def stream(batches) -> list[tuple[int, int]]:
    return [
        pair
        for batch in batches
        for pair in zip(batch["index"].tolist(), batch["copy"].tolist(), strict=True)
    ]


def check_values(batches, count: int) -> None:
    """Every record is what stands at its index, whatever was reused meanwhile."""
    expected = arrays(count)
    for batch in batches:
        index = np.asarray(batch["index"])
        for name in expected:
            np.testing.assert_array_equal(np.asarray(batch[name]), expected[name][index])


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("shuffle", ["block", "full", None])
@pytest.mark.parametrize("chunk", [1, 3, 16, 50])
def test_an_epoch(stores, monkeypatch, shuffle, chunk, compiled):
    if not compiled:
        monkeypatch.setattr("multiaug.loader._chunks.library", lambda: None)
    loader = wide(stores(50, chunk), batch_size=7, shuffle=shuffle, window=2)
    for epoch in range(2):
        assert len(loader) == 8
        batches = list(loader)
        assert loader.epoch == epoch
        assert [len(b["id"]) for b in batches] == [7] * 7 + [1]
        assert sorted(stream(batches)) == [(i, 0) for i in range(50)]
        check_values(batches, 50)
        if shuffle is None:
            assert stream(batches) == [(i, 0) for i in range(50)]


def test_types(stores, pipeline):
    (batch,) = Loader(stores(20, 4), pipeline, batch_size=20)
    assert list(batch) == ["image", "mask", "id", "index", "copy"]
    kinds = {name: type(array) for name, array in batch.items() if name != "id"}
    assert all(issubclass(kind, jax.Array) for kind in kinds.values())
    assert batch["id"].dtype == np.int64  # JAX would cut it down to 32 bits
    np.testing.assert_array_equal(batch["id"] - 2**40, batch["index"])


def test_augmentation_is_drawn_from_seed_epoch_index_and_copy(stores, spec, pipeline):
    loader = Loader(stores(20, 4), pipeline, batch_size=8, seed=3, copies=2)
    list(loader)
    batch = next(iter(loader))
    inputs = arrays(20)
    for place in (0, 5):
        index, copy = int(batch["index"][place]), int(batch["copy"][place])
        key = jax.random.fold_in(jax.random.key(3), 1)
        key = jax.random.fold_in(jax.random.fold_in(key, index), copy)
        expected = pipeline(key, {name: array[index] for name, array in inputs.items()})
        np.testing.assert_array_equal(batch["image"][place], expected["image"])
    loader.close()


@given(
    count=st.integers(1, 60),
    chunk=st.sampled_from([1, 4, 16]),
    batch=st.integers(1, 40),
    window=st.integers(1, 5),
    copies=st.integers(1, 2),
    drop_last=st.booleans(),
)
def test_batches_cut_the_stream(stores, count, chunk, batch, window, copies, drop_last):
    settings = {"window": window, "copies": copies, "seed": 5}
    source = stores(60, chunk)
    whole = stream(wide(source, batch_size=60, indices=np.arange(count), **settings))
    found = [
        stream([b])
        for b in wide(
            source, batch_size=batch, indices=np.arange(count), drop_last=drop_last, **settings
        )
    ]
    kept = count * copies // batch * batch if drop_last else count * copies
    assert [pair for pairs in found for pair in pairs] == whole[:kept]
    assert all(len(pairs) == batch for pairs in found[:-1])


@pytest.mark.parametrize("chunk", [1, 4])
def test_the_stream_does_not_depend_on_threads(stores, pipeline, chunk):
    found = []
    for threads, prefetch in [(1, 0), (2, 2), (8, 5)]:
        loader = wide(
            stores(60, chunk), pipeline=pipeline, batch_size=8, window=4, threads=threads,
            prefetch=prefetch,
        )  # fmt: skip
        found.append([{n: np.asarray(a) for n, a in batch.items()} for batch in loader])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert all((one[name] == two[name]).all() for name in one)


def test_resuming(stores, pipeline):
    """At random steps (fifty by night), with other batch sizes, threads and numbers of hosts."""
    points = 50 if hypothesis.settings().max_examples >= 100 else 8
    draw = np.random.default_rng(0)
    source = stores(203, 4)
    settings = {"streams": 4, "window": 3, "seed": 2}

    def hosts(number: int, batch: int):
        return [
            wide(source, batch_size=batch, shard=(i, number), **settings, threads=i + 1)
            for i in range(number)
        ]

    (reference,) = hosts(1, 8)
    whole = [[b["index"].tolist() for b in reference] for _ in range(3)]
    for _ in range(points):
        first, second = draw.choice([1, 2, 4], 2).tolist()
        step, epoch = int(draw.integers(0, 26)), int(draw.integers(0, 2))
        before = hosts(first, 8 // first)
        for host in before:
            for _ in range(epoch):
                list(host)
            loop = iter(host)
            for _ in range(step):
                next(loop)
            del loop
        states = [json.loads(json.dumps(host.state())) for host in before]
        assert all(state == states[0] for state in states)
        after = hosts(second, 8 // second)
        for host in after:
            host.restore(states[0])
        rest = zip(*([b["index"].tolist() for b in host] for host in after), strict=True)
        joined = [[i for part in parts for i in part] for parts in rest]
        expected = whole[epoch][step:] if step < 26 else whole[epoch + 1]
        assert joined == expected


def test_resuming_continues_with_the_next_epoch(stores, pipeline):
    loader = Loader(stores(20, 4), pipeline, batch_size=8)
    epochs = [[np.asarray(b["image"]) for b in loader] for _ in range(3)]
    other = Loader(stores(20, 4), pipeline, batch_size=8)
    list(other)
    state = other.state()
    assert (state["epoch"], state["position"]) == (1, 0)
    loop = iter(other)
    next(loop)
    fresh = pickle.loads(pickle.dumps(other))
    fresh.restore(other.state())
    np.testing.assert_array_equal(next(iter(fresh))["image"], epochs[1][1])
    np.testing.assert_array_equal(next(iter(fresh))["image"], epochs[2][0])


@pytest.mark.parametrize("shards", [None, 8])
def test_rows_of_chunks_that_are_not_packed(tmp_path, spec, stores, monkeypatch, shards):
    """They are read one by one; the stream is the one of any other codec."""
    monkeypatch.setattr("multiaug.loader._make._LARGE_RECORD", 1)
    group = zarr.open_group(tmp_path / "a", mode="w")
    for name, array in arrays(60).items():
        made = group.create_array(
            name, shape=array.shape, dtype=array.dtype, chunks=(4, *array.shape[1:]),
            shards=shards and (shards, *array.shape[1:]), compressors=None,
        )  # fmt: skip
        made[:] = array + (0 if name == "id" else 1)
    source = ma.open_source(tmp_path / "a", spec)
    assert source.row_access
    loader = wide(source, batch_size=7, window=8)
    batches = list(loader)
    assert isinstance(loader._maker._reader, RowReader)
    assert stream(batches) == stream(wide(stores(60, 4), batch_size=7, window=8))
    for batch in batches:
        expected = arrays(60)["image"][np.asarray(batch["index"])] + 1
        np.testing.assert_array_equal(batch["image"], expected.astype(np.uint8))


class TestHosts:
    """Together they read every record once, in equally many steps."""

    @given(
        count=st.integers(8, 70),
        chunk=st.sampled_from([1, 4, 16]),
        hosts=st.integers(1, 4),
        batch=st.integers(1, 9),
        drop_last=st.booleans(),
    )
    def test_shares(self, stores, count, chunk, hosts, batch, drop_last):
        loaders = [
            wide(
                stores(70, chunk), batch_size=batch, shard=(i, hosts), window=2,
                indices=np.arange(count), drop_last=drop_last,
            )
            for i in range(hosts)
        ]  # fmt: skip
        batches = [list(loader) for loader in loaders]
        assert {len(loader) for loader in loaders} == {len(found) for found in batches}
        assert len({len(found) for found in batches}) == 1
        seen = [pair for found in batches for pair in stream(found)]
        assert len(seen) == len(set(seen))
        if not drop_last:
            assert sorted(seen) == [(i, 0) for i in range(count)]
        else:
            assert all(len(b["index"]) == batch for found in batches for b in found)

    def test_a_host_without_records_at_the_end(self, stores, pipeline):
        loaders = [
            wide(stores(9, 4), pipeline=pipeline, batch_size=4, shard=(i, 2)) for i in (0, 1)
        ]
        last = [list(loader)[-1] for loader in loaders]
        assert [batch["image"].shape for batch in last] == [(1, 8, 8, 3), (0, 8, 8, 3)]


class TestMemory:
    """No array changes after it was handed out, and what is let go is used again."""

    @pytest.mark.parametrize("chunk", [1, 4])
    @pytest.mark.parametrize("shuffle", ["block", None])
    def test_batches_that_are_kept_stay_as_they_are(self, stores, chunk, shuffle):
        loader = wide(stores(60, chunk), batch_size=4, window=2, shuffle=shuffle)
        kept = [batch for _ in range(3) for batch in loader]
        check_values(kept, 60)

    def test_work_that_is_still_going_on(self, stores):
        slow = jax.jit(lambda x: (x.astype(jax.numpy.float32) @ np.eye(3, dtype=np.float32)).sum())
        found, expected = [], []
        for batch in wide(stores(60, 4), batch_size=4, window=2):
            found.append(slow(batch["image"]))
            index = np.asarray(batch["index"])
            expected.append(arrays(60)["image"][index].astype(np.float64).sum())
            del batch
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_memory_is_used_again(self, stores):
        loader = wide(stores(203, 4), batch_size=4, window=2)
        made = []
        for _ in range(3):
            for batch in loader:
                del batch
            made.append(loader._maker._reader.pools.made)
        # Begun ones, ready ones, one in the making, one in use, and the one before it; how many of
        # them are there at a time depends on the threads.
        assert made[2] <= loader._budget.batches + 2 + 3 < len(loader)

    def test_results_of_the_pipeline_are_used_again_when_nobody_has_them(
        self, stores, pipeline, monkeypatch
    ):
        given = []
        batch = ma.Pipeline.batch

        def spy(self, keys, records, *, out=None, check=True):
            given.append(out is not None)
            return batch(self, keys, records, out=out, check=check)

        monkeypatch.setattr(ma.Pipeline, "batch", spy)
        reference = [np.array(b["image"]) for b in Loader(stores(60, 4), pipeline, batch_size=4)]
        given.clear()
        found = []
        for b in Loader(stores(60, 4), pipeline, batch_size=4):
            found.append(b["image"].copy())
            del b
        assert sum(given) >= 8
        assert all((one == two).all() for one, two in zip(reference, found, strict=True))
        given.clear()
        kept = list(Loader(stores(60, 4), pipeline, batch_size=4))
        assert not any(given)
        assert all((one == b["image"]).all() for one, b in zip(reference, kept, strict=True))

    def test_what_numpy_looks_at_is_left_alone(self, stores, pipeline):
        views, copies = [], []
        for batch in Loader(stores(60, 4), pipeline, batch_size=4):
            views.append(np.asarray(batch["image"]))
            copies.append(views[-1].copy())
            del batch
        assert all((view == copy).all() for view, copy in zip(views, copies, strict=True))

    def test_a_window_is_chosen_from_memory(self, stores):
        record = 8 * 8 * 4 + 8
        source = stores(203, 4)
        loader = wide(source, batch_size=4, memory=2_000_000)
        assert loader.window == 51  # all of it
        small = wide(source, batch_size=4, memory=300_000, threads=1)
        assert 2 <= small.window < 51
        assert small.memory <= 300_000
        assert small.window * 4 * record <= 150_000
        assert sorted(stream(small)) == [(i, 0) for i in range(203)]


class TestWarnings:
    """Settings that make batches worse than expected are said to."""

    def test_a_window_narrower_than_the_batch(self, stores):
        with pytest.warns(UserWarning, match=r"window holds 3 chunks.*vary 11\.4 times"):
            Loader(stores(203, 4), batch_size=32, window=3)

    def test_no_warning_when_all_chunks_are_mixed(self, stores):
        Loader(stores(50, 16), batch_size=32)
        Loader(stores(203, 4), batch_size=32, window=32)
        Loader(stores(203, 4), batch_size=32, shuffle=None)


class TestEnding:
    """However a loop ends, its threads do."""

    @pytest.fixture(autouse=True)
    def _no_threads_are_left(self):
        yield
        gc.collect()
        deadline = time.monotonic() + 5
        while self.threads() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.threads() == []

    def threads(self):
        names = ("multiaug-read", "multiaug-prefetch")
        return [t for t in threading.enumerate() if t.name.startswith(names)]

    def test_break(self, stores):
        loader = wide(stores(203, 4), batch_size=4, window=4)
        for _batch in loader:
            assert self.threads()
            break
        assert self.threads() == []
        assert sorted(stream(loader)) == [(i, 0) for i in range(203)]

    @pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
    def test_an_error_in_the_loop(self, stores, kind):
        loader = wide(stores(203, 4), batch_size=4, window=4)
        with pytest.raises(kind):
            for _batch in loader:
                raise kind
        assert self.threads() == []

    def test_an_error_while_reading(self, stores, monkeypatch):
        source = stores(203, 4)
        read = type(source).read_range

        def fail(self, start, stop, out):
            if start == 100:
                raise StoreError("no such disk")
            read(self, start, stop, out)

        monkeypatch.setattr(type(source), "read_range", fail)
        found = []
        with pytest.raises(StoreError, match="no such disk"):
            found.extend(wide(source, batch_size=4, shuffle=None))
        assert stream(found) == [(i, 0) for i in range(100)]

    def test_two_loops_over_one_loader(self, stores):
        loader = wide(stores(203, 4), batch_size=4, window=4)
        first = iter(loader)
        next(first)
        second = iter(loader)
        next(second)
        with pytest.raises(ParameterError, match="another loop over it has begun"):
            list(first)
        assert len(list(second)) == 50

    @pytest.mark.parametrize("prefetch", [0, 2])
    def test_a_loop_that_another_one_has_ended_says_so(self, stores, prefetch):
        loader = wide(stores(203, 4), batch_size=4, window=4, prefetch=prefetch)
        found = []
        with pytest.raises(ma.ParameterError, match="another loop over it has begun"):
            for pair in zip(loader, loader, strict=True):
                found.append(pair)  # noqa: PERF402
        alone = wide(stores(203, 4), batch_size=4, window=4)
        expected = [np.asarray(next(iter(alone))["index"]).tolist() for _ in range(2)]
        assert [np.asarray(batch["index"]).tolist() for batch in found[0]] == expected

    def test_a_loop_begins_with_its_first_batch(self, stores):
        loader = wide(stores(20, 4), batch_size=4, window=4)
        iter(loader)
        first, second = iter(loader), iter(loader)
        assert loader.state()["epoch"] == 0
        list(second)
        assert loader.state()["epoch"] == 1
        list(first)
        assert loader.state()["epoch"] == 2

    def test_at_the_end_no_batch_is_looked_at_twice(self, stores, monkeypatch):
        """Where the window is all there is, all chunks are asked for at once, and once."""
        calls = []
        submit = _chunks._Run._submit

        def count(run, chunk):
            calls.append(chunk)
            submit(run, chunk)

        monkeypatch.setattr(_chunks._Run, "_submit", count)
        list(wide(stores(203, 4), batch_size=4))
        assert len(calls) == len(set(calls)) == 51

    def test_a_loop_that_is_forgotten(self, stores):
        next(iter(wide(stores(203, 4), batch_size=4, window=4)))

    def test_with(self, stores):
        with wide(stores(203, 4), batch_size=4, window=4) as loader:
            loop = iter(loader)
            next(loop)
        with pytest.raises(ParameterError, match="the loader was closed"):
            list(loop)

    def test_the_interpreter_may_end_in_the_middle(self, fresh_python):
        code = (
            "import numpy as np, multiaug as ma\n"
            "spec = ma.load_spec('rgb-segmentation')\n"
            "source = ma.open_source({'image': np.zeros((99, 8, 8, 3), np.uint8)}, spec)\n"
            "loop = iter(ma.Loader(source, batch_size=2))\n"
            "next(loop)\n"
            "print('done')"
        )
        assert fresh_python(code).strip() == "done"


class TestDamage:
    """Records that cannot be decoded."""

    @pytest.fixture
    def source(self, tmp_path, spec):
        path = ma.write_zarr(tmp_path / "a.zarr", [arrays(400)], spec, chunk=4)
        (path / "mask" / "c" / "2" / "0" / "0").write_bytes(b"gone")
        return ma.open_source(path)

    @pytest.mark.parametrize("shuffle", ["block", "full"])
    def test_an_error_by_default(self, source, shuffle):
        with pytest.raises(CorruptChunkError, match="mask/c/2/0/0"):
            list(wide(source, batch_size=8, shuffle=shuffle))

    @pytest.mark.parametrize("shuffle", ["block", "full"])
    def test_skipping(self, source, shuffle):
        loader = wide(source, batch_size=8, shuffle=shuffle, on_corrupt="skip")
        reference = [
            [(i, c) for i, c in stream([batch]) if not 8 <= i < 12]
            for batch in wide(ma.open_source(arrays(400), source.spec), batch_size=8)
        ]
        batches = list(loader)
        assert sorted(stream(batches)) == [(i, 0) for i in range(400) if not 8 <= i < 12]
        assert loader.skipped == 4
        assert len(batches) == len(reference)
        again = [stream([b]) for b in wide(
            source, batch_size=8, shuffle=shuffle, on_corrupt="skip", threads=1)]  # fmt: skip
        assert again == [stream([b]) for b in batches]

    @pytest.mark.parametrize("workers", [0, 2])
    def test_batches_that_are_skipped_whole_are_not_counted(self, source, workers):
        """A state after n batches that were handed out is where the next one begins."""
        settings = {"batch_size": 2, "shuffle": None, "on_corrupt": "skip", "skip_limit": 0.2}
        loader = wide(source, **settings, indices=range(20))  # records 8 to 11 are lost
        expected = [[i, i + 1] for i in range(0, 20, 2) if not 8 <= i < 12]
        if workers:
            turns = [loader.ticket(loader._standing.join(0, 0, workers)) for _ in range(workers)]
            with ThreadPoolExecutor(workers) as threads:  # the last batch waits for all others
                shares = threads.map(lambda i: [*loader.share_of(i, 2, turns[i])], range(workers))
            assert sum(len(share) for share in shares) == 8
        else:
            assert [batch["index"].tolist() for batch in loader] == expected
        other = wide(source, **settings, indices=range(20))
        for count in range(1, 9):
            if workers and 4 < count < 8:
                with pytest.raises(ma.ParameterError, match=r"every record of batch 4 .*Mend"):
                    loader.state(batches=count)
                continue
            other.restore(loader.state(batches=count))
            rest = [batch["index"].tolist() for batch in other]
            assert rest == (expected[count:] or expected)  # after the last one the next epoch
        with pytest.raises(ma.ParameterError, match="latest loop has 8 batches"):
            loader.state(batches=9)

    def test_too_much(self, source):
        with pytest.raises(StoreError, match=r"[34] records of this epoch .* more than the 2"):
            list(wide(source, batch_size=8, on_corrupt="skip", skip_limit=0.005))

    def test_a_missing_chunk_is_never_skipped(self, source):
        (source.path / "image" / "c" / "5" / "0" / "0" / "0").unlink()
        with pytest.raises(ma.MissingChunkError):
            list(wide(source, batch_size=8, on_corrupt="skip"))


class TestChoosing:
    """Weights, subsets, splits."""

    def test_balanced_classes(self, stores):
        labels = (np.arange(203) > 180).astype(int)
        loader = wide(stores(203, 4), batch_size=29, weights=class_weights(labels), seed=1)
        for _ in range(3):
            drawn = stream(loader)
            assert len(drawn) == len(set(drawn)) == 203
            assert abs(labels[[i for i, _ in drawn]].mean() - 0.5) < 0.01

    def test_a_subset(self, stores):
        chosen = [5, 6, 7, 100, 100]
        for shuffle in ("block", "full", None):
            loader = wide(stores(203, 4), batch_size=2, indices=chosen, shuffle=shuffle)
            assert sorted(stream(loader)) == [(5, 0), (6, 0), (7, 0), (100, 0), (100, 1)]

    def test_splits(self):
        train, test = hash_split(10_000, (0.8, 0.2))
        assert abs(len(test) - 2000) < 150
        assert not set(train) & set(test)
        more = hash_split(20_000, (0.8, 0.2))
        np.testing.assert_array_equal(more[1][more[1] < 10_000], test)
        assert not np.array_equal(hash_split(10_000, (0.8, 0.2), seed=1)[1], test)

    def test_groups_stay_together(self):
        names = [f"patient {i // 10}" for i in range(1000)]
        parts = hash_split(names, (0.5, 0.3, 0.2))
        groups = [{i // 10 for i in part.tolist()} for part in parts]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 100
        shuffled = np.random.default_rng(0).permutation(1000)
        again = hash_split([names[i] for i in shuffled], (0.5, 0.3, 0.2))
        assert [{shuffled[i] // 10 for i in part} for part in again] == groups

    @pytest.mark.parametrize("bad", [(0.5, 0.4), (1.5, -0.5), (0, 1)])
    def test_bad_fractions(self, bad):
        with pytest.raises(ParameterError, match="positive and sum to 1"):
            hash_split(100, bad)

    def test_an_empty_part(self):
        with pytest.raises(ParameterError, match=r"part 0 .* gets none"):
            hash_split(3, (0.0001, 0.9999))


class TestRefusals:
    """Bad settings, each with what to do about it."""

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"batch_size": 0}, "batch_size` must be a whole number, at least 1, got 0"),
            ({"seed": -1}, "seed` must be"),
            ({"shuffle": True}, "'block', 'full' or None"),
            ({"shard": (2, 2)}, r"0 <= i < n"),
            ({"shard": 1}, r"must be \(host, hosts\)"),
            ({"shard": (0, 2), "streams": 3}, "multiple of the number of hosts"),
            ({"streams": 3, "batch_size": 4}, "multiple of the 3 streams"),
            ({"indices": [203]}, r"must be in \[0, 203\), got 203"),
            ({"indices": [-1]}, r"must be in \[0, 203\), got -1"),
            ({"indices": []}, "at least one"),
            ({"indices": [True]}, "integers"),
            ({"weights": [1.0]}, r"must be \(203,\)"),
            ({"weights": [-1.0] * 203}, "finite and not negative"),
            ({"weights": [0.0] * 203}, "above 0 for at least one"),
            ({"memory": "lots"}, "'4GB' or '512MiB', got 'lots'"),
            ({"memory": 10_000}, "two chunks must fit"),
            ({"memory": 300_000, "window": 40}, "in each of 1 streams, which take"),
            ({"window": 0}, "window` must be"),
            ({"on_corrupt": "ignore"}, "'raise' or 'skip'"),
            ({"copies": 0}, "copies` must be"),
            ({"prefetch": -1}, "prefetch` must be"),
            ({"indices": [3], "shard": (0, 2)}, "only 1 records"),
        ],
    )
    def test_settings(self, stores, settings, message):
        with pytest.raises(ParameterError, match=message):
            wide(stores(203, 4), **{"batch_size": 4, "threads": 1, **settings})

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"schema": "other/1"}, "must be what Loader.state"),
            ({"fingerprint": "0"}, "data set has changed"),
            ({"seed": 7}, "its seed is 7, here it is 0"),
            ({"position": "x"}, "must be a whole number"),
            ({"extra": 1}, "must have"),
        ],
    )
    def test_states(self, stores, change, message):
        loader = wide(stores(203, 4), batch_size=4)
        with pytest.raises(ParameterError, match=message):
            loader.restore(loader.state() | change)
        with pytest.raises(ParameterError, match="Pass the same indices and weights"):
            loader.restore(wide(stores(203, 4), batch_size=4, indices=[1, 2]).state())

    def test_a_source_of_somebody_else(self, spec):
        class Mine:
            """The members of the protocol, and no more."""

            fingerprint = "mine"
            blocks = range(1)

            def __init__(self):
                self.spec = spec

            def __len__(self):
                return 30

            def scan(self, blocks=None):
                raise NotImplementedError

            def read(self, indices):
                return {name: array[np.asarray(indices)] for name, array in arrays(30).items()}

        batches = list(Loader(Mine(), batch_size=8))
        assert sorted(stream(batches)) == [(i, 0) for i in range(30)]
        check_values(batches, 30)
