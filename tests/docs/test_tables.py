"""The tables of transforms, roles and peers have a row for each transform, and no other."""

import csv
import inspect
import re

import pytest

import multiaug as ma
from multiaug.elsewhere import counterparts
from tests.docs.pages import DOCS, load_hooks

TRANSFORMS = {
    name
    for name, cls in vars(ma.transforms).items()
    if inspect.isclass(cls)
    and issubclass(cls, ma.transforms.Transform)
    and not inspect.isabstract(cls)
}


@pytest.fixture(scope="module")
def hooks():
    return load_hooks()


def rows_of(table: str) -> dict[str, list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {re.search(r"`(\w+)`", row[0])[1]: row[1:] for row in cells}


def test_every_transform_has_a_row_of_peers(hooks):
    with (DOCS / "peers.csv").open(encoding="utf-8") as file:
        names = [row["transform"] for row in csv.DictReader(file)]
    assert names == sorted(TRANSFORMS)
    assert set(rows_of(hooks.peers())) == TRANSFORMS


def test_what_is_translated_is_in_the_table_of_peers(hooks):
    rows = rows_of(hooks.peers())
    for column, library in enumerate(("albumentations", "torchvision")):
        for row in counterparts(library):
            for ours in row.here.split():
                assert f"**`{row.name}`**" in rows[ours][column]
    assert rows["Gain"][3] == "`RandScaleIntensityd`"
    assert rows["CloudMotion"] == ["-"] * 6


def test_no_peer_stands_twice_in_a_cell(hooks):
    for name, cells in rows_of(hooks.peers()).items():
        for cell in cells:
            found = re.findall(r"[\w.]+", cell)
            assert len(found) == len(set(found)), (name, cell)


def test_every_transform_has_a_row_of_roles(hooks):
    table = hooks.touched()
    head = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    rows = rows_of(table)
    assert set(rows) == TRANSFORMS
    touches = {name: {role for role, mark in zip(head[1:], row, strict=True) if mark == "x"}
               for name, row in rows.items()}  # fmt: skip
    assert {"intensity", "label", "position", "keypoints"} <= touches["Rotate"]
    assert touches["Brightness"] == {"intensity"}
    assert "depth" in touches["DepthNoise"]
    assert "intensity" not in touches["DepthNoise"]
    assert rows["OneHot"][-1].endswith("(probability)")
