"""Fits whose threads read and add up side by side: the same sums, and what keeps them apart."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import CorruptChunkError
from multiaug.passes import _fit, _run, _threaded
from multiaug.statistics import Subject
from multiaug.statistics.moments._moments_native import native_is_available
from tests.passes.test_fit import assert_same

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(
        not native_is_available(), reason="XLA adds up where there is no native code"
    ),
]


@pytest.fixture
def threads(monkeypatch):
    """Four threads and short tasks; gives the spans that were made."""
    made = []
    make = _threaded._LeafRun.make
    monkeypatch.setattr(_threaded, "core_count", lambda: 4)
    monkeypatch.setattr(_threaded, "_TASK_SECONDS", 1e-9)
    monkeypatch.setattr(_run, "_FLUSH_ROWS", 16)
    monkeypatch.setattr(
        _threaded._LeafRun, "make", lambda run, *span: made.append(span) or make(run, *span)
    )
    return made


def store(path, records, **group):
    spec = ma.DataSpec.from_dict(
        {"name": "p", "entries": {"image": {"role": "intensity", "channels": 3, **group}}}
    )
    source = ma.open_source({"image": records}, spec)
    ma.convert(source, path, chunk=8, shard_bytes=1, progress=False)
    return ma.open_source(path)


@pytest.mark.parametrize(
    ("dtype", "group"), [("uint8", {}), ("int16", {"invalid": -7}), ("uint8", {"invalid": 0})]
)
@pytest.mark.parametrize("per", ["pixel", "channel"])
def test_the_sums_of_one_thread_and_of_numpy(tmp_path, threads, monkeypatch, dtype, group, per):
    info = np.iinfo(dtype)
    draw = np.random.default_rng(0)
    records = draw.integers(info.min, info.max, (149, 5, 6, 3), dtype, endpoint=True)
    if group:
        records[draw.random(records.shape) < 0.2] = group["invalid"]
    source = store(tmp_path / "a.zarr", records, **group)
    found = ma.fit(source, ma.Moments(per=per), progress=False)
    assert len(threads) > 4
    monkeypatch.setattr(_fit, "suits_threads", lambda *_: False)
    assert_same(ma.fit(source, ma.Moments(per=per), progress=False), found)
    assert found.info["records"] == 149
    moments = found["image"].moments
    flat = records.reshape(-1, 3).astype(np.float64)
    keep = flat != group["invalid"] if group else np.ones(flat.shape, bool)
    for c in range(3):
        values = flat[keep[:, c], c]
        assert moments.channel_count()[c] == len(values)
        np.testing.assert_allclose(moments.channel_mean()[c], values.mean(), rtol=1e-12)
        np.testing.assert_allclose(moments.channel_std()[c], values.std(), rtol=1e-12)
        assert (moments.channel_minimum()[c], moments.channel_maximum()[c]) == (
            values.min(), values.max(),
        )  # fmt: skip


def test_a_damaged_chunk_is_named(tmp_path, threads):
    records = np.random.default_rng(0).integers(0, 256, (64, 5, 6, 3), np.uint8)
    source = store(tmp_path / "a.zarr", records)
    chunk = next(p for p in sorted((tmp_path / "a.zarr" / "image" / "c").rglob("*")) if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(CorruptChunkError, match="image"):
        ma.fit(source, ma.Moments(), progress=False, check=False)


def test_sums_of_every_thread_must_fit(tmp_path, threads):
    records = np.zeros((40, 64, 64, 3), np.uint8)
    source = store(tmp_path / "a.zarr", records)
    one = ma.Moments().needs(
        Subject("image", (64, 64, 3), "uint8", records=40, memory=10**9, left=10**9)
    ).nbytes  # fmt: skip
    needed = 300 * 10**6 + 4 * (one + records.nbytes)  # a thread may hold all that is so small
    ma.fit(source, ma.Moments(), progress=False, memory=needed - 1)
    assert not threads
    ma.fit(source, ma.Moments(), progress=False, memory=needed)
    assert threads


def test_what_xla_adds_up_stays_in_one_thread(tmp_path, threads):
    records = np.random.default_rng(0).integers(0, 256, (40, 3, 3, 3), np.uint8)
    ma.fit(store(tmp_path / "a.zarr", records), ma.Moments(), ma.ZCA(), progress=False)
    assert not threads
