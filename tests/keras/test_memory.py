"""Memory of batches: lent, not copied, and used again only when nobody can tell."""

import gc
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiaug.keras import ImageDataGenerator
from multiaug.keras._memory import Lender

MOVES = {"rotation_range": 40, "zoom_range": 0.2, "fill_mode": "constant"}


def flow_of(count=40, **settings):
    x = np.random.default_rng(0).uniform(0, 255, (count, 8, 8, 2)).astype(np.float32)
    return ImageDataGenerator(**MOVES).flow(x, batch_size=4, seed=1, **settings)


@pytest.fixture
def one_batch_at_a_time(monkeypatch):
    """As large pictures are made."""
    monkeypatch.setattr("multiaug.keras._batches._GROUP_RECORDS", 4)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.usefixtures("one_batch_at_a_time")
def test_memory_is_used_again_when_a_batch_is_gone():
    flow, places = flow_of(), []
    for _ in range(25):
        batch = next(flow)
        places.append(address(batch))
    # One batch is looked at while the next is made; XLA copies NumPy's memory once.
    assert len(set(places[5:])) == 2


@pytest.mark.parametrize("single", [True, False], ids=["one at a time", "together"])
def test_batches_that_are_kept_do_not_change(single, request):
    if single:
        request.getfixturevalue("one_batch_at_a_time")
    flow, again = flow_of(), flow_of()
    kept = [next(flow) for _ in range(25)]
    for batch in kept:
        np.testing.assert_array_equal(batch, next(again).copy())


@pytest.mark.usefixtures("one_batch_at_a_time")
@pytest.mark.parametrize(
    "part", [lambda x: x[1:2, ::2], jnp.asarray, memoryview], ids=["view", "jax", "buffer"]
)
def test_what_was_made_of_a_batch_keeps_it(part):
    flow = flow_of()
    held = part(next(flow))
    before = np.array(held)
    for _ in range(12):
        next(flow)
    np.testing.assert_array_equal(np.asarray(held), before)


def test_what_is_written_to_a_batch_is_not_handed_out_again():
    flow, untouched = flow_of(), flow_of()
    for number in (0, 1, 0, 1, 2, 1):
        batch = flow[number]
        np.testing.assert_array_equal(batch, untouched[number])
        batch[...] = -1


def test_batches_outlive_their_iterator():
    flow = flow_of()
    batch = next(flow)
    before = batch.copy()
    del flow
    gc.collect()
    others = [np.full(batch.shape, 7, np.float32) for _ in range(50)]
    np.testing.assert_array_equal(batch, before)
    assert len(others) == 50


def test_an_iterator_with_batches_outside_travels():
    flow = flow_of()
    held = next(flow)
    again = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(next(flow), next(again))
    assert held.flags.writeable


def test_results_come_back_when_they_are_let_go():
    lender, given = Lender(), []

    def run(out):
        given.append(out)
        return {"image": jnp.arange(6.0).reshape(2, 3) + 0} if out is None else dict(out)

    lent = lender("a", 2, run)
    lent["image"][0, 0] = 9  # memory of the result
    lender("b", 2, run)
    view = lender("a", 2, run)["image"][1:]
    del lent
    assert float(lender("a", 2, run)["image"][0, 0]) == 9
    assert view[0, 0] == 3
    assert [out is None for out in given] == [True, True, True, False]


def test_what_cannot_be_lent_is_copied():
    given = np.arange(4)
    result = {"image": jax.device_put(np.zeros(4, np.float32)), "id": given}
    lent = Lender()("a", 4, lambda out: result)
    assert not np.shares_memory(lent["id"], given)
    lent["image"][0] = 1
