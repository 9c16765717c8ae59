"""The contract of every transform at every number of channels, dtype and backend.

By night all of it; by day some cells of a transform that takes all images, and of one that refuses
those without named colours.
"""

import jax
import pytest

from tests.contract.cases import CASES
from tests.contract.product import cells_of, check_cells
from tests.nightly import NIGHTLY

BY_DAY = {"Invert": (1, 13), "Saturation": (13, 200)}


# Of policies on images without colours.
@pytest.mark.filterwarnings("ignore:.*leaves out what the spec:multiaug.MultiaugWarning")
@pytest.mark.cpu
@pytest.mark.parametrize("name", CASES if NIGHTLY else BY_DAY)
def test_cells(name, without_c, record_property):
    some = cells_of(name) if NIGHTLY else cells_of(name, BY_DAY[name], ("uint8", "float32"))
    found = check_cells(name, some, without_c)
    record_property("contract", found.as_data())
    if NIGHTLY:
        jax.clear_caches()  # nothing will be asked for again
