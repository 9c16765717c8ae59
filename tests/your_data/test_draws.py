"""Arrays, keys and modes as people bring them."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.pipeline import IndexedBatch

SPEC = ma.DataSpec.from_dict(
    {
        "name": "pictures of sixteen bits",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint16", "channels": 2},
            "mask": {"role": "label", "dtype": "uint8"},
            "points": {"role": "keypoints", "dtype": "float32"},
            "id": {"role": "scalar", "dtype": "int64"},
        },
    }
)
RNG = np.random.default_rng(0)
NATIVE = {
    "image": RNG.integers(0, 2**16, (4, 9, 9, 2)).astype("u2"),
    "mask": RNG.integers(0, 9, (4, 9, 9)).astype("u1"),
    "points": RNG.uniform(0, 8, (4, 3, 2)).astype("f4"),
    "id": np.arange(4, dtype="i8") + 2**40,
}
SWAPPED = {n: a.astype(a.dtype.newbyteorder(">")) for n, a in NATIVE.items()}
PIPELINE = ma.Pipeline([ma.Rotate(20)], SPEC)
KEYS = ma.record_keys(0, 0, np.arange(4))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in found:
        a, b = np.asarray(found[name]), np.asarray(expected[name])
        assert a.dtype.isnative, name
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.row("arrays in the other byte order (FITS, PFM, IDX, maps of them)")
def test_the_other_byte_order():
    expected = PIPELINE.batch(KEYS, NATIVE)
    for _ in range(2):
        assert_same(PIPELINE.batch(KEYS, SWAPPED), expected)
    one = PIPELINE(KEYS[0], {n: a[0] for n, a in SWAPPED.items()})
    assert_same(one, {n: a[0] for n, a in expected.items()})
    params = PIPELINE.sample(KEYS, (9, 9))
    assert_same(PIPELINE.apply(params, SWAPPED), expected)
    turned = np.arange(4)[::-1]
    rows = {n: IndexedBatch(a, turned) for n, a in SWAPPED.items()}
    assert_same(
        PIPELINE.batch(KEYS, rows), PIPELINE.batch(KEYS, {n: a[turned] for n, a in NATIVE.items()})
    )


class Swapped:
    """Somebody's own source, of such arrays."""

    spec, fingerprint, blocks = SPEC, "swapped", range(1)

    def __len__(self):
        return 4

    def scan(self, blocks=None):
        yield ma.Block(0, np.arange(4), SWAPPED)

    def read(self, indices):
        return {n: a[np.asarray(indices)] for n, a in SWAPPED.items()}


@pytest.mark.row("arrays in the other byte order (FITS, PFM, IDX, maps of them)")
def test_sources_in_the_other_byte_order():
    native = ma.open_source(NATIVE, SPEC)
    expected = ma.fit(native, ma.Moments(), progress=False)["image"].moments.channel_mean()
    for source in (ma.open_source(SWAPPED, SPEC), Swapped()):
        assert_same(dict(next(iter(source.scan()))), dict(next(iter(native.scan()))))
        found = ma.fit(source, ma.Moments(), progress=False)["image"].moments.channel_mean()
        np.testing.assert_array_equal(found, expected)
        batch = next(iter(ma.Loader(source, batch_size=4, shuffle=None)))
        assert_same({n: batch[n] for n in NATIVE}, NATIVE)
    assert_same(ma.open_source(SWAPPED, SPEC).read([2, 1]), native.read([2, 1]))


def open_spec(**other):
    image = {"role": "intensity", "dtype": "float32", "interpolation": "linear"}
    return ma.DataSpec.from_dict({"name": "open", "entries": {"image": image, **other}})


@pytest.mark.row("pictures with channels first, (3, H, W), where the spec leaves `channels` open")
@pytest.mark.parametrize("shape", [(3, 40, 48), (1, 64, 64), (13, 60, 60)])
def test_channels_first_are_refused_by_name(shape):
    spec, image = open_spec(), np.zeros(shape, np.float32)
    pipeline, key = ma.Pipeline([ma.Flip("x")], spec), jax.random.key(0)
    with pytest.raises(ma.RecordError, match=r"channels go last.*moveaxis\(array, 0, -1\)"):
        pipeline(key, {"image": image})
    with pytest.raises(ma.RecordError, match=r"moveaxis\(array, 1, -1\).*\"channels\": "):
        ma.open_source({"image": image[None]}, spec)


@pytest.mark.row("pictures with channels first, (3, H, W), where the spec leaves `channels` open")
def test_pictures_that_are_like_that():
    flat = {"role": "label", "dtype": "uint8"}
    strip = np.zeros((1, 3, 64, 200), np.float32)
    for image, mask in [((7, 7, 512), None), ((3, 64, 200), (3, 64)), ((20, 40, 224), None)]:
        spec = open_spec(**({} if mask is None else {"mask": flat}))
        arrays = {"image": np.zeros((1, *image), np.float32)}
        if mask is not None:
            arrays["mask"] = np.zeros((1, *mask), np.uint8)
        assert len(ma.open_source(arrays, spec)) == 1
    entry = {"role": "intensity", "dtype": "float32", "channels": 200}
    lines = ma.DataSpec.from_dict({"name": "lines", "entries": {"image": entry}})
    assert len(ma.open_source({"image": strip}, lines)) == 1


@pytest.mark.row("no data as GDAL and NumPy print it, -3.4028235e+38")
@pytest.mark.parametrize(
    ("dtype", "mark"),
    [("float32", -3.4028235e38), ("float32", 1e20), ("float16", -9999.0), ("float16", -65504.0)],
)
def test_no_data_as_it_is_printed(dtype, mark):
    entry = {"role": "intensity", "dtype": dtype, "channels": 1, "invalid": mark}
    spec = ma.DataSpec.from_dict({"name": "dem", "entries": {"dem": entry | {"range": [0, 100]}}})
    dem = RNG.uniform(10, 90, (2, 12, 12, 1)).astype(dtype)
    missing = RNG.random(dem.shape) < 0.2
    dem[missing] = mark
    pipeline = ma.Pipeline([ma.Rotate((40, 40)), ma.Brightness((0.1, 0.1))], spec)
    found = np.asarray(pipeline.batch(KEYS[:2], {"dem": dem})["dem"])
    known = found != np.dtype(dtype).type(mark)
    assert 0 < known.mean() < 1
    assert (abs(found[known] - 50) <= 51).all()


@pytest.mark.row("seeds of 64 bits and more (`SeedSequence().entropy`, rank << 32)")
def test_seeds_of_many_bits():
    source = ma.open_source(NATIVE, SPEC)
    seen = set()
    for seed in (7, 7 + (5 << 32), 2**63, 2**127 + 1, 2**200 + 1):
        loader = ma.Loader(source, PIPELINE, batch_size=4, seed=seed, shuffle=None)
        seen.add(np.asarray(next(iter(loader))["points"]).tobytes())
    assert len(seen) == 5


@pytest.mark.row("`jax_enable_x64`")
def test_the_mode_of_64_bits_changes_nothing():
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
        "depth": {"role": "depth", "dtype": "float32", "validity": True},
        "id": {"role": "scalar", "dtype": "int64"},
    }
    spec = ma.DataSpec.from_dict({"name": "wide", "entries": entries})
    batch = {
        "image": np.arange(2 * 12 * 12 * 3).reshape(2, 12, 12, 3).astype(np.uint8),
        "depth": np.linspace(1, 2, 2 * 12 * 12, dtype=np.float32).reshape(2, 12, 12),
        "id": NATIVE["id"][:2],
    }

    def run():
        pipeline = ma.Pipeline([ma.Maybe(ma.Rotate(20), p=0.3), ma.Resize(8)], spec)
        keys = ma.record_keys(7 + (5 << 32), 0, np.arange(2))
        traced = jax.jit(lambda keys, image: pipeline.sample(keys, image.shape[1:3]).values)
        drawn = pipeline.sample(keys, (12, 12)).values, traced(keys, batch["image"])
        return jax.tree.leaves((drawn, pipeline.batch(keys, batch)))

    expected = run()
    jax.config.update("jax_enable_x64", True)
    try:
        found = run()
    finally:
        jax.config.update("jax_enable_x64", False)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.row("`jax_debug_nans`")
def test_the_search_for_nan_does_not_stop_a_pipeline():
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 1},
        "cloud": {"role": "position", "dtype": "float32"},
    }
    spec = ma.DataSpec.from_dict({"name": "d", "camera": {"fov_degrees": 60}, "entries": entries})
    batch = {
        "image": np.zeros((2, 12, 12, 1), np.uint8),
        "cloud": np.ones((2, 12, 12, 3), np.float32),
    }
    with jax.debug_nans(True):
        done = ma.Pipeline([ma.Rotate((20, 20))], spec).batch(KEYS[:2], batch)
        assert np.isnan(np.asarray(done["cloud"])).any()
        # What the user computes of it is looked at, as they asked.
        with pytest.raises(FloatingPointError):
            done["cloud"] * 2
