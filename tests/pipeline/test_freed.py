"""Memory of large results that are gone is used for the next ones, and for nobody else's."""

import gc

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.pipeline.buffers._freed import LARGE, FreedMemory

SPEC = ma.DataSpec.from_dict(
    {"name": "freed", "entries": {"image": {"role": "intensity", "channels": 1}}}
)


def place(array) -> int:
    return array.__array_interface__["data"][0]


def test_a_block_comes_back_with_its_last_view():
    memory = FreedMemory(1000)
    first = memory.take(100)
    at, view = place(first), first[10:20]
    del first
    other = memory.take(100)
    assert place(other) != at  # somebody looks at it
    del view
    assert place(memory.take(90)) == at


@pytest.mark.parametrize("size", [101, 74])
def test_blocks_of_other_sizes_stay(size):
    memory = FreedMemory(1000)
    at = place(memory.take(100))
    other = memory.take(size)
    assert place(other) != at
    assert other.size >= size
    assert place(memory.take(100)) == at


def test_the_oldest_go_where_too_much_is_kept():
    memory = FreedMemory(250)
    blocks = [memory.take(100) for _ in range(4)]
    places = [place(block) for block in blocks]
    for number in range(4):
        blocks[number] = None
    kept = [memory.take(100) for _ in range(2)]
    assert {place(block) for block in kept} == set(places[2:])


def test_results_that_somebody_holds_are_never_written_to():
    """Neither a JAX array, nor what NumPy or DLPack looks at."""
    side = 1 + int((LARGE // 2) ** 0.5)
    pipeline = ma.Pipeline([ma.Brightness((0.1, 0.1)), ma.Flip("x", p=1)], SPEC)
    keys = jax.random.split(jax.random.key(0), 2)

    def run(value: int):
        image = np.full((2, side, side, 1), value, np.uint8)
        return pipeline.batch(keys, {"image": image})["image"]

    held, seen = run(10), np.asarray(run(20))
    handed = np.from_dlpack(run(30))
    values = [int(held[0, 0, 0, 0]), int(seen[0, 0, 0, 0]), int(handed[0, 0, 0, 0])]
    assert len(set(values)) == 3
    for value in (40, 50):
        run(value)
        gc.collect()
    assert [np.unique(np.asarray(a)).tolist() for a in (held, seen, handed)] == [
        [value] for value in values
    ]
