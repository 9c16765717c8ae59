"""What the site makes of pages: notebooks of tutorials, and nothing that is fetched."""

import re
from types import SimpleNamespace

import pytest

from tests.docs.pages import DOCS, blocks, load_hooks

CONFIG = SimpleNamespace(site_url="https://site/", repo_url="https://forge/repo")
TUTORIALS = [page for page in sorted((DOCS / "tutorials").glob("*.md")) if page.stem != "index"]


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_notebook_has_the_code_of_its_page(page):
    made = load_hooks().notebook(page.read_text("utf-8"), CONFIG)
    code = ["".join(c["source"]) for c in made["cells"] if c["cell_type"] == "code"]
    assert code == [block.strip() for block in blocks(page)]
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    text = "".join("".join(c["source"]) for c in made["cells"] if c["cell_type"] == "markdown")
    assert text.startswith("# ")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert link.startswith("https://")
        assert not link.startswith("https://site/") or ".md" not in link


def test_links_and_cells():
    page = "# A\n\n[b](../b.md#c) ![d](../images/d.jpg) [e](../../data_specs/e.md)\n\n"
    page += "```python\nx = 1\n```\n\n```\nno code\n```\n"
    made = load_hooks().notebook(page, CONFIG)
    first, second, third = ("".join(cell["source"]) for cell in made["cells"])
    assert "[b](https://site/b.html#c) ![d](https://site/images/d.jpg)" in first
    assert "[e](https://forge/repo/blob/main/data_specs/e.md)" in first
    assert (second, third) == ("x = 1", "```\nno code\n```")
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown", "code", "markdown"]
    assert made["cells"][1] | {"id": "", "source": []} == {
        "cell_type": "code", "id": "", "metadata": {}, "source": [], "execution_count": None,
        "outputs": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://unpkg.com/a"></script>',
        '<img alt="a" src="//a.b/c.png">',
        '<link rel="stylesheet" href="https://a.b/c.css">',
    ],
)
def test_a_page_that_fetches_fails_the_build(tag):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    own = '<script src="../a.js"></script><link rel="canonical" href="https://a.b">'
    hooks = load_hooks()
    assert hooks.on_post_page(own, page=page, config=CONFIG) == own
    with pytest.raises(ValueError, match=r"a\.md fetches from the network"):
        hooks.on_post_page(own + tag, page=page, config=CONFIG)
