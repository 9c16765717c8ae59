"""Records of which no transform would leave a point."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.checks import refuse_behind

SPEC = ma.DataSpec.from_dict(
    {
        "name": "scene",
        "entries": {
            "xyz": {"role": "position", "dtype": "float32"},
            "depth": {"role": "depth", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            "pose": {"role": "extrinsics", "dtype": "float32"},
        },
    }
)
WORLD = ma.DataSpec.from_dict(SPEC.to_dict() | {"camera": {"frame": "world"}})


def batch(sign=(1, 1)):
    """Two records; the sign of the Z of each."""
    z = 1 + np.arange(40 * 50).reshape(40, 50) / 1000
    depth = np.stack([s * z for s in sign]).astype(np.float32)
    xyz = np.stack([depth / 3, depth / 2, depth], axis=-1)
    return {
        "xyz": xyz,
        "depth": np.abs(depth),
        "intrinsics": np.tile(np.diag([50, 50, 1]).astype(np.float32), (2, 1, 1)),
        "pose": np.tile(np.eye(4, dtype=np.float32), (2, 1, 1)),
    }


def single(records, i):
    return {name: array[i] for name, array in records.items()}


def test_records_in_view_pass():
    refuse_behind(SPEC, batch(), batch=True)
    refuse_behind(WORLD, batch(), batch=True)
    some = batch((-1, -1))
    some["xyz"][:, 5, 5, 2] = 1  # one point that the sparse grid does not meet
    refuse_behind(SPEC, some, batch=True)


def test_the_record_and_the_remedy_are_named():
    records = batch((1, -1))
    with pytest.raises(ma.RecordError, match=r"xyz: found all 2000 points of record 1 .*opengl"):
        refuse_behind(SPEC, records, batch=True)
    refuse_behind(SPEC, single(records, 0), batch=False)
    with pytest.raises(ma.RecordError, match=r"xyz: found all 2000 points behind the camera"):
        refuse_behind(SPEC, single(records, 1), batch=False)
    records["xyz"][1] = np.nan
    refuse_behind(SPEC, records, batch=True)  # nothing was there to lose


def test_points_of_the_world_are_seen_through_the_extrinsics():
    records = batch((-1, -1))
    records["pose"][:, 2, 2] = -1
    refuse_behind(WORLD, records, batch=True)
    records["pose"][1, 2, 2] = 1
    with pytest.raises(ma.RecordError, match=r"of record 1 .*invert_extrinsics"):
        refuse_behind(WORLD, records, batch=True)


def test_negative_depth():
    records = batch()
    records["depth"][0] *= -1
    with pytest.raises(ma.RecordError, match=r"depth: found all 2000 depths of record 0 .* Negate"):
        refuse_behind(SPEC, records, batch=True)


@pytest.mark.parametrize("how", ["no intrinsics", "policy", "linear"])
def test_what_is_not_sampled_on_rays_passes(how):
    records, document = batch((-1, -1)), SPEC.to_dict()
    if how == "no intrinsics":
        del records["intrinsics"]
    elif how == "policy":
        document["camera"] = {"policy": "none"}
    else:
        document["entries"]["xyz"]["interpolation"] = "linear"
    refuse_behind(ma.DataSpec.from_dict(document), records, batch=True)
