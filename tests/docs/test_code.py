"""Code of README.md and of every page runs: blocks of a page in order, in a folder of its own."""

import contextlib
import multiprocessing.forkserver
import re
import sys
import types
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from multiaug.roles import SPATIAL_ROLES, TABLE_ROLES, _registry
from multiaug.spec import ROLE_TRAITS
from multiaug.statistics import REGISTRY as STATISTICS
from multiaug.store import _kinds
from multiaug.store.codecs import _step
from multiaug.transforms._base import REGISTRY as TRANSFORMS
from tests.docs import pages
from tests.nightly import by_night

REGISTRIES = (ROLE_TRAITS, SPATIAL_ROLES, TABLE_ROLES, _registry._DEFINED, STATISTICS, TRANSFORMS)
REGISTRIES += (_kinds.KINDS, _step._CODECS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in; what a page registers is forgotten behind it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(multiprocessing.forkserver, "set_forkserver_preload", lambda modules: None)
    before = [dict(table) for table in REGISTRIES]
    yield tmp_path
    for table, held in zip(REGISTRIES, before, strict=True):
        table.clear()
        table.update(held)
    sys.modules.pop("page", None)


def execute(code: str, page: Path, names: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # what a reader would see, and no more
        exec(compile(code, str(page), "exec"), names)


def run(page: Path) -> dict:
    module = sys.modules["page"] = types.ModuleType("page")  # what pickles classes looks here
    names = vars(module)
    name = pages.name_of(page)
    pages.PREPARED.get(name, lambda: None)()
    with contextlib.ExitStack() as stack:
        if name in pages.USUAL_PROMOTION:
            stack.enter_context(jax.numpy_rank_promotion("allow"))
            stack.enter_context(jax.numpy_dtype_promotion("standard"))
        for code in pages.blocks(page):
            if not pages.refused(name, code):
                execute(code, page, names)
    return names


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[by_night] if name in pages.BY_NIGHT else [])
        for page in pages.PAGES
        if (name := pages.name_of(page)) not in ("README.md", "recipes.md")
    ],
)
def test_pages(page, folder, capsys):
    run(page)
    printed = capsys.readouterr().out
    name = pages.name_of(page)
    assert all(text in printed for text in pages.PRINTED.get(name, ()))
    if name in pages.PICTURES:
        drawn, shown = pages.PICTURES[name]
        assert f"/images/{shown})" in page.read_text("utf-8")
        levels = [np.asarray(Image.open(path).convert("RGB"), np.float32)
                  for path in (drawn, pages.DOCS / "images" / shown)]  # fmt: skip
        assert np.abs(levels[0] - levels[1]).mean() < 4  # of 255, which JPEG takes


def test_readme(folder):
    names = run(pages.ROOT / "README.md")
    assert Path("sheet.png").is_file()
    assert names["mask"].shape == (256, 256)


def test_recipes(folder):
    """Each of the short blocks on the page gets the spec that its recipe is drawn with."""
    example = pages.recipes_example()
    first, *others = pages.blocks(pages.DOCS / "recipes.md")
    execute(first, pages.DOCS / "recipes.md", {})
    groups = {row.name: row.group for row in ma.recipes.table()}
    for code in others:
        recipe = re.match(r"ma\.recipes\.(\w+)\(spec[,)]", code)[1]
        entries = example.ENTRIES.get(recipe, example.ENTRIES[groups.pop(recipe)])
        spec = ma.DataSpec.from_dict({"name": "scene", "entries": entries})
        execute(code, pages.DOCS / "recipes.md", {"ma": ma, "spec": spec})
    assert groups == {}


def test_what_cannot_run_is_on_its_page():
    """The list is short, every line of it is needed, and names a block that there is."""
    assert len(pages.CANNOT_RUN) <= 6
    for name, start, reason in pages.CANNOT_RUN:
        found = [code for code in pages.blocks(pages.DOCS / name) if code.startswith(start)]
        assert len(found) == 1
        assert reason
        compile(found[0], name, "exec")
    assert set(pages.BY_NIGHT) <= {pages.name_of(page) for page in pages.PAGES}


def test_the_page_of_the_command_names_its_subcommands():
    from multiaug.command import subcommands

    text = (pages.DOCS / "command.md").read_text("utf-8")
    files = {path.stem for path in Path(subcommands.__file__).parent.glob("[!_]*.py")}
    assert {name for name in files if f"multiaug {name}" not in text} == set()
