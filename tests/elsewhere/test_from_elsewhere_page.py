"""docs/from_elsewhere.md has the tables, and its first example runs."""

import re
from pathlib import Path

from multiaug.elsewhere import markdown

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from_elsewhere.md").read_text("utf-8")


def test_the_page_has_both_tables():
    for library in ("albumentations", "torchvision"):
        assert markdown(library) in PAGE


def test_the_example_runs(capsys):
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block[1], "from_elsewhere.md", "exec"), {})
    assert "CLAHE: colours have the lightness of Lab" in capsys.readouterr().out
