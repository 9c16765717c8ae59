"""Organised clouds: what is sampled between pixels, and what is known without a camera.

The reprojection law has a file of its own.
"""

import os

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, RecordError
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, pipeline, run

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SHAPE, COUNT = (24, 32), 64
PACKED = ma.load_spec("rgbxyz").entries["rgbxyz"]
COPIED = entry("copied", "position", dtype="float32", interpolation="nearest")
K = entry("intrinsics", "intrinsics", dtype="float32", optional=True)
AFFINE = (
    ma.Rotate(180),
    ma.Scale((0.7, 2.5)),
    ma.Translate(0.2),
    ma.Flip("x"),
    ma.Crop((20, 26)),
)


def smooth_batch(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Gentle surfaces, seen by cameras with square pixels."""
    k = scenes.cameras(draw, COUNT, SHAPE, square=True)
    grid = oracle.pixels(SHAPE)
    slope = draw.uniform(-0.004, 0.004, (COUNT, 2))
    ripple = 0.02 * np.sin(grid @ draw.uniform(-0.2, 0.2, (2, COUNT))).transpose(2, 0, 1)
    depth = 3 / (1 + np.einsum("hwc,nc->nhw", grid - oracle.centre(SHAPE), slope)) + ripple
    cloud = oracle.lift(depth, k).astype(np.float32)
    colours = draw.random((COUNT, *SHAPE, 3), np.float32)
    return {
        "rgbxyz": np.concatenate([colours, cloud], axis=-1),
        "copied": cloud,
        "intrinsics": k.astype(np.float32),
    }


def lengths(points: np.ndarray, order: np.ndarray) -> np.ndarray:
    flat = points.astype(np.float64).reshape(len(points), -1, 3)
    return np.linalg.norm(flat - flat[:, order], axis=-1)


class TestWithoutIntrinsics:
    """Square pixels are assumed: the motion of an affine map is then known."""

    def both(self) -> tuple[dict, dict, list[oracle.Chart], dict]:
        """The same draws with and without intrinsics."""
        batch = smooth_batch(np.random.default_rng(0))
        line = pipeline(*AFFINE, entries=[PACKED, COPIED, K])
        known = run(line, batch, SHAPE)
        blind = run(line, {n: a for n, a in batch.items() if n != "intrinsics"}, SHAPE)
        return known.out, blind.out, known.charts, batch

    def test_the_answer_is_that_of_the_true_camera(self):
        known, blind, charts, batch = self.both()
        assert "intrinsics" not in blind
        # Copies are the same points, moved by the same motion.
        size = np.linalg.norm(known["copied"], axis=-1, keepdims=True)
        assert (np.isnan(blind["copied"]) == np.isnan(known["copied"])).all()
        assert np.nanmax(np.abs(blind["copied"] - known["copied"]) / size) < 5e-7
        # Blends are of X, Y, Z in the one and of 1 / Z in the other; beyond the outermost pixel
        # centres the one repeats the rim, and the other goes on along the rays.
        a, b = blind["rgbxyz"][..., 3:], known["rgbxyz"][..., 3:]
        assert (np.isnan(a) == np.isnan(b)).all()
        at = np.stack([warp.sources() for warp in charts])
        whole = ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
        apart = np.abs(a - b) / np.linalg.norm(b, axis=-1, keepdims=True)
        assert whole.sum() > 10_000
        assert apart[whole].max() < 2e-4
        np.testing.assert_array_equal(blind["rgbxyz"][..., :3], known["rgbxyz"][..., :3])
        # And both are what the float64 plan says: M is the orthogonal factor of A[:2, :2].
        for i, warp in enumerate(charts):
            _, motion = oracle.refit(warp.matrix, np.eye(3))
            assert np.abs(motion[2] - [0, 0, 1]).max() < 1e-12
            at = np.floor(warp.sources() + 0.5)
            inside = ((at >= 0) & (at < [SHAPE[1], SHAPE[0]])).all(-1)
            x, y = at[inside].astype(int).T
            expected = batch["copied"][i, y, x] @ motion.T
            close = np.abs(blind["copied"][i][inside] - expected).max(-1) < 1e-5
            assert close.mean() > 0.99  # the rest lies between two pixels

    def test_distances_between_points_are_kept(self):
        _, blind, charts, batch = self.both()
        draw = np.random.default_rng(1)
        out = blind["copied"]
        order = draw.permutation(out.shape[1] * out.shape[2])
        before = []
        for i, warp in enumerate(charts):
            at = np.floor(warp.sources() + 0.5)
            clear = (np.abs(warp.sources() - at).max(-1) < 0.499) & (at >= 0).all(-1)
            clear &= (at < [SHAPE[1], SHAPE[0]]).all(-1)
            x, y = np.where(clear[..., None], at, 0).astype(int).transpose(2, 0, 1)
            before.append(np.where(clear[..., None], batch["copied"][i, y, x], np.nan))
        a, b = lengths(np.stack(before), order), lengths(out, order)
        checked = np.isfinite(a) & (a > 0)
        assert checked.sum() > 8_000
        assert (np.abs(b / np.where(checked, a, 1) - 1)[checked] < 1e-5).all()

    def test_perspective_is_refused_and_says_what_to_do(self):
        record = {"rgbxyz": np.ones((*SHAPE, 6), np.float32)}
        line = ma.Pipeline([ma.Perspective(0.1)], ma.load_spec("rgbxyz"))
        with pytest.raises(RecordError, match=r"`intrinsics`.*`camera\.fov_degrees`"):
            line(jax.random.key(0), record)


def test_flips_and_turns_copy_to_the_bit():
    draw = np.random.default_rng(3)
    cloud = draw.normal(size=(1, 20, 20, 3)).astype(np.float32) + np.float32([0, 0, 5])
    k = np.array([[[25, 0, 8], [0, 25, 12], [0, 0, 1]]], np.float32)
    entries = [entry("xyz", "position", dtype="float32"), K]
    line = pipeline(ma.Rot90(3), ma.Flip("y", p=1), entries=entries)
    copied = np.rot90(cloud, 3, axes=(1, 2))[:, ::-1]
    # Clockwise (x, y) -> (-y, x), then y is mirrored.
    expected = np.stack([-copied[..., 1], -copied[..., 0], copied[..., 2]], axis=-1)
    np.testing.assert_array_equal(run(line, {"xyz": cloud}, (20, 20)).out["xyz"], expected)
    out = run(line, {"xyz": cloud, "intrinsics": k}, (20, 20)).out
    np.testing.assert_array_equal(out["xyz"], expected)
    # (x, y) -> (19 - y, 19 - x)
    np.testing.assert_array_equal(out["intrinsics"], [[[25, 0, 7], [0, 25, 11], [0, 0, 1]]])


class TestBetweenPixels:
    """Steps from 1 to 3 metres, read half-way between two columns."""

    ENTRIES = (
        entry("ray", "position", dtype="float32"),
        entry("edge", "position", dtype="float32", max_jump=0.5),
        entry("linear", "position", dtype="float32", interpolation="linear"),
        entry("nearest", "position", dtype="float32", interpolation="nearest"),
        K,
    )

    def sampled(self, policy: str = "refit") -> tuple[dict, dict, np.ndarray]:
        """What came out beside the rim, its distances from its pixels, and the source."""
        k = np.array([[[30, 0, 10], [0, 30, 12], [0, 0, 1]]])
        z = np.broadcast_to(np.where(np.arange(SHAPE[1]) % 2, 1.0, 3.0), (1, *SHAPE))
        cloud = oracle.lift(z, k).astype(np.float32)
        names = ("ray", "edge", "linear", "nearest")
        batch = {"intrinsics": k.astype(np.float32), **dict.fromkeys(names, cloud)}
        half = ma.Translate(px=((0.5, 0.5), (0, 0)))
        out = run(pipeline(half, entries=[*self.ENTRIES], policy=policy), batch, SHAPE).out
        inner = {name: out[name][:, :, 2:].astype(np.float64) for name in names}
        grid = oracle.pixels(SHAPE)[:, 2:]
        away = {
            name: np.linalg.norm(oracle.project(out["intrinsics"], xyz) - grid, axis=-1)
            for name, xyz in inner.items()
        }
        return inner, away, cloud.astype(np.float64)

    def test_each_way_of_sampling(self):
        xyz, away, _ = self.sampled()
        # 1/Z is blended, and the point is on the ray of its pixel.
        np.testing.assert_allclose(xyz["ray"][..., 2], 1.5, 1e-6)
        assert away["ray"].max() < 1e-4
        # No point floats between the two, but it is on its ray.
        assert np.isin(np.round(xyz["edge"][..., 2], 5), [1, 3]).all()
        assert away["edge"].max() < 1e-4
        # X, Y and Z are blended, which leaves the ray.
        np.testing.assert_allclose(xyz["linear"][..., 2], 2, 1e-6)
        assert 0.2 < away["linear"].max() < 0.5
        # A copy is where its source pixel went.
        assert np.isin(xyz["nearest"][..., 2], [1, 3]).all()
        np.testing.assert_allclose(away["nearest"], 0.5, atol=1e-4)

    def test_policy_none_blends_channels_and_keeps_values(self):
        xyz, _, source = self.sampled("none")
        expected = (source[:, :, 1:-1] + source[:, :, 2:]) / 2
        for name in ("ray", "linear"):
            np.testing.assert_allclose(xyz[name], expected, rtol=1e-6)


def test_linear_stays_within_a_twentieth_of_a_pixel_on_planes():
    draw = np.random.default_rng(4)
    k = scenes.cameras(draw, COUNT, SHAPE)
    slope = draw.uniform(-0.01, 0.01, (COUNT, 2))
    grid = oracle.pixels(SHAPE) - oracle.centre(SHAPE)
    depth = 2 / (1 + np.einsum("hwc,nc->nhw", grid, slope))
    entries = [entry("xyz", "position", dtype="float32", interpolation="linear"), K]
    line = pipeline(ma.Perspective(matrix=EYE), entries=entries)
    batch = {"xyz": oracle.lift(depth, k).astype(np.float32), "intrinsics": k.astype(np.float32)}
    maps = scenes.projective_maps(draw, COUNT, SHAPE, strength=0.2)
    done = run(line, batch, SHAPE, matrices={0: maps})
    at = oracle.sources(done.matrices, SHAPE)
    whole = ((at > 1e-3) & (at < np.array([SHAPE[1], SHAPE[0]]) - 1.001)).all(-1)
    away = oracle.project(done.out["intrinsics"], done.out["xyz"]) - oracle.pixels(SHAPE)
    assert whole.sum() > 10_000
    assert np.linalg.norm(away, axis=-1)[whole].max() < 0.05


def test_a_cloud_with_lens_distortion_keeps_it():
    """What a cloud deviates from a pinhole is blended and moved with it."""
    draw = np.random.default_rng(5)
    k = scenes.cameras(draw, COUNT, SHAPE, square=True)
    grid = oracle.pixels(SHAPE)
    normal = (grid - oracle.centre(SHAPE)) / SHAPE[1]
    bent = grid + 3 * normal * (normal**2).sum(-1, keepdims=True)  # up to a few pixels
    rays = np.concatenate([bent, np.ones_like(bent[..., :1])], axis=-1)
    cloud = 2 * np.einsum("nij,hwj->nhwi", np.linalg.inv(k), rays)
    entries = [entry("xyz", "position", dtype="float32"), K]
    line = pipeline(ma.Rotate(60), ma.Scale(1.5), entries=entries)
    batch = {"xyz": cloud.astype(np.float32), "intrinsics": k.astype(np.float32)}
    done = run(line, batch, SHAPE)
    seen = oracle.project(done.out["intrinsics"], done.out["xyz"])
    for i, warp in enumerate(done.charts):
        at = warp.sources()
        inside = ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
        normal = (at - oracle.centre(SHAPE)) / SHAPE[1]
        expected = warp.push(at + 3 * normal * (normal**2).sum(-1, keepdims=True))
        assert np.abs(seen[i] - expected)[inside].max() < 0.02
        assert np.abs(seen[i] - oracle.pixels(SHAPE))[inside].max() > 0.2


def test_holes_are_marked_as_the_spec_says():
    """Holes and the outside come out as the mark, and never as a blend with it."""
    draw = np.random.default_rng(6)
    k = scenes.cameras(draw, 8, SHAPE)
    whole = oracle.lift(draw.uniform(2, 3, (8, *SHAPE)), k).astype(np.float32)
    marks = {"nan": np.nan, "zero": 0.0, "minus": -1.0}
    batch = {"intrinsics": k.astype(np.float32), **{name: whole.copy() for name in marks}}
    for name, mark in marks.items():
        batch[name][:, 5:12, 6:20] = mark
    given = {"nan": "nan", "zero": 0, "minus": -1}
    entries = [entry(n, "position", dtype="float32", invalid=given[n]) for n in marks]
    line = pipeline(ma.Perspective(matrix=EYE), entries=[*entries, K])
    maps = scenes.projective_maps(draw, 8, SHAPE, strength=0.3)
    done = run(line, batch, SHAPE, matrices={0: maps})
    at = oracle.sources(done.matrices, SHAPE)
    deep = ((at > [6, 5]) & (at < [19, 11])).all(-1)
    clear = ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
    clear &= ~((at > [4.9, 3.9]) & (at < [20.1, 12.1])).all(-1)
    assert deep.sum() > 200
    assert clear.sum() > 500
    for name, mark in marks.items():
        out = done.out[name]
        lost = np.isnan(out).any(-1) if np.isnan(mark) else (out == mark).all(-1)
        points = np.where(lost[..., None], np.nan, out)
        away = oracle.project(done.out["intrinsics"], points) - oracle.pixels(SHAPE)
        assert np.nanmax(np.abs(away)) < 0.01
        assert lost[deep].all()
        assert not lost[clear].any()


class TestUnderElastic:
    """No camera explains a displacement: refused, or resampled."""

    def test_refused_by_default(self):
        entries = [entry("xyz", "position", dtype="float32")]
        with pytest.raises(ParameterError, match=r"Elastic.*under_elastic"):
            pipeline(ma.Elastic(0.02), entries=entries)

    # By day the images are in tests/reference/test_conformance.py.
    @pytest.mark.skipif(not NIGHTLY, reason="compiling it takes seconds")
    @pytest.mark.parametrize("policy", ["refit", "fixed"])
    def test_values_move_by_the_matrix_part_only(self, policy):
        draw = np.random.default_rng(7)
        count = 32
        k = scenes.cameras(draw, count, SHAPE)
        cloud = scenes.clouds(draw, count, SHAPE, k)
        normals = cloud / np.linalg.norm(cloud, axis=-1, keepdims=True)
        kinds = {"xyz": "position", "normals": "direction"}
        entries = [
            *(
                entry(
                    name, role, dtype="float32", interpolation="nearest", under_elastic="resample"
                )
                for name, role in kinds.items()
            ),
            entry("table", "points3d", dtype="float32", under_elastic="resample"),
            entry("blend", "position", dtype="float32", under_elastic="resample"),
            K,
        ]
        line = pipeline(
            ma.Rotate(90),
            ma.Elastic(0.03, grid=(3, 4)),
            ma.Perspective(0.1),
            entries=entries,
            policy=policy,
        )
        batch = {"xyz": cloud, "normals": normals, "table": cloud[:, 3, :7], "blend": cloud}
        batch["table"] = np.nan_to_num(batch["table"]) + np.float32(0.1)
        done = run(line, {**batch, "intrinsics": k.astype(np.float32)}, SHAPE)
        checked = 0
        for i, warp in enumerate(done.charts):
            assert any(isinstance(step, oracle.Field) for step in warp.steps)
            if policy == "refit":
                k_out, motion = oracle.refit(warp.matrix, k[i])
                turned = motion
            else:
                k_out, motion = k[i], oracle.deform(warp.matrix, k[i])
                turned = np.linalg.inv(motion).T
            np.testing.assert_allclose(done.out["intrinsics"][i], k_out, rtol=1e-5, atol=1e-3)
            at = warp.sources()
            index = np.floor(at + 0.5)
            clear = ((index >= 0) & (index < [SHAPE[1], SHAPE[0]])).all(-1)
            clear &= (np.abs(at - index) < 0.499).all(-1)
            x, y = index[clear].astype(int).T
            expected = cloud[i, y, x] @ motion.T
            size = np.linalg.norm(expected, axis=-1, keepdims=True)
            found = done.out["xyz"][i][clear]
            np.testing.assert_allclose(found / size, expected / size, atol=1e-5)
            expected = normals[i, y, x] @ turned.T
            expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
            np.testing.assert_allclose(done.out["normals"][i][clear], expected, atol=1e-5)
            expected = batch["table"][i] @ motion.T
            np.testing.assert_allclose(
                done.out["table"][i], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
            )
            checked += clear.sum()
        assert checked > 8_000
        assert np.isfinite(done.out["blend"]).any()
