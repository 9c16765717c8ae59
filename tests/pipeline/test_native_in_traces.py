"""The native sampler inside a user's jit, vmap, grad, shard_map and export."""

import os
import re
import threading
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.sampling import _custom_call
from multiaug.sampling._custom_call import TARGET, custom_call_refused, version_refused
from multiaug.testing import compilations, make_record

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

SHAPE = (20, 24)
PLAIN = ma.DataSpec.from_dict(
    {"name": "one image", "entries": {"image": {"role": "intensity", "dtype": "float32"}}}
)
RICH = ma.DataSpec.from_dict(
    {
        "name": "all that runs in C",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "warmth": {"role": "intensity", "dtype": "float32", "channels": 1, "invalid": "nan"},
            "mask": {"role": "label", "dtype": "uint8"},
            "cloud": {"role": "position", "dtype": "float32"},
            "points": {"role": "keypoints", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
        },
    }
)
PLAIN_PIPELINE = ma.Pipeline([ma.Rotate(30), ma.Flip("x"), ma.Gamma(1.3)], PLAIN)
PIPELINES = {
    "rich": ma.Pipeline([ma.Rotate(30), ma.Perspective(0.1), ma.Brightness(0.2)], RICH),
    "spline": ma.Pipeline([ma.Rotate(20), ma.Elastic(0.03), ma.GaussianNoise(0.1)], PLAIN),
    "chosen": ma.Pipeline([ma.OneOf([ma.Shear(9), ma.Scale(1.2)]), ma.Crop((16, 20))], PLAIN),
}


def batch_of(count, spec=PLAIN, seed=0, **settings):
    return make_record(spec, SHAPE, seed, batch=count, **settings)


def keys_of(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        a, b = np.asarray(array), np.asarray(expected[name])
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        assert a.tobytes() == b.tobytes(), name


def test_subnormal_numbers_are_no_zeros_in_threads_of_xla():
    """XLA has its threads take them for zeros, of which float16 below 6e-5 are made."""
    spec = ma.DataSpec.from_dict(
        {"name": "dark", "entries": {"x": {"role": "intensity", "dtype": "float16", "channels": 2}}}
    )
    pipeline = ma.Pipeline([ma.Rotate((30, 30))], spec)
    values = np.random.default_rng(0).random((2, *SHAPE, 2)) * 2e-5
    batch = {"x": values.astype(np.float16)}
    found = compiled(pipeline.batch, keys_of(2), batch)
    assert (np.asarray(found["x"], np.float64) > 0).mean() > 0.5
    assert_same(found, pipeline.batch(keys_of(2), batch))


def calls(function, *arguments):
    """How often a program calls the library."""
    return jax.jit(function).lower(*arguments).as_text().count(f"@{TARGET}")


def compiled(function, *arguments):
    """What a program that calls the library once returns."""
    lowered = jax.jit(function).lower(*arguments)
    assert lowered.as_text().count(f"@{TARGET}") == 1
    return lowered.compile()(*arguments)


@pytest.fixture
def without_calls(monkeypatch):
    """Have traced batches take XLA's form from the call on."""

    def switch():
        monkeypatch.setattr(_custom_call, "_outcome", ["a test"])
        jax.clear_caches()

    yield switch
    monkeypatch.undo()
    jax.clear_caches()


# --- jit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PIPELINES)
def test_jit_draws_the_bits_of_an_eager_call(name):
    """Of more records than a block has, so that the last one is not full."""
    pipeline, keys = PIPELINES[name], keys_of(35)
    eager = pipeline.sample(keys, SHAPE)
    traced = jax.jit(lambda keys: pipeline.sample(keys, SHAPE))(keys)
    for one, two in zip(*(jax.tree.leaves(p.values) for p in (traced, eager)), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(two).tobytes()


@pytest.mark.parametrize("name", PIPELINES)
def test_jit_gives_what_an_eager_call_gives(name):
    """XLA fuses products and sums of each program in its own way: maps differ in last places."""
    pipeline = PIPELINES[name]
    keys, batch = keys_of(35), batch_of(35, pipeline.spec, holes=pipeline.spec is RICH)
    eager = {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}
    found = compiled(pipeline.batch, keys, batch)
    assert found.keys() == eager.keys()
    for entry, expected in eager.items():
        array = np.asarray(found[entry])
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        if array.dtype.kind == "f":  # last places of coordinates, times the slope
            np.testing.assert_array_equal(np.isnan(array), np.isnan(expected))
            far = np.nanmax(np.abs(expected)) * 1e-5
            np.testing.assert_allclose(array, expected, rtol=0, atol=far)
        else:  # one level, or another label, at a tie
            other = array.astype(int) - expected
            assert (other != 0).mean() < 1e-4
            assert entry == "mask" or np.abs(other).max() <= 1


@pytest.mark.parametrize("at_once", [True, False])
def test_what_xla_does_of_a_batch_stands_beside_what_c_does(monkeypatch, at_once):
    """An entry with its valid pixels, which XLA resamples, and a field of positions."""
    if not at_once:
        monkeypatch.setattr("multiaug.pipeline.backends._native_form._MOST_FIELD_BYTES", 1)
    entries = PLAIN.to_dict()["entries"]
    depth = {"role": "depth", "dtype": "float32", "validity": True, "under_elastic": "resample"}
    spec = ma.DataSpec.from_dict({"name": "two ways", "entries": {**entries, "depth": depth}})
    pipeline = ma.Pipeline([ma.Elastic(0.03), ma.Rotate(20), ma.Gamma(1.3)], spec)
    keys, batch = keys_of(3), batch_of(3, spec, holes=True)
    eager = pipeline.batch(keys, batch)
    found = compiled(pipeline.batch, keys, batch)
    assert found.keys() == eager.keys() == {"image", "depth", "depth_valid"}
    np.testing.assert_array_equal(found["depth_valid"], eager["depth_valid"])
    for name in ("image", "depth"):
        np.testing.assert_allclose(found[name], eager[name], rtol=1e-4, atol=1e-4)


def test_drawn_params_are_arguments_too():
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(3), batch_of(3)
    params = pipeline.sample(keys, SHAPE)
    eager = pipeline.batch(keys, batch)
    assert_same(compiled(pipeline.apply, params, batch), eager)


def test_one_record_at_a_time_in_a_scan():
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(3), batch_of(3)
    expected = pipeline.batch(keys, batch)

    @jax.jit
    def scanned(keys, batch):
        return jax.lax.scan(lambda _, own: (0, pipeline(*own)), 0, (keys, batch))[1]

    assert_same(scanned(keys, batch), expected)


def test_settings_may_be_arguments():
    batch, keys = batch_of(2), keys_of(2)

    def shifted(shift):
        matrix = jnp.eye(3).at[0, 2].set(shift)
        return ma.Pipeline([ma.Affine(matrix)], PLAIN).batch(keys, batch)["image"]

    out = compiled(shifted, 2.0)
    np.testing.assert_array_equal(out[:, :, 2:], batch["image"][:, :, :-2])
    # Settings of several pipelines: one after the other.
    both = jax.jit(jax.vmap(shifted))(jnp.array([2.0, 0.0]))
    np.testing.assert_array_equal(both, [out, batch["image"]])


def test_the_64_bit_mode_of_the_user_changes_nothing():
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(2), batch_of(2)
    expected = pipeline.batch(keys, batch)
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        assert_same(jax.jit(pipeline.batch)(keys, batch), expected)


# --- vmap --------------------------------------------------------------------------------------


def test_vmap_makes_one_batch():
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(6), batch_of(6)
    expected = pipeline.batch(keys, batch)

    def each(keys, batch):
        return jax.vmap(lambda key, record: pipeline(key, record))(keys, batch)

    assert_same(compiled(each, keys, batch), expected)
    two = jax.tree.map(lambda a: a.reshape(2, 3, *a.shape[1:]), (keys, batch))
    twice = jax.jit(jax.vmap(each))(*two)
    assert_same({n: a.reshape(6, *a.shape[2:]) for n, a in twice.items()}, expected)


def test_vmap_of_several_keys_for_one_record():
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(4), batch_of(1)
    record = {"image": batch["image"][0]}
    views = jax.jit(jax.vmap(pipeline, in_axes=(0, None)))(keys, record)
    repeated = {"image": np.repeat(batch["image"], 4, axis=0)}
    assert_same(views, pipeline.batch(keys, repeated))


# --- gradients ---------------------------------------------------------------------------------


def test_derivatives_are_those_of_the_xla_form(without_calls):
    pipeline = ma.Pipeline([ma.Rotate((10, 20)), ma.Contrast(0.2)], PLAIN)
    image = batch_of(2, PLAIN, content="smooth")["image"]
    params = pipeline.sample(keys_of(2), SHAPE)

    def loss(image, degrees):
        values = ({"degrees": degrees}, *params.values[1:])
        out = pipeline.apply(replace(params, values=values), {"image": image})
        return (out["image"] ** 2).sum()

    arguments = image, params.values[0]["degrees"]
    quickly = {"xla_backend_optimization_level": 1}
    slopes = jax.jit(jax.value_and_grad(loss, (0, 1)), compiler_options=quickly)
    assert slopes.lower(*arguments).as_text().count(f"@{TARGET}") == 1
    found = slopes(*arguments)
    without_calls()
    assert TARGET not in slopes.lower(*arguments).as_text()
    expected = slopes(*arguments)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
        assert np.any(np.asarray(a) != 0)


# --- devices -----------------------------------------------------------------------------------

ON_FOUR = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from tests.pipeline.test_native_in_traces import PLAIN_PIPELINE, TARGET, batch_of, keys_of
assert len(jax.devices()) == 4
pipeline, keys, batch = PLAIN_PIPELINE, keys_of(8), batch_of(8)
expected = np.array(pipeline.batch(keys, batch)["image"])
mesh = Mesh(np.array(jax.devices()), ("data",))
keys, batch = jax.device_put((keys, batch), NamedSharding(mesh, P("data")))

def augmented(keys, batch):
    return pipeline.batch(keys, batch)

spread = jax.jit(jax.shard_map(augmented, mesh=mesh, in_specs=P("data"), out_specs=P("data")))
lowered = spread.lower(keys, batch)
text = lowered.as_text()
assert text.count("@" + TARGET) == 1 and "helpers = 0" in text, text
assert "all-gather" not in lowered.compile().as_text()
out = spread(keys, batch)["image"]
assert len(out.sharding.device_set) == 4
assert np.array_equal(out, expected)
print("same")
"""

# Compiling gradients for four devices is left to the night.
SLOPES_ON_FOUR = """
def loss(image, keys):
    return jax.lax.pmean((pipeline.batch(keys, {"image": image})["image"] ** 2).mean(), "data")

total = jax.shard_map(loss, mesh=mesh, in_specs=(P("data"), P("data")), out_specs=P())
def whole(image):
    return (pipeline.batch(keys_of(8), {"image": image})["image"] ** 2).mean()

quickly = {"xla_backend_optimization_level": 1}
slope = jax.jit(jax.grad(total), compiler_options=quickly)(batch["image"], keys)
expected = jax.jit(jax.grad(whole), compiler_options=quickly)(np.asarray(batch["image"]))
np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)
assert np.any(np.asarray(slope))
"""


def test_each_device_of_a_shard_map_has_its_share(fresh_python):
    nightly = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
    code = ON_FOUR + SLOPES_ON_FOUR if nightly else ON_FOUR
    assert fresh_python(code, devices=4).strip() == "same"


# --- export ------------------------------------------------------------------------------------


def test_an_exported_program_does_not_need_the_library():
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(2), batch_of(2)
    exported = export.export(jax.jit(pipeline.batch), platforms=("cpu", "tpu"))(keys, batch)
    assert TARGET not in exported.mlir_module()
    found = exported.call(keys, batch)
    expected = pipeline.batch(keys, batch)
    np.testing.assert_allclose(found["image"], expected["image"], rtol=1e-4, atol=1e-4)


# --- the interface of the running jaxlib -------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "reason"),
    [((0, 1), None), ((0, 9), None), ((0, 0), "0.0, not 0.1"), ((1, 1), "1.1, not 0.1"),
     (None, "does not say")],
)  # fmt: skip
def test_versions(running, reason):
    found = version_refused((0, 1), running)
    assert found is None if reason is None else reason in found


def test_an_old_jaxlib_is_left_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(jax.ffi, "register_ffi_target", lambda *own: asked.append(own))
    assert "custom calls of version 0.0" in _custom_call.register((0, 0))
    assert not asked


def test_a_jaxlib_that_refuses_is_not_asked_again(monkeypatch):
    def refuse(*_):
        raise ValueError("no such interface")

    monkeypatch.setattr(jax.ffi, "register_ffi_target", refuse)
    assert _custom_call.register((0, 1)) == "jaxlib refused to register it: no such interface"


def test_where_it_cannot_be_called_xla_does_the_work(without_calls):
    pipeline, keys, batch = PLAIN_PIPELINE, keys_of(2), batch_of(2)
    expected = pipeline.batch(keys, batch)
    without_calls()
    assert calls(pipeline.batch, keys, batch) == 0
    found = jax.jit(pipeline.batch)(keys, batch)
    np.testing.assert_allclose(found["image"], expected["image"], rtol=1e-4, atol=1e-4)


def test_it_is_registered_once(monkeypatch):
    asked = []
    monkeypatch.setattr(jax.ffi, "register_ffi_target", lambda *own: asked.append(own))
    monkeypatch.setattr(_custom_call, "_outcome", [])
    threads = [threading.Thread(target=custom_call_refused) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert custom_call_refused() is None


def test_a_program_of_another_version_is_refused():
    """As one that lay in JAX's compilation cache on disk while the library was replaced."""
    shape = jax.ShapeDtypeStruct((1, 2), np.float32)
    numbers = np.arange(6, dtype=np.int64)
    call = jax.ffi.ffi_call(TARGET, shape)

    def with_abi(abi, pointers):
        return call(
            jnp.zeros((1, 2)), abi=np.int64(abi), helpers=np.int64(0), image=numbers,
            pointers=pointers,
        )  # fmt: skip

    assert custom_call_refused() is None
    with pytest.raises(Exception, match="another version of multiaug"):
        jax.block_until_ready(jax.jit(lambda: with_abi(0, numbers))())
    abi = _custom_call.library().multiaug_abi()
    with pytest.raises(Exception, match="does not fit its buffers"):
        jax.block_until_ready(jax.jit(lambda: with_abi(abi, np.array([0, 7, 0])))())


# --- one record --------------------------------------------------------------------------------


def test_records_one_by_one_have_the_bits_of_their_batch():
    pipeline, keys, batch = PIPELINES["rich"], keys_of(4), batch_of(4, RICH)
    expected = {n: np.array(a) for n, a in pipeline.batch(keys, batch).items()}
    for i in range(4):
        record = {n: jnp.asarray(a[i]) if i == 3 else a[i] for n, a in batch.items()}
        with compilations() as found:
            one = pipeline(keys[i], record)
        assert not [line for line in found if re.search("draw|plan|run", line)]
        assert_same(one, {n: a[i] for n, a in expected.items()})
        assert list(one) == list(expected)


def test_a_record_like_an_earlier_one_is_still_checked():
    pipeline, key, batch = PIPELINES["rich"], keys_of(1)[0], batch_of(1, RICH)
    record = {n: a[0] for n, a in batch.items()}
    for _ in range(2):
        pipeline(key, record)
    for name, place in (("points", (0, 0)), ("warmth", (3, 4)), ("intrinsics", (0, 0))):
        wrong = record[name].copy()
        wrong[place] = np.inf
        with pytest.raises(ma.RecordError, match=f"^The record holds(.|\n)* {name}: ") as caught:
            pipeline(key, record | {name: wrong})
        assert "record 0" not in str(caught.value)
    with pytest.raises(ma.RecordError, match="behind the camera"):
        pipeline(key, record | {"cloud": -np.abs(record["cloud"])})
    assert_same(
        pipeline(key, record), {n: a[0] for n, a in pipeline.batch(key[None], batch).items()}
    )
