"""Entries with time where pixels stay: every frame becomes what an image would, by the same key."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.spec import DataSpec, EntrySpec
from multiaug.testing import make_record
from tests.nightly import NIGHTLY, by_night

SHAPE, COUNT, FRAMES = (12, 16), 3, 4
KEYS = jax.random.split(jax.random.key(2), COUNT)
ROLES = {
    "clip": {"role": "intensity", "dtype": "float32", "channels": 3, "invalid": "nan"},
    "xyz": {"role": "position", "dtype": "float32"},
    "depth": {"role": "depth", "dtype": "float32"},
    "masks": {"role": "label", "dtype": "uint8", "ignore": 255},
}
STILL = {
    "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "cloud": {"role": "position", "dtype": "float32"},
    "camera": {"role": "intrinsics", "dtype": "float32"},
    "pose": {"role": "extrinsics", "dtype": "float32"},
}
CLIPS = {name: {**role, "time": True} for name, role in ROLES.items()}


def spec_of(*parts):
    entries = {name: role for part in parts for name, role in part.items()}
    return DataSpec.from_dict({"name": "frames", "entries": entries})


TIMED, IMAGES = spec_of(CLIPS, STILL), spec_of(ROLES, STILL)


@pytest.fixture(scope="module")
def batch():
    frames = [make_record(IMAGES, SHAPE, seed, batch=COUNT, holes=True) for seed in range(FRAMES)]
    found = dict(frames[0])
    for name in ROLES:
        found[name] = np.stack([one[name] for one in frames], axis=1)
    return found


def frame(batch, time, names=ROLES):
    return {name: array[:, time] if name in names else array for name, array in batch.items()}


def run(transform, spec, batch, *, back=False):
    pipeline = ma.Pipeline([transform], spec)
    out = pipeline.batch(KEYS, batch)
    found = [{n: np.asarray(a) for n, a in out.items()}]
    if back:
        given = {n: a for n, a in out.items() if n in spec.entries}
        params = pipeline.sample(KEYS, SHAPE, record=batch)
        undone = pipeline.invert(params, given)
        found.append({n: np.asarray(a) for n, a in undone.items()})
    return found


STEADY = {
    "cloud": ma.CloudMotion(30, 5, (0.9, 1.1), 0.2),
    "canonical": ma.CanonicalDepth(50),
    "encoded": ma.EncodeDepth("depth", "log", invalid=0),
    "by chance": ma.CloudMotion(30, p=0.5),
}


@pytest.mark.parametrize("name", STEADY if NIGHTLY else ["cloud"])
def test_a_frame_is_what_an_image_is(batch, name):
    transform = STEADY[name]
    found, back = run(transform, TIMED, batch, back=True)
    assert found["masks"].tobytes() == batch["masks"].tobytes()
    for time in range(FRAMES):
        expected, undone = run(transform, IMAGES, frame(batch, time), back=True)
        for got, want in ((found, expected), (back, undone)):
            assert got.keys() == want.keys()
            for entry, array in frame(got, time).items():
                close = 1e-6 if entry in ("pose", "camera") else 0  # XLA compiles it anew
                np.testing.assert_allclose(array, want[entry], rtol=close, err_msg=entry)


NOISE = [
    ma.CloudMotion(0, jitter=0.05),
    ma.DepthNoise(strength=(3, 3)),
    ma.CloudMotion(0, drop=(0.3, 0.3)),
]


@pytest.mark.parametrize("transform", NOISE if NIGHTLY else NOISE[:1], ids=repr)
def test_noise_differs_from_frame_to_frame(batch, transform):
    still = {**batch, **{n: np.repeat(batch[n][:, :1], FRAMES, 1) for n in ROLES}}
    (found,) = run(transform, TIMED, still)
    (expected,) = run(transform, IMAGES, frame(batch, 0))
    for name, array in expected.items():
        np.testing.assert_allclose(frame(found, 0)[name], array, rtol=1e-6, err_msg=name)
    noise = np.nan_to_num(found["xyz"] - still["xyz"], nan=9)
    assert noise.std() > 0
    for one in range(FRAMES):
        for other in range(one):
            a, b = noise[:, one].ravel(), noise[:, other].ravel()
            assert (a == b).mean() < 0.8
            there = (np.abs(a) < 9) & (np.abs(b) < 9) & (a != 0) & (b != 0)
            if there.sum() > 100 and a[there].std() > 0:
                assert abs(np.corrcoef(a[there], b[there])[0, 1]) < 0.25


@by_night
def test_a_camera_that_moves_renders_frame_by_frame(batch):
    shown = ("clip", "xyz", "depth", "masks")
    cameras = {name: STILL[name] for name in ("camera", "pose")}
    clips, images = spec_of({n: CLIPS[n] for n in shown}, cameras), spec_of(ROLES, cameras)
    batch = {n: a for n, a in batch.items() if n in clips.entries}
    (found,) = run(ma.CameraMotion(0.05, 0.05), clips, batch)
    for time in range(FRAMES):
        (expected,) = run(ma.CameraMotion(0.05, 0.05), images, frame(batch, time))
        for name, array in frame(found, time).items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-6, err_msg=name)
    with pytest.raises(ParameterError, match=r"every frame from that of the cloud 'xyz'.*\['clip"):
        run(ma.CameraMotion(0.05), clips, {**batch, "xyz": batch["xyz"][:, :2]})


def test_specs_keep_the_time_of_what_is_encoded():
    out = ma.Pipeline([ma.EncodeDepth("depth", invalid=0)], TIMED).out_spec
    assert out.entries["depth"].time == "any"
    assert out.entries["depth"].role == "intensity"


@pytest.mark.parametrize(
    ("transform", "entries", "message"),
    [
        (ma.LabelCrop(8), ("clip", "masks"), "one label map, and 'masks' has several frames"),
        (ma.RandomScaledCrop(8, max_share=0.7), ("clip", "masks"), "'masks' has several frames"),
        (ma.CameraMotion(), ("xyz", "image"), "one image from one cloud, and for 'image'"),
    ],
)
def test_refused(transform, entries, message):
    held = {n: (CLIPS | STILL)[n] for n in (*entries, "camera")}
    held = {n: {**e, "invalid": 0} if n == "image" else e for n, e in held.items()}
    with pytest.raises(ParameterError, match=message):
        ma.Pipeline([transform], spec_of(held)).sample(KEYS[0], SHAPE)


@by_night
def test_boxes_and_cameras_of_a_clip_count_its_pixels(batch):
    """What is read beside them has an axis of frames."""
    tables = [
        EntrySpec.of_role("boxes", "boxes", dtype="float32", of="clip"),
        EntrySpec.of_role("k", "intrinsics", dtype="float32", of="clip"),
    ]
    whole = EntrySpec.of_role("whole", "intensity", channels=3, dtype="uint8")
    for time in (None, "any"):
        clip = EntrySpec.of_role("clip", "intensity", channels=3, dtype="float32", time=time)
        spec = DataSpec("of a clip", [whole, clip, *tables])
        record = {
            "whole": np.zeros((24, 32, 3), np.uint8),
            "clip": np.nan_to_num(batch["clip"][0, 0] if time is None else batch["clip"][0]),
            "boxes": np.array([[2, 2, 8, 7]], np.float32),
            "k": np.array([[9, 0, 7], [0, 9, 5], [0, 0, 1]], np.float32),
        }
        pipelines = [ma.Pipeline([one], spec) for one in (ma.BoxSafeCrop(8), ma.CameraRotate())]
        drawn = [one.sample(KEYS[0], (24, 32), record=record).values for one in pipelines]
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(drawn)]
        if time is None:
            expected = leaves
    for one, other in zip(leaves, expected, strict=True):
        np.testing.assert_array_equal(one, other)
