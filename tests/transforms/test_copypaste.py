"""CopyPaste: instances of a partner, in front of what they hide."""

import jax
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError, RecordError

SIZE = (16, 24)
COUNT = 4
KEYS = jax.random.split(jax.random.key(6), COUNT)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "instances",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "ids": {"role": "label", "dtype": "uint16", "ignore": 65535},
            "classes": {"role": "label", "dtype": "uint8"},
            "depth": {"role": "depth", "dtype": "float32"},
            "number": {"role": "scalar"},
        },
    }
)


def batch(count=COUNT, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.kron(rng.integers(0, 5, (count, 8, 12)), np.ones((2, 2), int)).astype(np.uint16)
    ids[:, 0] = 65535
    depth = rng.uniform(1, 5, (count, *SIZE)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = np.nan
    return {
        "image": rng.integers(0, 256, (count, *SIZE, 3), np.uint8),
        "ids": ids,
        "classes": rng.integers(0, 9, (count, 8, 12), np.uint8),  # half of the resolution
        "depth": depth,
        "number": np.arange(count),
    }


def run(copy, given, keys=KEYS):
    """The partners, and the results."""
    pipeline = ma.Pipeline([copy], SPEC)
    params = pipeline.sample(keys, SIZE)
    count = len(keys)
    u = np.asarray(params.values[0]["partner"], np.float64)
    further = 1 + np.minimum(np.floor(u * (count - 1)), count - 2).astype(int)
    done = {n: np.asarray(a) for n, a in pipeline.apply(params, given).items()}
    return (np.arange(count) + further) % count, done


@pytest.mark.parametrize("depth", [None, "depth"])
def test_all_instances_over_the_record(depth):
    given = batch()
    partners, done = run(ma.CopyPaste("ids", 1.0, depth=depth), given)
    for i, k in enumerate(partners):
        ids, others = given["ids"][i].astype(int), given["ids"][k].astype(int)
        there = (others > 0) & (others != 65535)
        if depth is not None:
            near, far = given["depth"][k], given["depth"][i]
            there &= ~np.isnan(near) & (np.isnan(far) | (near < far))
            assert 0.2 < there.mean() < 0.6
        for name in ("image", "depth"):
            expected = given[name][i].copy()
            expected[there] = given[name][k][there]
            np.testing.assert_array_equal(done[name][i], expected)
        expected = given["classes"][i].copy()
        small = there[1::2, 1::2]  # the pixel behind the centre of a larger one
        expected[small] = given["classes"][k][small]
        np.testing.assert_array_equal(done["classes"][i], expected)
        top = ids[ids != 65535].max()
        np.testing.assert_array_equal(done["ids"][i], np.where(there, others + top, ids))
    np.testing.assert_array_equal(done["number"], given["number"])


def test_an_instance_is_pasted_whole_or_not_at_all():
    count = 400
    given = batch(count)
    keys = jax.random.split(jax.random.key(9), count)
    partners, done = run(ma.CopyPaste("ids", 0.3), given, keys)
    pasted = np.zeros((count, 5), bool)
    for i, k in enumerate(partners):
        others, found = given["ids"][k], done["ids"][i]
        top = given["ids"][i][given["ids"][i] != 65535].max()
        for one in range(1, 5):
            shown = found[others == one]
            pasted[i, one] = (shown == one + top).all()
            assert pasted[i, one] or not (shown == one + top).any()
    share = pasted[:, 1:]
    assert stats.binomtest(int(share.sum()), share.size, 0.3).pvalue > 1e-3
    assert abs(np.corrcoef(share[:, 0], share[:, 1])[0, 1]) < 4 / np.sqrt(count)
    for name in ("image", "ids"):
        none = run(ma.CopyPaste("ids", 0.0), batch())[1]
        np.testing.assert_array_equal(none[name], batch()[name])


def test_what_is_refused():
    for copy, text in [
        (ma.CopyPaste("depth"), r"`CopyPaste.instances` must name an entry with role label"),
        (ma.CopyPaste("ids", depth="ids"), r"`CopyPaste.depth` must name an entry with role depth"),
        (ma.CopyPaste("ids", keep="ids"), r"must not hold the instances, 'ids'"),
    ]:
        with pytest.raises(ParameterError, match=text):
            ma.Pipeline([copy], SPEC).sample(KEYS, SIZE)
    camera = ma.DataSpec("seen", list(SPEC.entries.values()), ma.CameraSpec(fov_degrees=60))
    with pytest.raises(ParameterError, match=r"'depth': its values follow the camera"):
        ma.Pipeline([ma.CopyPaste("ids")], camera)
    ma.Pipeline([ma.CopyPaste("ids", depth="depth", keep="depth")], camera)
    given = batch()
    given["ids"][:, 5, 5] = 40_000
    with pytest.raises(RecordError, match=r"fit into uint16, got 40000 and 40000"):
        run(ma.CopyPaste("ids", 1.0), given)
