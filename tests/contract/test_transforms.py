"""Every registered transform keeps the promises of the library."""

import os
from functools import partial

import jax
import pytest

from multiaug.testing import check_transform
from multiaug.transforms import Frame
from multiaug.transforms._base import REGISTRY
from tests.contract.cases import BY_NIGHT, CASES, SPEC, SPECS
from tests.transforms.test_draws import FROZEN, READING

# A check compiles four programs, whatever the seed: the nights are for more of them.
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SEEDS = range(8) if NIGHTLY else (1,)


def test_every_registered_transform_has_a_case():
    # These need statistics of their frame; tests/transforms/test_whiten.py has their promises.
    fitted = {"Standardize", "Whiten"}
    # Those of multiaug.keras, which need not be imported, are compared with the classic's.
    own = {n for n, made in REGISTRY.items() if made.__module__.startswith("multiaug.transforms")}
    assert {type(case).__name__ for case in CASES.values()} == own - fitted


def test_the_first_draws_of_every_transform_are_frozen():
    frame = Frame((16, 16), SPEC)
    drawing = {
        type(case).__name__
        for case in CASES.values()
        if not case.reads
        and jax.tree.leaves(jax.eval_shape(partial(case.sample, frame=frame), jax.random.key(0)))
    }
    reading = {type(case).__name__ for case in CASES.values() if case.reads}
    assert reading <= set(READING)
    # Affine hands its matrix on.
    assert (drawing | reading) - {"Affine"} == set(FROZEN) | set(READING)


@pytest.mark.parametrize("name", CASES if NIGHTLY else sorted(CASES.keys() - BY_NIGHT))
def test_promises(name):
    for seed in SEEDS:
        check_transform(CASES[name], SPECS.get(name, SPEC), seed)
