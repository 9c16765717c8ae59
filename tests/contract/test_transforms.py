"""Every registered transform keeps the promises of the library."""

import os

import pytest

from multiaug.testing import check_transform
from multiaug.transforms._base import REGISTRY
from tests.contract.cases import CASES, SPEC

# A check compiles four programs, whatever the seed: the nights are for more of them.
SEEDS = range(8) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else (1,)


def test_every_registered_transform_has_a_case():
    assert {type(case).__name__ for case in CASES.values()} == set(REGISTRY)


@pytest.mark.parametrize("name", CASES)
def test_promises(name):
    for seed in SEEDS:
        check_transform(CASES[name], SPEC, seed)
