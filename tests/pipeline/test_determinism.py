"""A record gets the same bits whatever surrounds it: other records, devices, processes."""

import os

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.testing import compilations, make_record
from tests.pipeline.rich import PIPELINES, SHAPE, batch_of, digest, keys_of, part

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"

# Every size of batch on one device for every pipeline. In a process of two devices each compiles:
# that is left to the night, and by day test_parts.py has a short one there.
ON_TWO = (7, 64) if NIGHTLY else ()

CHILD = """
import sys
import jax
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
sys.path.insert(0, ".")
from tests.pipeline.rich import PIPELINES, batch_of, digest, keys_of, part
assert len(jax.local_devices()) == 2
pipeline, batch, keys = PIPELINES[{name!r}], batch_of(64), keys_of(64)
for size in {sizes}:
    out = pipeline.batch(keys[:size], part(batch, slice(size)))
    assert len(out["image"].sharding.device_set) == 2 or size % 2
    print(digest(out))
"""


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, array in found.items():
        a, b = np.asarray(array), np.asarray(expected[name])
        assert a.dtype == b.dtype, name
        assert a.tobytes() == b.tobytes(), name


def the_order_of_a_record_does_not_matter(pipeline, batch):
    """Called by a test that has compiled the pipeline."""
    turned = dict(reversed(batch.items()))
    out = pipeline.batch(keys_of(64)[:7], turned)
    assert_same(out, pipeline.batch(keys_of(64)[:7], batch))
    assert list(out) == [
        "image", "grey", "rgbxyz", "mask", "depth", "normals", "flow", "angle", "density",
        "keypoints", "keypoints_visible", "boxes", "boxes_visible", "points", "intrinsics",
        "extrinsics", "id",
    ]  # fmt: skip
    assert out["id"].tolist() == [2**40 + i for i in range(7)]


@pytest.mark.cpu
@pytest.mark.parametrize("name", PIPELINES if NIGHTLY else ("elastic",))
def test_batches_devices_processes(name, fresh_python):
    pipeline, batch, keys = PIPELINES[name], batch_of(64), keys_of(64)
    whole = {n: np.asarray(a) for n, a in pipeline.batch(keys, batch).items()}
    seven = pipeline.batch(keys[:7], part(batch, slice(7)))
    assert_same(seven, part(whole, slice(7)))
    # Elsewhere in the batch, among others: 57..63 come out as they did at the end of 64.
    assert_same(pipeline.batch(keys[57:], part(batch, slice(57, 64))), part(whole, slice(57, 64)))
    for i in (0, 5, 63):
        one = pipeline.batch(keys[i : i + 1], part(batch, slice(i, i + 1)))
        assert_same(one, part(whole, slice(i, i + 1)))

    # Of the compiled code a call runs that of a batch of one.
    with compilations() as found:
        assert_same(pipeline(keys[9], part(batch, 9)), part(whole, 9))
    assert not [line for line in found if "_run" in line or "draw" in line]

    params = pipeline.sample(keys, SHAPE)
    assert_same(pipeline.apply(params, batch), whole)
    alone = pipeline.sample(keys[9], SHAPE)
    assert_same(pipeline.apply(alone, part(batch, 9)), part(whole, 9))
    for single, many in zip(jax.tree.leaves(alone), jax.tree.leaves(params), strict=True):
        assert np.asarray(single).tobytes() == np.asarray(many[9]).tobytes()

    if name == "elastic":
        the_order_of_a_record_does_not_matter(pipeline, part(batch, slice(7)))

    if ON_TWO:
        child = CHILD.format(name=name, sizes=ON_TWO)
        expected = [digest(part(whole, slice(size))) for size in ON_TWO]
        assert fresh_python(child, devices=2, PYTHONHASHSEED="7").split() == expected


AT_ONCE = ma.DataSpec.from_dict(
    {
        "name": "at once",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 2},
            "cloud": {"role": "position", "dtype": "float32"},
            "mask": {"role": "label", "dtype": "uint8"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
        },
    }
)
MATRICES = [
    [ma.Rotate(180), ma.Scale((0.5, 2)), ma.Shear(20), ma.Translate(0.3), ma.Flip("x")],
    [ma.RandomResizedCrop((20, 24), antialias=False), ma.Rotate(20), ma.Perspective(0.1)],
    [
        ma.OneOf([ma.Rot90((0, 2)), ma.Maybe(ma.Translate(0.2))]),
        ma.SomeOf([ma.Rotate(9), ma.Shear(5)], 1),
    ],
]


# The first is a part of the second, as far as drawing and planning go.
@pytest.mark.parametrize("transforms", MATRICES if NIGHTLY else MATRICES[1:])
def test_drawn_and_planned_at_once_or_one_by_one(transforms):
    """A batch draws and plans in one compiled call; `sample` and `apply` have one each."""
    pipeline = ma.Pipeline(transforms, AT_ONCE)
    batch = make_record(AT_ONCE, (20, 24), 0, batch=40)
    for seed in range(5):
        keys = jax.random.split(jax.random.key(seed), 40)
        whole = {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}
        assert_same(pipeline.apply(pipeline.sample(keys, (20, 24)), batch), whole)
        assert_same(pipeline(keys[7], part(batch, 7)), part(whole, 7))
