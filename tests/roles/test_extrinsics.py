"""Clouds in the world's frame stay where they are; the camera that sees them moves."""

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import multiaug as ma
from multiaug.errors import ParameterError, RecordError
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE, COUNT = (24, 32), 128
ENTRIES = [
    picture(),
    entry("xyz", "position", dtype="float32"),
    entry("copied", "position", dtype="float32", interpolation="nearest"),
    entry("depth", "depth", dtype="float32"),
    entry("table", "points3d", dtype="float32"),
    entry("k", "intrinsics", dtype="float32"),
    entry("pose", "extrinsics", dtype="float32"),
]


def poses(draw: np.random.Generator, *, scaled: bool) -> np.ndarray:
    """World to camera, (n, 4, 4); with a change of units where ``scaled``."""
    pose = np.broadcast_to(np.eye(4), (COUNT, 4, 4)).copy()
    pose[:, :3, :3] = Rotation.random(COUNT, rng=draw).as_matrix()
    pose[:, :3, 3] = draw.uniform(-4, 4, (COUNT, 3))
    if scaled:
        pose[:, :3] *= draw.uniform(0.1, 10, (COUNT, 1, 1))
    return pose.astype(np.float32).astype(np.float64)


def moved_by(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, ..., 3) by (n, 4, 4)."""
    points = np.asarray(points, np.float64)
    turned = np.einsum("nij,n...j->n...i", pose[:, :3, :3], points)
    return turned + pose[:, :3, 3].reshape(COUNT, *(1,) * (points.ndim - 2), 3)


@pytest.mark.parametrize("scaled", [False, True], ids=["rigid", "other units"])
def test_the_moved_camera_sees_the_world_where_it_was(scaled):
    draw = np.random.default_rng(0)
    k, pose = scenes.cameras(draw, COUNT, SHAPE), poses(draw, scaled=scaled)
    unit = np.cbrt(np.linalg.det(pose[:, :3, :3]))[:, None, None]
    z = unit * draw.uniform(2, 12, (COUNT, *SHAPE))
    z[draw.random(z.shape) < 0.05] = np.nan
    world = moved_by(np.linalg.inv(pose), oracle.lift(z, k)).astype(np.float32)
    batch = {
        "image": np.zeros((COUNT, *SHAPE, 1), np.float32),
        "xyz": world,
        "copied": world,
        "depth": z.astype(np.float32),
        "table": np.nan_to_num(world[:, 3]),
        "k": k.astype(np.float32),
        "pose": pose.astype(np.float32),
    }
    maps = np.concatenate(
        [
            scenes.affine_maps(draw, COUNT // 2, SHAPE, strength=0.8),
            scenes.projective_maps(draw, COUNT // 2, SHAPE, strength=0.8),
        ]
    )
    line = pipeline(ma.Perspective(matrix=EYE), entries=ENTRIES, frame="world")
    done = run(line, batch, SHAPE, matrices={0: maps})
    out = done.out
    motion = np.stack([oracle.refit(a, b)[1] for a, b in zip(done.matrices, k, strict=True)])
    expected = pose.copy()
    expected[:, :3] = motion @ pose[:, :3]
    np.testing.assert_allclose(out["pose"] / unit, expected / unit, atol=1e-5)
    assert (out["pose"][:, 3] == [0, 0, 0, 1]).all()
    mirrored = np.linalg.det(done.matrices) < 0
    assert ((np.linalg.det(out["pose"][:, :3, :3]) < 0) == mirrored).all()
    assert 30 < mirrored.sum() < 98

    seen = moved_by(out["pose"].astype(np.float64), out["xyz"])
    away = oracle.project(out["k"], seen) - oracle.pixels(SHAPE)
    print(scaled, np.nanmax(np.linalg.norm(away, axis=-1)))
    assert np.isfinite(away).all(-1).sum() > 20_000
    assert np.nanmax(np.linalg.norm(away, axis=-1)) < 0.01
    assert (seen[..., 2][np.isfinite(seen[..., 2])] > 0).all()
    # Depth is along the axis of the moved camera.
    distance = np.linalg.norm(seen, axis=-1)
    assert np.nanmax(np.abs(out["depth"] - seen[..., 2]) / distance) < 1e-4

    # The world has not moved: copies are copies, to the bit.
    np.testing.assert_array_equal(out["table"], batch["table"])
    for before, after in zip(world, out["copied"], strict=True):
        points = {tuple(p) for p in before.reshape(-1, 3).tolist()}
        assert {tuple(p) for p in after[np.isfinite(after).all(-1)].tolist()} <= points


def test_without_extrinsics_points_are_blended_as_they_are():
    draw = np.random.default_rng(1)
    world = draw.normal(size=(COUNT, *SHAPE, 3)).astype(np.float32)
    world[draw.random((COUNT, *SHAPE)) < 0.2] = np.nan
    line = pipeline(ma.Perspective(matrix=EYE), entries=ENTRIES[:2], frame="world")
    batch = {"image": np.zeros((COUNT, *SHAPE, 1), np.float32), "xyz": world}
    maps = scenes.projective_maps(draw, COUNT, SHAPE, strength=0.6)
    done = run(line, batch, SHAPE, matrices={0: maps})
    at = oracle.sources(done.matrices, SHAPE)
    base = np.floor(at)
    total, weights = np.zeros((*at.shape[:-1], 3)), np.zeros(at.shape[:-1])
    record = np.arange(COUNT)[:, None, None]
    for offset in np.array([[0, 0], [1, 0], [0, 1], [1, 1]]):
        index = base + offset
        inside = ((index >= 0) & (index < [SHAPE[1], SHAPE[0]])).all(-1)
        x, y = np.where(inside[..., None], index, 0).astype(int).transpose(3, 0, 1, 2)
        value = world[record, y, x].astype(np.float64)
        valid = inside & np.isfinite(value).all(-1)
        weight = np.where(valid, np.abs(1 - offset - (at - base)).prod(-1), 0)
        total += np.where(valid[..., None], value, 0) * weight[..., None]
        weights += weight
    with np.errstate(invalid="ignore"):
        expected = np.where(weights[..., None] >= 0.5, total / weights[..., None], np.nan)
    clear = np.abs(weights - 0.5) > 1e-3
    np.testing.assert_allclose(done.out["xyz"][clear], expected[clear], atol=1e-3)
    assert np.isfinite(done.out["xyz"]).all(-1).sum() > 20_000
    assert np.nanmedian(np.abs(done.out["xyz"][clear] - expected[clear])) < 1e-6


@pytest.mark.parametrize(
    "mirror",
    [
        ma.Flip("x"),
        ma.Flip("y", p=0.01),
        ma.Transpose(1),
        ma.D4(),
        ma.Affine(EYE),
        ma.Perspective(matrix=EYE),
        ma.Maybe(ma.OneOf([ma.Rotate(3), ma.Flip("x")])),
    ],
    ids=lambda t: t.owner,
)
def test_mirrors_can_be_refused(mirror):
    """Extrinsics of a mirrored picture are improper, which some programs cannot take."""
    with pytest.raises(ParameterError, match=r'mirror the picture.*"mirror": "refuse"'):
        pipeline(ma.Rotate(3), mirror, entries=ENTRIES, frame="world", mirror="refuse")


def test_what_cannot_mirror_is_not_refused():
    allowed = ma.Rotate(180), ma.Shear(30), ma.Perspective(0.2), ma.Rot90(), ma.Scale(2)
    pipeline(*allowed, entries=ENTRIES, frame="world", mirror="refuse")


def test_extrinsics_need_intrinsics_under_perspective():
    line = pipeline(ma.Perspective(0.1), entries=[picture(), ENTRIES[-1]])
    record = {"image": np.zeros((*SHAPE, 1), np.float32), "pose": np.eye(4, dtype=np.float32)}
    with pytest.raises(RecordError, match=r"'pose' needs `intrinsics`.*`camera\.fov_degrees`"):
        line(jax.random.key(0), record)


@pytest.mark.parametrize(("policy", "turned"), [("refit", True), ("none", False)])
def test_extrinsics_alone(policy, turned):
    """Without intrinsics an affine map still tells how the camera moves."""
    line = pipeline(ma.Rotate((30, 30)), entries=[picture(), ENTRIES[-1]], policy=policy)
    draw = np.random.default_rng(2)
    pose = poses(draw, scaled=False)
    batch = {"image": np.zeros((COUNT, 8, 8, 1), np.float32), "pose": pose.astype(np.float32)}
    out = run(line, batch, (8, 8)).out
    roll = np.eye(4)
    roll[:2, :2] = oracle.turn(30)[:2, :2]
    np.testing.assert_allclose(out["pose"], roll @ pose if turned else pose, atol=1e-5)
