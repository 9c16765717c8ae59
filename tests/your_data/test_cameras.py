"""Clouds and cameras as people have them: what is understood, refused, or said."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.checks import inspect_records
from multiaug.checks._inspect import findings

H, W = 60, 80


def camera(fx=70.0, fy=72.0, cx=39.5, cy=29.5):
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


K = camera()
Y, X = np.mgrid[:H, :W]
Z = 1.5 + 0.01 * X + 0.005 * Y - 0.5 * ((abs(X - 30) < 10) & (abs(Y - 20) < 8))
RAYS = np.stack([(X - 39.5) / 70, (Y - 29.5) / 72, np.ones((H, W))], axis=-1)
POINTS = RAYS * Z[..., None]

SPEC = ma.load_spec("stereo-normals")
SEPARATE = ma.load_spec("rgbxyz-separate")
WORLD = ma.DataSpec.from_dict(
    {
        "name": "world",
        "camera": {"frame": "world"},
        "entries": {
            "xyz": {"role": "position", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32", "optional": True},
            "extrinsics": {"role": "extrinsics", "dtype": "float32"},
        },
    }
)
RGBD = ma.load_spec("rgbd")

COS, SIN = np.cos(0.7), np.sin(0.7)
POSE = np.array([[COS, 0, SIN, 1], [0, 1, 0, 2], [-SIN, 0, COS, 3], [0, 0, 0, 1.0]])
TO_CAMERA = np.linalg.inv(POSE)
IN_WORLD = POINTS @ POSE[:3, :3].T + POSE[:3, 3]


def cloud(points=POINTS, k=K):
    record = {"image": np.zeros((H, W, 3)), "xyz": points}
    return record if k is None else record | {"intrinsics": k}


def told(spec, record):
    """The findings of one record, in the dtypes of its spec."""
    batch = {n: np.asarray(a, spec.entries[n].dtypes[0])[None] for n, a in record.items()}
    return findings(spec, batch)


def assert_refused(spec, record, *words):
    first = told(spec, record)[0]
    assert first.wrong
    for word in words:
        assert word in str(first)


def assert_warned(spec, record, *words):
    (one,) = told(spec, record)
    assert not one.wrong
    for word in words:
        assert word in str(one)


CONVENTIONS = {
    "opengl": ("right-up-back", [1, -1, -1], [0, 1, 2]),
    "ros": ("ahead-left-up", [1, -1, -1], [2, 0, 1]),
    "unity": ("right-up-ahead", [1, -1, 1], [0, 1, 2]),
}


@pytest.mark.row("camera axes")
@pytest.mark.row("points of OpenGL, Blender or PCL's viewer (Y up, Z back)")
@pytest.mark.row("points of ROS bodies (X ahead, Y left, Z up)")
@pytest.mark.row("left-handed points of Unity (Y up)")
@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize("k", [K, None], ids=["intrinsics", "none"])
def test_axes_are_named_and_the_remedy_works(name, k):
    axes, sign, order = CONVENTIONS[name]
    record = cloud(POINTS[..., order] * sign, k)
    assert_refused(SEPARATE, record, f"ma.convert_axes(record, '{name}', spec=spec)", "xyz")
    for spelling in (name, axes):
        mended = ma.convert_axes(record, spelling, spec=SEPARATE)
        np.testing.assert_array_equal(mended["xyz"], POINTS)
        assert told(SEPARATE, mended) == []


@pytest.mark.row("an image turned or mirrored without its points")
def test_an_image_moved_without_its_points():
    assert_refused(SEPARATE, cloud(POINTS[:, ::-1]), "left-down-ahead")
    turn = np.array([[COS, SIN, 0], [-SIN, COS, 0], [0, 0, 1]])
    for k in (K, None):
        assert_refused(SEPARATE, cloud(POINTS @ turn.T, k), "turned by", "40 degrees")


@pytest.mark.row("all points behind the camera")
@pytest.mark.parametrize("batched", [False, True])
def test_every_call_refuses_points_behind_the_camera(batched):
    pipeline = ma.Pipeline([ma.Rotate((0, 0))], SEPARATE)
    record = {
        "image": np.zeros((H, W, 3), np.uint8),
        "xyz": (POINTS * [1, -1, -1]).astype(np.float32),
        "intrinsics": K.astype(np.float32),
    }
    key = jax.random.key(0)
    with pytest.raises(ma.RecordError, match=r"(?s)xyz: found .*points.*behind.*convert_axes"):
        if batched:
            pipeline.batch(key[None], {n: a[None] for n, a in record.items()})
        else:
            pipeline(key, record)


@pytest.mark.row("points in the world's frame")
def test_points_in_the_frame_of_the_world():
    for k in (K, None):
        assert_refused(SEPARATE, cloud(IN_WORLD, k), '"frame": "world"')


@pytest.mark.row("height maps, points of parallel rays")
def test_height_maps():
    heights = np.stack([0.1 * X, 0.1 * Y, np.sin(X / 9)], axis=-1)
    assert told(SEPARATE, cloud(heights, None)) == []
    assert_refused(SEPARATE, cloud(heights * [1, -1, 1], None), "'opengl'")


@pytest.mark.row("points that fit no camera")
def test_points_that_fit_no_camera():
    noise = np.random.default_rng(0).normal(size=(H, W, 3))
    assert_warned(SEPARATE, cloud(noise), '"policy": "none"')
    assert_warned(SEPARATE, cloud(noise, None), '"policy": "none"')


@pytest.mark.row("points or depths of 0 for no data")
def test_zeros_for_no_data():
    holes = np.where((X % 7 == 0)[..., None], 0, POINTS)
    assert_warned(SEPARATE, cloud(holes, None), '"invalid": 0', "(0, 0, 0)")
    assert told(SEPARATE, cloud(holes)) == []


@pytest.mark.row("intrinsics")
@pytest.mark.row("intrinsics of another resolution")
def test_intrinsics_of_another_resolution():
    for size in ((2 * H, 2 * W), (H // 2, W // 2), (H, 2 * W)):
        k = ma.scale_intrinsics(K, (H, W), size)
        assert_refused(
            SEPARATE, cloud(k=k), f"ma.scale_intrinsics(K, {size}, (60, 80))", "intrinsics: "
        )
    # Without a cloud the principal point tells.
    record = {"image": np.zeros((H, W, 3)), "depth": np.rint(1000 * Z)}
    double = ma.scale_intrinsics(K, (H, W), (2 * H, 2 * W))
    assert_warned(RGBD, record | {"intrinsics": double}, "(120, 160), (60, 80)")
    assert told(RGBD, record | {"intrinsics": K}) == []


@pytest.mark.row("normalised intrinsics")
def test_normalised_intrinsics():
    k = np.diag([1 / W, 1 / H, 1]) @ K
    assert_refused(SEPARATE, cloud(k=k), "np.diag([80, 60, 1]) @ K", "normalised")
    record = {"image": np.zeros((H, W, 3)), "depth": np.rint(1000 * Z), "intrinsics": k}
    assert_refused(RGBD, record, "np.diag([80, 60, 1]) @ K", "normalised")


@pytest.mark.row("pixel coordinates")
@pytest.mark.row("exchanged fx and fy, cx and cy, or both")
def test_exchanged_intrinsics():
    wide = camera(70, 110)
    points = np.stack([(X - 39.5) / 70 * Z, (Y - 29.5) / 110 * Z, Z], axis=-1)
    for fx, fy, cx, cy, words in (
        (110, 70, 39.5, 29.5, "fx and fy are exchanged"),
        (70, 110, 29.5, 39.5, "cx and cy are exchanged"),
        (110, 70, 29.5, 39.5, "row and column are exchanged"),
    ):
        assert_refused(SEPARATE, cloud(points, camera(fx, fy, cx, cy)), words)
    assert told(SEPARATE, cloud(points, wide)) == []


@pytest.mark.row("intrinsics of the image before a crop")
def test_intrinsics_of_the_image_before_a_crop():
    k = camera(cx=51.5, cy=49.5)
    assert_refused(SEPARATE, cloud(k=k), "add (-12.0, -20.0) to (cx, cy)")


@pytest.mark.row("intrinsics of another camera")
def test_intrinsics_of_another_camera():
    assert_warned(SEPARATE, cloud(k=camera(76, 73, 42.5)), "fx = 70.0, fy = 72.0")
    assert_refused(SEPARATE, cloud(k=camera(120, 77, 59.5)), "another camera")


@pytest.mark.row("pixel centres")
@pytest.mark.row("a principal point from the corner")
def test_a_principal_point_from_the_corner():
    corner = camera(cx=40, cy=30)
    assert_warned(SEPARATE, cloud(k=corner), "subtract 0.5 from cx and cy")


@pytest.mark.row("extrinsics")
@pytest.mark.row("camera-to-world extrinsics")
@pytest.mark.parametrize("k", [{"intrinsics": K}, {}], ids=["intrinsics", "none"])
def test_camera_to_world_extrinsics(k):
    record = {"xyz": IN_WORLD, **k}
    assert_refused(WORLD, record | {"extrinsics": POSE}, "ma.invert_extrinsics", "camera-to-world")
    assert told(WORLD, record | {"extrinsics": ma.invert_extrinsics(POSE)}) == []


@pytest.mark.row("poses of NeRF and Blender (camera-to-world, OpenGL)")
def test_poses_of_nerf():
    pose = POSE @ np.diag([1.0, -1, -1, 1])
    record = {"xyz": IN_WORLD, "intrinsics": K, "extrinsics": pose}
    assert_refused(WORLD, record, "ma.invert_extrinsics", "ma.convert_axes(record, 'opengl'")
    record["extrinsics"] = ma.invert_extrinsics(pose)
    mended = ma.convert_axes(record, "opengl", spec=WORLD)
    np.testing.assert_allclose(mended["extrinsics"], TO_CAMERA, atol=1e-12)
    assert told(WORLD, mended) == []


@pytest.mark.row("a translation in other units than the points")
@pytest.mark.row("the place of the camera as translation")
def test_other_translations():
    def given(place):
        extrinsics = TO_CAMERA.copy()
        extrinsics[:3, 3] = place
        return {"xyz": IN_WORLD, "intrinsics": K, "extrinsics": extrinsics}

    place = TO_CAMERA[:3, 3]
    assert_refused(WORLD, given(1000 * place), "divide extrinsics[:3, 3] by 1000")
    assert_refused(WORLD, given(place / 1000), "multiply extrinsics[:3, 3] by 1000")
    assert_refused(WORLD, given(POSE[:3, 3]), "t = -R @ centre")


@pytest.mark.row("a scale inside extrinsics")
def test_a_scale_inside_extrinsics():
    record = {"xyz": IN_WORLD, "intrinsics": K}
    scaled = np.diag([2.0, 2, 2, 1]) @ TO_CAMERA
    assert_warned(WORLD, record | {"extrinsics": scaled}, "scale of 2 inside", "det = 8")
    sheared = np.diag([1.0, 2, 1, 1]) @ TO_CAMERA
    assert_refused(WORLD, record | {"extrinsics": sheared}, "stretches space")
    mirrored = np.diag([-1.0, 1, 1, 1]) @ TO_CAMERA  # as after a flip
    k = K.copy()
    k[0, 2] = W - 1 - K[0, 2]
    flipped = {"xyz": IN_WORLD[:, ::-1], "intrinsics": k, "extrinsics": mirrored}
    assert told(WORLD, flipped) == []


def rgbd(depth, dtype=np.uint16):
    return {"image": np.zeros((H, W, 3), np.uint8), "depth": depth.astype(dtype)}


@pytest.mark.row("units of length")
@pytest.mark.row("depth in whole metres")
def test_depth_in_whole_metres():
    assert_refused(RGBD, rgbd(3 * Z), "multiply the metres by 1000")
    assert told(RGBD, rgbd(3000 * Z)) == []
    assert told(RGBD, rgbd(np.full((H, W), 2))) == []  # a placeholder


@pytest.mark.row("floating depth for an entry of integers")
def test_floating_depth_for_integers():
    pipeline = ma.Pipeline([ma.Rotate((0, 0))], RGBD)
    with pytest.raises(ma.RecordError, match="float32, expected uint16; multiply metres by 1000"):
        pipeline(jax.random.key(0), rgbd(Z, np.float32))


def stereo(**changed):
    record = {"rgbxyz": np.concatenate([np.zeros((H, W, 3)), BOWL], -1), "intrinsics": K}
    record |= {"depth": BOWL[..., 2], "normals": BOWL_NORMALS}
    return record | changed


# The inside of a sphere about (0.1, 0.2, -1), of radius 3, has normals in many directions.
MIDDLE = np.array([0.1, 0.2, -1])
ALONG = RAYS @ MIDDLE / (RAYS**2).sum(-1)
REACH = ALONG + np.sqrt(ALONG**2 - (MIDDLE @ MIDDLE - 9) / (RAYS**2).sum(-1))
BOWL = RAYS * REACH[..., None]
BOWL_NORMALS = (MIDDLE - BOWL) / 3


@pytest.mark.row("depth")
@pytest.mark.row("depth along the ray beside a cloud")
@pytest.mark.row("disparity beside a cloud")
@pytest.mark.row("negative depth")
def test_what_is_no_depth():
    assert told(SPEC, stereo()) == []
    along_ray = np.linalg.norm(BOWL, axis=-1)
    assert_refused(SPEC, stereo(depth=along_ray), "length of K^-1 (x, y, 1)")
    np.testing.assert_allclose(along_ray / np.linalg.norm(RAYS, axis=-1), BOWL[..., 2])
    assert_refused(SPEC, stereo(depth=100 / BOWL[..., 2]), "disparity")
    assert_refused(SPEC, stereo(depth=-BOWL[..., 2]), "negate")


@pytest.mark.row("depth in other units than the cloud")
def test_depth_in_other_units_than_the_cloud():
    assert_warned(SPEC, stereo(depth=1000 * BOWL[..., 2]), "1000 times the Z")
    spec = ma.DataSpec.from_dict(
        {
            "name": "kinect",
            "entries": {
                "xyz": {"role": "position", "dtype": "float32"},
                "depth": {"role": "depth", "dtype": "uint16", "invalid": 0},
            },
        }
    )
    assert told(spec, {"xyz": BOWL, "depth": np.rint(1000 * BOWL[..., 2])}) == []


@pytest.mark.row("`max_jump` in other units than the values")
@pytest.mark.parametrize(("limit", "scale", "words"), [(50, 1, "up to 2."), (0.05, 1000, "steps")])
def test_jumps_in_other_units(limit, scale, words):
    """Millimetres in the spec beside metres, and the reverse."""
    document = RGBD.to_dict()
    depth = {"role": "depth", "dtype": "float32", "max_jump": limit}
    document["entries"]["depth"] = depth
    spec = ma.DataSpec.from_dict(document)
    assert_warned(spec, rgbd(scale * Z, np.float32), "max_jump", words)
    depth["max_jump"] = 0.05 * scale
    level = np.where(X // 4 % 2, 1.0, 3.0) * scale  # every step is an edge
    assert told(ma.DataSpec.from_dict(document), rgbd(level, np.float32)) == []
    assert told(ma.DataSpec.from_dict(document), rgbd(scale * Z, np.float32)) == []


@pytest.mark.row("normals")
@pytest.mark.row("normals in other axes or another frame than the points")
def test_normals_in_another_frame():
    opengl = BOWL_NORMALS * [1, -1, -1]
    assert_refused(SPEC, stereo(normals=opengl), "ma.convert_axes(normals, 'opengl')")
    np.testing.assert_array_equal(ma.convert_axes(opengl, "opengl"), BOWL_NORMALS)
    assert_refused(SPEC, stereo(normals=BOWL_NORMALS @ POSE[:3, :3].T), "turned by 40 degrees")


@pytest.mark.row("normals that look away from the camera")
def test_normals_that_look_away():
    assert_warned(SPEC, stereo(normals=-BOWL_NORMALS), "away from the camera")
    alone = stereo(normals=-BOWL_NORMALS, rgbxyz=np.full((H, W, 6), np.nan))
    assert_warned(SPEC, alone, "away from the camera")


@pytest.mark.row("normals as colours (0..1)")
@pytest.mark.row("directions that are not of unit length")
def test_directions_of_other_lengths():
    assert_refused(SPEC, stereo(normals=(BOWL_NORMALS + 1) / 2), "2 * n - 1")
    assert_refused(SPEC, stereo(normals=(BOWL_NORMALS + 1) * 127.5), "2 * n / 255 - 1")
    assert_warned(SPEC, stereo(normals=3 * BOWL_NORMALS), "length 3")


def test_it_is_told_where_records_come_from():
    record = cloud(POINTS * [1, -1, -1])
    batch = {n: np.asarray(a, SEPARATE.entries[n].dtypes[0])[None] for n, a in record.items()}
    with pytest.raises(ma.RecordError, match=r"room\.zarr does not fit .*\n  xyz: found points"):
        inspect_records(SEPARATE, batch, origin="room.zarr")


@pytest.mark.row("angles")
def test_positive_angles_turn_counter_clockwise():
    """What is right of the middle goes up when the image is turned by 90 degrees."""
    spec = ma.DataSpec("image", [ma.EntrySpec.of_role("image", "intensity", dtype="uint8")])
    image = np.zeros((9, 9, 1), np.uint8)
    image[4, 7] = 200
    out = ma.Pipeline([ma.Rotate((90, 90))], spec)(jax.random.key(0), {"image": image})
    assert int(out["image"][1, 4, 0]) == 200
