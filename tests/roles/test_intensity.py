"""Brightness is where its place went, and no other number."""

import numpy as np

import multiaug as ma
from tests.roles import oracle, scenes
from tests.roles.running import EYE, picture, pipeline, run

SHAPE, COUNT = (24, 32), 64


def test_a_linear_ramp_comes_back_as_the_source_position():
    """Every pixel of a picture of its own coordinates tells where it was read."""
    draw = np.random.default_rng(0)
    ramp = oracle.pixels(SHAPE).astype(np.float32)
    entries = [picture(channels=2), picture("nearest", channels=2, interpolation="nearest")]
    line = pipeline(ma.Perspective(matrix=EYE), entries=entries)
    batch = {name: np.broadcast_to(ramp, (COUNT, *ramp.shape)) for name in ("image", "nearest")}
    maps = scenes.projective_maps(draw, COUNT, SHAPE)
    done = run(line, batch, SHAPE, matrices={0: maps})
    at = oracle.sources(done.matrices, SHAPE)
    whole = ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
    assert whole.sum() > 10_000
    assert np.abs(done.out["image"] - at)[whole].max() < 1e-3
    clear = whole & (np.abs(at % 1 - 0.5) > 1e-3).all(-1)
    np.testing.assert_array_equal(done.out["nearest"][clear], np.floor(at + 0.5)[clear])
    behind = np.isnan(at).any(-1)
    assert behind.sum() > 100
    assert (done.out["image"][behind] == 0).all()


def test_channels_without_data_are_judged_one_by_one():
    image = np.ones((1, 4, 6, 2), np.float32)
    image[0, 1, 2, 0] = np.nan
    line = pipeline(
        ma.Translate(px=((1, 1), (0, 0))),
        entries=[picture(channels=2, invalid="nan")],
    )
    out = run(line, {"image": image}, (4, 6)).out["image"][0]
    assert np.argwhere(np.isnan(out[:, 1:])).tolist() == [[1, 2, 0]]
    assert np.isnan(out[:, 0]).all()  # outside there are no data


def test_nothing_is_seen_behind_a_horizon_whatever_came_before():
    """A first tilt would take the far away to its vanishing point, which is in the picture."""
    first, last = np.eye(3), np.eye(3)
    first[2, 0], last[2, 0] = 0.02, 1 / 8
    about = [oracle.shift(15.5, 11.5) @ tilt @ oracle.shift(-15.5, -11.5) for tilt in (first, last)]
    between = ma.Elastic(0.0, grid=2)
    line = pipeline(
        ma.Perspective(matrix=EYE), between, ma.Perspective(matrix=EYE), entries=[picture()]
    )
    batch = {"image": np.ones((1, *SHAPE, 1), np.float32)}
    done = run(line, batch, SHAPE, matrices={0: about[0][None], 2: about[1][None]})
    w = oracle.pixels(SHAPE)[..., 0] - 15.5
    behind = 1 - w / 8 <= 0
    assert behind.sum() > 100
    assert (done.out["image"][0, behind] == 0).all()
    assert (done.out["image"][0, ~behind] == 1).sum() > 50
