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
TRANSFORMS = (
    *(ma.Rotate(30), ma.Scale(1.2), ma.Flip("x")),
    *(ma.Brightness(0.2), ma.Contrast(0.3), ma.Gamma(1.3)),
)
BY_DAY = ("video", "warmth", "mask", "xyz", "depth", "flow")


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
SMALL = spec_of({"video": ENTRIES["video"], "mask": ENTRIES["mask"]}, {}, FRAMES)
SMALL_PIPELINE = ma.Pipeline([ma.Rotate(20), ma.Flip("x"), ma.Contrast(0.3)], SMALL)


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
    """One program for all records, as accelerators have it, and record by record."""
    pipeline = PIPELINE if rich else SMALL_PIPELINE
    spec, keys, batch = pipeline.spec, keys_of(2), batch_of(pipeline.spec)
    params = pipeline.sample(keys, SHAPE)
    found = pipeline.batch(keys, batch)
    static = Run(spec, SHAPE)
    arrays, flat = of_one_rank(static, batch)
    without_c()
    for form in ("vmap", "map"):
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
    transforms = [ma.Rotate(180), ma.Flip("y"), ma.Contrast(0.3)]
    keys, batch = keys_of(1, seed), batch_of(spec, 1, frames, seed, holes=holes)
    found = ma.Pipeline(transforms, spec).batch(keys, batch)
    of_images = ma.Pipeline(transforms, spec.of_images())
    for time in range(frames):
        same(of_frame(spec, found, time), of_images.batch(keys, frame(spec, batch, time)))


# --- values ------------------------------------------------------------------------------------


@pytest.mark.cpu
@native_only
def test_noise_differs_from_frame_to_frame_and_the_first_is_that_of_an_image():
    entries = {"video": {"role": "intensity", "dtype": "float32", "channels": 2}}
    spec = spec_of(entries, {})
    noise = ma.Pipeline([ma.GaussianNoise((0.5, 0.5))], spec)
    still = ma.Pipeline(noise.transforms, spec.of_images())
    keys, blank = keys_of(2), {"video": np.zeros((2, 40, *SHAPE, 2), np.float32)}
    found = np.asarray(noise.batch(keys, blank)["video"])
    same({"video": found[:, 0]}, still.batch(keys, {"video": blank["video"][:, 0]}))
    same(noise.batch(keys, {"video": blank["video"][:, :7]}), {"video": found[:, :7]})
    flat = found.reshape(80, -1)
    # 960 independent values: correlations of any two frames are about N(0, 1 / 960).
    correlations = np.corrcoef(flat)[np.triu_indices(80, 1)] * np.sqrt(flat.shape[1])
    assert np.abs(correlations).max() < 5
    assert abs(correlations.std() - 1) < 0.1
    np.testing.assert_allclose(flat.std(axis=1), 0.5, rtol=0.12)
    # XLA takes away what native code has added.
    close(noise.invert(noise.sample(keys, SHAPE), {"video": found}), blank)


@pytest.mark.cpu
@native_only
def test_values_that_get_wider_and_values_of_groups():
    """float32 from uint8 is written where the bytes of later frames lie."""
    groups = [{"role": "intensity", "channels": 1}, {"role": "flow"}]
    entries = {"video": ENTRIES["video"], "both": {"dtype": "float32", "channels": groups}}
    spec = spec_of(entries, {})
    transforms = [ma.Rotate(20), ma.Contrast(0.2), ma.Normalize(0.4, 0.3, entries="video")]
    keys, batch = keys_of(2), batch_of(spec, frames=4)
    found = ma.Pipeline(transforms, spec).batch(keys, batch)
    assert found["video"].dtype == np.float32
    still = ma.Pipeline(transforms, spec.of_images())
    for time in range(4):
        same(of_frame(spec, found, time), still.batch(keys, frame(spec, batch, time)))


# --- gradients and the way back ----------------------------------------------------------------


def test_gradients_are_those_of_the_images():
    """A linear map: its gradient is its adjoint, frame by frame."""
    spec = spec_of({"video": {"role": "intensity", "dtype": "float32", "channels": 1}}, {})
    pipeline, key = ma.Pipeline([ma.Rotate(20)], spec), jax.random.key(3)
    values, weights = np.random.default_rng(0).normal(0, 1, (2, FRAMES, *SHAPE, 1))

    def projection(video):
        return (pipeline(key, {"video": video})["video"] * jnp.float32(weights)).sum()

    slope = jax.jit(jax.grad(projection))(jnp.zeros(values.shape, jnp.float32))
    moved = np.asarray(pipeline(key, {"video": np.float32(values)})["video"], np.float64)
    by_slope, by_values = ((a * b).sum((1, 2, 3)) for a, b in ((slope, values), (moved, weights)))
    np.testing.assert_allclose(by_slope, by_values, rtol=1e-4, atol=1e-3)


def test_invert_brings_every_frame_back():
    spec = spec_of({"warmth": {**ENTRIES["warmth"], "border": "edge"}, "mask": ENTRIES["mask"]}, {})
    pipeline = ma.Pipeline([ma.Rotate(8), ma.Brightness(0.2)], spec)
    keys, batch = keys_of(2), batch_of(spec, content="smooth")
    params = pipeline.sample(keys, SHAPE)
    logits = np.random.default_rng(0).random((2, FRAMES, *SHAPE, 5), np.float32)
    given = {"warmth": np.asarray(pipeline.apply(params, batch)["warmth"]), "mask": logits}
    settings = {"roles": {"mask": "intensity"}, "validity": True}
    back = pipeline.invert(params, given, **settings)
    assert back["mask"].shape == (2, FRAMES, *SHAPE, 5)
    assert back["warmth_valid"].shape == (2, FRAMES, *SHAPE)
    valid = np.asarray(back["warmth_valid"])
    assert valid.mean() > 0.7
    off = np.abs(np.asarray(back["warmth"]) - batch["warmth"])[valid]
    assert off.mean() < 0.01
    # Frames do not know of each other.
    turned = pipeline.invert(params, {n: a[:, ::-1] for n, a in given.items()}, **settings)
    same(turned, {n: np.asarray(a)[:, ::-1] for n, a in back.items()})


# --- stages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_warps", [False, pytest.param(True, marks=by_night)])
def test_stages_do_to_every_frame_what_they_do_to_an_image(with_warps):
    """The same occlusion on all frames, one partner and weight, classes of each frame."""
    entries = {n: ENTRIES[n] for n in ("video", "warmth", "mask")}
    if with_warps:
        entries["warmth"] = {**ENTRIES["warmth"], "validity": True}
    spec = spec_of(entries, {})
    stages = [ma.Erase((0.1, 0.3)), ma.OneHot("mask", 4), ma.MixUp(1.0, keep=["mask"])]
    transforms = [ma.Rotate(20), *stages, ma.Flip("x")] if with_warps else stages
    pipeline, still = ma.Pipeline(transforms, spec), ma.Pipeline(transforms, spec.of_images())
    assert pipeline.out_spec.entries["mask_onehot"].time == "any"
    keys, batch = keys_of(3), batch_of(spec, 3)
    found = pipeline.batch(keys, batch)
    assert found["mask_onehot"].shape == (3, FRAMES, *SHAPE, 4)
    for time in range(FRAMES):
        expected = still.batch(keys, frame(spec, batch, time))
        mine = of_frame(pipeline.out_spec, found, time)
        close(mine, {n: np.asarray(a) for n, a in expected.items()}, 0.001)
    if with_warps:
        assert found["warmth_valid"].shape == (3, FRAMES, *SHAPE)
        erased = ma.Pipeline([ma.Rotate(20), ma.Erase((0.1, 0.3))], spec)
        params = erased.sample(keys, SHAPE)
        back = erased.invert(params, erased.apply(params, batch), validity=True)
        valid = np.asarray(back["video_valid"])
        assert valid.shape == (3, FRAMES, *SHAPE)
        assert (valid == valid[:, :1]).all()


# --- what is known of frames ---------------------------------------------------------------------


def test_so_many_frames_can_be_compiled_ahead():
    explained = SMALL_PIPELINE.explain(SHAPE).entries[0]
    assert explained.bytes_read == FRAMES * 20 * 24 * 3
    SMALL_PIPELINE.warmup(SHAPE)
    with pytest.raises(ParameterError, match="must know the number of frames of the entry 'video'"):
        PIPELINE.warmup(SHAPE)


@by_night
@pytest.mark.parametrize("transform", [ma.GaussianNoise(0.1), ma.Rotate(20), ma.Erase()])
def test_a_transform_keeps_its_promises_on_frames(transform):
    spec = spec_of({"video": {"role": "intensity", "dtype": "uint8", "channels": 1}}, {})
    check_transform(transform, spec)
