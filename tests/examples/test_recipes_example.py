"""The example that draws recipes lists them, and draws one on the stereo scene."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from tests.nightly import by_night

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "recipes.py"


@pytest.fixture
def example(monkeypatch):
    """The example as a module; what it puts on the path is taken off again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    specification = importlib.util.spec_from_file_location("recipes_example", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    yield module
    sys.modules.pop("scene", None)


def test_it_lists_all_recipes(example, capsys):
    assert example.main([]) == 0
    printed = capsys.readouterr().out
    assert all(row.name in printed and row.title in printed for row in ma.recipes.table())


def test_settings_are_json(example):
    found = example.settings_of(["size=[24, 32]", "max_share=null", "flip=0.5"])
    assert found == {"size": (24, 32), "max_share": None, "flip": 0.5}


def test_every_recipe_is_built_for_its_entries_and_shown_in_the_docs(example):
    """All recipes find what they need in what the example gives them, at its settings."""
    docs = EXAMPLE.parents[1] / "docs"
    assert example.markdown().rstrip() in (docs / "recipes.md").read_text(encoding="utf-8")
    sizes = []
    for row in ma.recipes.table():
        entries = example.ENTRIES.get(row.name, example.ENTRIES[row.group])
        spec = ma.DataSpec.from_dict({"name": "scene", "entries": entries})
        assert getattr(ma.recipes, row.name)(spec, **example.SMALL.get(row.name, {}))
        sizes.append((docs / "images" / f"recipe-{row.name}.jpg").stat().st_size)
    assert sum(sizes) < 1_500_000


@by_night
def test_it_draws_all(example, tmp_path):
    assert example.main(["--all", "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.iterdir())) == len(ma.recipes.table())


@by_night
def test_it_draws(example, tmp_path):
    sheet = tmp_path / "new" / "sheet.png"
    assert example.main(["carvana", "--out", str(sheet), "--records", "2"]) == 0
    assert np.asarray(Image.open(sheet)).std() > 10
