"""Two steps of training with every framework that is installed."""

import importlib
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.loader import RandomAccess, _doors, _standing
from multiaug.loader._standing import Standing, Ticket, Turn, received
from tests.loader.conftest import arrays


@pytest.fixture
def loader(stores, spec):
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Rotate(20)], spec)
    return ma.Loader(stores(60, 4), pipeline, batch_size=20, seed=1)


@pytest.fixture
def expected(loader):
    return [{n: np.array(a) for n, a in batch.items()} for batch in ma.Loader(**loader._settings)]


@pytest.mark.parametrize("name", ["torch", "grain", "keras", "tensorflow"])
def test_what_is_not_installed_is_named(loader, monkeypatch, name):
    def refuse(module):
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", refuse)
    arguments = ("image",) if name == "keras" else ()
    with pytest.raises(ParameterError, match=rf"pip install 'multiaug\[{name}\]'"):
        getattr(loader, name)(*arguments)


def test_random_access(stores):
    found = RandomAccess(stores(60, 4))
    assert len(found) == 60
    np.testing.assert_array_equal(found[7]["image"], arrays(60)["image"][7])


def test_torch(loader, expected):
    torch = pytest.importorskip("torch")
    model = torch.nn.Conv2d(3, 4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    kept, losses = [], []
    for batch in torch.utils.data.DataLoader(loader.torch(), batch_size=None):
        pictures = batch["image"].permute(0, 3, 1, 2).float() / 255
        loss = torch.nn.functional.cross_entropy(model(pictures), batch["mask"].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        kept.append(batch)
    assert len(losses) == 3
    # Tensors share memory with arrays that are long forgotten; it was not used again.
    for one, two in zip(kept, expected, strict=True):
        for name, array in two.items():
            np.testing.assert_array_equal(one[name].numpy(), array, err_msg=name)


def as_numpy(batch):
    return {name: np.array(array) for name, array in batch.items()}


def ticket(turn, steps, of=""):
    return Ticket(of, turn, 20, steps)


def receive(standing, turn, count, steps=None):
    """All batches of a loop come, in their order or another one."""
    standing.reader = threading.get_ident()
    for step in steps or range(count):
        standing.receive(ticket(turn, count), step)


class TestStanding:
    """What workers share, without processes: they are copies here that share their memory."""

    @pytest.fixture
    def standing(self):
        found = Standing()
        found.share()
        return found

    def test_workers_of_a_loop_have_one_epoch(self, standing):
        for turn in range(3):
            epochs = [standing.join(7, turn, 3) for _ in range(3)]
            assert [e.epoch for e in epochs] == [turn] * 3
            for worker in epochs:
                assert standing.position is None
                standing.leave(ticket(worker, 3), 1)
            receive(standing, worker, 3)
            assert (standing.epoch, standing.position, standing.skipped) == (turn, 20, 3)
        assert standing.begin() == (3, 0)

    def test_equal_seeds_are_told_apart(self, standing):
        """Whoever seeds PyTorch before every epoch has workers of the same seed each time."""
        epochs = [standing.join(7, 0, 2).epoch for _ in range(6)]
        assert epochs == [0, 0, 1, 1, 2, 2]

    def test_two_loops_at_a_time_are_two_epochs(self, standing):
        first = standing.join(1, 0, 2), standing.join(2, 0, 2)
        second = standing.join(1, 0, 2), standing.join(2, 0, 2)
        assert first == second
        assert [turn.epoch for turn in first] == [0, 1]
        for turn in (first[1], first[0]):
            receive(standing, turn, 2)
        assert (standing.epoch, standing.position) == (1, 20)

    def test_what_comes_of_an_earlier_loop_is_not_counted(self, standing):
        """Workers that live on may have sent batches of a loop that was left."""
        old = standing.join(1, 0, 1)
        standing.set(old.epoch, 0, started=False)
        new = standing.join(1, 1, 1)
        assert (new.row, new.epoch) == (old.row, old.epoch)
        receive(standing, old, 1)
        assert standing.position is None
        receive(standing, new, 1)
        assert standing.position == 20

    def test_an_epoch_ends_with_its_last_batch(self, standing):
        """Workers make all of it ahead; and a batch that comes early waits to be asked for."""
        turn = standing.join(1, 0, 2)
        standing.join(1, 0, 2)
        for _ in range(2):
            standing.leave(ticket(turn, 3), 0)
        receive(standing, turn, 3, steps=(0, 2, 1))
        assert standing.position is None

    def test_the_last_batch_is_sent_last(self, standing):
        turn = standing.join(1, 0, 2)
        order = []

        def make(step):
            standing.make(ticket(turn, 3), step)
            order.append(step)

        last = threading.Thread(target=make, args=(2,))
        last.start()
        for step in range(2):
            time.sleep(0.02)
            make(step)
        last.join()
        assert order == [0, 1, 2]

    def test_the_last_batch_waits_for_slow_pipes(self, standing):
        """What was made may still be on its way where the machine is busy."""
        turn = standing.join(1, 0, 2)
        standing.join(1, 0, 2)
        standing.reader = threading.get_ident()
        for step in range(2):
            standing.make(ticket(turn, 3), step)
        standing.receive(ticket(turn, 3), 0)
        last = threading.Thread(target=standing.make, args=(ticket(turn, 3), 2))
        last.start()
        last.join(0.2)
        assert last.is_alive()
        standing.receive(ticket(turn, 3), 1)
        last.join()
        standing.receive(ticket(turn, 3), 2)
        assert standing.position == 20

    def test_a_thread_that_fetches_early_tells_nothing(self, standing):
        turn = standing.join(1, 0, 1)
        thread = threading.Thread(target=received, args=(ticket(turn, 1, standing.name), 0))
        standing.reader = threading.get_ident()
        thread.start()
        thread.join()
        assert standing.position is None
        received(ticket(turn, 1, standing.name), 0)
        assert standing.position == 20

    def test_a_restored_position_is_gone_on_from(self, standing):
        standing.set(4, 8, started=False)
        assert standing.join(1, 0, 1)[1:3] == (4, 8)
        assert standing.join(1, 1, 1)[1:3] == (5, 0)

    def test_a_worker_that_died_with_the_lock(self, standing, monkeypatch):
        monkeypatch.setattr(_standing, "_PATIENCE", 0.01)
        standing._lock.acquire()
        assert standing.begin() == (0, 0)
        monkeypatch.setattr(_standing, "_PATIENCE", 60)
        assert standing.begin() == (1, 0)  # at once: it was given back


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_shares_are_the_batches_in_turns(stores, spec, parts):
    loader = ma.Loader(stores(50, 4), batch_size=8, window=8)
    turn = loader.ticket(Turn(0, 0, 0, 0))
    shares = [[as_numpy(b) for _, b in loader.share_of(i, parts, turn)] for i in range(parts)]
    expected = [as_numpy(batch) for batch in loader]
    for number, batch in enumerate(expected):
        found = shares[number % parts][number // parts]
        np.testing.assert_array_equal(found["index"], batch["index"])
        np.testing.assert_array_equal(found["image"], batch["image"])
    assert sum(map(len, shares)) == len(expected)


class TestKerasEpochs:
    """What Keras asks of a dataset, in the order in which it does: a letter E ends an epoch."""

    @pytest.mark.parametrize(
        ("asked", "epochs"),
        [
            ("0E012E012E", [0, 0, 0, 0, 1, 1, 1]),  # it looks at the first batch before it trains
            ("E012E012E", [0, 0, 0, 1, 1, 1]),
            ("01E2E01E", [0, 0, 0, 1, 1]),  # steps_per_epoch=2
            ("0E1E2E0E", [0, 0, 0, 1]),
            ("0E012E01", [0, 0, 0, 0, 1, 1]),
        ],
    )
    def test_epochs(self, loader, monkeypatch, asked, epochs):
        monkeypatch.setattr(
            _doors, "_need", lambda *_: SimpleNamespace(utils=SimpleNamespace(PyDataset=object))
        )
        data, found = loader.keras("id"), []
        for letter in asked:
            if letter == "E":
                data.on_epoch_end()
            else:
                data[int(letter)]
                found.append(loader.epoch)
        assert found == epochs
        ended = asked.endswith("2E")
        assert loader.state()["epoch"] == epochs[-1] + ended
        loader.restore({**loader.state(), "epoch": 9, "position": 0})
        assert data[0]
        assert loader.epoch == 9  # and not what was looked at before


def test_grain(loader, expected):
    pytest.importorskip("grain")
    import grain.python as grain
    import jax

    @jax.jit
    def step(weights, image, mask):
        def loss(w):
            return jax.numpy.mean((image.astype(np.float32) @ w - mask[..., None]) ** 2)

        return weights - 1e-6 * jax.grad(loss)(weights)

    weights = jax.numpy.zeros((3, 1), np.float32)
    loop = iter(loader.grain())
    for number in range(2):
        batch = next(loop)
        np.testing.assert_array_equal(batch["image"], expected[number]["image"])
        weights = step(weights, batch["image"], batch["mask"].astype(np.float32))
    assert np.isfinite(weights).all()
    state = loop.get_state()
    again = iter(ma.Loader(**loader._settings).grain())
    again.set_state(state)
    np.testing.assert_array_equal(next(again)["image"], expected[2]["image"])
    records = grain.MapDataset.source(RandomAccess(loader.source)).shuffle(seed=0)
    assert records[0]["image"].shape == (8, 8, 3)


def test_keras(loader, monkeypatch):
    if "KERAS_BACKEND" not in os.environ:
        monkeypatch.setenv("KERAS_BACKEND", "jax")  # the one that is always there
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(loader.keras("image", "mask"), epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    data = loader.keras(["image", "id"], "mask")
    assert set(data[0][0]) == {"image", "id"}
    np.testing.assert_array_equal(data[0][0]["id"], data[0][0]["id"])  # looked at twice
    seen = [i for number in range(len(data)) for i in data[number][0]["id"].tolist()]
    assert len(set(seen)) == 60
    data.on_epoch_end()
    with pytest.raises(ParameterError, match="shuffle=False"):
        data[2]
    with pytest.raises(ParameterError, match="no entry 'picture'"):
        loader.keras("picture")[0]


def test_tensorflow(loader, expected):
    tf = pytest.importorskip("tensorflow")
    model = tf.Variable(tf.zeros((3, 4)))
    for batch, other in zip(loader.tensorflow(), expected, strict=True):
        np.testing.assert_array_equal(batch["image"].numpy(), other["image"])
        with tf.GradientTape() as tape:
            logits = tf.cast(batch["image"], tf.float32) @ model
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    tf.cast(batch["mask"], tf.int32), logits
                )
            )
        model.assign_sub(1e-5 * tape.gradient(loss, model))
    assert np.isfinite(loss.numpy())
