"""Exports and fits on a cluster of processes: the same bits, whoever dies meanwhile."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import multiaug as ma
from multiaug.distributed import DaskRunner
from multiaug.errors import ParameterError, RecordError, StoreError
from multiaug.passes import as_runner
from tests.nightly import by_night
from tests.passes.test_fit import SPEC as PICTURES
from tests.passes.test_fit import assert_same

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")

SPEC = ma.load_spec("rgb-segmentation")


def arrays(count: int = 48) -> dict[str, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)
    return {"image": image, "mask": image[..., 0] // 64}


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def start(workers: int = 2):
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )


@pytest.fixture(scope="module")
def client():
    with start() as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def source(tmp_path):
    return ma.open_source(ma.write_zarr([arrays()], SPEC, tmp_path / "in.zarr", chunk=4))


def export(source, dest, scheduler=None) -> Path:
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Rotate(20)], SPEC)
    return ma.export(source, pipeline, dest, chunk=2, shard_bytes=4096, scheduler=scheduler)


@by_night  # by day those of an export that loses a worker meanwhile, which are more to get right
def test_the_same_bytes_as_one_process(tmp_path, source, client):
    one, many = export(source, tmp_path / "one"), export(source, tmp_path / "many", client)
    assert files(one) == files(many)


class Killer:
    """Kills a worker in the middle of its work, once."""

    def __init__(self, runner: DaskRunner, client) -> None:
        self.runner, self.client = runner, client
        self.killed = []

    def run(self, work, context, blocks):
        for number, result in self.runner.run(work, context, blocks):
            if not self.killed:
                pids = self.client.run(os.getpid)
                self.killed = [next(iter(pids.values()))]
                os.kill(self.killed[0], signal.SIGKILL)
            yield number, result


def test_a_worker_that_dies(tmp_path, source, client):
    killer = Killer(DaskRunner(client), client)
    many = export(source, tmp_path / "many", killer)
    assert killer.killed
    assert files(export(source, tmp_path / "one")) == files(many)


@pytest.fixture(scope="module")
def floats(tmp_path_factory):
    """Enough records for several leaves, whose sums depend on the order."""
    records = np.random.default_rng(0).normal(100, 30, (40_000, 4, 4, 3)).astype(np.float32)
    path = tmp_path_factory.mktemp("floats") / "in.zarr"
    return ma.open_source(ma.write_zarr([{"image": records}], PICTURES, path, chunk=1024))


def fit(source, scheduler=None, **settings):
    return ma.fit(source, ma.Moments(), ma.ZCA(), progress=False, scheduler=scheduler, **settings)


def test_a_fit_has_the_bits_of_one_process(floats, client):
    assert_same(fit(floats, client), fit(floats))


@by_night
def test_a_worker_that_dies_during_a_fit(floats, client):
    killer = Killer(DaskRunner(client), client)
    found = fit(floats, killer)
    assert killer.killed
    assert_same(found, fit(floats))


class Lost:
    """Loses the scheduler after two results."""

    def __init__(self, client, cluster) -> None:
        self.client, self.cluster = client, cluster

    def run(self, work, context, blocks):
        for count, found in enumerate(DaskRunner(self.client).run(work, context, blocks)):
            yield found
            if count == 1:
                # Under load it says that it has not ended in time; it is gone all the same.
                with suppress(TimeoutError):
                    self.cluster.close()


@by_night
def test_a_lost_scheduler_costs_what_came_after_the_last_checkpoint(floats, tmp_path):
    settings = {"checkpoint": tmp_path / "checkpoint", "checkpoint_every": 0}
    cluster = start(1)
    client = distributed.Client(cluster)
    try:
        with pytest.raises(StoreError, match="What was done before is kept"):
            fit(floats, Lost(client, cluster), **settings)
    finally:
        # The client is closing by itself, in a thread of its own; closing it here meets that
        # half-way now and then, and Dask's own assertion of its status fails.
        for each in (client, cluster):
            with suppress(Exception):
                each.close(timeout=10)
    kept = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert kept[-1] >= "00000000"
    read, scan = [], floats.scan
    floats.scan = lambda ids: read.extend(ids) or scan(ids)
    try:
        assert_same(fit(floats, **settings), fit(floats))
    finally:
        del floats.scan
    assert len(read) < 2 * len(floats.blocks)  # the second fit reads all of them


class Flaky:
    """Work that fails with an error of the system, now and then."""

    def __init__(self, folder: Path, always: bool = False) -> None:
        self.folder, self.always = folder, always

    def __call__(self, block: int) -> int:
        mark = self.folder / str(block)
        if self.always or not mark.exists():
            mark.touch()
            raise ConnectionResetError("gone")
        return block * block


def call(context, block):
    return context(block)


def refuse(context, block):
    raise RecordError(f"record {block} is odd")


def test_errors(tmp_path, client):
    runner = as_runner(client)
    assert isinstance(runner, DaskRunner)
    found = dict(runner.run(call, Flaky(tmp_path), range(20)))
    assert found == {block: block * block for block in range(20)}
    with pytest.raises(StoreError, match=r"failed .* times on the cluster: ConnectionResetError"):
        list(DaskRunner(client, retries=1).run(call, Flaky(tmp_path, always=True), range(3)))
    with pytest.raises(RecordError, match="is odd"):
        list(runner.run(refuse, None, range(3)))
    with pytest.raises(ParameterError, match=r"must be a dask.distributed.Client"):
        DaskRunner(object())
