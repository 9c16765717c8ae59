"""PyTorch's `DataLoader` with workers: every epoch is the next one, and all of it.

Workers are forked off a server that has imported everything: a spawned one imports for seconds.
"""

import multiprocessing
import os
import signal

import numpy as np
import pytest

import multiaug as ma
from tests.loader.conftest import arrays
from tests.nightly import by_night

torch = pytest.importorskip("torch")
# PyTorch counts cores, and JAX warns of forks.
pytestmark = pytest.mark.filterwarnings("ignore")

COUNT, SIZE, STEPS = 25, 4, 7
SETTINGS = {"batch_size": SIZE, "seed": 1, "window": 3}


@pytest.fixture(scope="module", autouse=True)
def preloaded():
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["multiaug", "torch.utils.data"])


@pytest.fixture(scope="module")
def make(stores, spec):
    source, pipeline = stores(COUNT, 4), ma.Pipeline([ma.Rotate(20)], spec)
    return lambda augmented=True: ma.Loader(source, pipeline if augmented else None, **SETTINGS)


@pytest.fixture
def unchanged(stores):
    """Records as they are: where bits of augmentation are not looked at, nothing compiles."""
    return ma.Loader(stores(COUNT, 4), None, **SETTINGS)


@pytest.fixture(scope="module")
def epochs(make):
    """What one process makes, augmented or not."""

    def all_of(alone):
        return [[{n: np.array(a) for n, a in batch.items()} for batch in alone] for _ in range(4)]

    return {augmented: all_of(make(augmented)) for augmented in (True, False)}


def reading(loader, workers, method="forkserver", **settings):
    if workers:
        settings |= {"multiprocessing_context": method}
    dataset = loader.torch()
    return torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers, **settings)


def check(found, expected):
    for batch, other in zip(found, expected, strict=True):
        for name, array in other.items():
            np.testing.assert_array_equal(np.asarray(batch[name]), array, err_msg=name)


def product():
    for workers in (0, 1, 2, 3):
        for method in ("forkserver", "spawn") if workers else ("",):
            for persistent in (False, True) if workers else (False,):
                for prefetch in (1, 2, 5) if workers else (None,):
                    case = (workers, method, persistent, prefetch)
                    day = workers == 0 or case == (3, "forkserver", True, 2)
                    yield pytest.param(*case, True, marks=[] if day else by_night)
    # Workers that start anew for each epoch compile anew: by day they have nothing to compile.
    yield 1, "forkserver", False, 5, False


@pytest.mark.parametrize(("workers", "method", "persistent", "prefetch", "augmented"), [*product()])
def test_epochs(make, epochs, workers, method, persistent, prefetch, augmented):
    """As of one process: bits and order of three epochs, states, and what is left by `break`."""
    epochs = epochs[augmented]
    loader, alone = make(augmented), make(augmented)
    batches = reading(
        loader, workers, method, persistent_workers=persistent, prefetch_factor=prefetch
    )
    for number in range(2):
        check(batches, epochs[number])
        for _ in alone:
            pass
        assert loader.state() == alone.state() == loader.state(batches=STEPS)
        assert (loader.epoch, loader.state()["epoch"]) == (number, number + 1)
    # Early, and where workers have made all there is while most of it was not asked for.
    for number, left_at in ((2, 2), (3, STEPS - 1)):
        for seen, batch in enumerate(batches, 1):
            check([batch], epochs[number][seen - 1 : seen])
            if seen == left_at:
                break
        state = loader.state(batches=left_at)
        assert (state["epoch"], state["position"]) == (number, left_at * SIZE)
        if workers:
            with pytest.raises(ma.ParameterError, match=r"state\(batches=n\).*num_workers=0"):
                loader.state()
        else:
            assert loader.state() == state
    # The state of the first one is of another process, too, and with other workers.
    another = make(augmented)
    for one, rest in ((another, another), (loader, batches)):
        one.restore(state)
        check(rest, epochs[3][left_at:])
        assert (one.state()["epoch"], one.state()["position"]) == (4, 0)


def test_an_epoch_is_over_with_its_last_batch(unchanged):
    """Whoever counts batches never asks for one more."""
    batches = iter(reading(unchanged, 2))
    for _ in range(STEPS):
        next(batches)
    assert (unchanged.state()["epoch"], unchanged.state()["position"]) == (1, 0)


def test_a_count_that_cannot_be(unchanged):
    loader = unchanged
    with pytest.raises(ma.ParameterError, match="latest loop has 0 batches"):
        loader.state(batches=1)
    next(iter(loader))
    with pytest.raises(ma.ParameterError, match=f"latest loop has {STEPS} batches"):
        loader.state(batches=STEPS + 1)


def test_errors_name_the_chunk_and_the_next_epoch_is_the_next(tmp_path, spec):
    path = ma.write_zarr([arrays(COUNT)], spec, tmp_path / "a.zarr", chunk=4)
    chunk = path / "mask" / "c" / "2" / "0" / "0"
    whole = chunk.read_bytes()
    chunk.write_bytes(b"gone")
    loader = ma.Loader(ma.open_source(path), None, **SETTINGS)
    batches = reading(loader, 2)
    with pytest.raises(ma.errors.CorruptChunkError, match=r"mask/c/2/0/0"):
        list(batches)
    with pytest.raises(ma.ParameterError, match="not ended it"):
        loader.state()
    chunk.write_bytes(whole)
    index = np.concatenate([batch["index"].numpy() for batch in batches])
    assert sorted(index.tolist()) == list(range(COUNT))
    assert (loader.epoch, loader.state()["epoch"]) == (1, 2)


def test_errors_name_the_record(spec):
    data = arrays(COUNT)
    data["image"] = data["image"].astype(np.float32)
    data["image"][17, 0, 0, 0] = np.nan
    floats = ma.DataSpec.from_dict(
        {
            "name": "a",
            "entries": {"image": {"role": "intensity", "channels": 3, "dtype": "float32"}},
        }
    )
    source = ma.open_source({"image": data["image"]}, floats)

    loader = ma.Loader(source, ma.Pipeline([ma.Brightness(0.1)], floats), **SETTINGS)
    with pytest.raises(ma.errors.RecordError) as alone:
        list(loader)
    with pytest.raises(ma.errors.RecordError) as found:
        list(reading(loader, 1))
    assert str(alone.value) in str(found.value)


def test_a_worker_that_is_killed(unchanged):
    alone = ma.Loader(**unchanged._settings)
    first, second = ([{n: np.array(a) for n, a in b.items()} for b in alone] for _ in range(2))
    batches = reading(unchanged, 2)
    loop = iter(batches)
    check([next(loop)], first[:1])
    for process in loop._workers:
        os.kill(process.pid, signal.SIGKILL)
    # It says so; or that what a dead worker had ready cannot be fetched from it.
    with pytest.raises((RuntimeError, OSError, EOFError)):
        list(loop)
    state = unchanged.state(batches=1)
    check(batches, second)
    unchanged.restore(state)
    check(batches, first[1:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_workers_are_refused(make, epochs):
    del epochs  # JAX has run
    with pytest.raises(ma.ParameterError, match="multiprocessing_context='spawn'"):
        list(reading(make(), 1, "fork", timeout=60))
