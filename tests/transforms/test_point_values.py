"""What changes clouds, depths and cameras, and moves no pixel."""

import json

import jax
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.spec import CameraSpec, DataSpec, EntrySpec
from tests.nightly import NIGHTLY, by_night
from tests.roles import oracle, scenes

SHAPE, COUNT = (24, 32), 16
KEYS = jax.random.split(jax.random.key(3), COUNT)
PACKED = EntrySpec.from_dict(
    "rgbxyz",
    {
        "dtype": "float32",
        "channels": [
            {"role": "intensity", "channels": 3, "range": [0, 1]},
            {"role": "position", "channels": ["x", "y", "z"]},
        ],
    },
)
ENTRIES = [
    PACKED,
    EntrySpec.of_role("mask", "label", dtype="uint8"),
    EntrySpec.of_role("normals", "direction", dtype="float32"),
    EntrySpec.of_role("millimetres", "depth", dtype="uint16", invalid=0),
    EntrySpec.of_role("metres", "depth", dtype="float32"),
    EntrySpec.of_role("k", "intrinsics", dtype="float32"),
    EntrySpec.of_role("pose", "extrinsics", dtype="float32"),
    EntrySpec.of_role("points", "points3d", dtype="float32", capacity=12),
]
SPEC = DataSpec("scene", ENTRIES)
WORLD = DataSpec("world", ENTRIES, CameraSpec(frame="world"))


def project(k, points):
    seen = np.einsum("...ij,...j->...i", k, points)
    return seen[..., :2] / seen[..., 2:]


@pytest.fixture(scope="module")
def batch():
    draw = np.random.default_rng(0)
    k = scenes.cameras(draw, COUNT, SHAPE)
    cloud, planes = scenes.planes(draw, COUNT, SHAPE, k)
    cloud[:, 3:6, 4:9] = np.nan
    pose = np.tile(np.eye(4), (COUNT, 1, 1))
    pose[:, :3, :3] = np.linalg.qr(draw.normal(size=(COUNT, 3, 3)))[0]
    pose[:, :3, 3] = draw.normal(size=(COUNT, 3))
    z = cloud[..., 2:]
    points = np.concatenate([cloud[:, 10, 10:20], np.full((COUNT, 2, 3), np.nan)], 1)
    found = {
        "rgbxyz": np.concatenate([draw.random((COUNT, *SHAPE, 3)), cloud], -1),
        "normals": np.broadcast_to(planes[:, None, None, :3], cloud.shape),
        "metres": z,
        "k": k,
        "pose": pose,
        "points": points,
    }
    given = {name: np.ascontiguousarray(array, np.float32) for name, array in found.items()}
    given["mask"] = draw.integers(0, 5, (COUNT, *SHAPE)).astype(np.uint8)
    given["millimetres"] = np.nan_to_num(np.clip(z * 1000, 1, 60000)).astype(np.uint16)
    return given


def run(transform, batch, spec=SPEC, *, back=False):
    """The params, what becomes of a batch, and its way back."""
    pipeline = ma.Pipeline.from_dict(
        json.loads(json.dumps(ma.Pipeline([transform], spec).to_dict()))
    )
    params = pipeline.sample(KEYS, SHAPE, record=batch)
    out = pipeline.batch(KEYS, batch)
    undone = pipeline.invert(params, out) if back else {}
    return jax.tree.map(np.asarray, params.values[0]), *(
        {n: np.asarray(a) for n, a in found.items()} for found in (out, undone)
    )


def same(batch, out, names):
    for name in names:
        np.testing.assert_array_equal(out[name], batch[name], err_msg=name)


MOTION = ma.CloudMotion(40, 10, (0.8, 1.25), 0.5)


@pytest.mark.parametrize("spec", [SPEC, WORLD] if NIGHTLY else [SPEC], ids=lambda s: s.name)
def test_clouds_move_as_a_whole_and_pixels_stay(batch, spec):
    if spec is WORLD:  # the same points, as the world has them
        back = np.linalg.inv(np.float64(batch["pose"]))
        batch = batch | {
            name: (np.einsum("nij,n...j->n...i", back[:, :3, :3], batch[name]) + at).astype("f4")
            for name, at in (("points", back[:, None, :3, 3]), ("normals", 0))
        }
        cloud = np.einsum("nij,nhwj->nhwi", back[:, :3, :3], batch["rgbxyz"][..., 3:])
        cloud = cloud + back[:, None, None, :3, 3]
        batch["rgbxyz"] = np.concatenate([batch["rgbxyz"][..., :3], cloud], -1).astype("f4")
    params, out, back = run(MOTION, batch, spec, back=True)
    same(batch, out, ("mask", "millimetres", "metres"))
    np.testing.assert_allclose(out["k"], batch["k"], rtol=1e-6)
    np.testing.assert_array_equal(out["rgbxyz"][..., :3], batch["rgbxyz"][..., :3])
    turn, size, shift = (np.float64(params[n]) for n in ("rotation", "scale", "shift"))
    np.testing.assert_allclose(
        turn @ turn.transpose(0, 2, 1), np.tile(np.eye(3), (COUNT, 1, 1)), atol=1e-6
    )
    assert (np.linalg.det(turn) > 0).all()
    for before, after in (
        (batch["rgbxyz"][..., 3:].reshape(COUNT, -1, 3), out["rgbxyz"][..., 3:]),
        (batch["points"], out["points"]),
    ):
        want = np.einsum("n,nij,nkj->nki", size, turn, np.float64(before)) + shift[:, None]
        np.testing.assert_allclose(after.reshape(want.shape), want, rtol=1e-5, atol=1e-4)
    want = np.einsum("nij,nhwj->nhwi", turn, np.float64(batch["normals"]))
    np.testing.assert_allclose(out["normals"], want, atol=1e-6)
    # World to points, or moved world to camera: both ways meet at the same place.
    motion = np.tile(np.eye(4), (COUNT, 1, 1))
    motion[:, :3, :3], motion[:, :3, 3] = size[:, None, None] * turn, shift
    pose = motion @ batch["pose"] if spec is SPEC else batch["pose"] @ np.linalg.inv(motion)
    np.testing.assert_allclose(out["pose"], pose, atol=1e-5)
    for name in ("rgbxyz", "points", "normals", "pose"):
        np.testing.assert_allclose(back[name], batch[name], rtol=1e-5, atol=2e-4)


@by_night
def test_angles_turn_about_what_points_up(batch):
    for up, axis in (("-y", [0, -1, 0]), ("z", [0, 0, 1])):
        turn = ma.CloudMotion((90, 90), up=up)
        frame = ma.transforms.Frame(SHAPE, SPEC)
        rotation = np.float64(turn.sample(KEYS[0], frame)["rotation"])
        np.testing.assert_allclose(rotation @ axis, axis, atol=1e-6)
        # Counter-clockwise as seen from above, where up x ahead is to the left.
        ahead = np.roll(np.abs(axis), 1)
        np.testing.assert_allclose(rotation @ ahead, np.cross(axis, ahead), atol=1e-6)


@by_night
def test_jitter_and_drops(batch):
    motion = ma.CloudMotion(0, jitter=0.01, clip=0.02, drop=(0.2, 0.2))
    _, out, back = run(motion, batch, back=True)
    before, after = batch["rgbxyz"][..., 3:], out["rgbxyz"][..., 3:]
    there = np.isfinite(before).all(-1)
    lost = there & np.isnan(after).all(-1)
    assert stats.binomtest(int(lost.sum()), int(there.sum()), 0.2).pvalue > 1e-3
    assert np.isnan(after[~there]).all()
    apart = (after - before)[there & ~lost].astype(np.float64)
    assert np.abs(apart).max() <= 0.02 + 1e-5
    inner = apart[(np.abs(apart) < 0.0199).all(-1)]
    limits = stats.truncnorm(-1.99, 1.99, scale=0.01)
    near = np.abs(before[there & ~lost]).max(-1)[(np.abs(apart) < 0.0199).all(-1)] < 50
    assert stats.kstest(inner[near][:, 0], limits.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(inner[near].T)[0, 1]) < 4 / np.sqrt(near.sum())
    np.testing.assert_array_equal(np.isnan(back["rgbxyz"][..., 3:]), np.isnan(after))
    same(batch, out, ("mask", "metres", "normals"))


@by_night
def test_sensor_noise_grows_with_the_square_of_the_distance(batch):
    z = np.exp(np.random.default_rng(1).uniform(np.log(0.5), np.log(6), (COUNT, *SHAPE, 1)))
    rays = np.float64(oracle.lift(np.ones((COUNT, *SHAPE)), np.float64(batch["k"])))
    given = batch | {"metres": np.float32(z), "millimetres": np.uint16(np.round(z * 1000))}
    given["millimetres"][:, 2, 3:9] = 0
    given["rgbxyz"] = np.concatenate([batch["rgbxyz"][..., :3], rays * z], -1).astype(np.float32)
    noisy = ma.DepthNoise(0.002, 0.004, 0.3, (0.5, 2), entries=("rgbxyz", "metres"))
    params, out, _ = run(noisy, given)
    sigma = params["strength"][:, None, None, None] * (0.002 + 0.004 * (z - 0.3) ** 2)
    assert stats.kstest(((out["metres"] - z) / sigma).ravel(), "norm").pvalue > 1e-3
    same(given, out, ("mask", "points", "millimetres"))
    cloud = np.float64(out["rgbxyz"][..., 3:])
    np.testing.assert_allclose(cloud[..., 2:], out["metres"], rtol=1e-5)  # the same noise
    off = np.abs(project(np.float64(given["k"])[:, None, None], cloud) - oracle.pixels(SHAPE))
    assert off.max() < 0.01
    _, out, _ = run(ma.DepthNoise(unit=0.001, entries="millimetres"), given)
    assert (out["millimetres"][:, 2, 3:9] == 0).all()
    away = np.float64(out["millimetres"]) - given["millimetres"]
    assert 0.8 < (away / (1.2 + 1.9 * (z - 0.4) ** 2)).std() < 1.1
    assert (out["millimetres"] > 0).sum() == (given["millimetres"] > 0).sum()


def test_canonical_depths_stay_on_their_rays(batch):
    _, out, back = run(ma.CanonicalDepth(500), batch, back=True)
    factor = 500 / batch["k"][:, [0, 1], [0, 1]].mean(1)
    np.testing.assert_allclose(out["k"][:, [0, 1], [0, 1]].mean(1), 500, rtol=1e-5)
    np.testing.assert_allclose(
        out["metres"], batch["metres"] * factor[:, None, None, None], rtol=1e-5
    )
    cloud = np.float64(out["rgbxyz"][..., 3:])
    np.testing.assert_array_equal(cloud[..., :2], batch["rgbxyz"][..., 3:5])
    off = np.abs(project(np.float64(out["k"])[:, None, None], cloud) - oracle.pixels(SHAPE))
    assert np.nanmax(off) < 0.01
    # Normals of the stretched planes: at right angles to the steps between their points.
    along, down = cloud[:, 15, 16] - cloud[:, 15, 15], cloud[:, 16, 15] - cloud[:, 15, 15]
    across = np.cross(along, down)
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    assert np.abs(np.abs((across * out["normals"][:, 15, 15]).sum(-1)) - 1).max() < 1e-3
    for name in ("rgbxyz", "metres", "k", "pose", "normals"):
        np.testing.assert_allclose(back[name], batch[name], rtol=1e-5, atol=1e-5)


ENCODINGS = {
    "linear": lambda z: (z - 0.5) / 7.5,
    "inverse": lambda z: (1 / z - 1 / 8) / (2 - 1 / 8),
    "log": lambda z: np.log(z / 0.5) / np.log(16),
}


@pytest.mark.parametrize("encoding", ENCODINGS if NIGHTLY else ["log"])
def test_encodings_and_their_inverses(batch, encoding):
    z = np.float32(np.random.default_rng(1).uniform(0.5, 8, (COUNT, *SHAPE, 1)))
    z[:, 4, :5] = np.nan
    coder = ma.EncodeDepth("metres", encoding, near=0.5, far=8, invalid=-1)
    _, out, back = run(coder, batch | {"metres": z}, back=True)
    want = np.where(np.isnan(z), -1, ENCODINGS[encoding](np.float64(z)))
    np.testing.assert_allclose(out["metres"], want, atol=1e-6)
    np.testing.assert_allclose(back["metres"], z, rtol=1e-5)
    made = ma.Pipeline([coder], SPEC).out_spec.entries["metres"]
    assert (made.role, made.dtype, made.groups[0].invalid) == ("intensity", "float32", -1)


def test_points_and_integers_are_standardised_and_zeros_kept(batch):
    points = DataSpec("p", [EntrySpec.of_role("xyz", "position", dtype="float32"), *ENTRIES[3:4]])
    mean, std = (0.1, -0.2, 3), (1, 2, 4)
    steps = [
        ma.EncodeDepth("xyz", "standard", mean=mean, std=std),
        ma.EncodeDepth("millimetres", "standard", mean=2000, std=500, invalid=0),
    ]
    given = {"xyz": batch["rgbxyz"][..., 3:], "millimetres": batch["millimetres"]}
    out = ma.Pipeline(steps, points).batch(KEYS, given)
    np.testing.assert_allclose(out["xyz"], (given["xyz"] - mean) / std, rtol=1e-4, atol=1e-4)
    want = (given["millimetres"] - 2000.0) / 500
    np.testing.assert_allclose(
        out["millimetres"], np.where(given["millimetres"], want, 0), atol=1e-5
    )


def test_refused(batch):
    plain = DataSpec("plain", [EntrySpec.of_role("image", "intensity", channels=1)])
    unmarked = DataSpec(
        "u", [EntrySpec.of_role("xyz", "position", dtype="float32", invalid=None, fill=0)]
    )
    frame = ma.transforms.Frame
    with pytest.raises(
        ParameterError, match=r"moves points in the camera's frame off the rays.*Rotate"
    ):
        ma.Pipeline([ma.CloudMotion(), ma.Rotate(5)], SPEC)
    ma.Pipeline([ma.CloudMotion(), ma.Rotate(5)], WORLD)
    ma.Pipeline([ma.Rotate(5), ma.CloudMotion()], SPEC)
    for make, message in (
        (lambda: ma.CloudMotion().check(frame(SHAPE, plain)), "position or points3d.*intensity"),
        (
            lambda: ma.CloudMotion(drop=(0, 0.1)).check(frame(SHAPE, unmarked)),
            "drop.*'xyz' has none",
        ),
        (lambda: ma.CloudMotion(drop=(0, 2)), r"CloudMotion.drop.*\[0, 1\]"),
        (lambda: ma.CloudMotion(up="w"), "CloudMotion.up.*one of x, y, z"),
        (lambda: ma.DepthNoise().check(frame(SHAPE, plain)), "role depth or position"),
        (lambda: ma.DepthNoise().check(frame(SHAPE, WORLD)), "'rgbxyz' is in the world's frame"),
        (lambda: ma.DepthNoise(-1), "DepthNoise.base"),
        (lambda: ma.CanonicalDepth().check(frame(SHAPE, plain)), "has no entry of them"),
        (lambda: ma.CanonicalDepth().check(frame(SHAPE, WORLD)), "the world's frame. Use Canon"),
        (lambda: ma.EncodeDepth("metres", near=3, far=2), "far.*beyond near = 3, got 2"),
        (lambda: ma.EncodeDepth("mask").check(frame(SHAPE, SPEC)), "'mask', which is label"),
        (
            lambda: ma.EncodeDepth(
                (),
            ),
            "at least one entry",
        ),
        (lambda: ma.EncodeDepth("metres", mean=(1, 2)), "one number or three"),
    ):
        with pytest.raises(ParameterError, match=message):
            make()
    with pytest.raises(ParameterError, match="cannot be inverted"):
        run(ma.DepthNoise(), batch, back=True)
