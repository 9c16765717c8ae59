"""Stores that are no folder: zarr's store API, addresses, slow networks."""

import asyncio
import pickle
import time

import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import MissingChunkError, StoreError
from multiaug.store import ZarrSource, open_source, write_zarr


@pytest.fixture
def folder(tmp_path, spec, records):
    return write_zarr(tmp_path / "a.zarr", [records(20)], spec, chunk=2)


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
    """A server that takes a while for every object."""

    delay = 0.0

    async def get(self, key, *arguments, **settings):
        await asyncio.sleep(self.delay)
        return await super().get(key, *arguments, **settings)


def test_waiting_is_shared(folder, records):
    """Sixteen objects travel at a time, whatever the number of cores."""
    store = SlowStore()
    fill(store, folder)
    source = open_source(store)
    loader = ma.Loader(source, batch_size=10, memory="64MB")
    assert loader._threads == 16
    store.delay = 0.05
    start = time.perf_counter()
    (first, *rest) = loader
    # 40 objects one by one would take 2 s. Generous: this is about being concurrent at all.
    assert time.perf_counter() - start < 1.2
    assert len(rest) == 1
    index = np.asarray(first["index"])
    np.testing.assert_array_equal(first["image"], records(20)["image"][index])


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
