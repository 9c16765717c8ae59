"""The first draws of every transform, frozen: what a seed means is part of a release.

When this test fails, every user's seeds mean something else. If that is intended, write the
new draws with `python -m tests.transforms.test_first_draws` and say so in the changelog.
"""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.transforms import Frame
from tests.contract.cases import CASES, SPEC

FILE = Path(__file__).with_name("first_draws.json")
SEEDS = (0, 1, 2)


def draws(case):
    """Seed -> path of a leaf -> dtype and values."""
    found = {}
    for seed in SEEDS:
        key = jax.random.fold_in(jax.random.key(seed), 0)  # the first transform of a pipeline
        leaves = jax.tree.leaves_with_path(case.sample(key, Frame((16, 16), SPEC)))
        found[str(seed)] = {
            jax.tree_util.keystr(path): [str(leaf.dtype), np.asarray(leaf).tolist()]
            for path, leaf in leaves
        }
    return found


def noise():
    """The first values of the noise itself, which `sample` only gives a seed to."""
    pipeline = ma.Pipeline([ma.GaussianNoise((1, 1))], SPEC)
    record = {"image": np.zeros((4, 4, 3), np.float32), "mask": np.zeros((4, 4), np.uint8)}
    return np.asarray(pipeline(jax.random.key(0), record)["image"])[0].ravel().tolist()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for seed, leaves in expected.items():
        assert found[seed].keys() == leaves.keys()
        for path, (dtype, values) in leaves.items():
            assert found[seed][path][0] == dtype, path
            # To rounding: another platform may have another exp.
            np.testing.assert_allclose(found[seed][path][1], values, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_draws(name):
    assert_same(draws(CASES[name]), json.loads(FILE.read_text())["draws"][name])


def test_noise():
    np.testing.assert_allclose(noise(), json.loads(FILE.read_text())["noise"], rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    frozen = {"draws": {name: draws(case) for name, case in CASES.items()}, "noise": noise()}
    FILE.write_text(json.dumps(frozen, indent=1) + "\n")
