"""No transform is further from its independent reference than its bar."""

import re
from pathlib import Path

import pytest

from tests.nightly import NIGHTLY
from tests.reference.errors import NO_CORE, by_day, covered, everything, exported, lines

PAGE = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"


def test_every_transform_has_a_row_or_a_reason():
    needing = {"Standardize", "Whiten"}
    assert needing <= covered()
    assert covered() | set(NO_CORE) == set(exported())
    assert not covered() & set(NO_CORE)


@pytest.mark.cpu
def test_errors(capsys, record_property):
    rows = everything() if NIGHTLY else by_day()
    record_property("accuracy", len(rows))
    with capsys.disabled():
        print("", *lines(rows), sep="\n")
    assert [row for row in rows if row.failed] == []
    if NIGHTLY:
        found = {(row.transform, row.case, row.by, row.dtype) for row in rows}
        assert found == set(on_page())


def on_page():
    table = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|", PAGE.read_text("utf-8"), re.M)
    return [tuple(cells) for cells in table]


def test_the_page_has_every_transform():
    assert {transform for transform, *_ in on_page()} == covered()
