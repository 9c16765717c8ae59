"""Arrays in memory as a source."""

import numpy as np
import pytest

from multiaug.errors import ParameterError, RecordError, StoreError
from multiaug.store import ArraySource, Source, open_source


@pytest.mark.parametrize("block", [1, 3, 10, 64])
def test_scan_and_read(spec, records, block):
    arrays = records(10)
    source = ArraySource(arrays, spec, block=block)
    assert isinstance(source, Source)
    assert source.spec is spec
    blocks = list(source.scan())
    assert [block.id for block in blocks] == list(source.blocks)
    np.testing.assert_array_equal(np.concatenate([b.index for b in blocks]), np.arange(10))
    order = [9, 0, 0, 4]
    for name, array in arrays.items():
        np.testing.assert_array_equal(np.concatenate([block[name] for block in blocks]), array)
        np.testing.assert_array_equal(source.read(order)[name], array[order])


def test_blocks_in_the_order_asked_for(spec, records):
    source = ArraySource(records(10), spec, block=4)
    assert [(b.id, b.index.tolist()) for b in source.scan([2, 0])] == [
        (2, [8, 9]),
        (0, [0, 1, 2, 3]),
    ]


def test_the_users_arrays_are_neither_copied_nor_changed(spec, records):
    arrays = records(10)
    source = open_source(arrays, spec)
    block = next(iter(source.scan()))
    assert np.shares_memory(block["image"], arrays["image"])
    with pytest.raises(ValueError, match="read-only"):
        block["image"][0] = 0
    taken = source.read([0])
    taken["image"][:] = 0
    arrays["image"][0, 0, 0, 0] = 7
    assert arrays["image"][0].any()


def test_memory_maps(tmp_path, spec, records):
    arrays = records(10)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    maps = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in arrays}
    source = open_source(maps, spec)
    np.testing.assert_array_equal(source.read([3])["image"], arrays["image"][[3]])
    assert source.fingerprint == open_source(arrays, spec).fingerprint


def test_fingerprints(spec, records):
    arrays = records(10)
    changed = arrays | {"mask": arrays["mask"] + 1}
    sources = [
        ArraySource(arrays, spec),
        ArraySource(changed, spec),
        ArraySource(arrays, spec, block=5),
        ArraySource({name: array[:9] for name, array in arrays.items()}, spec),
    ]
    assert len({source.fingerprint for source in sources}) == 4
    copied = {name: array.copy() for name, array in arrays.items()}
    assert ArraySource(copied, spec).fingerprint == sources[0].fingerprint


def test_what_is_refused(spec, records):
    arrays = records(4)
    with pytest.raises(ParameterError, match="arrays in memory carry no spec"):
        open_source(arrays)
    with pytest.raises(ParameterError, match="block` must be a whole number, at least 1, got 0"):
        ArraySource(arrays, spec, block=0)
    with pytest.raises(StoreError, match="there is no array to read"):
        open_source({}, spec)
    with pytest.raises(StoreError, match="'depth' 3"):
        open_source(arrays | {"depth": arrays["depth"][:3]}, spec)
    with pytest.raises(StoreError, match="'mask' has no axis"):
        open_source(arrays | {"mask": np.uint8(1)}, spec)
    with pytest.raises(StoreError, match="hold no records"):
        open_source({name: array[:0] for name, array in arrays.items()}, spec)
    with pytest.raises(RecordError, match="imagee: found an entry that the spec does not declare"):
        open_source(arrays | {"imagee": arrays["image"]}, spec)
    with pytest.raises(RecordError, match="image: found dtype int64"):
        open_source(arrays | {"image": arrays["image"].astype(np.int64)}, spec)
