"""Exports to stores that are no folder: the marker is the commit."""

import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import StoreError
from multiaug.store import BlockWriter, OmeSink

SPEC = ma.load_spec("rgb-segmentation")
SETTINGS = {"copies": 2, "chunk": 2, "shard_bytes": 2048}


def source(seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (10, 16, 16, 3), np.uint8)
    return ma.open_source({"image": image, "mask": image[..., 0] // 64}, SPEC)


@pytest.fixture(scope="module")
def pipeline():
    return ma.Pipeline([ma.Flip("x")], SPEC)


@pytest.fixture(scope="module")
def local(tmp_path_factory, pipeline):
    path = ma.export(source(), pipeline, tmp_path_factory.mktemp("out") / "a.zarr", **SETTINGS)
    return ma.open_source(path)


def assert_like(store, local):
    found = ma.open_source(store)
    found.check(deep=True)
    for name, array in local.read(range(len(local))).items():
        np.testing.assert_array_equal(found.read(range(len(found)))[name], array)


def names(store):
    return {key for key in store._store_dict if "/c/" in key or "multiaug-log" in key}


def test_the_values_of_a_folder(pipeline, local):
    store = zarr.storage.MemoryStore()
    assert ma.export(source(), pipeline, store, **SETTINGS) is store
    assert_like(store, local)
    assert not [key for key in names(store) if "multiaug-log" in key]
    with pytest.raises(StoreError, match="it is complete"):
        ma.export(source(), pipeline, store, **SETTINGS)
    ma.export(source(1), pipeline, store, **SETTINGS, overwrite=True)
    assert len(ma.open_source(store)) == 20


def test_going_on(pipeline, local, monkeypatch):
    store, write, written = zarr.storage.MemoryStore(), BlockWriter.write, []

    def fail(self, block, arrays):
        written.append(block)
        if block == 7:
            raise StoreError("cut short")
        return write(self, block, arrays)

    monkeypatch.setattr(BlockWriter, "write", fail)
    with pytest.raises(StoreError, match="cut short"):
        ma.export(source(), pipeline, store, **SETTINGS)
    with pytest.raises(StoreError, match="not complete"):
        ma.open_source(store)
    kept = {int(key.split("/")[1][:-5]) for key in names(store) if "multiaug-log" in key}
    assert kept
    with pytest.raises(StoreError, match=r"its provenance\.seed is 0, expected 1"):
        ma.export(source(), pipeline, store, seed=1, **SETTINGS)
    monkeypatch.setattr(
        BlockWriter, "write", lambda *given: written.append(given[1]) or write(*given)
    )
    written.clear()
    ma.export(source(), pipeline, store, **SETTINGS)
    assert written
    assert not kept & set(written)
    assert_like(store, local)


class Failing(zarr.storage.MemoryStore):
    """A server that fails now and then."""

    failures = 0

    async def set(self, key, *arguments, **settings):
        if self.failures and "/c/" in key:
            self.failures -= 1
            raise ConnectionResetError("gone")
        await super().set(key, *arguments, **settings)


def test_a_server_that_fails_for_a_while(pipeline, local):
    store = Failing()
    store.failures = 2
    ma.export(source(), pipeline, store, **SETTINGS)
    assert_like(store, local)
    store = Failing()
    store.failures = 10**6
    with pytest.raises(StoreError, match="Run the same command again"):
        ma.export(source(), pipeline, store, **SETTINGS)


def test_what_somebody_else_wrote_is_left_alone(pipeline):
    store = zarr.storage.MemoryStore()
    zarr.open_group(store, mode="w").create_array("theirs", data=np.arange(3))
    for overwrite in (False, True):
        with pytest.raises(StoreError, match="Choose another place"):
            ma.export(source(), pipeline, store, **SETTINGS, overwrite=overwrite)
    assert zarr.open_group(store, mode="r")["theirs"][2] == 2


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_another_format_goes_on_as_well(tmp_path, pipeline, local, monkeypatch, version):
    """OME-NGFF, in a folder and behind zarr's store API, in several resolutions."""
    places = (tmp_path / "a.zarr", zarr.storage.MemoryStore())
    for place in places:
        write, written = BlockWriter.write, []

        def fail(self, block, arrays, write=write):
            if block == 7:
                raise StoreError("cut short")
            return write(self, block, arrays)

        def spy(self, block, arrays, write=write, written=written):
            written.append(block)
            return write(self, block, arrays)

        sink = OmeSink(place, levels=2, version=version)
        with monkeypatch.context() as patch:
            patch.setattr(BlockWriter, "write", fail)
            with pytest.raises(StoreError, match="cut short"):
                ma.export(source(), pipeline, sink, **SETTINGS)
            patch.setattr(BlockWriter, "write", spy)
            assert ma.export(source(), pipeline, sink, **SETTINGS) == place
        assert 0 not in written
        assert 7 in written
        assert_like(place, local)
        half = ma.open_source(place, level=1).read(range(20))
        whole = local.read(range(20))
        tiles = whole["image"].reshape(20, 8, 2, 8, 2, 3).mean((2, 4))
        np.testing.assert_array_equal(half["image"], np.rint(tiles))
        np.testing.assert_array_equal(half["mask"], whole["mask"][:, ::2, ::2])


def test_streams(local):
    """Records that come once, to a store that is no folder."""
    records = local.read(range(20))
    stream = [{name: array[i] for name, array in records.items()} for i in range(20)]
    store = zarr.storage.MemoryStore()

    def cut_short():
        yield from stream[:18]
        raise RuntimeError("cut short")

    with pytest.raises(RuntimeError, match="cut short"):
        ma.convert(cut_short(), store, SPEC, chunk=4)
    with pytest.raises(StoreError, match="not complete"):
        ma.open_source(store)
    with pytest.raises(StoreError, match="holds an unfinished store"):
        ma.convert(iter(stream), store, SPEC, chunk=4)
    assert ma.convert(iter(stream), store, SPEC, chunk=4, overwrite=True) is store
    assert_like(store, local)
    with pytest.raises(StoreError, match="it is complete"):
        ma.convert(iter(stream), store, SPEC)
    full = Failing()
    full.failures = 10**6
    with pytest.raises(StoreError, match=r"cannot be written: ConnectionResetError: gone"):
        ma.convert(iter(stream), full, SPEC, chunk=4)


def test_obstore(tmp_path, pipeline, local):
    obstore = pytest.importorskip("obstore")
    store = zarr.storage.ObjectStore(obstore.store.LocalStore(str(tmp_path)))
    ma.export(source(), pipeline, store, **SETTINGS)
    assert_like(store, local)
    assert_like(tmp_path, local)
