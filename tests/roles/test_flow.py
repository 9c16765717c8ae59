"""Flow connects two pictures, before and after both went through one map."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import multiaug as ma
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE, COUNT = (48, 64), 24
MAPS = {
    "affine": (ma.Affine(EYE),),
    "perspective": (ma.Perspective(0.15), ma.Rotate(20), ma.Flip("y")),
    "elastic": (ma.Elastic(0.04, grid=(3, 4)), ma.Rotate((30, 50))),
}
ENTRIES = [
    picture("first", interpolation="cubic"),
    picture("second", interpolation="cubic"),
    entry("flow", "flow", dtype="float32"),
    entry("copied", "flow", dtype="float32", interpolation="nearest"),
]


def waves(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Wave vectors and phases of a smooth picture."""
    return draw.uniform(-0.35, 0.35, (6, 2)), draw.uniform(0, 2 * np.pi, 6)


def shade(points: np.ndarray, picture: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.sin(points @ picture[0].T + picture[1]).mean(-1)


def drift(points: np.ndarray, k: np.ndarray) -> np.ndarray:
    """A smooth flow of a few pixels."""
    return 3 * np.stack([np.sin(points @ k[0] + 1), np.cos(points @ k[1])], axis=-1)


def scene(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Pictures and flow with ``second(p + flow(p)) = first(p)``."""
    look, k, grid = waves(draw), draw.uniform(-0.06, 0.06, (2, 2)), oracle.pixels(SHAPE)
    origin = grid
    for _ in range(50):
        origin = grid - drift(origin, k)
    pictures = {"first": shade(grid, look), "second": shade(origin, look)}
    flow = drift(grid, k)
    return {**{n: p[..., None] for n, p in pictures.items()}, "flow": flow, "copied": flow}


@pytest.fixture(scope="module")
def batch():
    draw = np.random.default_rng(0)
    scenes_ = [scene(draw) for _ in range(COUNT)]
    return {name: np.stack([s[name] for s in scenes_]).astype(np.float32) for name in scenes_[0]}


def seen_along(flow: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The second picture where the flow points, NaN outside."""
    at = oracle.pixels(flow.shape[:2]) + flow
    inside = ((at >= 2) & (at <= np.array(flow.shape[1::-1]) - 3)).all(-1)
    found = map_coordinates(second[..., 0].astype(np.float64), [at[..., 1], at[..., 0]], order=3)
    return np.where(inside, found, np.nan)


def mild(draw: np.random.Generator) -> np.ndarray:
    return scenes.affine_maps(draw, COUNT, SHAPE, strength=0.25)


@pytest.mark.parametrize("name", MAPS)
def test_moved_flow_connects_the_moved_pictures(name, batch):
    matrices = {0: mild(np.random.default_rng(1))} if name == "affine" else {}
    done = run(pipeline(*MAPS[name], entries=ENTRIES), batch, SHAPE, matrices=matrices)
    out, errors, left_alone = done.out, [], []
    for i, warp in enumerate(done.charts):
        # Both ends come from well inside the source: a spline is disturbed by the rim.
        ends = warp.pull(oracle.pixels(SHAPE) + np.nan_to_num(out["flow"][i].astype(np.float64)))
        size = np.array([SHAPE[1], SHAPE[0]])
        clear = [((p > 7) & (p < size - 8)).all(-1) for p in (warp.sources(), ends)]
        for flow, found in ((out["flow"][i], errors), (batch["flow"][i], left_alone)):
            away = seen_along(flow.astype(np.float64), out["second"][i]) - out["first"][i, ..., 0]
            kept = np.abs(away[clear[0] & clear[1]])
            found.append(kept[np.isfinite(kept)])
    errors, left_alone = np.concatenate(errors), np.concatenate(left_alone)
    print(name, errors.size, errors.max(), left_alone.max())
    assert errors.size > 8000
    assert errors.max() < 0.01  # of a contrast of about 1.6
    assert np.median(errors) < 1e-3
    assert np.median(left_alone) > 0.03  # the test can tell


def test_holes_and_the_outside_are_invalid(batch):
    flow = batch["copied"].copy()
    flow[:, 10, 20] = np.nan
    line = pipeline(ma.Translate(px=(5, 5), whole=True), entries=ENTRIES)
    out = run(line, {**batch, "flow": flow, "copied": flow}, SHAPE).out
    for name in ("flow", "copied"):
        expected = np.full_like(flow, np.nan)
        expected[:, 5:, 5:] = flow[:, :-5, :-5]
        np.testing.assert_array_equal(out[name], expected)


def test_vectors_are_in_pixels_of_their_own_picture():
    """A flow of half the picture's size, which an enlargement leaves at another ratio."""
    entries = [picture(), entry("flow", "flow", dtype="float32")]
    line = pipeline(ma.Rotate((90, 90)), ma.Resize((45, 45)), entries=entries)
    batch = {
        "image": np.zeros((1, 31, 31, 1), np.float32),
        "flow": np.broadcast_to(np.float32([3, 1]), (1, 16, 16, 2)),
    }
    out = run(line, batch, (31, 31)).out
    assert out["flow"].shape == (1, 23, 23, 2)
    # A quarter turn takes (3, 1) to (1, -3), the resizing multiplies by 23 / 16.
    np.testing.assert_allclose(
        out["flow"], np.broadcast_to([1.4375, -4.3125], (1, 23, 23, 2)), 1e-5
    )


def test_no_vector_ends_behind_the_horizon():
    # w = 1 + (x - 31.5) / 40 is 0 at x = -8.5, out of view.
    tilt = np.eye(3)
    tilt[2, 0] = 1 / 40
    about = oracle.shift(31.5, 23.5) @ tilt @ oracle.shift(-31.5, -23.5)
    line = pipeline(ma.Perspective(matrix=EYE), entries=ENTRIES)
    flow = np.zeros((COUNT, *SHAPE, 2), np.float32)
    flow[..., 0] = -30
    batch = {"first": np.zeros((COUNT, *SHAPE, 1), np.float32)} | dict.fromkeys(
        ("flow", "copied"), flow
    )
    batch["second"] = batch["first"]
    done = run(line, batch, SHAPE, matrices={0: np.broadcast_to(about, (COUNT, 3, 3))})
    at = done.charts[0].sources()
    beyond = at[..., 0] < 30 - 8.5
    inside = ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
    assert (inside & beyond).sum() > 100
    assert np.isnan(done.out["flow"][0][beyond & inside]).all()
    kept = inside & ~beyond
    expected = done.charts[0].push(at[kept] - [30, 0]) - oracle.pixels(SHAPE)[kept]
    near = np.abs(expected).max(-1) < 1000
    np.testing.assert_allclose(
        done.out["flow"][0][kept][near], expected[near], rtol=1e-3, atol=1e-3
    )
