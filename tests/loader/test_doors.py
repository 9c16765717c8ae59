"""Two steps of training with every framework that is installed."""

import importlib
import os

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.loader import RandomAccess
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


@pytest.mark.filterwarnings("ignore")
def test_torch_workers(loader):
    torch = pytest.importorskip("torch")
    settings = {"num_workers": 2, "multiprocessing_context": "spawn", "batch_size": None}
    seen = [
        index
        for batch in torch.utils.data.DataLoader(loader.torch(), **settings)
        for index in batch["index"].tolist()
    ]
    assert sorted(seen) == list(range(60))


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
