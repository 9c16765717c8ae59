"""Code of README.md and of the tutorials runs: blocks of a page in order, in an empty folder."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = [p for p in sorted((ROOT / "docs" / "tutorials").glob("*.md")) if p.stem != "index"]


def run(page: Path) -> dict:
    names: dict = {"__name__": "page"}
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M):
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # what a reader would see, and no more
            exec(compile(code, str(page), "exec"), names)
    return names


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorials(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(page)


def test_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for kind, shape in (("images", (64, 64, 3)), ("masks", (64, 64))):
        Path("my-folder", kind).mkdir(parents=True)
        for i in range(8):
            values = rng.integers(0, 4, shape).astype(np.uint8)
            Image.fromarray(values).save(f"my-folder/{kind}/{i}.png")
    names = run(ROOT / "README.md")
    assert Path("sheet.png").is_file()
    assert names["mask"].shape == (256, 256)


def test_the_page_of_the_command_names_its_subcommands():
    from multiaug.command import subcommands

    text = (ROOT / "docs" / "command.md").read_text("utf-8")
    files = {path.stem for path in Path(subcommands.__file__).parent.glob("[!_]*.py")}
    assert {name for name in files if f"multiaug {name}" not in text} == set()
