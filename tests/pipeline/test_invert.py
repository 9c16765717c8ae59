"""invert(params, apply(params, x)) is x where the picture is in view, up to interpolation."""

import os

import jax
import numpy as np
import pytest
from scipy import ndimage

import multiaug as ma
from multiaug import ParameterError, RecordError

H, W, N = 48, 48, 6
KEYS = jax.random.split(jax.random.key(11), N)
CAMERA = np.array([[70, 0, 22.5], [0, 70, 24.5], [0, 0, 1]], np.float32)

SPEC = ma.DataSpec.from_dict(
    {
        "name": "invertible",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 3},
            "seen": {"role": "intensity", "dtype": "float32", "channels": 1},
            "mask": {"role": "label", "dtype": "uint8"},
            "xyz": {"role": "position", "dtype": "float32", "under_elastic": "resample"},
            "normals": {"role": "direction", "dtype": "float32", "under_elastic": "resample"},
            "depth": {"role": "depth", "dtype": "float32", "under_elastic": "resample"},
            "flow": {"role": "flow", "dtype": "float32"},
            "angle": {"role": "orientation", "dtype": "float32"},
            "points": {"role": "keypoints", "dtype": "float32"},
            "places": {"role": "points3d", "dtype": "float32", "under_elastic": "resample"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            "pose": {"role": "extrinsics", "dtype": "float32"},
            "id": {"role": "scalar"},
        },
    }
)

# Every geometric transform that exists stands in one of these; none of them crops much away.
GEOMETRIES = {
    "affine": [ma.Rotate(25), ma.Scale(1.15), ma.Translate(0.05), ma.Shear(8), ma.Flip("x")],
    "exact": [ma.D4(), ma.Rot90(), ma.Transpose(), ma.Pad(3), ma.Flip("y"), ma.Crop(50)],
    "projective": [ma.Perspective(0.08), ma.RandomResizedCrop((56, 56), scale=(0.7, 1))],
    "chosen": [
        ma.OneOf([ma.Rotate(20), ma.Perspective(0.05)]),
        ma.SomeOf([ma.Shear(8), ma.Scale(1.1), ma.Flip("x")], k=2),
        ma.Shuffle([ma.Rotate(10), ma.Maybe(ma.Scale(1.1))]),
        ma.Resize((60, 60), antialias=False),
    ],
    "dense": [ma.Elastic(0.02, 4), ma.Rotate(15)],
}
PHOTOMETRY = [
    ma.Brightness(0.2, entries="image"),
    ma.Contrast(0.3, entries="image"),
    ma.Gamma(1.3, entries="image"),
    ma.GaussianNoise(0.1, entries="image"),
    ma.Maybe(ma.ChannelShift(0.1, entries="image")),
]


def smooth():
    """Fields of long waves: interpolating them twice costs little."""
    y, x = np.mgrid[:H, :W] / H
    number = np.arange(N)[:, None, None]
    wave = np.sin(3 * x + 2 * y + number), np.cos(2 * x - 3 * y + number)
    unit = np.stack([0.3 * wave[0], 0.3 * wave[1], -np.ones_like(wave[0])], -1)
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    z = 2 + 0.3 * wave[0]
    rays = np.stack(
        [(x * H - CAMERA[0, 2]) / CAMERA[0, 0], (y * H - CAMERA[1, 2]) / CAMERA[1, 1], x * 0 + 1],
        -1,
    )
    pose = np.eye(4, dtype=np.float32)
    pose[:3, 3] = 1, 2, 3
    record = {
        "image": np.stack([0.5 + 0.3 * wave[0], 0.5 + 0.3 * wave[1], 0.4 + 0.2 * wave[0]], -1),
        "seen": np.ones((N, H, W, 1)),
        "xyz": rays * z[..., None],
        "normals": unit,
        "depth": z,
        "flow": np.stack([2 * wave[0], 3 * wave[1]], -1),
        "angle": 180 + 60 * wave[0],
        "points": np.random.default_rng(0).uniform(12, 36, (N, 5, 2)),
        "places": np.random.default_rng(1).uniform(1, 2, (N, 4, 3)),
        "intrinsics": np.tile(CAMERA, (N, 1, 1)),
        "pose": np.tile(pose, (N, 1, 1)),
    }
    record = {name: array.astype(np.float32) for name, array in record.items()}
    mask = ((x * 3).astype(int) + 4 * (y * 2).astype(int)).astype(np.uint8)
    return record | {"mask": np.tile(mask, (N, 1, 1)), "id": np.arange(N)}


# Compiling is what a geometry costs. By day the affine ones run before the projective ones, in one
# pipeline; containers, which compile longest, have tests of their own in tests/transforms.
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
RUNS = (
    GEOMETRIES
    if NIGHTLY
    else {
        "projective": GEOMETRIES["affine"] + GEOMETRIES["projective"],
        "exact": GEOMETRIES["exact"],
        "dense": GEOMETRIES["dense"],
    }
)


# What follows a camera is only resampled under a displacement: by day not there.
OF_CAMERAS = {"xyz", "normals", "depth", "places", "intrinsics", "pose"}


@pytest.fixture(
    scope="module", params=RUNS if NIGHTLY else [name for name in RUNS if name != "exact"]
)
def undone(request):
    """The name of the geometry, the batch, and what came back."""
    left_out = OF_CAMERAS if request.param == "dense" and not NIGHTLY else set()
    spec = ma.DataSpec("some", [e for n, e in SPEC.entries.items() if n not in left_out])
    pipeline = ma.Pipeline(RUNS[request.param], spec)
    batch = {n: a for n, a in smooth().items() if n not in left_out}
    params = pipeline.sample(KEYS, (H, W))
    moved = pipeline.apply(params, batch)
    back = {name: np.asarray(array) for name, array in pipeline.invert(params, moved).items()}
    return request.param, batch, back, pipeline, params, moved


def in_view(back):
    """Pixels that no border has touched, on either way."""
    seen = back["seen"][..., 0]
    inner = seen > 0.999
    # A pixel next to a border was blended with it. A resized picture is not, but the half of a
    # pixel at its rim shows the outermost pixel, at either frame.
    near = np.ones((1, 3, 3), bool)
    return ndimage.binary_erosion(inner, near, border_value=0)


def test_pictures_come_back(undone):
    name, batch, back, *_ = undone
    view = in_view(back)
    assert view.mean() > 0.3
    bars = {"image": 5e-3, "xyz": 5e-3, "normals": 1e-2, "depth": 5e-3, "flow": 3e-2, "angle": 0.5}
    for entry, bar in bars.items():
        if entry not in batch:
            continue
        assert back[entry].shape == batch[entry].shape
        if name == "dense" and entry in {"xyz", "normals", "depth"}:
            bar = 2e-2  # blended linearly, off the rays
        error = np.abs(back[entry][view] - batch[entry][view])
        assert error.max() < bar, f"{entry}: {error.max()}"
    # Only pixels at the edges of labels may change, by the two rounded positions.
    assert (back["mask"][view] != batch["mask"][view]).mean() < 0.08


def test_exact_maps_come_back_exactly(undone):
    name, batch, back, *_ = undone
    if name != "exact":
        pytest.skip("this geometry interpolates")
    view = in_view(back)
    for entry in ("image", "mask", "xyz", "depth"):
        np.testing.assert_array_equal(back[entry][view], batch[entry][view])


def test_tables_and_cameras_come_back(undone):
    _, batch, back, *_ = undone
    np.testing.assert_allclose(back["points"], batch["points"], atol=5e-3)
    for entry, bar in (("places", 1e-4), ("intrinsics", 2e-2), ("pose", 1e-4)):
        if entry in batch:
            np.testing.assert_allclose(back[entry], batch[entry], atol=bar)
    np.testing.assert_array_equal(back["id"], batch["id"])
    assert back["points_visible"].all()


def test_one_record_is_undone_as_in_a_batch(undone):
    name, _, back, pipeline, params, moved = undone
    if name != "exact":
        pytest.skip("one geometry is enough")
    one = jax.tree.map(lambda leaf: np.asarray(leaf)[2], params)
    alone = pipeline.invert(one, {entry: array[2] for entry, array in moved.items()})
    for entry, array in alone.items():
        np.testing.assert_array_equal(array, back[entry][2], err_msg=entry)


def test_some_entries_alone(undone):
    _, _, back, pipeline, params, moved = undone
    only = pipeline.invert(params, {"mask": moved["mask"]})
    assert list(only) == ["mask"]
    np.testing.assert_array_equal(only["mask"], back["mask"])


def test_logits_come_back_as_intensities():
    pipeline = ma.Pipeline([*GEOMETRIES["affine"], ma.Brightness(0.2)], SPEC)
    params = pipeline.sample(KEYS, (H, W))
    batch = smooth()
    logits = np.repeat(batch["image"], 2, axis=-1)  # six classes
    wide = ma.DataSpec.from_dict(
        {"name": "w", "entries": {"image": {"role": "intensity"}, "seen": {"role": "intensity"}}}
    )
    moved = ma.Pipeline(GEOMETRIES["affine"], wide).apply(
        params.__class__(params.values[:-1], params.key, params.in_shape, params.out_shape),
        {"image": logits, "seen": batch["seen"]},
    )
    back = pipeline.invert(
        params,
        {"mask": moved["image"], "seen": moved["seen"] * 0 + 1},
        roles={"mask": "intensity", "seen": "intensity"},
    )
    assert back["mask"].shape == logits.shape
    seen = pipeline.invert(params, {"seen": moved["seen"]}, roles={"seen": "intensity"})
    view = in_view({"seen": np.asarray(seen["seen"])})
    # Brightness has not been taken away from logits: they never had it.
    assert np.abs(np.asarray(back["mask"]) - logits)[view].max() < 5e-3


def test_photometry_comes_back():
    spec = ma.DataSpec("pictures", [SPEC.entries[name] for name in ("image", "seen", "mask")])
    pipeline = ma.Pipeline([ma.Flip("x"), *PHOTOMETRY], spec)
    batch = {name: smooth()[name] for name in spec.entries}
    params = pipeline.sample(KEYS, (H, W))
    moved = pipeline.apply(params, batch)
    assert np.abs(np.asarray(moved["image"]) - batch["image"]).max() > 0.1
    back = pipeline.invert(params, {"image": moved["image"]})
    np.testing.assert_allclose(back["image"], batch["image"], atol=2e-4)


def test_normalised_bytes_come_back_as_bytes():
    spec = ma.load_spec("rgb-segmentation")
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Brightness(0.2), ma.Normalize(0.5, 0.25)], spec)
    image = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
    params = pipeline.sample(KEYS, (8, 8))
    moved = pipeline.apply(params, {"image": image})
    assert moved["image"].dtype == np.float32
    back = pipeline.invert(params, moved)
    assert back["image"].dtype == np.uint8
    np.testing.assert_array_equal(back["image"], image)


@pytest.mark.parametrize("transform", [ma.Brightness(0.2), ma.Maybe(ma.GaussianNoise(0.1))])
def test_rounded_values_do_not_come_back(transform):
    spec = ma.load_spec("rgb-segmentation")
    pipeline = ma.Pipeline([ma.Flip("x"), transform], spec)
    record = {"image": np.zeros((8, 8, 3), np.uint8), "mask": np.zeros((8, 8), np.uint8)}
    params = pipeline.sample(KEYS[0], (8, 8))
    with pytest.raises(ParameterError, match=r"'image' cannot be inverted.*uint8"):
        pipeline.invert(params, record)
    pipeline.invert(params, {"mask": record["mask"]})  # it does not touch the mask


def test_clipped_values_do_not_come_back():
    pipeline = ma.Pipeline([ma.Contrast(0.2, clip=True)], SPEC)
    params = pipeline.sample(KEYS[0], (8, 8))
    with pytest.raises(ParameterError, match=r"Contrast.*'image'"):
        pipeline.invert(params, {"image": np.zeros((8, 8, 3), np.float32)})


def test_what_invert_refuses():
    pipeline = ma.Pipeline([ma.Resize((24, 24))], SPEC)
    params = pipeline.sample(KEYS[0], (H, W))
    mask = np.zeros((24, 24), np.uint8)
    with pytest.raises(RecordError, match="mask"):
        pipeline.invert(params, {"mask": mask[:, :7]})
    with pytest.raises(RecordError, match="other"):
        pipeline.invert(params, {"other": mask})
    with pytest.raises(ParameterError, match=r"roles.*'points'"):
        pipeline.invert(params, {"mask": mask}, roles={"points": "intensity"})
    with pytest.raises(ma.SpecError, match="intensityy"):
        pipeline.invert(params, {"mask": mask}, roles={"mask": "intensityy"})
