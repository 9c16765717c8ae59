"""Entries with frames: every frame becomes what an image would, by the same key."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.errors import ParameterError
from multiaug.pipeline.backends._whole import of_one_rank, run_whole
from multiaug.pipeline.program._structure import Run
from multiaug.testing import check_transform, compilations, make_record

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
native_only = pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")

SHAPE = (20, 24)
FRAMES = 3
# Every role and type of image, each with its own way through the native code.
ENTRIES = {
    "video": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "words": {"role": "intensity", "dtype": "uint16", "channels": 2, "interpolation": "cubic"},
    "warmth": {"role": "intensity", "dtype": "float32", "channels": 1, "invalid": "nan"},
    "mask": {"role": "label", "dtype": "uint8", "ignore": 255, "mirror_pairs": [[1, 2]]},
    "most": {"role": "label", "dtype": "int32", "interpolation": "majority"},
    "xyz": {"role": "position", "dtype": "float32"},
    "depth": {"role": "depth", "dtype": "float32"},
    "normals": {"role": "direction", "dtype": "float32"},
    "flow": {"role": "flow", "dtype": "float32"},
    "angle": {"role": "orientation", "dtype": "float32", "period": 180},
    "heat": {"role": "density", "dtype": "float32", "channels": 1},
    "shares": {"role": "probability", "dtype": "float32", "channels": 3},
}
STILL = {
    "poster": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "points": {"role": "keypoints", "dtype": "float32"},
    "intrinsics": {"role": "intrinsics", "dtype": "float32"},
}
GEOMETRY = (ma.Rotate(30), ma.Scale(1.2), ma.Translate(0.05))
VALUES = (ma.Brightness(0.2), ma.Contrast(0.3), ma.Gamma(1.3))


def spec_of(entries, still=STILL, time=True):
    timed = {name: {**entry, "time": time} for name, entry in entries.items()}
    return ma.DataSpec.from_dict({"name": "frames", "entries": {**timed, **still}})


def batch_of(spec, count=2, frames=FRAMES, seed=0, **settings):
    """A batch with so many frames; those of one seed begin alike."""
    made = make_record(spec, SHAPE, seed, batch=count, **settings)
    rows = np.arange(frames) % 2
    for name, entry in spec.entries.items():
        if entry.time is not None:
            made[name] = np.ascontiguousarray(made[name][:, rows])
            made[name][:, 2:] = made[name][:, 2:, ::-1]  # no frame is another one
    return made


def frame(spec, batch, time):
    """One frame of each entry with time, and all else."""
    return {
        n: a if n not in spec.entries or spec.entries[n].time is None else a[:, time]
        for n, a in batch.items()
    }


def of_frame(spec, found, time):
    """Results of one frame; derived ones belong to their entry."""
    timed = {n for n, e in spec.entries.items() if e.time is not None}
    timed |= {f"{n}_valid" for n in timed}
    return {n: np.asarray(a)[:, time] if n in timed else np.asarray(a) for n, a in found.items()}


def keys_of(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in found.items():
        a, b = np.asarray(values), np.asarray(expected[name])
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        assert a.tobytes() == b.tobytes(), name


def close(found, expected, few=0.0, names=None):
    """Equal to rounding, but for a share of values beside a tie."""
    assert found.keys() == expected.keys()
    for name in names or found:
        a, b = np.asarray(found[name]), np.asarray(expected[name])
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        off = ~np.isclose(
            a.astype(np.float64), b.astype(np.float64), rtol=1e-4, atol=1e-4, equal_nan=True
        )
        assert off.mean() <= few, (name, off.mean())


SPEC = spec_of(ENTRIES)
PIPELINE = ma.Pipeline([*GEOMETRY, ma.Flip("x"), *VALUES], SPEC)


@pytest.fixture(scope="module")
def run():
    """A batch and what the pipeline made of it, for whoever looks at it."""
    keys, batch = keys_of(2), batch_of(SPEC, holes=True, half=("mask",))
    return keys, batch, PIPELINE.batch(keys, batch)


# --- native code -------------------------------------------------------------------------------


@pytest.mark.cpu
@native_only
def test_frames_are_to_the_bit_what_images_of_the_same_key_are(run):
    keys, batch, found = run
    still = ma.Pipeline(PIPELINE.transforms, SPEC.of_images())
    assert {n: a.shape[1] for n, a in found.items() if n in ENTRIES} == dict.fromkeys(
        ENTRIES, FRAMES
    )
    for time in range(FRAMES):
        same(of_frame(SPEC, found, time), still.batch(keys, frame(SPEC, batch, time)))
    plans = PIPELINE.explain(SHAPE, like={n: a[0] for n, a in batch.items()}).entries
    assert {(plan.entry, plan.reason) for plan in plans} == {(n, "") for n in SPEC.entries}


@pytest.mark.cpu
@native_only
def test_another_number_of_frames_compiles_nothing_and_changes_none(run):
    keys, batch, found = run
    fewer = {n: a[:, :2] if n in ENTRIES else a for n, a in batch.items()}
    with compilations() as compiled:
        again = PIPELINE.batch(keys, fewer)
    assert not [line for line in compiled if "draw" in line or "plan" in line], compiled
    same(again, {n: np.asarray(a)[:, :2] if n in ENTRIES else a for n, a in found.items()})


@pytest.mark.cpu
@native_only
def test_one_record_a_batch_and_jit_agree(run):
    keys, batch, found = run
    for _ in range(2):  # the second call knows the structure
        alone = PIPELINE(keys[1], {n: a[1] for n, a in batch.items()})
        same(alone, {n: a[1] for n, a in found.items()})
    params = PIPELINE.sample(keys, SHAPE)
    same(PIPELINE.apply(params, batch), found)
    out = PIPELINE.batch(keys, batch)
    same(PIPELINE.batch(keys, batch, out=out), found)
    same(jax.jit(PIPELINE.batch)(keys, batch), found)


def test_xla_does_the_same(run, without_c):
    """One program for all records, as accelerators have it, and record by record."""
    keys, batch, found = run
    params = PIPELINE.sample(keys, SHAPE)
    static = Run(SPEC, SHAPE)
    arrays, flat = of_one_rank(static, batch)
    without_c()
    for form in ("vmap", "map"):
        done = run_whole(PIPELINE.transforms, params, arrays, run=static, form=form)
        done = {n: a[..., 0] if n in flat else a for n, a in done.items()}
        close(done, found, few=0.02)


# --- values ------------------------------------------------------------------------------------

TWO = {
    "video": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "cloud": {
        "dtype": "float32",
        "channels": [{"role": "intensity", "channels": 1}, {"role": "position"}],
    },
}


@pytest.mark.cpu
@native_only
def test_noise_differs_from_frame_to_frame_and_the_first_is_that_of_an_image():
    entries = {"video": {"role": "intensity", "dtype": "float32", "channels": 2}}
    spec = spec_of(entries, {})
    noise = ma.Pipeline([ma.Flip("x"), ma.GaussianNoise((0.5, 0.5))], spec)
    still = ma.Pipeline(noise.transforms, spec.of_images())
    keys, blank = keys_of(2), {"video": np.zeros((2, 40, *SHAPE, 2), np.float32)}
    found = np.asarray(noise.batch(keys, blank)["video"])
    same({"video": found[:, 0]}, still.batch(keys, {"video": blank["video"][:, 0]}))
    same(noise.batch(keys, {"video": blank["video"][:, :7]}), {"video": found[:, :7]})
    flat = found.reshape(80, -1)
    # 960 independent values: correlations of any two frames are N(0, 1 / 960).
    correlations = np.corrcoef(flat)[np.triu_indices(80, 1)] * np.sqrt(flat.shape[1])
    assert np.abs(correlations).max() < 5
    assert abs(correlations.std() - 1) < 0.1
    np.testing.assert_allclose(flat.std(axis=1), 0.5, rtol=0.12)
    params = noise.sample(keys, SHAPE)
    close(noise.invert(params, {"video": found}), blank)
    close(jax.jit(noise.batch)(keys, blank), {"video": found})


@pytest.mark.cpu
@native_only
@pytest.mark.parametrize("last", [ma.Normalize(0.4, 0.3), ma.GaussianNoise(0.1)])
def test_values_that_get_wider_or_stand_in_groups(last):
    """float32 from uint8 is written where the bytes of later frames lie."""
    entries = TWO if last.keeps_dtype else {"video": TWO["video"]}
    spec = spec_of(entries, {})
    pipeline = ma.Pipeline([ma.Rotate(20), ma.ChannelShift(0.2), last], spec)
    still = ma.Pipeline(pipeline.transforms, spec.of_images())
    keys, batch = keys_of(2), batch_of(spec, frames=4)
    found = pipeline.batch(keys, batch)
    times = range(4) if last.footprint == "point" else [0]
    for time in times:
        same(of_frame(spec, found, time), still.batch(keys, frame(spec, batch, time)))


# --- gradients and the way back ------------------------------------------------------------------


def test_gradients_are_those_of_the_images():
    spec = spec_of({"video": {"role": "intensity", "dtype": "float32", "channels": 1}}, {})
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Contrast(0.3)], spec)
    still = ma.Pipeline(pipeline.transforms, spec.of_images())
    key, video = jax.random.key(3), batch_of(spec, count=1)["video"][0]

    def energy(values, of):
        return (of(key, {"video": values})["video"] ** 2).sum()

    found = jax.grad(energy)(jnp.asarray(video), pipeline)
    slope = jax.jit(jax.grad(lambda values: energy(values, still)))
    expected = np.stack([slope(jnp.asarray(image)) for image in video])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_invert_brings_frames_back():
    entries = {n: ENTRIES[n] for n in ("warmth", "mask")}
    spec = spec_of(entries, {})
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Crop((16, 20)), ma.Brightness(0.2)], spec)
    still = ma.Pipeline(pipeline.transforms, spec.of_images())
    keys, batch = keys_of(2), batch_of(spec, content="smooth")
    params = pipeline.sample(keys, SHAPE)
    out = pipeline.apply(params, batch)
    logits = np.random.default_rng(0).random((2, FRAMES, 16, 20, 5), np.float32)
    given = {"warmth": np.asarray(out["warmth"]), "mask": logits}
    back = pipeline.invert(params, given, roles={"mask": "intensity"}, validity=True)
    assert back["mask"].shape == (2, FRAMES, *SHAPE, 5)
    assert back["warmth_valid"].shape == (2, FRAMES, *SHAPE)
    for time in range(FRAMES):
        expected = still.invert(
            params, frame(spec, given, time), roles={"mask": "intensity"}, validity=True
        )
        close(of_frame(spec, back, time), {n: np.asarray(a) for n, a in expected.items()}, 0.002)


# --- stages --------------------------------------------------------------------------------------


def test_stages_do_to_every_frame_what_they_do_to_an_image():
    """The same occlusion on all frames, one partner and weight, classes of each frame."""
    entries = {
        "video": ENTRIES["video"],
        "warmth": {**ENTRIES["warmth"], "validity": True},
        "mask": ENTRIES["mask"],
    }
    spec = spec_of(entries, {})
    pipeline = ma.Pipeline(
        [
            ma.Rotate(20),
            ma.Erase((0.1, 0.3)),
            ma.OneHot("mask", 4),
            ma.MixUp(1.0, keep=["mask"]),
            ma.Flip("x"),
        ],
        spec,
    )
    still = ma.Pipeline(pipeline.transforms, spec.of_images())
    assert pipeline.out_spec.entries["mask_onehot"].time == "any"
    keys, batch = keys_of(3), batch_of(spec, 3)
    batch["mask"] = batch["mask"] % 4
    found = pipeline.batch(keys, batch)
    assert found["mask_onehot"].shape == (3, FRAMES, *SHAPE, 4)
    assert found["warmth_valid"].shape == (3, FRAMES, *SHAPE)
    names = {"video", "warmth", "warmth_valid", "mask", "mask_onehot"}
    for time in range(FRAMES):
        expected = still.batch(keys, frame(spec, batch, time))
        wide = of_frame(spec, found, time) | {
            "mask_onehot": np.asarray(found["mask_onehot"])[:, time]
        }
        assert wide.keys() == expected.keys() == names
        close(wide, {n: np.asarray(a) for n, a in expected.items()}, 0.001)
    params = pipeline.sample(keys, SHAPE)
    erased = ma.Pipeline([ma.Rotate(20), ma.Erase((0.1, 0.3))], spec)
    params = erased.sample(keys, SHAPE)
    back = erased.invert(params, erased.apply(params, batch), validity=True)
    assert back["video_valid"].shape == (3, FRAMES, *SHAPE)
    assert (np.asarray(back["video_valid"]) == np.asarray(back["video_valid"])[:, :1]).all()


def test_fixed_numbers_of_frames_can_be_compiled_ahead():
    spec = spec_of({"video": TWO["video"]}, {}, time=FRAMES)
    pipeline = ma.Pipeline([ma.Rotate(20)], spec)
    assert pipeline.explain(SHAPE).entries[0].bytes_read == FRAMES * 20 * 24 * 3
    pipeline.warmup(SHAPE)
    open_ended = ma.Pipeline([ma.Rotate(20)], spec_of({"video": TWO["video"]}, {}))
    with pytest.raises(ParameterError, match="must know the number of frames of the entry 'video'"):
        open_ended.warmup(SHAPE)


def test_a_transform_keeps_its_promises_on_frames():
    spec = spec_of({"video": {"role": "intensity", "dtype": "uint8", "channels": 1}}, {})
    for transform in (ma.GaussianNoise(0.1), *((ma.Rotate(20), ma.Erase()) if NIGHTLY else ())):
        check_transform(transform, spec)


# --- all roles, any number of frames -----------------------------------------------------------


@pytest.mark.cpu
@native_only
@settings(max_examples=60 if NIGHTLY else 4)
@given(
    name=st.sampled_from(list(ENTRIES) if NIGHTLY else ["video", "depth"]),
    frames=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    holes=st.booleans(),
)
def test_any_role_and_number_of_frames(name, frames, seed, holes):
    still = {} if name == "video" else {"intrinsics": STILL["intrinsics"]}
    spec = spec_of({name: ENTRIES[name]}, still)
    transforms = [ma.Rotate(180), ma.Flip("y"), *VALUES]
    keys, batch = keys_of(1, seed), batch_of(spec, 1, frames, seed, holes=holes)
    found = ma.Pipeline(transforms, spec).batch(keys, batch)
    of_images = ma.Pipeline(transforms, spec.of_images())
    for time in range(frames):
        same(of_frame(spec, found, time), of_images.batch(keys, frame(spec, batch, time)))
