"""Converting axes, intrinsics and extrinsics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import multiaug as ma
from multiaug.checks._conventions import AXES, axes_matrix, name_axes
from tests.roles import oracle

SPEC = ma.DataSpec.from_dict(
    {
        "name": "scene",
        "entries": {
            "packed": {
                "dtype": "float32",
                "channels": [{"role": "intensity", "channels": 3}, {"role": "position"}],
            },
            "normals": {"role": "direction", "dtype": "float32"},
            "depth": {"role": "depth", "dtype": "float32"},
            "places": {"role": "points3d", "dtype": "float32"},
            "pose": {"role": "extrinsics", "dtype": "float32"},
        },
    }
)


TRANSPOSED = np.eye(4)
TRANSPOSED[3, :3] = 1, 2, 3


@given(first=st.sampled_from(sorted(AXES)), second=st.sampled_from(sorted(AXES)))
def test_there_and_back(first, second):
    points = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    points[0, 0] = np.nan
    there = ma.convert_axes(points, first, second)
    assert there.dtype == np.float32
    np.testing.assert_array_equal(ma.convert_axes(there, second, first), points)
    by_matrix = points @ (axes_matrix(second).T @ axes_matrix(first)).T
    np.testing.assert_array_equal(there, by_matrix.astype(np.float32))
    assert AXES[name_axes(axes_matrix(first))] == AXES[first]


def test_known_axes():
    """One thing ahead, to the right and above, as the documents of each tool place it."""
    expected = [1.0, -2.0, 3.0]  # 1 right, 2 up, 3 ahead
    for name, given_as in {
        "opencv": [1, -2, 3],
        "opengl": [1, 2, -3],
        "ros": [3, -1, 2],
        "unity": [1, 2, 3],
        "unreal": [3, 1, 2],
        "pytorch3d": [-1, 2, 3],
    }.items():
        np.testing.assert_array_equal(ma.convert_axes(np.array(given_as, float), name), expected)


@pytest.mark.parametrize("batched", [False, True])
def test_a_whole_record(batched):
    draw = np.random.default_rng(1)
    record = {
        "packed": draw.normal(size=(3, 4, 6)),
        "normals": draw.normal(size=(3, 4, 3)),
        "depth": draw.uniform(size=(3, 4)),
        "places": draw.normal(size=(5, 3)),
        "pose": np.r_[draw.normal(size=(3, 4)), [[0, 0, 0, 1]]],
    }
    record = {n: a.astype(np.float32)[None if batched else ...] for n, a in record.items()}
    before = {n: a.copy() for n, a in record.items()}
    out = ma.convert_axes(record, "opengl", spec=SPEC)
    sign = np.float32([1, -1, -1])
    np.testing.assert_array_equal(out["packed"], record["packed"] * np.r_[[1, 1, 1], sign])
    np.testing.assert_array_equal(out["normals"], record["normals"] * sign)
    np.testing.assert_array_equal(out["places"], record["places"] * sign)
    np.testing.assert_array_equal(out["depth"], record["depth"])
    np.testing.assert_array_equal(out["pose"], np.diag([1, -1, -1, 1]) @ record["pose"])
    assert {n: a.dtype for n, a in out.items()} == dict.fromkeys(record, np.float32)
    for name, array in before.items():
        np.testing.assert_array_equal(record[name], array)
    # In the world's frame the extrinsics alone lead to the camera.
    world = ma.DataSpec.from_dict(SPEC.to_dict() | {"camera": {"frame": "world"}})
    out = ma.convert_axes(record, "opengl", spec=world)
    np.testing.assert_array_equal(out["packed"], record["packed"])
    np.testing.assert_array_equal(out["pose"], np.diag([1, -1, -1, 1]) @ record["pose"])


def test_scaled_intrinsics_see_the_same_share_of_the_image():
    k = np.array([[50.0, 0.5, 30], [0, 60, 20], [0, 0, 1]])
    small = ma.scale_intrinsics(k, (40, 60), (10, 30))
    points = np.random.default_rng(2).normal([0, 0, 5], size=(20, 3))
    share = (oracle.project(k, points) + 0.5) / [60, 40]
    np.testing.assert_allclose((oracle.project(small, points) + 0.5) / [30, 10], share)
    many = ma.scale_intrinsics(np.stack([k, k]).astype(np.float32), (40, 60), (10, 30))
    assert many.dtype == np.float32
    np.testing.assert_allclose(many[1], small, rtol=1e-6)


def test_inverted_extrinsics():
    draw = np.random.default_rng(3)
    pose = np.tile(np.eye(4), (2, 1, 1))
    pose[:, :3, :3] = np.linalg.qr(draw.normal(size=(2, 3, 3)))[0]
    pose[:, :3, 3] = draw.normal(size=(2, 3))
    np.testing.assert_allclose(
        ma.invert_extrinsics(pose) @ pose, np.tile(np.eye(4), (2, 1, 1)), atol=1e-12
    )
    assert ma.invert_extrinsics(pose[0].astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ma.convert_axes(np.zeros((2, 3)), "gl"), "opencv, ros-optical"),
        (lambda: ma.convert_axes(np.zeros((2, 3)), "up-down-ahead"), "X, Y and Z point to"),
        (lambda: ma.convert_axes(np.zeros((2, 3)), 3), "X, Y and Z point to"),
        (lambda: ma.convert_axes(np.zeros((2, 4)), "opengl"), r"shape \(\.\.\., 3\)"),
        (lambda: ma.convert_axes(np.zeros((2, 3), np.uint8), "opengl"), "signed numbers"),
        (lambda: ma.convert_axes({"xyz": np.zeros((2, 3))}, "opengl"), "the spec of a record"),
        (lambda: ma.convert_axes(np.zeros((2, 3)), "opengl", spec=SPEC), "must get a record"),
        (lambda: ma.convert_axes({"xyz": 0}, "opengl", spec=SPEC), "'xyz' that the spec"),
        (lambda: ma.convert_axes({"normals": np.zeros((2, 2, 4))}, "ros", spec=SPEC), "normals: f"),
        (lambda: ma.convert_axes({"pose": np.eye(3)}, "ros", spec=SPEC), r"\(\.\.\., 4, 4\)"),
        (lambda: ma.convert_axes({"normals": [[1], [2, 3]]}, "ros", spec=SPEC), "normals: expect"),
        (lambda: ma.scale_intrinsics(np.eye(4), (1, 1), (2, 2)), r"\(\.\.\., 3, 3\)"),
        (lambda: ma.scale_intrinsics(np.eye(3), 480, (2, 2)), "`from_shape` must be"),
        (lambda: ma.scale_intrinsics(np.eye(3), (4, 4), (0, 2)), "`to_shape` must be"),
        (lambda: ma.invert_extrinsics(np.eye(3)), r"\(\.\.\., 4, 4\)"),
        (lambda: ma.invert_extrinsics(np.zeros((4, 4))), "last row 0 0 0 1"),
        (lambda: ma.invert_extrinsics(TRANSPOSED), "transposed"),
        (lambda: ma.invert_extrinsics(np.diag([1, 1, 0, 1.0])), "singular"),
        (lambda: ma.reprojection_error(SPEC, np.zeros(3)), "a DataSpec and a record"),
        (lambda: ma.reprojection_error(SPEC, {"depth": np.zeros((3, 4))}), "no entry of the role"),
        (lambda: ma.reprojection_error(SPEC, {"packed": np.ones((3, 4, 6))}), "needs intrinsics"),
    ],
)
def test_refused(call, words):
    with pytest.raises(ma.MultiaugError, match=words):
        call()
