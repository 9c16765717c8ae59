"""Bad input to a pipeline: refused at the boundary, by name, with what to do."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError, RecordError

KEY = jax.random.key(0)
CLOUD = ma.load_spec("rgbxyz")
PICTURE = ma.load_spec("rgb-segmentation")
CAMERA = np.array([[20, 0, 7.5], [0, 20, 5.5], [0, 0, 1]], np.float32)


def picture():
    return {"image": np.zeros((12, 16, 3), np.uint8), "mask": np.zeros((12, 16), np.uint8)}


def cloud():
    return {"rgbxyz": np.ones((12, 16, 6), np.float32), "intrinsics": CAMERA.copy()}


def batched(record, count=2):
    return {name: np.stack([array] * count) for name, array in record.items()}


def spec(camera=None, **entries):
    document = {"name": "t", "entries": entries}
    if camera is not None:
        document["camera"] = camera
    return ma.DataSpec.from_dict(document)


# --- what is in the record -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("image"), ["image", "nothing"]),
        (lambda r: r.update(depht=np.zeros((12, 16))), ["depht", "does not declare"]),
        (lambda r: r.update(image=np.zeros((12, 16), np.uint8)), ["image", "(12, 16)", "H, W, 3"]),
        (lambda r: r.update(image=np.zeros((12, 16, 4), np.uint8)), ["image", "(12, 16, 4)"]),
        (lambda r: r.update(image=np.zeros((3, 12, 16), np.uint8)), ["image", "channels go last"]),
        (lambda r: r.update(image=np.zeros((12, 16, 3), np.int32)), ["image", "int32", "uint8"]),
        (lambda r: r.update(mask=np.zeros((12, 9), np.uint8)), ["mask", "12 x 9", "field of view"]),
        (lambda r: r.update(mask=np.zeros((0, 16), np.uint8)), ["mask", "pixel"]),
        (lambda r: r.update(image=[[1, 2], [3, 4]]), ["image", "list", "array"]),
    ],
)
def test_structure_of_a_record(change, words):
    record = picture()
    change(record)
    with pytest.raises(RecordError) as caught:
        ma.Pipeline([ma.Flip("x")], PICTURE)(KEY, record)
    for word in words:
        assert word in str(caught.value)


def test_all_mistakes_of_a_record_at_once():
    record = {"image": np.zeros((12, 16, 4), np.uint8), "other": np.zeros(3)}
    with pytest.raises(RecordError, match=r"(?s)other.*image"):
        ma.Pipeline([ma.Flip("x")], PICTURE)(KEY, record)


def test_an_empty_batch():
    batch = {name: array[:0] for name, array in batched(picture()).items()}
    with pytest.raises(RecordError, match="0 records"):
        ma.Pipeline([], PICTURE).batch(jax.random.split(KEY, 0), batch)


def test_a_batch_where_a_record_belongs_and_the_reverse():
    pipeline = ma.Pipeline([ma.Flip("x")], PICTURE)
    with pytest.raises(RecordError, match="looks like a batch"):
        pipeline(KEY, batched(picture()))
    with pytest.raises(RecordError, match="looks like one record"):
        pipeline.batch(jax.random.split(KEY, 2), picture())


def test_batches_of_different_lengths():
    batch = batched(picture()) | {"mask": np.zeros((3, 12, 16), np.uint8)}
    with pytest.raises(RecordError, match="one length"):
        ma.Pipeline([], PICTURE).batch(jax.random.split(KEY, 2), batch)


def test_params_of_another_frame():
    pipeline = ma.Pipeline([ma.Rotate(10)], PICTURE)
    with pytest.raises(RecordError, match="24 x 16"):
        pipeline.apply(pipeline.sample(KEY, (24, 16)), picture())


# --- values ----------------------------------------------------------------------------------


def test_nan_in_a_role_that_has_no_invalid_value():
    pipeline, record = ma.Pipeline([ma.Flip("x", p=1)], CLOUD), cloud()
    record["rgbxyz"][3, 4, 1] = np.nan  # a colour
    with pytest.raises(RecordError, match="rgbxyz"):
        pipeline(KEY, record)
    flipped = pipeline(KEY, record, check=False)["rgbxyz"]
    assert np.argwhere(np.isnan(flipped)).tolist() == [[3, 11, 1]]


def test_nan_in_a_position_is_no_data():
    pipeline, record = ma.Pipeline([ma.Flip("x", p=1)], CLOUD), cloud()
    record["rgbxyz"][3, 4, 3:] = np.nan
    assert np.isnan(pipeline(KEY, record)["rgbxyz"][3, 11, 3:]).all()
    record["rgbxyz"][3, 4, 3] = np.inf
    with pytest.raises(RecordError, match="rgbxyz"):
        pipeline(KEY, record)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((3, 3)),
        np.diag([0.0, 20, 1]),
        np.diag([20.0, -20, 1]),
        np.array([[20, 0, 7], [3, 20, 5], [0, 0, 1]]),
        np.diag([20.0, 20, 0]),
        np.full((3, 3), np.nan),
    ],
)
def test_intrinsics_that_are_no_camera(bad):
    record = cloud() | {"intrinsics": bad.astype(np.float32)}
    with pytest.raises(RecordError, match="intrinsics"):
        ma.Pipeline([ma.Rotate(10)], CLOUD)(KEY, record)


def test_intrinsics_missing_where_a_perspective_needs_them():
    record = cloud()
    del record["intrinsics"]
    with pytest.raises(RecordError, match=r"(?s)rgbxyz.*intrinsics.*Perspective.*fov_degrees"):
        ma.Pipeline([ma.Perspective(0.1)], CLOUD)(KEY, record)


def test_intrinsics_missing_where_the_policy_is_fixed():
    fixed = spec({"policy": "fixed"}, xyz={"role": "position", "dtype": "float32"})
    with pytest.raises(RecordError, match=r"(?s)xyz.*intrinsics.*fixed.*fov_degrees"):
        ma.Pipeline([ma.Rotate(10)], fixed)(KEY, {"xyz": np.ones((12, 16, 3), np.float32)})


# --- transforms against the spec ---------------------------------------------------------------


@pytest.mark.parametrize("role", ["position", "direction", "depth"])
def test_coordinates_under_elastic_without_a_policy(role):
    entry = {"role": role, "dtype": "float32"}
    with pytest.raises(ParameterError, match=r"(?s)Elastic.*'held'.*under_elastic"):
        ma.Pipeline([ma.Elastic()], spec(held=entry))
    ma.Pipeline([ma.Elastic()], spec(held=entry | {"under_elastic": "resample"}))


def test_an_optional_coordinate_under_elastic_is_refused_when_it_comes():
    image = {"role": "intensity", "dtype": "uint8", "channels": 3}
    depth = {"role": "depth", "dtype": "float32", "optional": True}
    pipeline = ma.Pipeline([ma.Maybe(ma.Elastic())], spec(image=image, depth=depth))
    record = {"image": np.zeros((12, 16, 3), np.uint8)}
    pipeline(KEY, record)
    with pytest.raises(ParameterError, match="depth"):
        pipeline(KEY, record | {"depth": np.ones((12, 16), np.float32)})


def test_mirrors_that_the_camera_refuses():
    refusing = spec({"mirror": "refuse"}, xyz={"role": "position", "dtype": "float32"})
    for transform in (ma.Flip("x"), ma.D4(), ma.Transpose(), ma.Maybe(ma.Flip("y"))):
        with pytest.raises(ParameterError, match="mirror"):
            ma.Pipeline([transform], refusing)
    ma.Pipeline([ma.Rotate(10), ma.Perspective(0.1)], refusing)


# --- frames ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (ma.Crop((13, 8)), ["Crop", "12 x 16", "13 x 8", "pad=True"]),
        (ma.Crop(box=(10, 0, 18, 8)), ["Crop", "(10, 0, 18, 8)", "pad=True"]),
        (ma.Rot90(), ["Rot90", "square", "12 x 16"]),
        (ma.Transpose(), ["Transpose", "square"]),
        (ma.D4(), ["D4", "square"]),
        (ma.Maybe(ma.Crop((6, 6))), ["Maybe", "one shape", "Crop"]),
        (ma.OneOf([ma.Crop((6, 6)), ma.Resize((5, 5))]), ["OneOf", "one shape"]),
        (ma.SomeOf([ma.Pad(1), ma.Flip()], k=1), ["SomeOf", "one shape", "Pad"]),
        (ma.Shuffle([ma.Rot90(1), ma.Flip()]), ["Shuffle", "one shape", "Rot90"]),
        (
            ma.Perspective(matrix=np.array([[1, 0, 0], [0, 1, 0], [-0.1, 0, 1]])),
            ["Perspective.matrix", "degenerate"],
        ),
    ],
)
def test_transforms_that_do_not_fit_the_frame(transform, words):
    record = {"image": np.zeros((12, 16, 3), np.uint8)}
    with pytest.raises(ParameterError) as caught:
        ma.Pipeline([transform], PICTURE)(KEY, record)
    for word in words:
        assert word in str(caught.value)


# --- keys and calls ----------------------------------------------------------------------------


def test_keys_of_the_old_form():
    pipeline, old = ma.Pipeline([ma.Flip("x")], PICTURE), np.zeros(2, np.uint32)
    for call in (
        lambda: pipeline(old, picture()),
        lambda: pipeline.batch(np.zeros((2, 2), np.uint32), batched(picture())),
        lambda: pipeline.sample(old, (12, 16)),
        lambda: pipeline.sample(0, (12, 16)),
    ):
        with pytest.raises(ParameterError, match=r"jax\.random\.key"):
            call()


def test_the_wrong_number_of_keys():
    pipeline = ma.Pipeline([ma.Flip("x")], PICTURE)
    with pytest.raises(ParameterError, match="3 keys and 2 records"):
        pipeline.batch(jax.random.split(KEY, 3), batched(picture()))
    with pytest.raises(ParameterError, match="shape"):
        pipeline(jax.random.split(KEY, 2), picture())
    with pytest.raises(ParameterError, match="shape"):
        pipeline.batch(KEY, batched(picture()))


@pytest.mark.parametrize("shape", [(0, 4), (4,), "ab", (4.5, 3), None])
def test_shapes_that_are_none(shape):
    with pytest.raises(ParameterError, match="height, width"):
        ma.Pipeline([ma.Flip("x")], PICTURE).sample(KEY, shape)


@pytest.mark.parametrize("transforms", [ma.Flip("x"), ["Flip"], None, [ma.Flip]])
def test_what_is_no_list_of_transforms(transforms):
    with pytest.raises(ParameterError, match=r"Pipeline\.transforms"):
        ma.Pipeline(transforms, PICTURE)


def test_what_is_no_spec():
    with pytest.raises(ParameterError, match="load_spec"):
        ma.Pipeline([], "rgbxyz")
