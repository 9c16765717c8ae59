"""Entries made of label maps, against SciPy and by counting; on the host and in traced code."""

import jax
import numpy as np
import pytest
from scipy import ndimage

import multiaug as ma
from multiaug import ParameterError, RecordError

SPEC = ma.DataSpec.from_dict(
    {
        "name": "labels",
        "entries": {
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
            "things": {"role": "label", "dtype": "int32"},
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
        },
    }
)
COUNT, SHAPE = 3, (17, 23)
KEYS = jax.random.split(jax.random.key(0), COUNT)
PIPELINE = ma.Pipeline(
    [
        ma.Regions("mask", [[1, 2, 3], [2, 3], 3]),
        ma.Edges("mask", 2),
        ma.DistanceMap("mask", [1, 3, 9]),
        ma.Scales("mask", [2, 5]),
        ma.RelabelInstances("things"),
        ma.BoxesFromMasks("things", 8),
    ],
    SPEC,
)


def labels(seed=0):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 4, (COUNT, 5, 6)).astype(np.uint8)
    mask = mask.repeat(4, axis=1).repeat(4, axis=2)[:, : SHAPE[0], : SHAPE[1]]
    mask[0, 3:6, 4:9] = 255
    mask[2] = 3  # one class all over
    things = np.zeros((COUNT, *SHAPE), np.int32)
    for i, (row, column) in enumerate(rng.integers(0, 12, (6, 2))):
        things[:, row : row + 5, column : column + 4] = (i * 37) % 101 + 3
    things[1] = 0
    image = rng.integers(0, 255, (COUNT, *SHAPE, 3)).astype(np.uint8)
    return {"mask": mask, "things": things, "image": image}


BATCH = labels()


@pytest.fixture(scope="module", params=["host", "traced"])
def out(request):
    run = PIPELINE.batch if request.param == "host" else jax.jit(PIPELINE.batch)
    return {name: np.asarray(array) for name, array in run(KEYS, BATCH).items()}


def test_regions(out):
    mask = BATCH["mask"]
    for k, ids in enumerate(([1, 2, 3], [2, 3], [3])):
        np.testing.assert_array_equal(out["mask_regions"][..., k], np.isin(mask, ids))


def test_edges(out):
    for mask, edges in zip(BATCH["mask"], out["mask_edges"], strict=True):
        near = np.zeros(SHAPE, bool)
        for one in range(4):  # a class, and another one within two pixels of it
            reach = ndimage.binary_dilation(mask == one, np.ones((5, 5)))
            near |= reach & (mask != one)
        np.testing.assert_array_equal(edges, np.where(mask == 255, 255, near))


def test_distances(out):
    far = np.hypot(*SHAPE)
    for mask, found in zip(BATCH["mask"], out["mask_distance"], strict=True):
        for k, one in enumerate((1, 3, 9)):
            inside = mask == one
            if inside.all() or not inside.any():
                expected = np.full(SHAPE, -far if inside.all() else far)
            else:
                y, x = np.indices(SHAPE)
                expected = np.empty(SHAPE)
                for at in np.ndindex(SHAPE):  # by brute force
                    others = inside != inside[at]
                    nearest = np.hypot(y[others] - at[0], x[others] - at[1]).min()
                    expected[at] = -nearest if inside[at] else nearest
            np.testing.assert_allclose(found[..., k], expected, rtol=1e-6)


def test_scales(out):
    rows, columns = (
        np.floor((np.arange(8) + 0.5) * 17 / 8),
        np.floor((np.arange(12) + 0.5) * 23 / 12),
    )
    expected = BATCH["mask"][:, rows.astype(int)][:, :, columns.astype(int)]
    np.testing.assert_array_equal(out["mask_2"], expected)
    assert out["mask_5"].shape == (COUNT, 3, 5)
    assert PIPELINE.out_spec.entries["mask_5"].groups == SPEC.entries["mask"].groups


def test_instances(out):
    for before, after, boxes in zip(
        BATCH["things"], out["things"], out["things_boxes"], strict=True
    ):
        ids = np.unique(before[before > 0])
        assert after.dtype == np.int32
        np.testing.assert_array_equal(after > 0, before > 0)
        for k, one in enumerate(ids):
            assert (after[before == one] == k + 1).all()
            (rows, columns), *_ = ndimage.find_objects((before == one).astype(int))
            box = np.array([columns.start, rows.start, columns.stop, rows.stop]) - 0.5
            np.testing.assert_array_equal(boxes[k], box)
        assert np.isnan(boxes[len(ids) :]).all()


def test_the_host_and_traced_code_agree_to_the_bit():
    host, traced = PIPELINE.batch(KEYS, BATCH), jax.jit(PIPELINE.batch)(KEYS, BATCH)
    for name in host:
        if name == "mask_distance":
            np.testing.assert_allclose(host[name], traced[name], rtol=2e-7)
        else:
            np.testing.assert_array_equal(host[name], traced[name], err_msg=name)


def test_frames_and_channels():
    spec = ma.DataSpec.from_dict(
        {
            "name": "frames",
            "entries": {"mask": {"role": "label", "dtype": "uint8", "ignore": 255, "time": True}},
        }
    )
    pipeline = ma.Pipeline([ma.Edges("mask"), ma.Scales("mask", 2)], spec)
    frames = BATCH["mask"].reshape(1, *BATCH["mask"].shape)
    out = pipeline.batch(KEYS[:1], {"mask": frames})
    alone = ma.Pipeline([ma.Edges("mask"), ma.Scales("mask", 2)], SPEC).batch(KEYS, BATCH)
    np.testing.assert_array_equal(out["mask_2"][0], alone["mask_2"])
    np.testing.assert_array_equal(out["mask_edges"][0], alone["mask_edges"])
    with pytest.raises(ParameterError, match="without frames"):
        ma.Pipeline([ma.BoxesFromMasks("mask", 3)], spec)


def test_refusals():
    for make, words in (
        (lambda: ma.Pipeline([ma.Edges("image")], SPEC), "one with role intensity"),
        (lambda: ma.Pipeline([ma.Edges("masks")], SPEC), "no such entry"),
        (lambda: ma.Pipeline([ma.Edges("mask"), ma.Edges("mask")], SPEC), "has already"),
        (lambda: ma.Edges("mask", 65), "at most 64"),
        (lambda: ma.Scales("mask", [1, 2]), "2 or more"),
        (lambda: ma.Regions("mask", []), "BraTS"),
        (lambda: ma.Regions("mask", [[1, 1]]), "different ids"),
        (lambda: ma.DistanceMap("mask", []), "different ids"),
    ):
        with pytest.raises(ParameterError, match=words):
            make()
    few = ma.Pipeline([ma.BoxesFromMasks("things", 2)], SPEC)
    with pytest.raises(RecordError, match="at most 2 instances"):
        few.batch(KEYS, BATCH)


@pytest.mark.parametrize(("dtype", "none"), [("int32", -1), ("int64", -1), ("uint8", 255)])
def test_rows_that_are_not_there_are_of_no_class(dtype, none):
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 1},
        "boxes": {"role": "boxes", "dtype": "float32", "capacity": 3},
        "classes": {"role": "scalar", "dtype": dtype, "of": "boxes", "capacity": 3},
    }
    spec = ma.DataSpec.from_dict({"name": "ragged", "entries": entries})
    record = {
        "image": np.zeros((8, 8, 1), np.uint8),
        "boxes": np.float32([[0, 0, 4, 4], [1, 1, 5, 5]]),
        "classes": np.array([2, 0], dtype),
    }
    onehot = ma.OneHot("classes", 4)
    expected = [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    if dtype == "int64":
        out = ma.Pipeline([onehot], spec)(jax.random.key(0), record)
        assert np.asarray(out["classes"]).tolist() == [2, 0, none]
        assert np.asarray(out["classes_onehot"]).tolist() == expected
    ids = np.array([[2, 0, none]], dtype)
    onehot.check_values(spec, {"classes": ids})
    made = {}

    def new(name, shape, dtype):
        return made.setdefault(name, np.ones(shape, dtype))

    onehot.derive_into(spec, {"classes": ids}, new)
    assert made["classes_onehot"].tolist() == [expected]
    traced = onehot.derive(spec, {"classes": ids.astype("int32") if dtype == "int64" else ids})
    assert np.asarray(traced["classes_onehot"]).tolist() == [expected]
    with pytest.raises(RecordError, match=r"`OneHot` of 'classes' must find ids 0 to 3, got 7"):
        onehot.check_values(spec, {"classes": np.array([[7, 0, none]], dtype)})


@pytest.mark.parametrize(
    ("transform", "owner", "name"),
    [
        (ma.Edges("mask"), "Edges", "mask_edges"),
        (ma.OneHot("mask", 256), "OneHot", "mask_onehot"),
        (ma.Erase(mask="image", entries=["image"]), "Erase.mask", "image"),
    ],
)
def test_names_that_are_taken(transform, owner, name):
    again = [transform] if owner == "Erase.mask" else [transform, transform]
    with pytest.raises(ParameterError, match=rf"`{owner}` makes the entry '{name}', which the sp"):
        ma.Pipeline(again, SPEC).sample(KEYS[0], SHAPE)
