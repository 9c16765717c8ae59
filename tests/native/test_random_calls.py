"""The calls that `make sanitize` makes, a few of them, with the library as it is installed."""

import pytest

from multiaug._native import compiled_is_available
from tests.native.random_calls import Calls


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
def test_random_calls():
    kinds = {"warp, alone", "warp, with helpers", "pointwise", "scatter", "chunks"}
    assert set(Calls(0).run(100)) == kinds
