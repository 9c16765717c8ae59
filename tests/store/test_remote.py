"""Stores that are no folder: zarr's store API, addresses, slow networks."""

import asyncio
import itertools
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import CorruptChunkError, MissingChunkError, StoreError
from multiaug.store import Fetching, ZarrSource, open_source, write_zarr
from multiaug.store.zarr._requests import Request


@pytest.fixture
def folder(tmp_path, spec, records):
    return write_zarr([records(20)], spec, tmp_path / "a.zarr", chunk=2)


def fill(store, folder) -> None:
    """Copy a store's files to another one."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    make = default_buffer_prototype().buffer.from_bytes
    for file in folder.rglob("*"):
        if file.is_file():
            sync(store.set(str(file.relative_to(folder)), make(file.read_bytes())))


def check(source, records) -> None:
    expected = records(20)
    assert source.remote
    assert all(source.direct.values())
    for name, array in source.read([19, 3, 3]).items():
        np.testing.assert_array_equal(array, expected[name][[19, 3, 3]])
    for block in source.scan():
        np.testing.assert_array_equal(block["image"], expected["image"][block.index])
    source.check(deep=True)


def test_memory(folder, records):
    store = zarr.storage.MemoryStore()
    fill(store, folder)
    source = open_source(store)
    check(source, records)
    del store._store_dict["image/c/4/0/0/0"]
    with pytest.raises(MissingChunkError, match="image/c/4/0/0/0, which holds rows 8 to 9"):
        open_source(store).read([8])


class SlowStore(zarr.storage.MemoryStore):
    """A server that takes a while for every object, and may fail.

    zarr opens a store of its own on the same objects, so both have the same `Server`.
    """

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.server = SERVERS.setdefault(id(self._store_dict), Server())

    async def get(self, key, *arguments, **settings):
        server = self.server
        server.asked += 1
        server.travelling += 1
        server.most = max(server.most, server.travelling)
        try:
            await asyncio.sleep(server.delay)
            server.fail(key)
            return await super().get(key, *arguments, **settings)
        finally:
            server.travelling -= 1


class Server:
    """What happens to all requests."""

    delay = 0.0
    travelling = most = asked = 0

    def fail(self, key) -> None:
        """Raise what a request for an object meets."""


SERVERS = {}


@pytest.fixture(autouse=True)
def _servers_of_one_test():
    SERVERS.clear()


def test_waiting_is_shared(folder, records):
    """All objects travel at a time, whatever the number of cores and of threads."""
    store = SlowStore()
    fill(store, folder)
    source = open_source(store)
    loader = ma.Loader(source, batch_size=10, memory="64MB", threads=1)
    store.server.delay = 0.05
    start = time.perf_counter()
    (first, *rest) = loader
    # 40 objects one by one would take 2 s. Generous: this is about being concurrent at all.
    assert time.perf_counter() - start < 1.2
    assert store.server.most == 40
    assert len(rest) == 1
    index = np.asarray(first["index"])
    np.testing.assert_array_equal(first["image"], records(20)["image"][index])
    store.server.most = 0
    assert sum(len(block.index) for block in source.scan()) == 20
    assert store.server.most == 40


@pytest.fixture(params=["chunks", "rows", "shards"])
def far(request, tmp_path, spec, records):
    """A far store whose chunks are two records, single ones, or parts of shards."""
    length = 1 if request.param == "rows" else 2
    folder = write_zarr([records(20)], spec, tmp_path / "b.zarr", chunk=length)
    if request.param == "shards":
        source, folder = open_source(folder), tmp_path / "c.zarr"
        ma.export(source, None, folder, chunk=length, shard_bytes=5_000, check=False)
        assert zarr.open_group(folder)["image"].shards[0] < 20
    store = SlowStore()
    fill(store, folder)
    return store, folder, length


def epoch(source, **settings):
    loader = ma.Loader(source, batch_size=6, seed=1, memory="64MB", prefetch=0, **settings)
    found = list(loader)
    return loader, {n: np.concatenate([np.asarray(b[n]) for b in found]) for n in found[0]}


@pytest.mark.parametrize("shuffle", ["block", "full", None])
def test_far_epochs_are_those_of_a_folder(far, shuffle):
    store, folder, _ = far
    _, expected = epoch(open_source(folder), shuffle=shuffle)
    _, found = epoch(open_source(store), shuffle=shuffle)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_each_object_fails_twice(far):
    store, folder, _ = far
    _, expected = epoch(open_source(folder))
    source, failures = open_source(store), {}

    def fail(key):
        failures[key] = failures.get(key, 0) + 1
        if failures[key] <= 2:
            raise ConnectionResetError("gone")

    store.server.fail = fail
    _, found = epoch(source)
    assert len(failures) >= 8
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_server_that_refuses(far):
    store, _, _ = far
    source = open_source(store)

    def fail(key):
        raise PermissionError("not yours")

    store.server.fail = fail
    with pytest.raises(StoreError, match=r"not yours\. Check the address and the rights"):
        epoch(source)


def test_a_far_chunk_that_is_damaged_or_missing(far):
    store, _, length = far
    key = sorted(key for key in store._store_dict if key.startswith("image/c/1/"))[0]
    whole, sharded = store._store_dict[key], bool(zarr.open_group(store)["image"].shards)
    make = type(whole).from_bytes
    stored = bytearray(whole.to_bytes())
    stored[len(stored) // 8] ^= 255
    store._store_dict[key] = make(bytes(stored))
    with pytest.raises(CorruptChunkError, match=re.escape(key)):
        epoch(open_source(store))
    loader, found = epoch(open_source(store), on_corrupt="skip", skip_limit=0.5)
    assert loader.skipped == length
    assert len(found["index"]) == 20 - length
    del store._store_dict[key]
    with pytest.raises(MissingChunkError, match=re.escape(key)):
        epoch(open_source(store))
    assert not sharded or length == 2


def test_a_loop_that_is_left_asks_for_nothing_more(folder):
    store = SlowStore()
    fill(store, folder)
    loader = ma.Loader(open_source(store), batch_size=2, memory="64MB", shuffle=None)
    store.server.delay = 0.05
    for _ in loader:
        break
    loader.close()
    assert not store.server.travelling
    asked = store.server.asked
    time.sleep(0.1)
    assert store.server.asked == asked


def test_bytes_on_their_way_are_bounded():
    """Jobs begin while their bytes fit; one that never does, alone."""
    held, most, done, numbers = [0], [0], [], itertools.count()

    def request(size):
        async def get():
            held[0] += size
            most[0] = max(most[0], held[0])
            await asyncio.sleep(0.001)
            return (next(numbers), str(size), 0, None), np.zeros(size, np.uint8)

        return Request(size, get)

    with ThreadPoolExecutor(2) as executor:
        fetching = Fetching(executor, lambda rows: [request(int(n)) for n in rows], memory=100)

        def job(sizes):
            done.append(sizes)
            held[0] -= sum(sizes)  # as the loop will, when this ends

        sizes = [(30, 20), (40,), (250,), (10, 10), *[(30,)] * 20]
        futures = [fetching.submit(np.array(one), job, one) for one in sizes]
        for future in futures:
            future.result(10)
        fetching.close()
    assert sorted(done) == sorted(sizes)
    assert 90 <= most[0] <= 250  # the large one is alone; of others three fit


def test_obstore(folder, records):
    obstore = pytest.importorskip("obstore")
    store = zarr.storage.ObjectStore(obstore.store.LocalStore(str(folder)), read_only=True)
    check(open_source(store), records)


def test_addresses(folder, records):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for file in folder.rglob("*"):
        if file.is_file():
            system.pipe(f"/bucket/a.zarr/{file.relative_to(folder)}", file.read_bytes())
    source = ZarrSource("memory://bucket/a.zarr")
    check(source, records)
    assert "memory://bucket/a.zarr" in repr(source)
    check(pickle.loads(pickle.dumps(source)), records)


def test_an_address_without_its_driver(monkeypatch):
    def refuse(*_arguments, **_settings):
        raise ImportError("fsspec")

    monkeypatch.setattr(zarr.storage.FsspecStore, "from_url", refuse)
    with pytest.raises(StoreError, match=r"pip install 'multiaug\[remote\]'"):
        open_source("s3://bucket/a.zarr")
