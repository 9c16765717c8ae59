"""Pictures and counts that are resized, and values that fall on the number of no data."""

import jax
import numpy as np
import pytest

import multiaug as ma

KEY = jax.random.key(0)


def resized(name, role, size, source):
    entry = ma.EntrySpec.of_role(name, role, channels=1, dtype=str(source.dtype))
    line = ma.Pipeline([ma.Resize(size)], ma.DataSpec("x", [entry]))
    return np.asarray(line.batch(KEY[None], {name: source[None]})[name])[0]


@pytest.mark.row("pictures that are resized")
def test_one_colour_stays_that_colour():
    assert (resized("image", "intensity", 8, np.full((5, 5, 1), 200, np.uint8)) == 200).all()


@pytest.mark.row("counts per pixel that are resized")
def test_the_total_is_kept():
    people = np.zeros((8, 8, 1), np.float32)
    people[0, 0] = people[3, 6] = people[4, 4] = 1
    for size in ((3, 5), (13, 9)):
        assert resized("people", "density", size, people).sum() == pytest.approx(3, abs=1e-4)


@pytest.mark.row("values that a transform makes the no-data number")
def test_values_stay_values():
    entry = ma.EntrySpec.of_role("x", "intensity", channels=1, dtype="uint8", invalid=0)
    line = ma.Pipeline([ma.Brightness((-0.8, -0.8))], ma.DataSpec("x", [entry]))
    source = np.array([0, 1, 100, 255], np.uint8).reshape(1, 2, 2, 1)
    assert np.asarray(line.batch(KEY[None], {"x": source})["x"]).ravel().tolist() == [0, 1, 1, 51]
