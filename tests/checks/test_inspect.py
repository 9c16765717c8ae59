"""Findings become one error or warnings, which point at the line of the caller."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.checks import Finding, _inspect, inspect_records


@pytest.fixture
def finding(monkeypatch):
    def found(wrong: bool) -> None:
        one = Finding("image", "found snow, expected grass; mow it.", wrong)
        monkeypatch.setattr(_inspect, "INSPECTORS", (lambda *_: iter([one]),))

    return found


SPEC = ma.load_spec("rgb-segmentation")
RECORDS = {"image": np.zeros((1, 4, 4, 3), np.uint8)}


def test_what_is_wrong_is_refused(finding):
    finding(wrong=True)
    with pytest.raises(ma.RecordError, match=r"my\.zarr does not fit .*\n  image: found snow"):
        inspect_records(SPEC, RECORDS, origin="my.zarr")


def test_what_may_be_meant_is_said_at_the_line_of_the_caller(finding):
    finding(wrong=False)
    with pytest.warns(ma.MultiaugWarning, match=r"my\.zarr, image: found snow") as told:
        inspect_records(SPEC, RECORDS, origin="my.zarr")
    assert told[0].filename == __file__
