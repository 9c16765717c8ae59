"""Every row of the tables in docs/your-data.md is held by a test, and every such test by a row.

A test says which rows it holds by their first cells: ``@pytest.mark.row("`images/` + `masks/`")``.
"""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "your-data.md"


def rows_of_the_page() -> list[str]:
    """The first cell of every table row but heads and rules."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    tables = [i for i, line in enumerate(lines) if re.fullmatch(r"\|[-| :]+\|", line)]
    heads = {i - 1 for i in tables}
    return [
        re.split(r"(?<!\\)\|", line)[1].strip()
        for i, line in enumerate(lines)
        if line.startswith("|") and i not in heads and i not in tables
    ]


def rows_of_the_tests() -> set[str]:
    """What ``pytest.mark.row`` names in the files beside this one."""
    return {
        argument.value
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.row"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }


def test_no_row_stands_twice():
    rows = rows_of_the_page()
    assert sorted(rows) == sorted(set(rows))


def test_rows_and_tests_are_the_same():
    assert rows_of_the_tests() == set(rows_of_the_page())
