"""Intrinsics are refitted, kept or made from the default camera, as the policy says."""

import jax
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

import multiaug as ma
from multiaug.errors import RecordError
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE, COUNT = (24, 32), 64
K = entry("k", "intrinsics", dtype="float32")
XYZ = entry("xyz", "position", dtype="float32", interpolation="nearest")
MAPS = (ma.Perspective(matrix=EYE), ma.Crop((20, 30)), ma.Resize((25, 33), antialias=False))


def batch_of(draw: np.random.Generator, shape: oracle.Shape = SHAPE) -> dict[str, np.ndarray]:
    k = scenes.cameras(draw, COUNT, shape)
    cloud = scenes.clouds(draw, COUNT, shape, k)
    return {"xyz": np.nan_to_num(cloud, nan=1.0), "k": k.astype(np.float32)}


def assert_intrinsics(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected[0, 0])


def test_refitted_intrinsics_are_those_of_an_rq_decomposition():
    draw = np.random.default_rng(0)
    batch = batch_of(draw)
    maps = scenes.projective_maps(draw, COUNT, SHAPE)
    done = run(pipeline(*MAPS, entries=[XYZ, K]), batch, SHAPE, matrices={0: maps})
    for matrix, before, after in zip(done.matrices, batch["k"], done.out["k"], strict=True):
        expected, _ = oracle.refit(matrix, before.astype(np.float64))
        assert_intrinsics(after, expected)
        assert (after[[1, 2, 2], [0, 0, 1]] == 0).all()
        assert (np.diag(after) > 0).all()
        assert after[2, 2] == 1


def test_intrinsics_count_the_pixels_of_their_own_picture():
    draw = np.random.default_rng(1)
    small = (12, 16)
    k = scenes.cameras(draw, COUNT, small)
    entries = [
        picture(),
        entry("small", "label", dtype="uint8"),
        entry("k", "intrinsics", of="small"),
    ]
    batch = {
        "image": np.zeros((COUNT, *SHAPE, 1), np.float32),
        "small": np.zeros((COUNT, *small), np.uint8),
        "k": k.astype(np.float32),
    }
    maps = scenes.projective_maps(draw, COUNT, SHAPE)
    done = run(pipeline(*MAPS, entries=entries), batch, SHAPE, matrices={0: maps})
    enter = oracle.half_pixel(small, SHAPE)
    leave = oracle.half_pixel((25, 33), done.out["small"].shape[1:])
    for i in range(COUNT):
        expected, _ = oracle.refit(leave @ done.matrices[i] @ enter, k[i])
        np.testing.assert_allclose(
            done.out["k"][i], expected, rtol=1e-5, atol=1e-5 * expected[0, 0]
        )


@pytest.fixture(scope="module")
def fixed():
    return pipeline(ma.Affine(EYE), entries=[XYZ, K], policy="fixed")


class TestFixed:
    """One K for the network: coordinates are deformed instead."""

    def moved(self, fixed, core: np.ndarray, seed: int = 2) -> tuple[dict, dict, np.ndarray]:
        """Out, in, and the source points of out, for a map about the centre."""
        batch = batch_of(np.random.default_rng(seed))
        # The principal point is the centre, where the zoom is the camera's own.
        batch["k"][:, :2, 2] = oracle.centre(SHAPE)
        batch["k"][:, 0, 1] = 0
        batch["k"][:, 1, 1] = batch["k"][:, 0, 0]
        matrix = np.broadcast_to(oracle.about_centre(core, SHAPE), (COUNT, 3, 3))
        done = run(fixed, batch, SHAPE, matrices={0: matrix})
        at = np.floor(oracle.sources(done.matrices[:1], SHAPE)[0] + 0.5)
        inside = ((at >= 0) & (at < [SHAPE[1], SHAPE[0]])).all(-1)
        x, y = np.where(inside[..., None], at, 0).astype(int).transpose(2, 0, 1)
        source = np.where(inside[None, ..., None], batch["xyz"][:, y, x], np.nan)
        np.testing.assert_array_equal(done.out["k"], batch["k"])
        return done.out, batch, source.astype(np.float64)

    @pytest.mark.parametrize("zoom", [0.4, 3.0])
    def test_a_zoom_brings_the_scene_nearer(self, fixed, zoom):
        out, _, source = self.moved(fixed, oracle.linear(zoom, 0, 0, zoom))
        expected = source * [1, 1, 1 / zoom]
        size = np.linalg.norm(expected, axis=-1, keepdims=True)
        assert np.nanmax(np.abs(out["xyz"] - expected) / size) < 1e-5
        assert np.isfinite(out["xyz"]).sum() > 1000

    def test_flips_are_exact(self, fixed):
        out, batch, _ = self.moved(fixed, oracle.linear(-1, 0, 0, 1))
        expected = batch["xyz"][:, :, ::-1] * np.float32([-1, 1, 1])
        size = np.linalg.norm(expected, axis=-1, keepdims=True)
        assert np.max(np.abs(out["xyz"] - expected) / size) < 2e-7

    def test_a_roll_turns_the_scene(self, fixed):
        out, _, source = self.moved(fixed, oracle.turn(30))
        roll = np.eye(3)
        roll[:2, :2] = oracle.turn(30)[:2, :2]
        expected = source @ roll.T
        size = np.linalg.norm(expected, axis=-1, keepdims=True)
        at = oracle.sources(oracle.about_centre(oracle.turn(30), SHAPE)[None], SHAPE)[0]
        clear = (np.abs(at % 1 - 0.5) > 1e-3).all(-1)
        assert np.nanmax((np.abs(out["xyz"] - expected) / size)[:, clear]) < 1e-5

    def test_needs_intrinsics(self):
        with pytest.raises(RecordError, match=r"`intrinsics`.*fixed.*`camera\.fov_degrees`"):
            bare = pipeline(ma.Rotate(9), entries=[XYZ], policy="fixed")
            bare(jax.random.key(0), {"xyz": np.ones((*SHAPE, 3), np.float32)})


class TestNone:
    """Values stay; intrinsics follow when asked to."""

    @pytest.mark.parametrize("follow", [False, True])
    def test_values_stay(self, follow):
        draw = np.random.default_rng(3)
        batch = batch_of(draw)
        camera = {"policy": "none", "refit_intrinsics": follow}
        entries = [XYZ, K, entry("normals", "direction", dtype="float32", interpolation="nearest")]
        batch["normals"] = batch["xyz"]
        line = pipeline(ma.Perspective(matrix=EYE), entries=entries, **camera)
        done = run(line, batch, SHAPE, matrices={0: scenes.projective_maps(draw, COUNT, SHAPE)})
        for name in ("xyz", "normals"):
            for before, after in zip(batch["xyz"], done.out[name], strict=True):
                points = {tuple(p) for p in before.reshape(-1, 3).tolist()}
                valid = after[np.isfinite(after).all(-1)]
                assert {tuple(p) for p in valid.tolist()} <= points
        for matrix, before, after in zip(done.matrices, batch["k"], done.out["k"], strict=True):
            if follow:
                expected, _ = oracle.refit(matrix, before.astype(np.float64))
                assert_intrinsics(after, expected)
            else:
                np.testing.assert_array_equal(after, before)


DEFAULTS = {
    "field of view": (
        {"fov_degrees": 70.0},
        # Half of the width of 32 pixels is seen under half of the angle.
        [[16 / np.tan(np.deg2rad(35)), 0, 15.5], [0, 16 / np.tan(np.deg2rad(35)), 11.5], [0, 0, 1]],
    ),
    "four numbers": (
        {"intrinsics": (40.0, 44.0, 10.0, 13.0)},
        [[40, 0, 10], [0, 44, 13], [0, 0, 1]],
    ),
}


class TestDefaultCamera:
    """A camera in the spec stands in for one in the record."""

    @pytest.mark.parametrize("name", DEFAULTS)
    def test_the_output_gains_intrinsics(self, name):
        camera, k = DEFAULTS[name]
        k = np.broadcast_to(np.array(k), (COUNT, 3, 3))
        draw = np.random.default_rng(4)
        cloud = scenes.clouds(draw, COUNT, SHAPE, k)
        maps = scenes.projective_maps(draw, COUNT, SHAPE)
        entries = [entry("xyz", "position", dtype="float32")]
        line = pipeline(*MAPS, entries=entries, **camera)
        done = run(line, {"xyz": cloud}, SHAPE, matrices={0: maps})
        assert list(done.out) == ["xyz", "intrinsics"]
        for matrix, after in zip(done.matrices, done.out["intrinsics"], strict=True):
            expected, _ = oracle.refit(matrix, k[0])
            assert_intrinsics(after, expected)
        away = oracle.project(done.out["intrinsics"], done.out["xyz"]) - oracle.pixels((25, 33))
        assert np.isfinite(away).sum() > 10_000
        assert np.nanmax(np.linalg.norm(away, axis=-1)) < 0.01

    def test_fixed_gains_nothing_and_reprojects(self):
        camera, k = DEFAULTS["field of view"]
        k = np.broadcast_to(np.array(k), (COUNT, 3, 3))
        draw = np.random.default_rng(5)
        cloud = scenes.clouds(draw, COUNT, SHAPE, k)
        maps = scenes.projective_maps(draw, COUNT, SHAPE)
        entries = [entry("xyz", "position", dtype="float32")]
        line = pipeline(*MAPS, entries=entries, policy="fixed", **camera)
        done = run(line, {"xyz": cloud}, SHAPE, matrices={0: maps})
        assert list(done.out) == ["xyz"]
        away = oracle.project(k, done.out["xyz"]) - oracle.pixels((25, 33))
        assert np.isfinite(away).sum() > 10_000
        assert np.nanmax(np.linalg.norm(away, axis=-1)) < 0.01

    def test_a_camera_in_the_record_comes_first(self):
        camera, _ = DEFAULTS["four numbers"]
        draw = np.random.default_rng(6)
        batch = batch_of(draw)
        entries = [XYZ, entry("k", "intrinsics", dtype="float32", optional=True)]
        line = pipeline(ma.Flip("x", p=1), entries=entries, **camera)
        out = run(line, batch, SHAPE).out
        assert list(out) == ["xyz", "k"]
        np.testing.assert_allclose(
            out["k"][:, 0, 2], 31 - batch["k"][:, 0, 2], rtol=1e-5, atol=1e-5
        )
        # The name that the spec gives to intrinsics is kept for those that are gained.
        out = run(line, {"xyz": batch["xyz"]}, SHAPE).out
        assert list(out) == ["xyz", "k"]


@pytest.mark.parametrize(("policy", "given"), [("refit", True), ("fixed", False)])
def test_undone_clouds_are_where_they_were(policy, given):
    """Inverting goes back through the same camera, frames of other sizes included."""
    draw = np.random.default_rng(8)
    focal = 16 / np.tan(np.deg2rad(25))
    k = np.array([[focal, 0, 15.5], [0, focal, 11.5], [0, 0, 1]])
    k = np.broadcast_to(oracle.shift(3, -2) @ k if given else k, (8, 3, 3))
    camera = {} if given else {"fov_degrees": 50.0}
    cloud, _ = scenes.planes(draw, 8, SHAPE, k)
    entries = [entry("xyz", "position", dtype="float32"), entry("k", "intrinsics", optional=True)]
    larger = ma.Resize((50, 60), antialias=False)
    line = pipeline(
        ma.Pad((2, 3, 4, 5)), ma.Perspective(0.1), larger, entries=entries, policy=policy, **camera
    )
    batch = {"xyz": cloud} | ({"k": k.astype(np.float32)} if given else {})
    params = line.sample(jax.random.split(jax.random.key(0), 8), SHAPE)
    out = line.apply(params, batch)
    back = line.invert(params, {n: out[n] for n in batch})
    size = np.linalg.norm(cloud, axis=-1, keepdims=True)
    apart = (np.abs(np.asarray(back["xyz"]) - cloud) / size).max(-1)
    # Beside what was cut off taps are missing, and the rest of them lies on no plane.
    inner = binary_erosion(np.isfinite(apart), np.ones((1, 5, 5)))
    assert inner.mean() > 0.5
    assert apart[inner].max() < 1e-5
    if given:
        np.testing.assert_allclose(back["k"], batch["k"], rtol=1e-5, atol=1e-4)
