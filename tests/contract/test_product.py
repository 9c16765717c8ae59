"""The contract of every transform at every number of channels, dtype and backend.

By night all of it; by day some cells of a few transforms.
"""

import jax
import pytest

from tests.contract.cases import CASES
from tests.contract.product import cells_of, check_cells
from tests.nightly import NIGHTLY

BY_DAY = ("HueSaturation",)


# Of policies on images without colours.
@pytest.mark.filterwarnings("ignore:.*leaves out what the spec:multiaug.MultiaugWarning")
@pytest.mark.cpu
@pytest.mark.parametrize("name", CASES if NIGHTLY else BY_DAY)
def test_cells(name, without_c, record_property):
    some = cells_of(name) if NIGHTLY else cells_of(name, (3, 13), ("uint8", "float32"))
    found = check_cells(name, some, without_c)
    record_property("contract", found.as_data())
    if NIGHTLY:
        jax.clear_caches()  # nothing will be asked for again
