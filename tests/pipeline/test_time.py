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
by_night = pytest.mark.skipif(not NIGHTLY, reason="compiling takes seconds")
native_only = pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")

SHAPE = (20, 24)
FRAMES = 3
DEPTH = {"role": "depth"}
# Every role and type of image, each with its own way through the native code.
ENTRIES = {
    "video": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "words": {"role": "intensity", "dtype": "uint16", "channels": 2, "interpolation": "cubic"},
    "warmth": {"role": "intensity", "dtype": "float32", "channels": 1, "invalid": "nan"},
    "mask": {"role": "label", "dtype": "uint8", "ignore": 255, "mirror_pairs": [[1, 2]]},
    "most": {"role": "label", "dtype": "int32", "interpolation": "majority"},
    "xyz": {"role": "position", "dtype": "float32"},
    "depth": {**DEPTH, "dtype": "float32"},
    "rgbd": {"dtype": "float32", "channels": [{"role": "intensity", "channels": 1}, DEPTH]},
    "normals": {"role": "direction", "dtype": "float32"},
    "flow": {"role": "flow", "dtype": "float32"},
    "angle": {"role": "orientation", "dtype": "float32", "period": 180},
    "heat": {"role": "density", "dtype": "float32", "channels": 1},
    "shares": {"role": "probability", "dtype": "float32", "channels": 3},
}
STILL = {
    "poster": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "intrinsics": {"role": "intrinsics", "dtype": "float32"},
}
TRANSFORMS = (
    *(ma.Rotate(30), ma.Scale(1.2), ma.Flip("x")),
    *(ma.Brightness(0.2), ma.Contrast(0.3), ma.Normalize(0.4, 0.3, entries="video")),
)
BY_DAY = ("video", "mask", "rgbd")


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


SPEC = spec_of(ENTRIES if NIGHTLY else {name: ENTRIES[name] for name in BY_DAY})
TIMED = [name for name, entry in SPEC.entries.items() if entry.time is not None]
PIPELINE = ma.Pipeline(TRANSFORMS, SPEC)
SMALL = spec_of({"video": {"role": "intensity", "dtype": "float32", "channels": 2}}, {})
SMALL_PIPELINE = ma.Pipeline([ma.Rotate(20), ma.Contrast(0.3), ma.GaussianNoise((0.5, 0.5))], SMALL)


# --- native code -------------------------------------------------------------------------------


@pytest.mark.cpu
@native_only
def test_frames_are_to_the_bit_what_images_of_the_same_key_are():
    keys, batch = keys_of(2), batch_of(SPEC, holes=True, half=("mask",))
    found = PIPELINE.batch(keys, batch)
    still = ma.Pipeline(PIPELINE.transforms, SPEC.of_images())
    assert {found[name].shape[:2] for name in TIMED} == {(2, FRAMES)}
    for time in range(FRAMES):
        same(of_frame(SPEC, found, time), still.batch(keys, frame(SPEC, batch, time)))
    plans = PIPELINE.explain(SHAPE, like={n: a[0] for n, a in batch.items()}).entries
    assert {(plan.entry, plan.reason) for plan in plans} == {(n, "") for n in SPEC.entries}
    # Another number of frames compiles nothing, and changes no frame.
    fewer = {n: a[:, :2] if n in TIMED else a for n, a in batch.items()}
    with compilations() as compiled:
        again = PIPELINE.batch(keys, fewer)
    assert not [line for line in compiled if line.startswith("Compiling") and "plan" in line]
    same(again, {n: np.asarray(a)[:, :2] if n in TIMED else a for n, a in found.items()})


@pytest.mark.cpu
@native_only
@pytest.mark.parametrize("rich", [False, pytest.param(True, marks=by_night)])
def test_one_record_a_batch_and_jit_agree(rich):
    pipeline = PIPELINE if rich else SMALL_PIPELINE
    keys, batch = keys_of(2), batch_of(pipeline.spec)
    found = {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}
    for _ in range(2):  # the second call knows the structure
        alone = pipeline(keys[1], {n: a[1] for n, a in batch.items()})
        same(alone, {n: a[1] for n, a in found.items()})
    same(pipeline.batch(keys, batch, out=pipeline.batch(keys, batch)), found)
    same(pipeline.apply(pipeline.sample(keys, SHAPE), batch), found)
    same(jax.jit(pipeline.batch)(keys, batch), found)


@pytest.mark.parametrize("rich", [False, pytest.param(True, marks=by_night)])
def test_xla_does_the_same(rich, without_c):
    """One program for all records, as accelerators have it, and by night record by record."""
    pipeline = PIPELINE if rich else SMALL_PIPELINE
    spec, keys, batch = pipeline.spec, keys_of(2), batch_of(pipeline.spec)
    params = pipeline.sample(keys, SHAPE)
    found = pipeline.batch(keys, batch)
    static = Run(spec, SHAPE)
    arrays, flat = of_one_rank(static, batch)
    without_c()
    for form in ("vmap", "map") if NIGHTLY else ("vmap",):
        done = run_whole(pipeline.transforms, params, arrays, run=static, form=form)
        close({n: a[..., 0] if n in flat else a for n, a in done.items()}, found, few=0.02)


@pytest.mark.cpu
@native_only
@settings(max_examples=60 if NIGHTLY else 4)
@given(
    name=st.sampled_from(list(ENTRIES) if NIGHTLY else ["most"]),
    frames=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    holes=st.booleans(),
)
def test_any_role_and_number_of_frames(name, frames, seed, holes):
    still = {} if name in ("video", "most") else {"intrinsics": STILL["intrinsics"]}
    spec = spec_of({name: ENTRIES[name]}, still)
    transforms = [ma.Rotate(180), ma.Flip("y"), *((ma.Contrast(0.3),) if NIGHTLY else ())]
    keys, batch = keys_of(1, seed), batch_of(spec, 1, frames, seed, holes=holes)
    found = ma.Pipeline(transforms, spec).batch(keys, batch)
    of_images = ma.Pipeline(transforms, spec.of_images())
    for time in range(frames):
        same(of_frame(spec, found, time), of_images.batch(keys, frame(spec, batch, time)))


# --- values ------------------------------------------------------------------------------------


@pytest.mark.cpu
@native_only
def test_noise_differs_from_frame_to_frame_and_the_first_is_that_of_an_image():
    still = ma.Pipeline(SMALL_PIPELINE.transforms, SMALL.of_images())
    keys, blank = keys_of(2), {"video": np.zeros((2, 40, *SHAPE, 2), np.float32)}
    found = np.array(SMALL_PIPELINE.batch(keys, blank)["video"])
    same({"video": found[:, 0]}, still.batch(keys, {"video": blank["video"][:, 0]}))
    same(SMALL_PIPELINE.batch(keys, {"video": blank["video"][:, :7]}), {"video": found[:, :7]})
    flat = found.reshape(80, -1)
    # 960 independent values: correlations of any two frames are about N(0, 1 / 960).
    correlations = np.corrcoef(flat)[np.triu_indices(80, 1)] * np.sqrt(flat.shape[1])
    assert np.abs(correlations).max() < 5
    assert abs(correlations.std() - 1) < 0.1
    np.testing.assert_allclose(flat.std(axis=1), 0.5, rtol=0.12)


# --- gradients and the way back ----------------------------------------------------------------


def test_gradients_are_those_of_the_images():
    """The values are moved by a linear map, and its gradient is the adjoint, frame by frame."""
    key = jax.random.key(3)
    values, weights = np.random.default_rng(0).normal(0, 1, (2, FRAMES, *SHAPE, 2))

    def moved(video):
        return SMALL_PIPELINE(key, {"video": video})["video"]

    slope = jax.grad(lambda video: (moved(video) * jnp.float32(weights)).sum())
    blank = np.zeros(values.shape, np.float32)
    forward = np.asarray(moved(np.float32(values)), np.float64) - np.asarray(moved(blank))
    by_slope = (np.asarray(jax.jit(slope)(blank)) * values).sum((1, 2, 3))
    np.testing.assert_allclose(by_slope, (forward * weights).sum((1, 2, 3)), rtol=1e-3, atol=1e-3)


def test_invert_brings_every_frame_back():
    """A ramp shows where the pixels of the source have gone."""
    spec = spec_of({"mask": ENTRIES["mask"]}, {})
    pipeline = ma.Pipeline([ma.Rotate((20, 30))], spec)
    params = pipeline.sample(keys_of(2), SHAPE)
    y, x = (axis - (n - 1) / 2 for axis, n in zip(np.mgrid[:20, :24], SHAPE, strict=True))
    steps = np.arange(1, FRAMES + 1, dtype=np.float32).reshape(-1, 1, 1, 1)
    ramps = np.float32(x)[..., None] * steps
    back = pipeline.invert(
        params,
        {"mask": np.stack([ramps, ramps])},
        roles={"mask": "intensity"},
        validity=True,
    )
    assert back["mask"].shape == (2, FRAMES, *SHAPE, 1)
    assert back["mask_valid"].shape == (2, FRAMES, *SHAPE)
    for i, turn in enumerate(np.deg2rad(params.values[0]["degrees"])):
        gone = (np.cos(turn) * x + np.sin(turn) * y)[..., None]
        away = -np.sin(turn) * x + np.cos(turn) * y
        inside = (np.abs(gone[..., 0]) < 11.4) & (np.abs(away) < 9.4)
        for time in range(FRAMES):
            off = np.abs(back["mask"][i, time] - gone * (time + 1))[inside]
            assert off.max() < 1e-3
            assert np.asarray(back["mask_valid"][i, time])[inside].all()
            assert not np.asarray(back["mask_valid"][i, time]).all()


# --- stages ------------------------------------------------------------------------------------


STAGES = (ma.Erase((0.1, 0.3)), ma.OneHot("mask", 4), ma.MixUp(1.0, keep=["mask"]))


def test_stages_do_the_same_to_all_frames():
    """One occlusion, one partner and weight; classes of each frame."""
    spec = spec_of({n: ENTRIES[n] for n in ("video", "mask")}, {})
    pipeline = ma.Pipeline(STAGES, spec)
    assert pipeline.out_spec.entries["mask_onehot"].time == "any"
    keys, batch = keys_of(3), batch_of(spec, 3)
    batch["video"][:] = np.uint8([200, 100, 50]).reshape(3, 1, 1, 1, 1)
    found = {n: np.asarray(a) for n, a in pipeline.batch(keys, batch).items()}
    assert found["mask_onehot"].shape == (3, FRAMES, *SHAPE, 4)
    erased = found["mask"] == 255
    assert (erased == erased[:, :1]).all()
    assert (erased.mean((1, 2, 3)) > 0.09).all()
    np.testing.assert_array_equal(found["mask"][~erased], batch["mask"][~erased])
    video = found["video"]
    assert (video == video[:, :1]).all()
    weights, partners = mixed_by(pipeline, keys)
    levels = np.float64([200, 100, 50]) @ weights.T
    own = (video == np.floor(levels + 0.5).reshape(3, 1, 1, 1, 1)).all(-1)
    assert own[~erased & ~erased[partners]].all()
    shares = np.eye(256)[:, :4][found["mask"]]
    expected = np.einsum("nm,mthwc->nthwc", weights, shares)
    np.testing.assert_allclose(found["mask_onehot"], expected, atol=1e-6)


def mixed_by(pipeline, keys):
    """(N, N) weights of the records in each, and the partner of each."""
    drawn = pipeline.sample(keys, SHAPE).values[2]
    partners = np.asarray(STAGES[2].partners(drawn, len(keys)))
    weights = np.zeros((len(keys), len(keys)))
    for i, (own, other) in enumerate(np.asarray(STAGES[2].weights(drawn))):
        weights[i, i] += own
        weights[i, partners[i]] += other
    return weights, partners


@by_night
def test_stages_do_to_every_frame_what_they_do_to_an_image():
    entries = {n: ENTRIES[n] for n in ("video", "mask")}
    entries["warmth"] = {**ENTRIES["warmth"], "validity": True}
    spec = spec_of(entries, {})
    transforms = [ma.Rotate(20), *STAGES, ma.Flip("x")]
    pipeline, still = ma.Pipeline(transforms, spec), ma.Pipeline(transforms, spec.of_images())
    keys, batch = keys_of(3), batch_of(spec, 3)
    found = pipeline.batch(keys, batch)
    assert found["warmth_valid"].shape == (3, FRAMES, *SHAPE)
    for time in range(FRAMES):
        expected = still.batch(keys, frame(spec, batch, time))
        mine = of_frame(pipeline.out_spec, found, time)
        close(mine, {n: np.asarray(a) for n, a in expected.items()}, 0.001)
    erased = ma.Pipeline([ma.Rotate(20), ma.Erase((0.1, 0.3))], spec)
    params = erased.sample(keys, SHAPE)
    back = erased.invert(params, erased.apply(params, batch), validity=True)
    valid = np.asarray(back["video_valid"])
    assert valid.shape == (3, FRAMES, *SHAPE)
    assert (valid == valid[:, :1]).all()


@by_night
def test_values_are_undone_frame_by_frame():
    values, batch = ma.Pipeline(SMALL_PIPELINE.transforms[1:], SMALL), batch_of(SMALL)
    params = values.sample(keys_of(2), SHAPE)
    close(values.invert(params, values.apply(params, batch)), batch)


# --- what is known of frames -------------------------------------------------------------------


def test_so_many_frames_can_be_compiled_ahead():
    spec = spec_of({"video": ENTRIES["video"]}, {}, time=FRAMES)
    plan = ma.Pipeline([ma.Rotate(20)], spec).explain(SHAPE).entries[0]
    assert plan.bytes_read == plan.bytes_written == FRAMES * 20 * 24 * 3
    with pytest.raises(ParameterError, match="must know the number of frames of the entry 'video'"):
        PIPELINE.warmup(SHAPE)


@by_night
@pytest.mark.parametrize("transform", [ma.GaussianNoise(0.1), ma.Rotate(20), ma.Erase()])
def test_a_transform_keeps_its_promises_on_frames(transform):
    spec = spec_of({"video": {"role": "intensity", "dtype": "uint8", "channels": 1}}, {})
    check_transform(transform, spec)
