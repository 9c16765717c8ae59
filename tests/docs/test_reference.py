"""Every public name stands in the reference, once; internal links of pages lead somewhere."""

import importlib
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# What people import from: the package, its doors, and what additions of their own are built with.
WHOLE = (
    "multiaug",
    "multiaug.compare",
    "multiaug.distributed",
    "multiaug.elsewhere",
    "multiaug.errors",
    "multiaug.geometry",
    "multiaug.keras",
    "multiaug.passes",
    "multiaug.preview",
    "multiaug.recipes",
    "multiaug.roles",
    "multiaug.spec",
    "multiaug.statistics",
    "multiaug.store",
    "multiaug.store.codecs",
    "multiaug.studio",
    "multiaug.testing",
    "multiaug.transforms",
    "multiaug.transforms.converters",
)
LISTED = Counter(
    name
    for page in (DOCS / "reference").glob("*.md")
    for name in re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.MULTILINE)
)
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted(DOCS.rglob("*.md"))


def named(dotted: str) -> object:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def public(module: str) -> dict[str, object]:
    """Names that a module exports and that are its own."""
    found = importlib.import_module(module)
    return {
        f"{module}.{name}": value
        for name, value in vars(found).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", "").startswith("multiaug")
    }


@pytest.mark.parametrize("module", WHOLE)
def test_every_public_name_is_in_the_reference(module):
    listed = {id(named(dotted)) for dotted in LISTED}  # by whatever name it stands there
    assert [name for name, value in public(module).items() if id(value) not in listed] == []


def test_what_pages_import_from_is_looked_through():
    """A page that imports from a module makes it one that people import from."""
    pages = [*DOCS.rglob("*.md"), ROOT / "README.md"]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    imported = set(re.findall(r"^from (multiaug[\w.]*) import", text, re.MULTILINE))
    assert len(imported) > 5
    assert imported <= set(WHOLE)


def test_no_name_stands_there_twice_or_for_nothing():
    assert [name for name, count in LISTED.items() if count > 1] == []
    for dotted in LISTED:
        assert named(dotted) is not None, dotted


def anchors(page: Path) -> set[str]:
    """As Python-Markdown and GitHub make them of headings of plain words."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", head.replace("`", "")).strip().lower() for head in heads]
    return {re.sub(r"\s", "-", head) for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_internal_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_docstrings_of_public_names_say_something():
    for dotted in LISTED:
        found = named(dotted)
        if inspect.isclass(found) or inspect.isroutine(found):  # types of settings are neither
            assert inspect.getdoc(found), dotted
