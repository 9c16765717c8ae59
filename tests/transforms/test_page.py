"""The examples of docs/occlusion.md and docs/policies.md run."""

import re
from pathlib import Path

import pytest

from tests.nightly import by_night

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("occlusion", 4, "values: native"),
        # Policies compile for long; by day test_policies.py has what the page says of them.
        pytest.param("policies", 3, "{'image': 2}", marks=by_night),
    ],
)
def test_the_examples_run(name, count, said, capsys):
    page = DOCS / f"{name}.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == count
    names: dict = {}
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)
    assert said in capsys.readouterr().out
