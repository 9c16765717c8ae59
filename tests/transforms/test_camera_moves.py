"""Maps of the camera: points, normals, depth and pixels of one record stay one scene."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.spec import CameraSpec, DataSpec, EntrySpec
from multiaug.transforms import Frame
from tests.nightly import by_night
from tests.reference.maps import rotation
from tests.roles import oracle, scenes

SHAPE, COUNT = (24, 32), 48
KEYS = jax.random.split(jax.random.key(3), COUNT)
ENTRIES = [
    EntrySpec.of_role("image", "intensity", channels=1, dtype="float32"),
    EntrySpec.of_role("xyz", "position", dtype="float32"),
    EntrySpec.of_role("depth", "depth", dtype="float32"),
    EntrySpec.of_role("normals", "direction", dtype="float32", interpolation="nearest"),
    EntrySpec.of_role("k", "intrinsics", dtype="float32"),
    EntrySpec.of_role("world", "extrinsics", dtype="float32"),
    EntrySpec.of_role("points", "points3d", dtype="float32"),
    EntrySpec.of_role("seen", "keypoints", dtype="float32"),
]
SPEC = DataSpec("camera", ENTRIES)


def project(k, points):
    seen = np.einsum("...ij,...j->...i", k, points)
    return seen[..., :2] / seen[..., 2:]


@pytest.fixture(scope="module")
def batch():
    draw = np.random.default_rng(0)
    k = scenes.cameras(draw, COUNT, SHAPE)
    cloud, planes = scenes.planes(draw, COUNT, SHAPE, k)
    world = np.tile(np.eye(4), (COUNT, 1, 1))
    world[:, :3, :3] = np.linalg.qr(draw.normal(size=(COUNT, 3, 3)))[0]
    world[:, :3, 3] = draw.normal(size=(COUNT, 3))
    points = cloud[:, 4:20:5, 3:30:7].reshape(COUNT, -1, 3)
    return {
        "image": np.zeros((COUNT, *SHAPE, 1)),
        "xyz": cloud,
        "depth": cloud[..., 2:],
        "normals": np.broadcast_to(planes[:, None, None, :3], cloud.shape),
        "k": k,
        "world": world,
        "points": points,
        "seen": project(k[:, None], np.float64(points)),
    }


def as_given(batch):
    return {name: np.ascontiguousarray(array, np.float32) for name, array in batch.items()}


@pytest.fixture(scope="module")
def turned(batch):
    pipeline = ma.Pipeline([ma.CameraRotate(30, 30, 180)], SPEC)
    given = as_given(batch)
    params = pipeline.sample(KEYS, SHAPE, record=given)
    made = pipeline.batch(KEYS, given)
    out, back = (
        {n: np.float64(a) for n, a in found.items()}
        for found in (made, pipeline.invert(params, made))
    )
    turns = np.stack([rotation(*d) for d in np.float64(params.values[0]["degrees"])])
    return params, turns, out, back


def test_every_point_falls_on_its_pixel(turned):
    *_, out, _ = turned
    grid = oracle.pixels(SHAPE)
    off = np.abs(project(out["k"][:, None, None], out["xyz"]) - grid).max(-1)
    valid = np.isfinite(out["xyz"]).all(-1)
    assert valid.mean() > 0.15
    assert off[valid].max() < 0.01
    depth = out["depth"][..., 0]
    both = valid & np.isfinite(depth)
    np.testing.assert_allclose(depth[both], out["xyz"][both][:, 2], rtol=1e-4)


def test_the_motion_is_rigid_and_the_one_that_was_drawn(turned, batch):
    _, turns, out, _ = turned
    want = np.einsum("nij,nkj->nki", turns, np.float64(batch["points"]))
    size = np.linalg.norm(want, axis=-1, keepdims=True)
    assert np.abs((out["points"] - want) / size).max() < 1e-5
    before, after = (np.float64(p) for p in (batch["points"], out["points"]))
    apart = [np.linalg.norm(p[:, 1:] - p[:, :1], axis=-1) for p in (before, after)]
    assert np.abs(apart[1] / apart[0] - 1).max() < 1e-5
    np.testing.assert_allclose(out["k"], batch["k"], rtol=2e-5, atol=2e-3)
    pose = turns @ batch["world"][:, :3]
    np.testing.assert_allclose(out["world"][:, :3], pose, atol=1e-5)


def test_normals_turn_with_the_points(turned, batch):
    _, turns, out, _ = turned
    want = np.einsum("nij,nj->ni", turns, batch["normals"][:, 0, 0])[:, None, None]
    off = np.abs(out["normals"] - want).max(-1)
    assert off[np.isfinite(off)].max() < 1e-5


def test_keypoints_are_where_their_points_are_seen(turned):
    *_, out, _ = turned
    ahead = (out["points"][..., 2] > 0.05 * np.abs(out["points"]).max(-1)) & np.isfinite(
        out["seen"]
    ).all(-1)
    want = project(out["k"][:, None], out["points"])
    near = ahead & (np.abs(want) < 200).all(-1)
    assert near.mean() > 0.5
    assert np.abs(want - out["seen"])[near].max() < 0.01


def test_the_way_back(turned, batch):
    *_, back = turned
    size = np.linalg.norm(batch["points"], axis=-1, keepdims=True)
    assert np.abs((back["points"] - batch["points"]) / size).max() < 1e-5
    np.testing.assert_allclose(back["k"], batch["k"], rtol=2e-5, atol=2e-3)
    np.testing.assert_allclose(back["world"], batch["world"], atol=1e-5)


def draws(transform, frame, k, count=4000):
    keys = jax.random.split(jax.random.key(9), count)
    draw = jax.jit(jax.vmap(lambda key: transform.sample(key, frame._replace(record={"k": k}))))
    return jax.tree.map(np.asarray, draw(keys))


@by_night
def test_angles_are_drawn_evenly_where_the_horizon_is_far():
    k = jnp.float32([[200, 0, 15.5], [0, 200, 11.5], [0, 0, 1]])
    turn = ma.CameraRotate((-20, 40), (0, 30), 90)
    degrees = draws(turn, Frame(SHAPE, SPEC), k)["degrees"]
    for axis, (lo, hi) in enumerate([(-20, 40), (0, 30), (-90, 90)]):
        assert stats.kstest(degrees[:, axis], stats.uniform(lo, hi - lo).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(degrees.T)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(4000)


@by_night
def test_tilts_stop_before_the_horizon():
    k = np.float32([[12, 0, 18.5], [0, 12, 10.5], [0, 0, 1]])  # 106 degrees wide
    found = draws(ma.CameraRotate(60, 60), Frame(SHAPE, SPEC), jnp.asarray(k), 500)
    corners = np.array([[0, 0], [-16, -12], [16, -12], [16, 12], [-16, 12]])
    w = found["homography"][:, 2] @ np.c_[corners, np.ones(5)].T
    relative = w[:, 1:] / w[:, :1]
    assert relative.min() >= 0.2 - 1e-5
    assert relative.max() <= 5 + 1e-4
    assert (np.abs(found["degrees"]).max(0)[:2] > 20).all()
    free = (relative.min(1) > 0.3) & (relative.max(1) < 3)
    assert free.mean() > 0.1


@by_night
def test_roll_is_a_rotation_about_the_principal_point():
    k = jnp.float32([[40, 0, 15.5], [0, 40, 11.5], [0, 0, 1]])
    frame = Frame(SHAPE, SPEC, {"k": k})
    drawn = ma.CameraRotate(0, 0, (25, 25)).sample(KEYS[0], frame)
    want = ma.Rotate((25, 25)).map({"degrees": jnp.float32(25)}, SHAPE).matrix().forward
    np.testing.assert_allclose(drawn["homography"], want, atol=1e-6)


@by_night
def test_which_camera_it_is():
    fov = 2 * np.degrees(np.arctan(16 / 40))
    k = np.float32([[40, 0, 15.5], [0, 40, 11.5], [0, 0, 1]])
    turn = ma.CameraRotate(10, 20, 30)
    given = turn.sample(KEYS[0], Frame(SHAPE, SPEC, {"k": jnp.asarray(k)}))["homography"]
    image = ENTRIES[:1]
    for camera in (CameraSpec(fov_degrees=fov), CameraSpec(intrinsics=(40, 40, 15.5, 11.5))):
        default = turn.sample(KEYS[0], Frame(SHAPE, DataSpec("d", image, camera)))
        np.testing.assert_allclose(default["homography"], given, atol=1e-5)
    # In pixels of an image of half the size.
    half = EntrySpec.of_role("k", "intrinsics", dtype="float32", of="half")
    small = EntrySpec.of_role("half", "depth", dtype="float32")
    spec = DataSpec("h", [*image, small, half])
    record = {
        "image": np.zeros((2, *SHAPE, 1), np.float32),
        "half": np.ones((2, 12, 16, 1), np.float32),
        "k": np.tile(np.float32([[20, 0, 7.5], [0, 20, 5.5], [0, 0, 1]]), (2, 1, 1)),
    }
    params = ma.Pipeline([turn], spec).sample(KEYS[:2], SHAPE, record=record).values[0]
    whole = ma.Pipeline([turn], DataSpec("w", [*image, ENTRIES[4]])).sample(
        KEYS[:2], SHAPE, record={"k": np.tile(k, (2, 1, 1))}
    )
    np.testing.assert_allclose(params["homography"], whole.values[0]["homography"], atol=1e-5)
    # A record without a camera of its own has the spec's; a pipeline with one draws without it.
    line = ma.Pipeline([turn], DataSpec("d", image, CameraSpec(fov_degrees=fov)))
    np.testing.assert_allclose(
        line.sample(KEYS[0], SHAPE).values[0]["homography"], params["homography"][0], atol=1e-5
    )


@by_night
def test_canonical_cameras_have_one_focal_length(batch):
    pipeline = ma.Pipeline([ma.CanonicalCamera((40, 48), 60, antialias=False)], SPEC)
    out = {n: np.float64(a) for n, a in pipeline.batch(KEYS, as_given(batch)).items()}
    f, mean = out["k"][:, [0, 1], [0, 1]].mean(1), batch["k"][:, [0, 1], [0, 1]].mean(1)
    # Sides are rounded to whole pixels.
    bar = 0.6 / np.minimum(24, 32) / (60 / mean)
    held = (60 / mean > 1 / 8) & (60 / mean < 8)
    assert held.mean() > 0.8
    assert (np.abs(f / 60 - 1) < bar)[held].all()
    off = np.abs(project(out["k"][:, None, None], out["xyz"]) - oracle.pixels((40, 48))).max(-1)
    assert off[np.isfinite(off)].max() < 0.01
    np.testing.assert_allclose(out["points"], batch["points"], rtol=1e-6)


def test_refused():
    plain = DataSpec("plain", ENTRIES[:1])
    with pytest.raises(ma.ParameterError, match=r"reads 'intrinsics', but the spec 'plain' has no"):
        ma.Pipeline([ma.CameraRotate()], plain)
    with pytest.raises(ma.ParameterError, match=r"CameraRotate.pitch.*\[-60, 60\]"):
        ma.CameraRotate(70)
    with pytest.raises(ma.ParameterError, match=r"stands before it.*Put CameraRotate before"):
        ma.Pipeline([ma.Rotate(5), ma.CameraRotate()], SPEC)
    with pytest.raises(ma.ParameterError, match=r"the spec 'plain' has none. Declare an entry"):
        ma.CanonicalCamera(8).check(Frame(SHAPE, plain))
    with pytest.raises(ma.ParameterError, match=r"CanonicalCamera.focal"):
        ma.CanonicalCamera(8, focal=0)
