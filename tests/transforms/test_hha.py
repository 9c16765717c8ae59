"""HHA of a room whose walls, floor and camera are known, in float64."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError
from tests.reference.rooms import SIDES, expected, room


def spec_of(**entries):
    known = {
        "xyz": {"role": "position", "dtype": "float32"},
        "normals": {"role": "direction", "dtype": "float32"},
    }
    return ma.DataSpec.from_dict({"name": "room", "entries": known | entries})


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (25, -8), (-12, 20)])
def test_gravity_is_found_from_floors_and_walls(pitch, roll):
    points, normals, up = room(pitch, roll)
    record = {"xyz": np.float32(points), "normals": np.float32(normals)}
    pipeline = ma.Pipeline([ma.HHA(near=0.6, max_height=2.5)], spec_of())
    out = pipeline(jax.random.key(0), record)
    assert pipeline.out_spec.entries["xyz_hha"].groups[0].names == ("disparity", "height", "angle")
    found = np.asarray(out["xyz_hha"])
    np.testing.assert_allclose(found, expected(points, normals, up, 0.6, 2.5), atol=2e-4)
    # As it is, the camera's own axis is up.
    still = ma.Pipeline([ma.HHA(near=0.6, max_height=2.5, gravity="camera")], spec_of())
    found = np.asarray(still(jax.random.key(0), record)["xyz_hha"])
    level = expected(points, normals, np.array([0, -1.0, 0]), 0.6, 2.5)
    np.testing.assert_allclose(found, level, atol=1e-3)  # arccos near 1


def test_what_is_missing_and_walls_alone():
    points, normals, _ = room(0, 0, floor=False)
    points[3, 4], normals[5, 6] = np.nan, np.nan
    record = {"xyz": np.float32(points)[None], "normals": np.float32(normals)[None]}
    pipeline = ma.Pipeline([ma.HHA()], spec_of())
    out = np.asarray(pipeline.batch(jax.random.key(0)[None], record)["xyz_hha"])[0]
    gone = np.zeros(SIDES, bool)
    gone[3, 4] = gone[5, 6] = True
    np.testing.assert_array_equal(np.isnan(out).all(-1), gone)
    assert not np.isnan(out[~gone]).any()
    np.testing.assert_allclose(out[~gone][:, 2], 0.5, atol=1e-3)


def test_refused():
    for transform, spec, words in (
        (ma.HHA("cloud"), spec_of(), r"HHA.points` must name an entry with position, got 'cloud'"),
        (ma.HHA(normals="xyz"), spec_of(), r"HHA.normals` must name an entry with direction"),
        (
            ma.HHA(),
            spec_of(xyz_hha={"role": "intensity", "dtype": "float32", "channels": 3}),
            "makes the entry 'xyz_hha', which the spec has already",
        ),
        (
            ma.HHA(),
            ma.DataSpec("room", [*spec_of().entries.values()], ma.CameraSpec(frame="world")),
            "must be in the frame of their camera",
        ),
    ):
        with pytest.raises(ParameterError, match=words):
            ma.Pipeline([transform], spec).sample(jax.random.key(0), SIDES)
