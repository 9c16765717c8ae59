"""MixUp and OneHot: blended by role, from keys and batch alone."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError, RecordError

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"

SIZE = (6, 8)
COUNT = 5
KEYS = jax.random.split(jax.random.key(11), COUNT)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "classes",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "cloud": {"role": "intensity", "dtype": "float32", "channels": 1, "invalid": "nan"},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255, "mirror_pairs": [[1, 2]]},
            "class": {"role": "scalar"},
            "target": {"role": "scalar"},
            "id": {"role": "scalar"},
        },
    }
)


def batch():
    rng = np.random.default_rng(0)
    cloud = rng.random((COUNT, *SIZE, 1), np.float32)
    cloud[0, 2, 3] = np.nan
    mask = rng.integers(0, 4, (COUNT, *SIZE), np.uint8)
    mask[:, 0, 0] = 255
    return {
        "image": rng.integers(0, 256, (COUNT, *SIZE, 3), np.uint8),
        "cloud": cloud,
        "mask": mask,
        "class": np.arange(COUNT) % 3,
        "target": rng.random((COUNT, 2)),
        "id": np.arange(COUNT) + 2**40,
    }


PIPELINE = ma.Pipeline(
    [ma.OneHot("mask", 4), ma.OneHot("class", 3), ma.MixUp(1.0, keep=["id"])], SPEC
)

IMAGES = ma.Pipeline([ma.MixUp(1.0)], ma.DataSpec("images", list(SPEC.entries.values())[:2]))


def reference(values, partners, weights):
    values = np.asarray(values, np.float64)
    w = weights.reshape(-1, *[1] * (values.ndim - 1))
    return w * values + (1 - w) * values[partners]


def test_the_weighted_mean_by_role():
    given = batch()
    params = PIPELINE.sample(KEYS, SIZE)
    drawn = params.values[2]
    weights = np.asarray(drawn["weight"], np.float64)
    further = 1 + np.floor(np.asarray(drawn["partner"], np.float64) * (COUNT - 1)).astype(int)
    partners = (np.arange(COUNT) + further) % COUNT
    assert (partners != np.arange(COUNT)).all()
    done = {n: np.asarray(a) for n, a in PIPELINE.apply(params, given).items()}
    exact = reference(given["image"], partners, weights)
    assert done["image"].dtype == np.uint8
    assert abs(done["image"] - exact).max() <= 0.5001
    cloud = reference(given["cloud"], partners, weights)
    np.testing.assert_allclose(done["cloud"], cloud, atol=1e-6)  # NaN where one of both is
    assert np.isnan(done["cloud"]).sum() == 1 + (partners == 0).sum()
    shares = np.eye(3)[given["class"]]
    np.testing.assert_allclose(
        done["class_onehot"], reference(shares, partners, weights), atol=1e-6
    )
    dense = (given["mask"][..., None] == np.arange(4)).astype(float)
    np.testing.assert_allclose(done["mask_onehot"], reference(dense, partners, weights), atol=1e-6)
    assert (done["mask_onehot"][:, 0, 0] == 0).all()
    np.testing.assert_allclose(
        done["target"], reference(given["target"], partners, weights), atol=1e-6
    )
    for name in ("id", "class", "mask"):
        np.testing.assert_array_equal(done[name], given[name])


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 5.0])
def test_weights_are_of_the_beta_distribution(alpha):
    keys = jax.random.split(jax.random.key(2), 4000)
    spec = ma.DataSpec("image", [SPEC.entries["image"]])
    drawn = ma.Pipeline([ma.MixUp(alpha)], spec).sample(keys, SIZE).values[0]["weight"]
    weight = np.asarray(drawn, np.float64)
    # Next to 0 and 1 float32 cannot tell the weights of a small alpha apart.
    for edge in (1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999):
        below = int((weight < edge).sum())
        expected = stats.beta(alpha, alpha).cdf(edge)
        assert stats.binomtest(below, len(weight), expected).pvalue > 1e-3


def test_partners_are_even_among_the_others():
    keys = jax.random.split(jax.random.key(2), 4000)
    spec = ma.DataSpec("image", [SPEC.entries["image"]])
    mixup = ma.MixUp(1.0)
    drawn = ma.Pipeline([mixup], spec).sample(keys, SIZE).values[0]
    partners = np.asarray(mixup.partners(drawn, 4000))
    assert (partners != np.arange(4000)).all()
    further = (partners - np.arange(4000)) % 4000
    assert stats.kstest(further, stats.uniform(1, 3999).cdf).pvalue > 1e-3
    few = {"partner": drawn["partner"][:2]}
    np.testing.assert_array_equal(mixup.partners(few, 2), [1, 0])


def test_by_chance_for_each_record():
    spec = ma.DataSpec("image", [SPEC.entries["image"]])
    given = {"image": batch()["image"]}
    pipeline = ma.Pipeline([ma.MixUp(1.0, p=0.5)], spec)
    params = pipeline.sample(KEYS, SIZE)
    on = np.asarray(params.values[0]["on"])
    assert on.any()
    assert not on.all()
    done = np.asarray(pipeline.apply(params, given)["image"])
    same = (done == given["image"]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, ~on)


def test_what_cannot_be_mixed_is_refused_by_name():
    full = batch()
    for name, text in [
        ("mask", r"`MixUp` cannot mix the entry 'mask': a mean of class ids.*OneHot"),
        ("class", r"the entry 'class': a scalar of dtype int64 may be a class.*OneHot\('class'"),
        ("id", r"the entry 'id': a scalar of dtype int64.*MixUp\(keep=\['id'\]\)"),
    ]:
        spec = ma.DataSpec("few", [SPEC.entries["image"], SPEC.entries[name]])
        with pytest.raises(ParameterError, match=text):
            ma.Pipeline([ma.MixUp()], spec).batch(KEYS, {n: full[n] for n in ("image", name)})
    for role in ("depth", "position", "keypoints"):
        entry = ma.EntrySpec.of_role("other", role, dtype="float32")
        spec = ma.DataSpec("few", [SPEC.entries["image"], entry])
        with pytest.raises(ParameterError, match=r"'other': .*no common meaning"):
            ma.Pipeline([ma.MixUp()], spec)
        ma.Pipeline([ma.MixUp(keep=["other"])], spec)


def test_ids_outside_are_refused_where_values_are_checked():
    given = batch()
    given["class"] = given["class"] + 2
    with pytest.raises(RecordError, match=r"`OneHot` of 'class' must find ids 0 to 2, got 3"):
        PIPELINE.batch(KEYS, given)
    done = PIPELINE.batch(KEYS, given, check=False)
    assert np.asarray(done["class_onehot"]).sum() < COUNT
    given = batch()
    given["mask"][1, 2, 3] = 77
    with pytest.raises(
        RecordError, match=r"`OneHot` of 'mask' must find ids 0 to 3, got 77.*ignore"
    ):
        PIPELINE.batch(KEYS, given)


def test_what_a_label_may_become_must_be_a_class():
    entries = [SPEC.entries["image"], ma.EntrySpec.of_role("mask", "label", dtype="uint8", fill=9)]
    with pytest.raises(ParameterError, match=r"more than the fill 9 of 'mask'"):
        ma.Pipeline([ma.OneHot("mask", 4)], ma.DataSpec("fill", entries))
    with pytest.raises(ParameterError, match=r"more than the mirror pair 2 of 'mask'"):
        ma.Pipeline([ma.OneHot("mask", 2)], SPEC)
    with pytest.raises(ParameterError, match=r"`OneHot.entry` must name a label map or a scalar"):
        ma.Pipeline([ma.OneHot("image", 2)], SPEC)
    with pytest.raises(ParameterError, match=r"`OneHot` must stand outside of Maybe"):
        ma.Pipeline([ma.Maybe(ma.OneHot("mask", 4))], SPEC).sample(KEYS[0], SIZE)


def test_shares_follow_the_geometry():
    """A mirror of shares is the shares of a mirror: left and right classes change places."""
    given = {n: a for n, a in batch().items() if n in ("image", "mask")}
    spec = ma.DataSpec("two", [SPEC.entries[n] for n in given])
    flip, onehot = ma.Flip(p=1.0), ma.OneHot("mask", 4, replace=True)
    first = ma.Pipeline([onehot, flip], spec).batch(KEYS, given)["mask"]
    last = ma.Pipeline([flip, onehot], spec).batch(KEYS, given)["mask"]
    np.testing.assert_array_equal(first, last)
    bright = ma.Pipeline([onehot, ma.Brightness((0.3, 0.3))], spec).batch(KEYS, given)["mask"]
    np.testing.assert_array_equal(bright, (given["mask"][..., None] == np.arange(4)))


def test_passes_have_no_batches_to_mix(tmp_path):
    spec = ma.DataSpec("image", [SPEC.entries["image"]])
    source = ma.ArraySource({"image": batch()["image"]}, spec)
    pipeline = ma.Pipeline([ma.Maybe(ma.MixUp())], spec)
    with pytest.raises(ParameterError, match=r"`export` cannot run `MixUp`"):
        ma.export(source, pipeline, tmp_path / "a.zarr")
    with pytest.raises(ParameterError, match=r"`fit` cannot run `MixUp`"):
        ma.fit(source, ma.Moments(), pipeline=pipeline)
    derived = ma.Pipeline(
        [ma.OneHot("mask", 4)], ma.DataSpec("two", [SPEC.entries[n] for n in ("image", "mask")])
    )
    given = {n: batch()[n] for n in ("image", "mask")}
    path = ma.export(ma.ArraySource(given, derived.spec), derived, tmp_path / "b.zarr")
    read = ma.open_source(path).read(np.arange(COUNT))
    np.testing.assert_array_equal(read["mask_onehot"], given["mask"][..., None] == np.arange(4))


_ON_DEVICES = """
import jax, numpy as np, multiaug as ma
from tests.transforms.test_mixup import KEYS, IMAGES, batch
assert jax.local_device_count() == 2
done = IMAGES.batch(KEYS[:4], {n: a[:4] for n, a in batch().items() if n in IMAGES.spec.entries})
np.savez(r"%s", **{n: np.asarray(a) for n, a in done.items()})
"""


@pytest.mark.skipif(not NIGHTLY, reason="starting a process takes seconds")
def test_devices_do_not_matter(tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    file = tmp_path / "done.npz"
    subprocess.run(
        [sys.executable, "-c", _ON_DEVICES % file],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        check=True,
        timeout=300,
    )
    given = {n: a[:4] for n, a in batch().items() if n in IMAGES.spec.entries}
    here = IMAGES.batch(KEYS[:4], given)
    with np.load(file) as there:
        for name in there.files:
            np.testing.assert_array_equal(here[name], there[name], err_msg=name)
