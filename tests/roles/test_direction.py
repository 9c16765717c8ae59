"""Normals stay what they are: unit vectors across the surface, wherever the camera moves."""

import numpy as np
import pytest

import multiaug as ma
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE, COUNT = (32, 40), 96
ENTRIES = [
    picture(),
    entry("xyz", "position", dtype="float32"),
    entry("normals", "direction", dtype="float32"),
    entry("copied", "direction", dtype="float32", interpolation="nearest"),
    entry("k", "intrinsics", dtype="float32"),
]


def batch_of(draw: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Clouds of planes with their normals, and the normals."""
    k = scenes.cameras(draw, COUNT, SHAPE)
    cloud, equations = scenes.planes(draw, COUNT, SHAPE, k)
    normals = np.broadcast_to(equations[:, None, None, :3], cloud.shape).astype(np.float32)
    batch = {"image": np.zeros((COUNT, *SHAPE, 1), np.float32), "xyz": cloud}
    batch |= {"normals": normals, "copied": normals, "k": k.astype(np.float32)}
    return batch, equations[:, :3]


def recomputed(cloud: np.ndarray) -> np.ndarray:
    """Unit normals by central differences, as SciPy's users do it; NaN at the rim."""
    cloud = cloud.astype(np.float64)
    across, down = np.gradient(cloud, axis=2), np.gradient(cloud, axis=1)
    normals = np.cross(across, down)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between lines, whichever way their normals point."""
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.rad2deg(np.arctan2(across, np.abs((a * b).sum(-1))))


@pytest.mark.parametrize("policy", ["refit", "fixed"])
def test_normals_of_the_moved_planes(policy):
    draw = np.random.default_rng(0)
    line = pipeline(ma.Perspective(matrix=EYE), entries=ENTRIES, policy=policy)
    batch, normals = batch_of(draw)
    half = COUNT // 2
    maps = np.concatenate(
        [
            scenes.affine_maps(draw, half, SHAPE, strength=0.5),
            scenes.projective_maps(draw, COUNT - half, SHAPE, strength=0.6),
        ]
    )
    done = run(line, batch, SHAPE, matrices={0: maps})
    k = batch["k"].astype(np.float64)
    for kind in ("normals", "copied"):
        moved = done.out[kind].astype(np.float64)
        valid = np.isfinite(moved).all(-1)
        assert valid.sum() > 20_000
        assert np.abs(np.linalg.norm(moved, axis=-1) - 1)[valid].max() < 1e-6
        between = angles(recomputed(done.out["xyz"]), moved)
        assert np.nanmedian(between) < 0.1
        assert np.nanmax(np.nanmedian(between, axis=(1, 2))) < 1  # of every record
        # The formula, sign included: a normal towards the camera still is.
        if policy == "refit":
            turned = [oracle.refit(a, b)[1] for a, b in zip(done.matrices, k, strict=True)]
        else:
            bent = map(oracle.deform, done.matrices, k)
            turned = [np.linalg.inv(h).T for h in bent]
        expected = np.einsum("nij,nj->ni", turned, normals)
        expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
        away = np.abs(moved - expected[:, None, None])
        assert np.nanmax(away) < 1e-4
        facing = (moved * done.out["xyz"]).sum(-1)
        assert (facing[np.isfinite(facing)] < 0).all()
    # The planes did turn.
    assert np.median(angles(expected, normals)) > 5


def test_between_pixels_normals_are_brought_to_length_1():
    normals = np.zeros((1, 4, 6, 3), np.float32)
    normals[..., 0::2, 0], normals[..., 1::2, 2] = 1, 1
    entries = [entry("normals", "direction", dtype="float32")]
    line = pipeline(ma.Translate(px=((0.5, 0.5), (0, 0))), entries=entries)
    out = run(line, {"normals": normals}, (4, 6)).out["normals"]
    np.testing.assert_allclose(
        out[0, :, 1:], np.broadcast_to([0.5**0.5, 0, 0.5**0.5], (4, 5, 3)), atol=1e-6
    )


@pytest.mark.parametrize("camera", [{"policy": "none"}, {"frame": "world"}])
def test_normals_of_another_frame_keep_their_values(camera):
    draw = np.random.default_rng(1)
    normals = draw.normal(size=(1, 8, 8, 3)).astype(np.float32)
    entries = [entry("normals", "direction", dtype="float32", interpolation="nearest")]
    line = pipeline(ma.Rot90(1), ma.Flip("x", p=1), entries=entries, **camera)
    out = run(line, {"normals": normals}, (8, 8)).out["normals"]
    np.testing.assert_array_equal(out, np.rot90(normals, axes=(1, 2))[:, :, ::-1])


def test_flips_and_quarter_turns_are_exact():
    draw = np.random.default_rng(2)
    normals = draw.normal(size=(1, 8, 8, 3)).astype(np.float32)
    normals[0, 3, 4] = np.nan
    entries = [entry("normals", "direction", dtype="float32")]
    line = pipeline(ma.Rot90(1), ma.Flip("x", p=1), entries=entries)
    out = run(line, {"normals": normals}, (8, 8)).out["normals"]
    turned = np.rot90(normals, axes=(1, 2))[:, :, ::-1]
    # Counter-clockwise (x, y) -> (y, -x), then x is mirrored.
    expected = np.stack([-turned[..., 1], -turned[..., 0], turned[..., 2]], axis=-1)
    np.testing.assert_array_equal(out, expected)
