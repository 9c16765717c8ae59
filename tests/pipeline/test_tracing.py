"""Under JAX's own transformations: jit, vmap, grad, export; what compiles, and how often."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.testing import compilations, make_record
from multiaug.transforms import _base as base
from tests.nightly import by_night

SHAPE = (20, 24)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "a cloud and a picture",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 2},
            "xyz": {"role": "position", "dtype": "float32", "optional": True},
            "points": {"role": "keypoints", "dtype": "float32", "optional": True},
            "intrinsics": {"role": "intrinsics", "dtype": "float32", "optional": True},
        },
    }
)
PIPELINE = ma.Pipeline([ma.Rotate(30), ma.Perspective(0.1), ma.GaussianNoise(0.1)], SPEC)
KEYS = jax.random.split(jax.random.key(2), 3)


def batch_of(count=3, shape=SHAPE, **settings):
    return make_record(SPEC, shape, 1, batch=count, **settings)


def ours(messages):
    """JAX's messages about tracing and compiling the library's own programs."""
    names = ("_run_", "draw", "plan_", "finish_records")
    return [message for message in messages if any(name in message for name in names)]


def compiled(messages):
    return [message for message in ours(messages) if message.startswith("Compiling")]


def assert_close(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name in found:
        a, b = np.asarray(found[name]), np.asarray(expected[name])
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


# --- jit, vmap, what compiles ------------------------------------------------------------------


def test_one_compilation():
    # A spec of its own, so that no other test has compiled it.
    spec = ma.DataSpec.from_dict({**SPEC.to_dict(), "name": "nobody else's"})
    pipeline = ma.Pipeline([ma.Rotate(10), ma.Brightness(0.1)], spec)
    small = {"image": batch_of()["image"]}
    large = {"image": batch_of(shape=(8, 10))["image"]}
    with compilations() as first:
        pipeline.batch(KEYS, small)
    # Draw and run; where C samples, one does both.
    programs = 1 if compiled_is_available() else 2
    assert len(compiled(first)) == programs
    pipeline.apply(pipeline.sample(KEYS, SHAPE), small)
    with compilations() as again:
        pipeline.batch(KEYS[::-1], {"image": small["image"] * 2})
        pipeline.apply(pipeline.sample(KEYS, SHAPE), small)
        ma.Pipeline(list(pipeline.transforms), spec).batch(KEYS, small)
    assert not ours(again)
    with compilations() as other:
        pipeline.batch(KEYS, large)
    # Sizes are data of a plan for native code.
    assert len(compiled(other)) == (0 if compiled_is_available() else programs)


@pytest.mark.parametrize("make", [ma.Affine, lambda matrix: ma.Perspective(matrix=matrix)])
def test_matrices_are_arguments_of_the_compiled_code(make):
    matrices = [np.eye(3, dtype=np.float32) for _ in range(3)]
    matrices[1][0, 2], matrices[2][1, 1] = 3, -1
    image = {"image": batch_of()["image"]}
    pipelines = [ma.Pipeline([make(matrix)], SPEC) for matrix in matrices]
    outs = [np.asarray(pipelines[0].batch(KEYS, image)["image"])]
    with compilations() as found:
        outs += [np.asarray(p.batch(KEYS, image)["image"]) for p in pipelines[1:]]
        on_device = make(jnp.asarray(matrices[1]))
        outs.append(np.asarray(ma.Pipeline([on_device], SPEC).batch(KEYS, image)["image"]))
    assert not ours(found)
    np.testing.assert_array_equal(outs[0], image["image"])
    np.testing.assert_array_equal(outs[1][:, :, 3:], image["image"][:, :, :-3])
    np.testing.assert_array_equal(outs[3], outs[1])
    # Row y goes to -y: only row 0 stays in view.
    np.testing.assert_array_equal(outs[2][:, 0], image["image"][:, 0])
    assert not outs[2][:, 1:].any()


def test_a_pipeline_is_an_argument_of_jit():
    traced = []

    @jax.jit
    def run(pipeline, key, record):
        traced.append(1)
        return pipeline(key, record)

    image = {"image": batch_of()["image"][0]}
    for shift in (0, 2, 5):
        matrix = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
        out = run(ma.Pipeline([ma.Affine(matrix)], SPEC), KEYS[0], image)
        np.testing.assert_array_equal(out["image"][:, shift:], image["image"][:, : 24 - shift])
    assert len(traced) == 1


def test_keys_may_be_constants_of_jit_and_shapes_are_enough():
    batch = batch_of()
    eager = PIPELINE.batch(KEYS, batch)
    assert_close(jax.jit(lambda batch: PIPELINE.batch(KEYS, batch))(batch), eager, 1e-4)
    shapes = jax.eval_shape(PIPELINE.batch, KEYS, batch)
    assert {n: (s.shape, s.dtype) for n, s in shapes.items()} == {
        n: (a.shape, a.dtype) for n, a in eager.items()
    }


def test_params_are_arguments_of_jit():
    batch = {"image": batch_of()["image"]}
    params = PIPELINE.sample(KEYS, SHAPE)

    @jax.jit
    def there_and_back(params, batch):
        moved = PIPELINE.apply(params, batch)
        return moved, PIPELINE.invert(params, moved)

    moved = PIPELINE.apply(params, batch)
    for found, expected in zip(
        there_and_back(params, batch), (moved, PIPELINE.invert(params, moved)), strict=True
    ):
        assert_close(found, expected, 1e-4)


# --- grad --------------------------------------------------------------------------------------


def smooth():
    made = make_record(SPEC, SHAPE, 3, content="smooth")
    return {name: made[name] for name in ("image", "points")}


GEOMETRY = [
    ma.Rotate((5, 20)),
    ma.Scale((1.05, 1.3), per_axis=True),
    ma.Shear((3, 8)),
    ma.Translate((0.02, 0.08)),
    ma.Perspective(0.05),
    ma.Elastic(0.02, 2),
]
PHOTOMETRY = [
    ma.Brightness((0.05, 0.1)),
    ma.ChannelShift(0.1),
    ma.Contrast((0.1, 0.3)),
    ma.Gamma((1.2, 1.5)),
    ma.GaussianNoise((0.05, 0.1)),
]


@pytest.fixture(scope="module")
def bent():
    """A pipeline with every differentiable parameter, its params, and a loss of them."""
    pipeline = ma.Pipeline([*GEOMETRY, *PHOTOMETRY], SPEC)
    record, params = smooth(), pipeline.sample(KEYS[0], SHAPE)
    weight = make_record(SPEC, SHAPE, 9, content="smooth")["image"] - 0.5
    # The rim is where the picture ends: no derivative there.
    weight[:6] = weight[-6:] = weight[:, :6] = weight[:, -6:] = 0

    def loss(values, image, points):
        out = pipeline.apply(
            replace(params, values=values), {"image": image, "points": points}, check=False
        )
        return jnp.sum(out["image"] * weight), jnp.sum(out["points"])

    leaves, structure = jax.tree.flatten(params.values)
    floating = [i for i, leaf in enumerate(leaves) if is_float(leaf)]

    @jax.jit
    def both(some, image):
        all_leaves = list(leaves)
        for i, leaf in zip(floating, some, strict=True):
            all_leaves[i] = leaf
        values = jax.tree.unflatten(structure, all_leaves)
        return jnp.stack(loss(values, image, record["points"]))

    start = [np.asarray(leaves[i]) for i in floating]
    # Compiling is what a gradient costs: those of the params and of the picture in one go, and
    # not as fast as can be.
    gradient = jax.jit(
        jax.jacrev(both, (0, 1)), compiler_options={"xla_backend_optimization_level": 1}
    )
    slopes, of_image = gradient(start, record["image"])
    return both, params.values, record["image"], start, slopes, of_image[0]


def is_float(leaf):
    return jnp.issubdtype(leaf.dtype, jnp.floating)


@by_night
def test_gradients_of_all_params_and_values_match_differences(bent):
    """One test: workers of a suite would each compile what both need."""
    gradients_of_params_match(*bent[:-1])
    gradients_of_values_match(*bent)


def gradients_of_params_match(both, values, image, start, slopes):
    random = np.random.default_rng(0)
    for place, (leaf, slope) in enumerate(zip(start, slopes, strict=True)):
        assert np.isfinite(slope).all()
        direction = random.choice([-1.0, 1.0], leaf.shape).astype(np.float32)
        expected = np.tensordot(slope, direction, leaf.ndim)
        # Linear interpolation has kinks: a step far below a pixel, and what it may cost.
        step = np.float32(2e-3 * max(1e-2, np.abs(leaf).max()))
        moved = [
            np.asarray(
                both([*start[:place], leaf + s * direction, *start[place + 1 :]], image), float
            )
            for s in (step, -step)
        ]
        found = (moved[0] - moved[1]) / (2 * step)
        noise = 3e-5 / step
        np.testing.assert_allclose(expected, found, rtol=0.05, atol=noise, err_msg=str(place))
    names = [name for drawn in values for name in drawn]
    assert {"degrees", "factor", "px", "corners", "control", "exponent", "std"} <= set(names)


def gradients_of_values_match(both, _values, image, start, _slopes, slope):
    direction = make_record(SPEC, SHAPE, 4)["image"] - np.float32(0.5)
    step = np.float32(1e-2)
    ahead, behind = (both(start, image + s * direction)[0] for s in (step, -step))
    found = float(ahead - behind) / (2 * step)
    np.testing.assert_allclose(np.sum(slope * direction), found, rtol=2e-2)


def test_resampling_is_linear_in_the_picture():
    """So that its gradient is its transpose: <A v, w> = <v, A^T w>, exactly linear taps."""
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Flip("x"), ma.Scale(1.2)], SPEC)
    params = pipeline.sample(KEYS[1], SHAPE)
    v, w = (make_record(SPEC, SHAPE, seed)["image"] for seed in (1, 2))

    def move(image):
        return pipeline.apply(params, {"image": image})["image"]

    out, transpose = jax.vjp(move, v)
    np.testing.assert_allclose(jnp.vdot(out, w), jnp.vdot(v, transpose(w)[0]), rtol=1e-5)
    tangent = jax.jvp(move, (v,), (w,))[1]
    np.testing.assert_allclose(tangent, move(w), atol=1e-5)


@by_night
def test_gradients_pass_by_what_is_missing():
    """Pixels without data have no gradient, and make none of the others NaN."""
    spec = ma.DataSpec.from_dict(
        {
            "name": "holes",
            "entries": {
                "image": {
                    "role": "intensity", "dtype": "float32", "channels": 1, "invalid": "nan",
                }
            },
        }
    )  # fmt: skip
    pipeline = ma.Pipeline([ma.Rotate((10, 20)), ma.Contrast(0.2), ma.Gamma(1.3)], spec)
    image = make_record(spec, (8, 8), 0, content="smooth")["image"][..., None]
    image[2:4, 3:5] = np.nan

    def total(image, degrees):
        params = pipeline.sample(KEYS[0], (8, 8))
        values = ({"degrees": degrees}, *params.values[1:])
        out = pipeline.apply(replace(params, values=values), {"image": image})["image"]
        return jnp.where(jnp.isnan(out), 0, out).sum()

    of_image, of_degrees = jax.grad(total, (0, 1))(image, jnp.float32(12))
    assert np.isfinite(of_image).all()
    assert not of_image[2:4, 3:5].any()
    assert np.isfinite(of_degrees)


# --- export ------------------------------------------------------------------------------------


def test_an_exported_pipeline_runs_without_its_python():
    batch = batch_of()

    def run(keys, batch):
        return PIPELINE.batch(keys, batch)

    blob = export.export(jax.jit(run))(KEYS, batch).serialize()
    again = export.deserialize(blob)
    assert_close(again.call(KEYS, batch), PIPELINE.batch(KEYS, batch), 1e-4)


def test_one_record_is_exported_too():
    record = {"image": batch_of()["image"][0]}
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Brightness(0.2)], SPEC)
    exported = export.export(jax.jit(lambda key, record: pipeline(key, record)))(KEYS[0], record)
    again = export.deserialize(exported.serialize())
    assert_close(again.call(KEYS[0], record), pipeline(KEYS[0], record), 1e-4)


def affine_loss(image):
    entry = {"role": "intensity", "dtype": "float32", "channels": 1, "border": "edge"}
    spec = ma.DataSpec.from_dict({"name": "one picture", "entries": {"image": entry}})

    def loss(matrix):
        pipeline = ma.Pipeline([ma.Affine(matrix)], spec)
        return (pipeline(KEYS[0], {"image": image})["image"] ** 2).sum()

    return loss


@by_night
def test_gradients_and_maps_over_a_setting_need_no_jit():
    y, x = np.mgrid[:16, :16]
    image = np.exp(-((x - 7) ** 2 + (y - 7) ** 2) / 10).astype(np.float32)[..., None]
    loss = affine_loss(image)
    matrix = jnp.array([[1, 0, 0.3], [0, 1, 0], [0, 0, 1]], jnp.float32)
    expected = jax.jit(jax.grad(loss))(matrix)
    np.testing.assert_allclose(jax.grad(loss)(matrix), expected, rtol=1e-4, atol=1e-4)
    both = jax.vmap(loss)(jnp.stack([matrix, jnp.eye(3, dtype=jnp.float32)]))
    np.testing.assert_allclose(both, [loss(matrix), (image**2).sum()], rtol=1e-5)


HOLED = {
    "depth": {"role": "depth", "dtype": "float32"},
    "cloud": {"role": "position", "dtype": "float32"},
    "normal": {"role": "direction", "dtype": "float32"},
    "flow": {"role": "flow", "dtype": "float32", "interpolation": "nearest"},
    "angle": {"role": "orientation", "dtype": "float32"},
    "points": {"role": "keypoints", "dtype": "float32"},
    "space": {"role": "points3d", "dtype": "float32"},
}
CHANNELS = {"cloud": 3, "normal": 3, "flow": 2, "points": 2, "space": 3}


@by_night
def test_gradients_are_finite_at_holes_and_zeros():
    """Also at depth 0, as behind a ReLU, and of the matrix: what is missing takes no part."""
    camera = {"fov_degrees": 60}
    spec = ma.DataSpec.from_dict({"name": "holed", "camera": camera, "entries": HOLED})
    rng, record = np.random.default_rng(0), {}
    for name in HOLED:
        axes = (CHANNELS[name],) if name in CHANNELS else ()
        table = name in {"points", "space"}
        values = rng.uniform(1, 2, ((4,) if table else (12, 12)) + axes).astype(np.float32)
        values[(1,) if table else (5, 5)] = np.nan
        values[(2,) if table else (9, 9)] = 0
        record[name] = values

    def loss(matrix, record):
        done = ma.Pipeline([ma.Affine(matrix)], spec)(KEYS[0], record, check=False)
        return sum(jnp.where(jnp.isnan(done[n]), 0, done[n]).sum() for n in HOLED)

    quickly = {"xla_backend_optimization_level": 1}
    slopes = jax.jit(jax.grad(loss, (0, 1)), compiler_options=quickly)

    turned = np.array([[0.94, 0.34, -1.3], [-0.34, 0.94, 2.2], [0, 0, 1]], np.float32)
    of_matrix, of_record = slopes(turned, record)
    assert np.isfinite(of_matrix).all()
    for name, gradient in of_record.items():
        assert np.isfinite(gradient).all(), name
        assert np.any(gradient != 0), name


def test_transforms_of_several_classes_are_told_apart(monkeypatch):
    """Structures of two dataclasses with equal settings are equal in JAX: one ran for the other."""
    monkeypatch.setattr(base, "REGISTRY", dict(base.REGISTRY))
    spec = ma.DataSpec("gray", [ma.EntrySpec.of_role("image", "intensity", channels=1)])
    image = {"image": np.random.default_rng(0).random((8, 8, 1), np.float32)}

    class Half(ma.transforms.Photometric):
        """Halve values."""

        entries: tuple[str, ...] | None = ma.transforms.static(None)

        def sample(self, key, frame):
            return {}

        def apply(self, params, values, target):
            return values / 2

    class Twice(Half):
        """Double values."""

        def apply(self, params, values, target):
            return values * 2

    run = jax.jit(lambda pipeline, record: pipeline(jax.random.key(0), record)["image"])
    made = [ma.transforms.transform(cls)() for cls in (Half, Twice)]
    assert jax.tree.structure(made[0]) != jax.tree.structure(made[1])
    for _ in range(2):
        for one, factor in zip(made, (0.5, 2), strict=True):
            found = run(ma.Pipeline([one], spec), image)
            np.testing.assert_array_equal(found, image["image"] * np.float32(factor))
