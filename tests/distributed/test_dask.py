"""Exports on a cluster of processes: the same bytes, whoever dies meanwhile."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import multiaug as ma
from multiaug.distributed import DaskRunner
from multiaug.errors import ParameterError, RecordError, StoreError
from multiaug.passes import as_runner

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")

SPEC = ma.load_spec("rgb-segmentation")


def arrays(count: int = 48) -> dict[str, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)
    return {"image": image, "mask": image[..., 0] // 64}


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def source(tmp_path):
    return ma.open_source(ma.write_zarr(tmp_path / "in.zarr", [arrays()], SPEC, chunk=4))


def export(source, dest, scheduler=None) -> Path:
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Rotate(20)], SPEC)
    return ma.export(source, pipeline, dest, chunk=2, shard=4096, scheduler=scheduler)


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
