"""The order of records: every one once, the same from anywhere, well mixed."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multiaug.loader._order import Order, draw_counts
from multiaug.loader._random import Permutation, derive, hashed, uniform


def whole(order: Order, epoch: int = 0) -> list[np.ndarray]:
    """(record, copy) of every stream."""
    found = []
    for number in range(order.streams):
        stream = order.epoch(epoch).stream(number)
        assert len(stream) == order.epoch(epoch).length(number)
        found.append(np.stack(stream.take(0, len(stream)), axis=1))
    return found


@st.composite
def orders(draw):
    count = draw(st.integers(1, 300))
    chunk = draw(st.integers(1, 40))
    draws = draw(st.none() | st.lists(st.integers(0, 3), min_size=count, max_size=count))
    if draws is not None and not any(draws):
        draws[0] = 1
    return Order(
        count,
        chunk,
        window=draw(st.integers(1, 12)),
        seed=draw(st.integers(0, 2**40)),
        shuffle=draw(st.sampled_from(["block", "full", None])),
        copies=draw(st.integers(1, 3)),
        streams=draw(st.integers(1, 9)),
        draws=None if draws is None else np.array(draws),
    )


def check_complete(order: Order, epoch: int = 0) -> None:
    """Every record, in every copy, once; shares of equal length."""
    streams = whole(order, epoch)
    lengths = [len(stream) for stream in streams]
    assert max(lengths) - min(lengths) <= 1
    draws = np.ones(order.count, int) if order.draws is None else order.draws
    expected = [
        (record, copy)
        for record in range(order.count)
        for copy in range(draws[record] * order.copies)
    ]
    assert sorted(map(tuple, np.concatenate(streams).tolist())) == expected


@given(order=orders(), epoch=st.integers(0, 5))
def test_every_record_once(order, epoch):
    check_complete(order, epoch)


def test_every_record_once_in_a_thousand_orders():
    """Of random length, chunk, window, hosts and batch, read the way that hosts read."""
    draw = np.random.default_rng(0)
    for _ in range(1000):
        count, chunk, window, hosts, batch = draw.integers(1, [400, 30, 20, 9, 40]).tolist()
        order = Order(count, chunk, window, seed=3, shuffle="block", streams=hosts)
        steps = -(-order.epoch(0).length(0) // batch)
        found = []
        for host in range(hosts):
            stream = order.epoch(0).stream(host)
            found += [stream.take(i * batch, (i + 1) * batch)[0] for i in range(steps)]
        np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(count))


@given(order=orders(), data=st.data())
def test_any_part_of_a_stream(order, data):
    number = data.draw(st.integers(0, order.streams - 1))
    stream = order.epoch(1).stream(number)
    records, copies = stream.take(0, len(stream))
    for _ in range(5):
        start = data.draw(st.integers(0, len(stream)))
        stop = data.draw(st.integers(start, len(stream) + 5))
        fresh = order.epoch(1).stream(number)
        for one in (stream, fresh):
            found = one.take(start, stop)
            np.testing.assert_array_equal(found[0], records[start:stop])
            np.testing.assert_array_equal(found[1], copies[start:stop])


def test_without_shuffling_the_source_decides():
    order = Order(10, 3, window=2, seed=0, shuffle=None, copies=2)
    np.testing.assert_array_equal(whole(order)[0][:, 0], np.repeat(np.arange(10), 2))
    np.testing.assert_array_equal(whole(order)[0][:, 1], np.tile([0, 1], 10))


@pytest.mark.parametrize("shuffle", ["block", "full"])
def test_epochs_and_seeds_differ(shuffle):
    orders = [Order(500, 5, 8, seed, shuffle) for seed in (0, 1)]
    found = [tuple(whole(order, epoch)[0][:, 0]) for order in orders for epoch in (0, 1)]
    assert len(set(found)) == 4


def test_the_order_is_frozen():
    """What a seed means does not change from release to release."""
    blocks = Order(12, 3, 2, seed=7, shuffle="block")
    full = Order(12, 1, 1, seed=7, shuffle="full")
    assert whole(blocks, 2)[0][:, 0].tolist() == FROZEN["block"]
    assert whole(full, 2)[0][:, 0].tolist() == FROZEN["full"]


FROZEN = {
    "block": [7, 6, 11, 8, 10, 9, 5, 3, 1, 2, 4, 0],
    "full": [7, 4, 2, 10, 0, 6, 3, 1, 9, 11, 5, 8],
}


@pytest.mark.parametrize("window", [1, 4, 16, 64])
def test_no_more_chunks_than_the_window_are_in_use(window):
    order = Order(4000, 10, window, seed=1, shuffle="block")
    chunks = whole(order)[0][:, 0] // 10
    first = {chunk: int(np.argmax(chunks == chunk)) for chunk in range(400)}
    last = {chunk: len(chunks) - 1 - int(np.argmax(chunks[::-1] == chunk)) for chunk in range(400)}
    live = np.zeros(len(chunks) + 1, int)
    for chunk in range(400):
        live[first[chunk]] += 1
        live[last[chunk] + 1] -= 1
    assert np.cumsum(live).max() <= window + 1


@pytest.mark.parametrize(("batch", "window"), [(64, 16), (64, 64), (64, 256)])
def test_mixing_is_what_the_rule_says(batch, window):
    """Variance of batch means over sorted classes, against 1 + (batch - 1) / window."""
    order = Order(131072, 16, window, seed=1, shuffle="block")
    label = np.arange(131072) // (131072 // 64) % 2  # 64 pure runs of two classes
    means = label[whole(order)[0][:, 0]].reshape(-1, batch).mean(1)
    inflation = means.var() / (0.25 / batch)
    assert inflation < 1.25 * (1 + (batch - 1) / window)
    # The ends of the epoch are mixed like its middle: no ramp from a single chunk.
    chunks = whole(order)[0][:, 0] // 16
    assert len(set(chunks[:batch])) > 0.5 * len(set(chunks[5000 : 5000 + batch]))
    assert len(set(chunks[-batch:])) > 0.5 * len(set(chunks[5000 : 5000 + batch]))


@pytest.mark.parametrize("count", [1, 2, 3, 100, 2**20, 2**20 + 1, 2**20 + 4097])
def test_permutations(count):
    order = Permutation(count, derive(5))
    found = order(np.arange(count))
    np.testing.assert_array_equal(np.sort(found), np.arange(count))
    some = np.arange(0, count, 17)
    np.testing.assert_array_equal(order(some), found[some])


def test_a_large_permutation_looks_random():
    count = 2**20 + 4097
    found = Permutation(count, derive(5))(np.arange(count))
    # Neighbours are as far apart as random ones, and no stretch keeps its place.
    steps = np.abs(np.diff(found)) / count
    assert abs(steps.mean() - 1 / 3) < 0.002
    assert abs(np.corrcoef(np.arange(count), found)[0, 1]) < 0.005
    counts = np.bincount(found[: 2**16] * 64 // count, minlength=64)
    assert ((counts - 1024) ** 2 / 1024).sum() < 110  # chi-square, 63 degrees of freedom


def test_small_permutations_are_uniform():
    seen = dict.fromkeys(itertools.permutations(range(4)), 0)
    for seed in range(4800):
        seen[tuple(Permutation(4, derive(seed))(np.arange(4)).tolist())] += 1
    counts = np.array(list(seen.values()))
    assert ((counts - 200) ** 2 / 200).sum() < 55  # chi-square, 23 degrees of freedom


def test_numbers_are_uniform_and_keys_unrelated():
    units = np.stack([uniform(hashed(derive(seed, 0), np.arange(4096))) for seed in range(8)])
    assert np.abs(np.histogram(units, 64)[0] - 512).max() < 120
    assert np.abs(np.corrcoef(units) - np.eye(8)).max() < 0.07
    assert len({derive(a, b) for a in range(50) for b in range(50)}) == 2500
    assert derive(1, 2) != derive(2, 1)
    assert derive(2**64) != derive(0)


@given(
    weights=st.lists(st.floats(0, 100), min_size=1, max_size=50).filter(lambda w: sum(w) > 1e-3),
    offset=st.floats(0, 1, exclude_max=True),
)
@example(weights=[0.0, 1.0], offset=np.nextafter(1, 0))
# Sums that rounding leaves short of, or beyond, whole numbers; the last weight is nothing.
@example(weights=[0.1] * 10 + [0.7, 0.3, 0.0], offset=0.0)
@example(weights=[1e2 / 3] * 7 + [1e-3, 0.0, 0.0], offset=0.0)
def test_draws_follow_the_weights(weights, offset):
    counts = draw_counts(np.array(weights), offset)
    expected = np.array(weights) * len(weights) / sum(weights)
    assert counts.sum() == len(weights)
    assert (np.abs(counts - expected) < 1 + 1e-6).all()
    assert not counts[np.array(weights) == 0].any()


def test_no_sum_of_weights_is_rounded_to_a_record_of_weight_nothing():
    weights = np.random.default_rng(0).random((500, 30))
    weights[:, -1] = 0
    assert not any(draw_counts(w, 0.0)[-1] for w in weights)
    assert (draw_counts(np.full(49, 1 / 49), 0.0) == 1).all()


def test_the_last_random_number_is_no_place_of_its_own(monkeypatch):
    """A window as wide as the stream: 3 (1 - 2^-53) is 3, beyond the last chunk."""
    monkeypatch.setattr(
        "multiaug.loader._order.uniform", lambda words: np.full(words.shape, np.nextafter(1, 0))
    )
    (records,) = whole(Order(count=6, chunk=2, window=3, seed=0, shuffle="block"))
    assert sorted(records[:, 0]) == list(range(6))


def test_all_bits_of_a_seed_count():
    seeds = [7, *(7 + (1 << bit) for bit in (40, 63, 64, 127, 128, 191, 192, 300))]
    assert len({derive(seed, 0) for seed in seeds}) == len(seeds)
