"""Elastic fields: SciPy's splines, inverses both ways, slopes, and what lies outside."""

import jax
import numpy as np
import pytest

from multiaug.geometry import displacement_map, slope_bound
from tests.reference import maps

SHAPE = (48, 64)
GRID = (4, 5)
# Just below what Elastic refuses.
AMOUNT = 0.79 / slope_bound(1.0, GRID, SHAPE)
COUNT = 48
# A place of the steepest slope, in knots.
STEEP = (2.25, 1.25)


def steepest(tx, ty, sense):
    """Signs of the control values that add up at knot coordinates (tx, ty)."""
    h = 1e-6

    def basis(intervals, t):
        before, value, after = maps.spline_axis(intervals, np.array([t - h, t, t + h]))
        return value, (after - before) / (2 * h) * intervals

    (bx, sx), (by, sy) = basis(GRID[1], tx), basis(GRID[0], ty)
    slope = np.outer(by, sx) / SHAPE[1] + sense * np.outer(sy, bx) / SHAPE[0]
    return np.where(slope < 0, -1.0, 1.0)


def controls():
    """Drawn fields, fields of extremes, and the steepest ones that the range allows."""
    rng = np.random.default_rng(0)
    drawn = rng.uniform(-1, 1, (COUNT, GRID[0] + 3, GRID[1] + 3, 2))
    drawn[8:] = np.sign(drawn[8:])
    for field in drawn[24:]:
        place, senses = rng.uniform(0, (GRID[1], GRID[0])), rng.choice([-1, 1], 4)
        for k in (0, 1):
            field[..., k] = senses[k] * steepest(*place, senses[2 + k])
    drawn[-1, ..., 0] = drawn[-1, ..., 1] = steepest(*STEEP, 1)
    return (drawn * AMOUNT).astype(np.float32)


def positions():
    """Pixel positions on the picture and up to a third of it outside."""
    rng = np.random.default_rng(1)
    spread = rng.uniform(-1.35, 1.35, (2, 400))
    return (spread[0] * SHAPE[1] / 2).astype(np.float32), (spread[1] * SHAPE[0] / 2).astype(
        np.float32
    )


def to_pixels(x, y):
    return np.float64(x) + (SHAPE[1] - 1) / 2, np.float64(y) + (SHAPE[0] - 1) / 2


@pytest.fixture(scope="module")
def solved():
    """Fields, positions, and (x, y, Jacobian) of pull, push, pull(push), push(pull)."""
    x, y = positions()

    @jax.jit
    def run(control):
        warp = displacement_map(control, SHAPE)
        pulled, pushed = warp.pull(x, y), warp.push(x, y)
        undone = warp.inverted()
        return pulled, pushed, warp.pull(*pushed[:2]), warp.push(*pulled[:2]), undone.pull(x, y)

    fields = controls()
    results = [jax.tree.map(np.asarray, run(field)) for field in fields]
    return fields, (x, y), results


def test_the_field_is_scipys_spline(solved):
    fields, (x, y), results = solved
    for field, (pulled, *_) in zip(fields, results, strict=True):
        dx, dy = maps.displacement(field, SHAPE, *to_pixels(x, y))
        assert np.abs(pulled[0] - (x + dx)).max() < 2e-5
        assert np.abs(pulled[1] - (y + dy)).max() < 2e-5


def test_inverses_meet_both_ways(solved):
    fields, (x, y), results = solved
    for field, (_, pushed, there, back, undone) in zip(fields, results, strict=True):
        for found in (there, back):
            assert np.abs(found[0] - x).max() < 1e-3
            assert np.abs(found[1] - y).max() < 1e-3
        assert np.array_equal(undone[0], pushed[0])
        # The same in float64: where push says the pixel went, the field points back to it.
        dx, dy = maps.displacement(field, SHAPE, *to_pixels(*pushed[:2]))
        assert np.abs(pushed[0] + dx - x).max() < 1e-3
        assert np.abs(pushed[1] + dy - y).max() < 1e-3


def test_jacobians_are_slopes(solved):
    fields, (x, y), results = solved
    h = 1e-4
    for field, (pulled, pushed, there, *_) in list(zip(fields, results, strict=True))[::6]:
        px, py = to_pixels(x, y)
        along_x = [maps.displacement(field, SHAPE, px + s, py) for s in (-h, h)]
        along_y = [maps.displacement(field, SHAPE, px, py + s) for s in (-h, h)]
        slopes = [
            (after[k] - before[k]) / (2 * h) for k in (0, 1) for before, after in (along_x, along_y)
        ]
        for found, want in zip(pulled[2], np.add(slopes, [[1], [0], [0], [1]]), strict=True):
            assert np.abs(found - want).max() < 1e-4
        # Of a map and its inverse, at matching places, the Jacobians are inverse matrices.
        a = np.moveaxis(np.float64(pushed[2]).reshape(2, 2, -1), -1, 0)
        b = np.moveaxis(np.float64(there[2]).reshape(2, 2, -1), -1, 0)
        assert np.abs(b @ a - np.eye(2)).max() < 2e-4


def test_slopes_stay_below_the_bound(solved):
    _, _, results = solved
    sums = [
        np.abs(np.stack(jacobian) - [[1], [0], [0], [1]]).reshape(2, 2, -1).sum(1).max()
        for (_, _, jacobian), *_ in results
    ]
    assert slope_bound(AMOUNT, GRID, SHAPE) == pytest.approx(0.79)
    assert max(sums) <= 0.79
    # The steepest fields of all reach half of what the bound allows for.
    assert max(sums) > 0.5 * 0.79


def test_far_outside_nothing_moves():
    warp = displacement_map(controls()[-1], SHAPE)
    x, y = np.float32([-200, 0, 300]), np.float32([150, -120, 0])
    for moved in (warp.pull(x, y), warp.push(x, y)):
        assert np.array_equal(moved[0], x)
        assert np.array_equal(moved[1], y)
