"""Which tests run by day: compiling is what most of them cost."""

import os

import pytest

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
by_night = pytest.mark.skipif(not NIGHTLY, reason="the nightly run has the whole product")
