"""What accelerators run: the vectorised form, checked here as far as a CPU can."""

import jax
import numpy as np
import pytest
from jax import export

import multiaug as ma
from multiaug.pipeline.backends._whole import run_whole
from multiaug.pipeline.checks._values import has_nonfinite
from multiaug.pipeline.program._structure import Run

SIZE = (24, 32)
SPEC = ma.load_spec("stereo-normals")
TRANSFORMS = (ma.Rotate(30), ma.Perspective(0.1), ma.Flip("x"), ma.Brightness(0.2))


def batch_of(count):
    rng = np.random.default_rng(0)
    shape = (count, *SIZE)
    z = rng.uniform(2, 3, shape).astype(np.float32)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    points = np.stack([(x - 15) / 40 * z, (y - 12) / 40 * z, z], axis=-1)
    normals = rng.normal(size=(*shape, 3))
    return {
        "rgbxyz": np.concatenate([rng.random((*shape, 3), dtype=np.float32), points], axis=-1),
        "normals": (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32),
        "depth": z,
        "mask": rng.integers(0, 4, shape, dtype=np.uint8),
        "intrinsics": np.tile(
            np.array([[40, 0, 15], [0, 40, 12], [0, 0, 1]], np.float32), (count, 1, 1)
        ),
    }


def channelled(batch):
    """All pictures with an axis of channels."""
    return {n: a[..., None] if a.shape[1:] == SIZE else a for n, a in batch.items()}


@pytest.fixture(scope="module")
def drawn():
    pipeline = ma.Pipeline(TRANSFORMS, SPEC)
    keys = jax.random.split(jax.random.key(3), 5)
    return pipeline, pipeline.sample(keys, SIZE), batch_of(5)


@pytest.fixture(scope="module")
def wide(drawn):
    """What the vectorised form makes of given params; masks need no axis of channels."""
    pipeline, params, batch = drawn
    return run_whole(pipeline.transforms, params, batch, run=Run(SPEC, SIZE), form="vmap")


def test_the_vectorised_form_agrees_with_the_loop(drawn, wide):
    pipeline, params, batch = drawn
    loop = pipeline.apply(params, batch)
    assert set(loop) == set(wide)
    for name in loop:
        expected = np.asarray(loop[name])
        found = np.asarray(wide[name]).reshape(expected.shape)
        if name == "mask":  # a rounded coordinate may cross a tie
            assert (found != expected).mean() < 1e-3
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_what_is_drawn_inside_is_what_sample_draws(drawn, wide):
    """One program draws, plans and samples."""
    pipeline, params, batch = drawn
    inside = run_whole(pipeline.transforms, params.key, batch, run=Run(SPEC, SIZE), form="vmap")
    assert inside["mask"].shape == batch["mask"].shape
    for name in wide:
        np.testing.assert_allclose(inside[name], wide[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_arrays_of_jax_are_checked_where_they_are(drawn):
    pipeline, _, batch = drawn
    held = {n: jax.numpy.asarray(a) for n, a in batch.items()}
    keys = jax.random.split(jax.random.key(3), 5)
    bad = held["rgbxyz"].at[2, 1, 0, 1].set(np.nan)
    with pytest.raises(ma.RecordError, match="rgbxyz"):
        pipeline.batch(keys, held | {"rgbxyz": bad})
    singular = held["intrinsics"].at[4, 0, 0].set(0)
    with pytest.raises(ma.RecordError, match="intrinsics"):
        pipeline.batch(keys, held | {"intrinsics": singular})
    assert set(pipeline.batch(keys, held)) == set(held)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", ["stereo-normals", "rgb-segmentation"])
def test_it_lowers_for_accelerators(name, platform):
    spec, batch = ma.load_spec(name), batch_of(2)
    transforms = TRANSFORMS
    if name == "rgb-segmentation":
        transforms = (ma.Elastic(), ma.Rotate(30), ma.Resize((12, 16)))
        batch = {"image": np.zeros((2, *SIZE, 3), np.uint8), "mask": batch["mask"]}
    params = ma.Pipeline(transforms, spec).sample(jax.random.split(jax.random.key(3), 2), SIZE)

    def run(params, batch):
        return run_whole(transforms, params, batch, run=Run(spec, SIZE), form="vmap")

    lowered = export.export(jax.jit(run), platforms=[platform])(params, channelled(batch))
    assert lowered.platforms == (platform,)
    # Products in TF32 or bfloat16 would move pixels: nothing may be left to the default.
    dots = [line for line in lowered.mlir_module().splitlines() if "stablehlo.dot_general" in line]
    assert bool(dots) == (name == "rgb-segmentation")
    assert all("HIGHEST" in line for line in dots)


@pytest.mark.parametrize(
    ("channel", "value", "expected"),
    [(None, 0, False), (4, np.nan, False), (4, np.inf, True), (1, np.nan, True)],
)
def test_suspicious_values_are_found_on_the_device(channel, value, expected):
    packed = np.ones((2, 3, 3, 6), np.float32)
    if channel is not None:
        packed[1, 0, 2, channel] = value
    groups = ma.load_spec("rgbxyz").entries["rgbxyz"].groups
    assert bool(has_nonfinite(packed, groups)) is expected


def test_integers_are_never_suspicious():
    groups = ma.load_spec("rgb-segmentation").entries["image"].groups
    assert not has_nonfinite(np.zeros((1, 2, 2, 3), np.uint8), groups)
